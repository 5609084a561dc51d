// SPDX-License-Identifier: MIT OR Apache-2.0
//! Builds the `object_store` client of a location: which endpoint, which credentials, how it speaks HTTP. Nothing else may
//! decide about these; nothing here sends a request.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, Checksum};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::{HttpClient, HttpConnector};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{BackoffConfig, ClientConfigKey, ClientOptions, Error, ObjectStore, RetryConfig};

use super::endpoint::Endpoint;
use super::location::{Addressing, CloudLocation, LocationError, Provider, UploadChecksum};
use super::options::CloudOptions;
use super::settings::CloudSettings;
use super::transport::Transport;

/// The region of S3 where none is named; services other than Amazon's mostly ignore it.
const DEFAULT_REGION: &str = "us-east-1";

/// Connections are not used again after this time: services close theirs, some after 20 s, and a request on a connection
/// that is being closed fails.
const POOL_IDLE: Duration = Duration::from_secs(15);

/// Machines without a metadata service must learn it soon.
const METADATA_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// They are never behind a proxy.
const METADATA_HOSTS: &str = "169.254.169.254,169.254.170.2,169.254.170.23,metadata.google.internal";

/// A client could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A setting of this name is not known for this provider.
    #[error("there is no setting {name:?} for this kind of storage")]
    UnknownSetting {
        /// Its name.
        name: String,
    },
    /// The endpoint that a setting names is none.
    #[error("the endpoint of the settings can not be used")]
    Endpoint(#[source] LocationError),
    /// `object_store` refused the settings, such as a secret key without an access key.
    #[error("the settings can not be used: {reason}")]
    Settings {
        /// Its words, without secrets.
        reason: String,
    },
    /// No TLS, no threads.
    #[error("can not start the connection to the storage")]
    Start(#[source] std::io::Error),
}

/// A client, and the host that it asks for objects.
pub(super) struct Store {
    pub(super) client: Arc<dyn ObjectStore>,
    /// Host and port. Whatever else is asked gives credentials.
    pub(super) authority: String,
}

/// `object_store` must not try anything again: another attempt turns "unknown whether it was created" into "exists" without
/// the caller knowing, continues a download from the middle, and multiplies the waiting of the caller's own attempts. The
/// caller knows what an error means and may try again; zero ends every loop of `object_store` at its first error, requests
/// for credentials included.
fn no_retries() -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries: 0, retry_timeout: Duration::ZERO }
}

/// Makes the client.
pub(super) fn build(
    location: &CloudLocation,
    settings: &CloudSettings,
    options: &CloudOptions,
) -> Result<Store, OpenError> {
    let known = CloudSettings::names(location.provider);
    if let Some((name, _)) = settings.pairs().find(|(name, _)| !known.contains(name)) {
        return Err(OpenError::UnknownSetting { name: name.to_string() });
    }
    let endpoint = endpoint(location, settings)?;
    let http = Connector { options: options.clone() };
    let client = match location.provider {
        Provider::S3 => s3(location, settings, &endpoint, http),
        Provider::Google => google(location, settings, &endpoint, http),
        Provider::Azure => azure(location, settings, &endpoint, http),
    };
    let refused = |error: Error| OpenError::Settings { reason: settings.secrets().scrub(&error.to_string()) };
    Ok(Store { client: client.map_err(refused)?, authority: endpoint.authority() })
}

fn region<'a>(location: &'a CloudLocation, settings: &'a CloudSettings) -> &'a str {
    location.region.as_deref().or(settings.get("aws_region")).unwrap_or(DEFAULT_REGION)
}

/// Where requests go; for addressing by virtual host with the bucket in it, as `object_store` wants it.
fn endpoint(location: &CloudLocation, settings: &CloudSettings) -> Result<Endpoint, OpenError> {
    let bucket = &location.bucket;
    let of_settings = settings.get("aws_endpoint_url").filter(|_| location.provider == Provider::S3);
    let given = match (&location.endpoint, of_settings) {
        (Some(endpoint), _) => Some(endpoint.clone()),
        (None, Some(url)) => Some(Endpoint::parse(url).map_err(OpenError::Endpoint)?),
        (None, None) => None,
    };
    let endpoint = match (location.provider, given) {
        (Provider::S3, given) => {
            let style = addressing(location, given.is_some());
            let region = region(location, settings);
            let china = if region.starts_with("cn-") { ".cn" } else { "" };
            let endpoint = given.map_or_else(|| Endpoint::parse(&format!("s3.{region}.amazonaws.com{china}")), Ok);
            match style {
                Addressing::Path => endpoint,
                Addressing::VirtualHost => endpoint.and_then(|endpoint| endpoint.with_host_prefix(bucket)),
            }
        }
        (_, Some(endpoint)) => Ok(endpoint),
        (Provider::Google, None) => Endpoint::parse("storage.googleapis.com"),
        (Provider::Azure, None) => Endpoint::parse(&format!("{}.blob.core.windows.net", location.account)),
    };
    endpoint.map_err(OpenError::Endpoint)
}

