// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a service has to be told besides the location: credentials, and where to get them. For whoever collects them (the
//! command line does, from environment and files); the values never appear in a message, a log or `Debug`.

use std::fmt;

use super::location::Provider;

/// Settings that may be given for S3. Names are those of `object_store`, which are mostly those of the environment
/// variables in small letters. Left out on purpose is whatever would change what an operation means (conditional put,
/// unsigned payload, certificate checks).
const S3_NAMES: [&str; 18] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_region",
    "aws_endpoint_url",
    "aws_container_credentials_relative_uri",
    "aws_container_credentials_full_uri",
    "aws_container_authorization_token_file",
    "aws_web_identity_token_file",
    "aws_role_arn",
    "aws_role_session_name",
    "aws_endpoint_url_sts",
    "aws_metadata_endpoint",
    "aws_imdsv1_fallback",
    "aws_skip_signature",
    "aws_request_payer",
    "aws_server_side_encryption",
    "aws_sse_kms_key_id",
];

/// The same for Google.
const GOOGLE_NAMES: [&str; 5] = [
    "google_service_account_path",
    "google_service_account_key",
    "google_application_credentials",
    "google_bearer_token",
    "google_skip_signature",
];

/// The same for Azure.
const AZURE_NAMES: [&str; 13] = [
    "azure_storage_account_key",
    "azure_storage_sas_token",
    "azure_storage_token",
    "azure_client_id",
    "azure_client_secret",
    "azure_tenant_id",
    "azure_authority_host",
    "azure_federated_token_file",
    "azure_msi_endpoint",
    "azure_object_id",
    "azure_msi_resource_id",
    "azure_use_azure_cli",
    "azure_skip_signature",
];

/// Names whose values are secret, of all providers. They are cut out of every message, should a service send them back.
const SECRET_NAMES: [&str; 9] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "google_service_account_key",
    "google_bearer_token",
    "azure_storage_account_key",
    "azure_storage_sas_token",
    "azure_storage_token",
    "azure_client_secret",
];

/// Shorter values are not looked for in messages: they would fit anywhere.
const MIN_SECRET_BYTES: usize = 4;

/// Named settings of one provider.
#[derive(Clone, Default)]
pub struct CloudSettings {
    pairs: Vec<(String, String)>,
}

impl CloudSettings {
    /// No settings: `object_store` then asks the metadata service of the machine.
    pub fn new() -> Self {
        Self::default()
    }

    /// The names that a provider knows; any other is an error of [`super::CloudBackend::open`].
    pub fn names(provider: Provider) -> &'static [&'static str] {
        match provider {
            Provider::S3 => &S3_NAMES,
            Provider::Google => &GOOGLE_NAMES,
            Provider::Azure => &AZURE_NAMES,
        }
    }

    /// Sets one, in place of an earlier value.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.pairs.retain(|(known, _)| known != name);
        self.pairs.push((name.to_string(), value.into()));
    }

    /// The value of one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find_map(|(known, value)| (known == name).then_some(value.as_str()))
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn secrets(&self) -> Secrets {
        let secret =
            self.pairs().filter(|(name, value)| SECRET_NAMES.contains(name) && value.len() >= MIN_SECRET_BYTES);
        Secrets(secret.map(|(_, value)| value.to_string()).collect())
    }
}

impl fmt::Debug for CloudSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.pairs().map(|(name, _)| name)).finish()
    }
}

/// Texts that no message may show.
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// The text without them.
    pub(super) fn scrub(&self, text: &str) -> String {
        self.0.iter().fold(text.to_string(), |text, secret| text.replace(secret.as_str(), "***"))
    }
}
