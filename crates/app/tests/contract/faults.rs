//! A table whose calls are done while their answers get lost, and one whose writes wait until a test lets them go.

use std::sync::Arc;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::{
    BeforeDeserializationInterceptorContextMut, BeforeSerializationInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, ConfigBag, Credentials, Intercept, Region, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::batch_execute_statement::BatchExecuteStatementInput;
use aws_sdk_dynamodb::operation::batch_write_item::BatchWriteItemInput;
use aws_sdk_dynamodb::operation::put_item::PutItemInput;
use tandem_app::local_table::LocalTable;
use tandem_app::store::Table;

/// Loses the answers of the next calls: what was done looks like a failure that passes, and the SDK repeats the request.
#[derive(Clone, Debug, Default)]
pub struct LostReplies(Arc<AtomicU32>);

impl LostReplies {
    /// As many of the next answers are lost.
    pub fn lose(&self, answers: u32) {
        self.0.store(answers, Ordering::SeqCst);
    }

    /// How many are still to be lost.
    pub fn left(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Intercept for LostReplies {
    fn name(&self) -> &'static str {
        "LostReplies"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            *context.response_mut().status_mut() = 500_u16.try_into()?;
        }
        Ok(())
    }
}

/// Holds each `PutItem`, or each batch of one kind, back, from when the test meets it at `reached` until the test meets it at `released`.
#[derive(Clone, Debug)]
pub struct HeldPut {
    /// The write is ready to be sent.
    pub reached: Arc<Barrier>,
    /// The write goes on.
    pub released: Arc<Barrier>,
    of: Held,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Held {
    Puts,
    Batches,
    Statements,
}

impl HeldPut {
    pub fn new() -> Self {
        Self { reached: Arc::new(Barrier::new(2)), released: Arc::new(Barrier::new(2)), of: Held::Puts }
    }

    pub fn of_batches() -> Self {
        Self { of: Held::Batches, ..Self::new() }
    }

    pub fn of_statements() -> Self {
        Self { of: Held::Statements, ..Self::new() }
    }
}

impl Intercept for HeldPut {
    fn name(&self) -> &'static str {
        "HeldPut"
    }

    fn read_before_execution(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let input = context.input();
        let is_held = match self.of {
            Held::Puts => input.downcast_ref::<PutItemInput>().is_some(),
            Held::Batches => input.downcast_ref::<BatchWriteItemInput>().is_some(),
            Held::Statements => input.downcast_ref::<BatchExecuteStatementInput>().is_some(),
        };
        if is_held {
            self.reached.wait();
            self.released.wait();
        }
        Ok(())
    }
}

/// The table of `local` through a client of its own, which does as `fault` says.
pub fn faulty(local: &LocalTable, fault: impl Intercept + 'static) -> Table {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(Credentials::new(&local.access().access_key_id, "local", None, None, "tests"))
        .endpoint_url(local.endpoint())
        .interceptor(fault)
        .build();
    Table::new(Client::from_conf(config), "tandem")
}
