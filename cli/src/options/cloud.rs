// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an object store has to be told: credentials, region, proxy. From the variables and files that the services' own
//! tools use, so that whoever can use those need set nothing for keepfast. Values are never shown.

mod profile;
#[cfg(test)]
mod tests;

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use keepfast_engine::storage::cloud::{CloudBackend, CloudLocation, CloudOptions, CloudSettings, Provider};

use self::profile::{Profile, ProfileFiles};
use crate::exit::Failure;

/// Variables of Amazon's tools, and the settings they give; of several for one setting the first that is set counts.
/// Profiles and metadata are looked at only where these give no credentials.
const AWS_VARIABLES: [(&str, &str); 16] = [
    ("AWS_ACCESS_KEY_ID", "aws_access_key_id"),
    ("AWS_SECRET_ACCESS_KEY", "aws_secret_access_key"),
    ("AWS_SESSION_TOKEN", "aws_session_token"),
    ("AWS_REGION", "aws_region"),
    ("AWS_DEFAULT_REGION", "aws_region"),
    ("AWS_ENDPOINT_URL_S3", "aws_endpoint_url"),
    ("AWS_ENDPOINT_URL", "aws_endpoint_url"),
    ("AWS_ENDPOINT_URL_STS", "aws_endpoint_url_sts"),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "aws_web_identity_token_file"),
    ("AWS_ROLE_ARN", "aws_role_arn"),
    ("AWS_ROLE_SESSION_NAME", "aws_role_session_name"),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "aws_container_credentials_relative_uri"),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "aws_container_credentials_full_uri"),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "aws_container_authorization_token_file"),
    ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "aws_metadata_endpoint"),
    ("AWS_REQUEST_PAYER", "aws_request_payer"),
];

/// The same of Google's tools.
const GOOGLE_VARIABLES: [(&str, &str); 6] = [
    ("GOOGLE_BEARER_TOKEN", "google_bearer_token"),
    ("GOOGLE_OAUTH_ACCESS_TOKEN", "google_bearer_token"),
    ("GOOGLE_SERVICE_ACCOUNT_KEY", "google_service_account_key"),
    ("GOOGLE_SERVICE_ACCOUNT", "google_service_account_path"),
    ("GOOGLE_SERVICE_ACCOUNT_PATH", "google_service_account_path"),
    ("GOOGLE_APPLICATION_CREDENTIALS", "google_application_credentials"),
];

/// The same of Azure's tools.
const AZURE_VARIABLES: [(&str, &str); 12] = [
    ("AZURE_STORAGE_KEY", "azure_storage_account_key"),
    ("AZURE_STORAGE_ACCOUNT_KEY", "azure_storage_account_key"),
    ("AZURE_STORAGE_SAS_TOKEN", "azure_storage_sas_token"),
    ("AZURE_STORAGE_TOKEN", "azure_storage_token"),
    ("AZURE_CLIENT_ID", "azure_client_id"),
    ("AZURE_CLIENT_SECRET", "azure_client_secret"),
    ("AZURE_TENANT_ID", "azure_tenant_id"),
    ("AZURE_AUTHORITY_HOST", "azure_authority_host"),
    ("AZURE_FEDERATED_TOKEN_FILE", "azure_federated_token_file"),
    ("IDENTITY_ENDPOINT", "azure_msi_endpoint"),
    ("MSI_ENDPOINT", "azure_msi_endpoint"),
    ("AZURE_USE_AZURE_CLI", "azure_use_azure_cli"),
];

/// The client of an object store, with what the environment of this process gives. `idle_timeout` replaces the usual one.
///
/// # Errors
/// A variable is not UTF-8, a profile does not exist or is of a kind that keepfast does not know, or the client refuses
/// the settings.
pub fn backend(location: &CloudLocation, idle_timeout: Option<Duration>) -> Result<CloudBackend, Failure> {
    let environment =
        Environment { variable: &|name| env::var_os(name).map(|value| value.into_string().map_err(drop)) };
    let settings = environment.settings(location.provider())?;
    let mut options = environment.options(location)?;
    options.idle_timeout = idle_timeout.unwrap_or(options.idle_timeout);
    CloudBackend::open(location, &settings, &options).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Failure::other(format!("can not use {location}: {error}{cause}"))
    })
}