fn addressing(location: &CloudLocation, has_endpoint: bool) -> Addressing {
    let by_path = has_endpoint || location.bucket.contains('.');
    location.addressing.unwrap_or(if by_path { Addressing::Path } else { Addressing::VirtualHost })
}

fn client_options(endpoint: &Endpoint) -> ClientOptions {
    ClientOptions::new().with_allow_http(endpoint.is_plain_http())
}

fn s3(
    location: &CloudLocation,
    settings: &CloudSettings,
    endpoint: &Endpoint,
    http: Connector,
) -> Result<Arc<dyn ObjectStore>, Error> {
    let own = ["aws_region", "aws_endpoint_url"];
    let mut builder = AmazonS3Builder::new();
    for (name, value) in settings.pairs().filter(|(name, _)| !own.contains(name)) {
        builder = builder.with_config(name.parse::<AmazonS3ConfigKey>()?, value);
    }
    if location.checksum == UploadChecksum::Sha256 {
        builder = builder.with_checksum_algorithm(Checksum::SHA256);
    }
    let style = addressing(location, location.endpoint.is_some() || settings.get("aws_endpoint_url").is_some());
    let store = builder
        .with_bucket_name(&location.bucket)
        .with_region(region(location, settings))
        .with_endpoint(endpoint.as_str())
        .with_virtual_hosted_style_request(style == Addressing::VirtualHost)
        // One `DELETE` for one object: its answer has a status of its own, and every service has it.
        .with_disable_bulk_delete(true)
        .with_client_options(client_options(endpoint))
        .with_retry(no_retries())
        .with_http_connector(http)
        .build()?;
    Ok(Arc::new(store))
}

fn google(
    location: &CloudLocation,
    settings: &CloudSettings,
    endpoint: &Endpoint,
    http: Connector,
) -> Result<Arc<dyn ObjectStore>, Error> {
    let mut builder = GoogleCloudStorageBuilder::new();
    for (name, value) in settings.pairs() {
        builder = builder.with_config(name.parse::<GoogleConfigKey>()?, value);
    }
    let store = builder
        .with_bucket_name(&location.bucket)
        .with_base_url(endpoint.as_str())
        .with_client_options(client_options(endpoint))
        .with_retry(no_retries())
        .with_http_connector(http)
        .build()?;
    Ok(Arc::new(store))
}

fn azure(
    location: &CloudLocation,
    settings: &CloudSettings,
    endpoint: &Endpoint,
    http: Connector,
) -> Result<Arc<dyn ObjectStore>, Error> {
    let mut builder = MicrosoftAzureBuilder::new();
    for (name, value) in settings.pairs() {
        builder = builder.with_config(name.parse::<AzureConfigKey>()?, value);
    }
    let store = builder
        .with_account(&location.account)
        .with_container_name(&location.bucket)
        .with_endpoint(endpoint.as_str().to_string())
        .with_client_options(client_options(endpoint))
        .with_retry(no_retries())
        .with_http_connector(http)
        .build()?;
    Ok(Arc::new(store))
}

/// Makes the HTTP clients: one for objects, others for credentials.
#[derive(Debug)]
struct Connector {
    options: CloudOptions,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> Result<HttpClient, Error> {
        // reqwest takes the provider of the process. Another one that is there already does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let failed = |source: reqwest::Error| Error::Generic { store: "HTTP", source: source.into() };
        // Without the cause, which could repeat a password.
        let bad_proxy = || Error::Generic { store: "HTTP", source: "the URL of the proxy can not be used".into() };
        let allows_http = options.get_config_value(&ClientConfigKey::AllowHttp).is_some_and(|value| value == "true");
        let limits = &self.options;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("keepfast/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            // An answer that points elsewhere is an error: the wrong region, or not the service.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .timeout(limits.request_timeout)
            .connect_timeout(limits.connect_timeout)
            .pool_idle_timeout(POOL_IDLE);
        builder = match &limits.proxy {
            Some(proxy) => {
                let direct = reqwest::NoProxy::from_string(&format!("{METADATA_HOSTS},{}", limits.proxy_exceptions));
                builder.proxy(reqwest::Proxy::all(proxy).map_err(|_| bad_proxy())?.no_proxy(direct))
            }
            None => builder.no_proxy(),
        };
        if is_for_metadata(options) {
            builder = builder.connect_timeout(METADATA_CONNECT_TIMEOUT.min(limits.connect_timeout));
        }
        builder = if allows_http {
            // Plain HTTP was asked for, or it is a metadata service: no certificate will be seen, and none is loaded.
            builder.tls_certs_only([])
        } else {
            builder.https_only(true)
        };
        let client = builder.build().map_err(failed)?;
        Ok(HttpClient::new(Transport::new(client, limits.idle_timeout)))
    }
}

/// `object_store` tells a client for metadata by its connect timeout only.
fn is_for_metadata(options: &ClientOptions) -> bool {
    let short = ClientOptions::new().with_connect_timeout(METADATA_CONNECT_TIMEOUT);
    let timeout = |options: &ClientOptions| options.get_config_value(&ClientConfigKey::ConnectTimeout);
    timeout(options) == timeout(&short)
}
