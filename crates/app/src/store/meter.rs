//! Counts what is asked of the table: calls, and the units that DynamoDB bills on demand.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::batch_get_item::{BatchGetItemInput, BatchGetItemOutput};
use aws_sdk_dynamodb::operation::batch_write_item::BatchWriteItemInput;
use aws_sdk_dynamodb::operation::get_item::{GetItemInput, GetItemOutput};
use aws_sdk_dynamodb::operation::put_item::PutItemInput;
use aws_sdk_dynamodb::operation::query::{QueryInput, QueryOutput};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsInput;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};

type Item = HashMap<String, AttributeValue>;

/// Bytes that a write unit covers.
const WRITE_UNIT: usize = 1024;
/// Bytes that a read unit covers, when the read is strongly consistent, as all of Tandem's are.
const READ_UNIT: usize = 4096;

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
    read_units: AtomicU64,
    write_units: AtomicU64,
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

    /// Read request units so far, worked out from the items that were answered: one for 4 KB of each. Keys
    /// without an item cost DynamoDB a unit, too, and are not among them when they were asked for in a batch.
    #[must_use]
    pub fn read_units(&self) -> u64 {
        self.counts.read_units.load(Ordering::Relaxed)
    }

    /// Write request units so far, worked out from the items that were sent: one for each KB, two within a transaction.
    /// Updates, deletions and checks count as a KB.
    #[must_use]
    pub fn write_units(&self) -> u64 {
        self.counts.write_units.load(Ordering::Relaxed)
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
        if read {
            self.counts.reads.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        self.counts.writes.fetch_add(1, Ordering::Relaxed);
        let units = if let Some(transaction) = input.downcast_ref::<TransactWriteItemsInput>() {
            transaction.transact_items().iter().map(|part| 2 * units_of_part(part)).sum()
        } else if let Some(batch) = input.downcast_ref::<BatchWriteItemInput>() {
            batch.request_items().into_iter().flat_map(HashMap::values).map(Vec::len).sum()
        } else {
            input.downcast_ref::<PutItemInput>().map_or(1, |put| units(put.item(), WRITE_UNIT))
        };
        self.counts.write_units.fetch_add(units as u64, Ordering::Relaxed);
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Ok(output) = context.output_or_error() else { return Ok(()) };
        let units = if let Some(got) = output.downcast_ref::<GetItemOutput>() {
            units(got.item(), READ_UNIT)
        } else if let Some(batch) = output.downcast_ref::<BatchGetItemOutput>() {
            let items = batch.responses().into_iter().flat_map(HashMap::values).flatten();
            items.map(|item| units(Some(item), READ_UNIT)).sum()
        } else if let Some(found) = output.downcast_ref::<QueryOutput>() {
            // A query is billed by the sum of its items.
            found.items().iter().map(size).sum::<usize>().div_ceil(READ_UNIT).max(1)
        } else {
            0
        };
        self.counts.read_units.fetch_add(units as u64, Ordering::Relaxed);
        Ok(())
    }
}

fn units_of_part(part: &TransactWriteItem) -> usize {
    part.put().map_or(1, |put| units(Some(put.item()), WRITE_UNIT))
}

/// The units of an item; one that is not there costs one.
fn units(item: Option<&Item>, unit: usize) -> usize {
    item.map_or(1, |item| size(item).div_ceil(unit).max(1))
}

/// DynamoDB counts names and values.
fn size(item: &Item) -> usize {
    let value = |value: &AttributeValue| match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => number.len().div_ceil(2) + 1,
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        _ => 1,
    };
    item.iter().map(|(name, held)| name.len() + value(held)).sum()
}