/// Variables, as the process has them or a test thinks them up. `Err` for one that is not UTF-8.
struct Environment<'a> {
    variable: &'a dyn Fn(&str) -> Option<Result<String, ()>>,
}

impl Environment<'_> {
    fn get(&self, name: &str) -> Result<Option<String>, Failure> {
        match (self.variable)(name) {
            Some(Err(())) => Err(Failure::other(format!("{name} is not UTF-8"))),
            Some(Ok(value)) => Ok(Some(value).filter(|value| !value.is_empty())),
            None => Ok(None),
        }
    }

    fn settings(&self, provider: Provider) -> Result<CloudSettings, Failure> {
        let mut settings = CloudSettings::new();
        let variables: &[(&str, &str)] = match provider {
            Provider::S3 => &AWS_VARIABLES,
            Provider::Google => &GOOGLE_VARIABLES,
            Provider::Azure => &AZURE_VARIABLES,
        };
        for (variable, setting) in variables {
            if settings.get(setting).is_none()
                && let Some(value) = self.get(variable)?
            {
                settings.set(setting, value);
            }
        }
        if provider == Provider::S3 {
            self.complete_from_profile(&mut settings)?;
        }
        Ok(settings)
    }

    /// Adds what the profile says and no variable does. Its credentials count only as a whole.
    fn complete_from_profile(&self, settings: &mut CloudSettings) -> Result<(), Failure> {
        let has = |settings: &CloudSettings, name: &str| settings.get(name).is_some();
        let has_keys = has(settings, "aws_access_key_id") || has(settings, "aws_secret_access_key");
        let profile = self.profile()?;
        if let Some(profile) = &profile {
            for (key, setting) in [("region", "aws_region"), ("endpoint_url", "aws_endpoint_url")] {
                if let Some(value) = profile.get(key).filter(|_| !has(settings, setting)) {
                    settings.set(setting, value);
                }
            }
        }
        if has_keys || has(settings, "aws_web_identity_token_file") {
            return Ok(());
        }
        if let Some(profile) = &profile
            && profile.give_credentials(settings)?
        {
            return Ok(());
        }
        let has_container = has(settings, "aws_container_credentials_relative_uri")
            || has(settings, "aws_container_credentials_full_uri");
        let is_disabled =
            self.get("AWS_EC2_METADATA_DISABLED")?.is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if is_disabled && !has_container {
            return Err(Failure::Other {
                message: "there are no credentials for S3".to_string(),
                hint: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE".to_string(),
            });
        }
        Ok(())
    }

    /// The profile of Amazon's files: the one that is named, else `default` if there is one.
    fn profile(&self) -> Result<Option<Profile>, Failure> {
        let home = self.get("HOME")?.map(PathBuf::from);
        let file = |variable: &str, below_home: &str| -> Result<Option<PathBuf>, Failure> {
            let named = self.get(variable)?.map(PathBuf::from);
            Ok(named.or_else(|| home.as_ref().map(|home| home.join(below_home))))
        };
        let files = ProfileFiles {
            credentials: file("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")?,
            config: file("AWS_CONFIG_FILE", ".aws/config")?,
        };
        let named = self.get("AWS_PROFILE")?;
        let profile = files.read(named.as_deref().unwrap_or("default"))?;
        match (profile, named) {
            (None, Some(name)) => {
                Err(Failure::other(format!("AWS_PROFILE names the profile {name:?}, which no file has")))
            }
            (profile, _) => Ok(profile),
        }
    }

    /// Proxy by the usual variables; the small spelling of `http_proxy` only, because the large one can be set by whoever
    /// sends a request to a web server.
    fn options(&self, location: &CloudLocation) -> Result<CloudOptions, Failure> {
        let first = |names: &[&str]| -> Result<Option<String>, Failure> {
            for name in names {
                if let Some(value) = self.get(name)? {
                    return Ok(Some(value));
                }
            }
            Ok(None)
        };
        let proxy = match location.is_plain_http() {
            true => first(&["http_proxy", "all_proxy", "ALL_PROXY"])?,
            false => first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?,
        };
        let proxy_exceptions = first(&["no_proxy", "NO_PROXY"])?.unwrap_or_default();
        Ok(CloudOptions { proxy, proxy_exceptions, ..CloudOptions::default() })
    }
}
