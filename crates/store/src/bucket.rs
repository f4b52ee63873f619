//! Object stores: how a bucket is reached.
//!
//! Credentials, endpoints and regions come from the variables of the environment that each
//! service's own tools read, by the builders of `object_store`: keys, web identities, and else the
//! role of the instance, the task or the pod. The address names the bucket only.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig};

use crate::error::{Result, StoreError};
use crate::location::{Location, Service};

/// The time for one request with its body, unless the environment says otherwise (`AWS_TIMEOUT`):
/// a file of a hundred megabytes passes through a line of some 15 Mbit/s.
const REQUEST_TIME: &str = "60s";

/// Variables by name, as a process has them.
pub(crate) type Variables = Vec<(String, String)>;

/// The variables of this process. What is not text is no setting.
pub(crate) fn process_variables() -> Variables {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

/// How often and for how long a request is tried: a store that is away is an error within seconds,
/// and the drainer tries again.
fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            base: 2.0,
        },
        max_retries: 8,
        retry_timeout: Duration::from_secs(20),
    }
}

/// The object store of `service` whose bucket `location` names, reached as `variables` say.
///
/// # Errors
///
/// [`StoreError::Settings`] if the variables contradict each other or lack something. Nothing is
/// sent.
pub(crate) fn connect(
    location: &Location,
    service: Service,
    variables: &Variables,
) -> Result<Arc<dyn ObjectStore>> {
    let url = location.url().as_str();
    let failed = |error: object_store::Error| StoreError::Settings {
        location: location.shown(),
        reason: error.to_string(),
    };
    Ok(match service {
        Service::S3 => {
            check_s3(location, variables)?;
            let timeout = AmazonS3ConfigKey::Client(ClientConfigKey::Timeout);
            let builder = AmazonS3Builder::new().with_config(timeout, REQUEST_TIME);
            let builder = settings(variables, "AWS_")
                .fold(builder, |builder, (key, value)| builder.with_config(key, value));
            Arc::new(builder.with_url(url).with_retry(retries()).build().map_err(failed)?)
        }
        Service::Google => {
            let timeout = GoogleConfigKey::Client(ClientConfigKey::Timeout);
            let builder = GoogleCloudStorageBuilder::new().with_config(timeout, REQUEST_TIME);
            let builder = settings(variables, "GOOGLE_")
                .fold(builder, |builder, (key, value)| builder.with_config(key, value));
            Arc::new(builder.with_url(url).with_retry(retries()).build().map_err(failed)?)
        }
        Service::Azure => {
            let timeout = AzureConfigKey::Client(ClientConfigKey::Timeout);
            let builder = MicrosoftAzureBuilder::new().with_config(timeout, REQUEST_TIME);
            let builder = settings(variables, "AZURE_")
                .fold(builder, |builder, (key, value)| builder.with_config(key, value));
            Arc::new(builder.with_url(url).with_retry(retries()).build().map_err(failed)?)
        }
    })
}

/// The settings among `variables`: those with the service's prefix that it knows and that are not
/// empty.
fn settings<K: FromStr>(variables: &Variables, prefix: &str) -> impl Iterator<Item = (K, String)> {
    variables.iter().filter_map(move |(name, value)| {
        let is_set = name.starts_with(prefix) && !value.is_empty();
        Some((is_set.then(|| name.to_ascii_lowercase().parse().ok())??, value.clone()))
    })
}

/// Says at once what would only fail later, and elsewhere.
fn check_s3(location: &Location, variables: &Variables) -> Result<()> {
    let value = |name: &str| {
        let found = variables.iter().find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    };
    let wrong = |reason: &str| {
        Err(StoreError::Settings { location: location.shown(), reason: reason.to_owned() })
    };
    let has_keys = ["AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_SKIP_SIGNATURE"]
        .into_iter()
        .any(|name| value(name).is_some());
    if value("AWS_PROFILE").is_some() && !has_keys {
        return wrong(
            "profiles (AWS_PROFILE) are not read: put the profile's keys into the environment, as \
             `eval \"$(aws configure export-credentials --format env)\"` does",
        );
    }
    let endpoint = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]
        .into_iter()
        .find_map(value)
        .unwrap_or_default();
    let allows_http = value("AWS_ALLOW_HTTP").is_some_and(|text| {
        ["1", "true", "on", "yes", "y"].contains(&text.to_ascii_lowercase().as_str())
    });
    if endpoint.starts_with("http://") && !allows_http {
        return wrong(
            "the endpoint begins with http://: use https://, or set AWS_ALLOW_HTTP=true to send \
             events without encryption",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::connect;
    use crate::error::StoreError;
    use crate::location::{Location, Place};

    fn build(address: &str, variables: &[(&str, &str)]) -> Result<String, String> {
        let location = Location::parse(address).unwrap();
        let Place::Bucket(service) = *location.place() else { panic!("{address} is a folder") };
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        match connect(&location, service, &variables.iter().map(owned).collect()) {
            Ok(store) => Ok(store.to_string()),
            Err(StoreError::Settings { reason, .. }) => Err(reason),
            Err(error) => panic!("{error:?}"),
        }
    }

    #[test]
    fn each_service_is_reached_with_its_own_variables() {
        let key = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")];
        assert_eq!(build("s3://shop/trail", &key).unwrap(), "AmazonS3(shop)");
        // The role of the instance, with nothing to say of it.
        assert_eq!(build("s3://shop/trail", &[]).unwrap(), "AmazonS3(shop)");
        let key = r#"{"gcs_base_url": "https://localhost", "disable_oauth": true,
            "client_email": "", "private_key": "", "private_key_id": ""}"#;
        let google = build("gs://shop/trail", &[("GOOGLE_SERVICE_ACCOUNT_KEY", key)]).unwrap();
        assert_eq!(google, "GoogleCloudStorage(shop)");
        let azure =
            [("AZURE_STORAGE_ACCOUNT_NAME", "audit"), ("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0")];
        let azure = build("az://shop/trail", &azure).unwrap();
        assert!(azure.contains("audit") && azure.contains("shop"), "{azure}");
    }

    #[test]
    fn variables_that_do_not_suffice_are_named() {
        let half = build("s3://shop/trail", &[("AWS_ACCESS_KEY_ID", "a")]).unwrap_err();
        assert!(half.contains("SecretAccessKey"), "{half}");
        let account = build("az://shop/trail", &[]).unwrap_err();
        assert!(account.to_lowercase().contains("account"), "{account}");
        let file = [("GOOGLE_SERVICE_ACCOUNT", "/nowhere/key.json")];
        let file = build("gs://shop/trail", &file).unwrap_err();
        assert!(file.contains("/nowhere/key.json"), "{file}");
    }

    #[test]
    fn a_profile_is_not_passed_over_in_silence() {
        let profile = ("AWS_PROFILE", "audit");
        let refused = build("s3://shop/trail", &[profile]).unwrap_err();
        assert!(refused.contains("export-credentials"), "{refused}");
        let key = [profile, ("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")];
        build("s3://shop/trail", &key).unwrap();
        build("s3://shop/trail", &[("AWS_PROFILE", "")]).unwrap();
    }

    #[test]
    fn events_are_not_sent_unencrypted_unless_asked() {
        let endpoint = ("AWS_ENDPOINT_URL", "http://127.0.0.1:9000");
        let refused = build("s3://shop/trail", &[endpoint]).unwrap_err();
        assert!(refused.contains("AWS_ALLOW_HTTP"), "{refused}");
        build("s3://shop/trail", &[endpoint, ("AWS_ALLOW_HTTP", "true")]).unwrap();
    }
}
