//! Counts the calls that are made to the table.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::config::interceptors::BeforeSerializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemInput;
use aws_sdk_dynamodb::operation::get_item::GetItemInput;
use aws_sdk_dynamodb::operation::query::QueryInput;

/// Counts reads and writes of the client that it is attached to. An operation counts once, however often the SDK tries
/// it. Clones share their counts.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    reads: AtomicU64,
    writes: AtomicU64,
}

impl Meter {
    /// Gets, batch gets and queries so far.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.counts.reads.load(Ordering::Relaxed)
    }

    /// All other operations so far.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.counts.writes.load(Ordering::Relaxed)
    }
}

impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "Meter"
    }

    fn read_before_execution(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let input = context.input();
        let read = input.downcast_ref::<GetItemInput>().is_some()
            || input.downcast_ref::<BatchGetItemInput>().is_some()
            || input.downcast_ref::<QueryInput>().is_some();
        let count = if read { &self.counts.reads } else { &self.counts.writes };
        count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
