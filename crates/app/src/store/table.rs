//! The table: its client, its name, its shape.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TimeToLiveSpecification,
};
use tandem_core::error::{Failure, Result};

use super::failure::{of_sdk, storage};
use super::meter::Meter;

/// How the table calls itself in failures.
pub(super) const SERVICE: &str = "the table";

/// The one table of an installation. Clones share the client.
#[derive(Clone, Debug)]
pub struct Table {
    pub(super) client: Client,
    pub(super) name: Arc<str>,
}

impl Table {
    /// The table of this name, as the client sees it.
    #[must_use]
    pub fn new(client: Client, name: &str) -> Self {
        Self { client, name: name.into() }
    }
}

/// A client with what the environment says: region, credentials, `AWS_ENDPOINT_URL_DYNAMODB`.
pub async fn client_from_env(meter: Option<Meter>) -> Client {
    client(&aws_config::load_from_env().await, meter)
}

/// A client with the region, credentials and endpoint of `shared`, which counts its calls on `meter`.
#[must_use]
pub fn client(shared: &SdkConfig, meter: Option<Meter>) -> Client {
    let mut builder = Builder::from(shared).timeout_config(timeouts()).retry_config(retries());
    if let Some(meter) = meter {
        builder = builder.interceptor(meter);
    }
    Client::from_conf(builder.build())
}

/// How long a call of AWS may take. The SDK itself waits without end, which a function that is paid by the millisecond,
/// and its caller, can't.
pub(crate) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(3))
        .build()
}

/// How often a call of AWS is tried.
pub(crate) fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(3)
}

/// Makes the table in the shape of the deployment template, for local use and tests. Does nothing when it is there.
///
/// # Errors
/// `Storage` when the table can't be made.
pub async fn create_table(table: &Table) -> Result<()> {
    if is_listed(table).await? {
        return Ok(());
    }
    let request = table
        .client
        .create_table()
        .table_name(&*table.name)
        .attribute_definitions(text_attribute("pk")?)
        .attribute_definitions(text_attribute("sk")?)
        .key_schema(key_part("pk", KeyType::Hash)?)
        .key_schema(key_part("sk", KeyType::Range)?)
        .billing_mode(BillingMode::PayPerRequest);
    match request.send().await {
        Ok(_) => expire_items(table).await,
        Err(error) if error.as_service_error().is_some_and(|e| e.is_resource_in_use_exception()) => Ok(()),
        Err(error) => Err(of_sdk(SERVICE, "CreateTable", &error)),
    }
}

/// Whether the table is in the list of tables. Asking for one that is not there would be an error, which the embedded
/// engine writes to the log.
async fn is_listed(table: &Table) -> Result<bool> {
    let answer = table.client.list_tables().send().await.map_err(|error| of_sdk(SERVICE, "ListTables", &error))?;
    Ok(answer.table_names().iter().any(|name| **name == *table.name))
}

/// Has items deleted some time after the second that their `expires_at` names.
async fn expire_items(table: &Table) -> Result<()> {
    let rule = TimeToLiveSpecification::builder().enabled(true).attribute_name("expires_at").build();
    let request = table.client.update_time_to_live().table_name(&*table.name);
    request
        .time_to_live_specification(rule.map_err(unbuilt)?)
        .send()
        .await
        .map_err(|error| of_sdk(SERVICE, "UpdateTimeToLive", &error))?;
    Ok(())
}

fn text_attribute(name: &str) -> Result<AttributeDefinition> {
    AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build().map_err(unbuilt)
}

fn key_part(name: &str, kind: KeyType) -> Result<KeySchemaElement> {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().map_err(unbuilt)
}

/// The failure of a request that lacks a part which the SDK demands.
pub(super) fn unbuilt(_: BuildError) -> Failure {
    storage("a request to the table could not be built")
}
