//! Counts what is asked of the table: calls, and the units that DynamoDB bills on demand.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::batch_execute_statement::BatchExecuteStatementInput;
use aws_sdk_dynamodb::operation::batch_get_item::{BatchGetItemInput, BatchGetItemOutput};
use aws_sdk_dynamodb::operation::batch_write_item::BatchWriteItemInput;
use aws_sdk_dynamodb::operation::get_item::{GetItemInput, GetItemOutput};
use aws_sdk_dynamodb::operation::put_item::PutItemInput;
use aws_sdk_dynamodb::operation::query::{QueryInput, QueryOutput};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsInput;
use aws_sdk_dynamodb::types::{AttributeValue, BatchStatementRequest, TransactWriteItem, WriteRequest};

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
    units_by_item: Mutex<BTreeMap<String, u64>>,
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

    /// The same by what was written: `record`, `identity`, `outbox` and so on, as keys name it. Updates and single deletions are not
    /// told apart: they are `other`.
    #[must_use]
    pub fn write_units_by_item(&self) -> BTreeMap<String, u64> {
        self.counts.units_by_item.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, written: &[(String, usize)]) {
        let mut units = self.counts.units_by_item.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, count) in written {
            *units.entry(name.clone()).or_default() += *count as u64;
            self.counts.write_units.fetch_add(*count as u64, Ordering::Relaxed);
        }
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
        let written = if let Some(transaction) = input.downcast_ref::<TransactWriteItemsInput>() {
            transaction.transact_items().iter().map(of_part).collect()
        } else if let Some(batch) = input.downcast_ref::<BatchWriteItemInput>() {
            batch.request_items().into_iter().flat_map(HashMap::values).flatten().map(of_request).collect()
        } else if let Some(batch) = input.downcast_ref::<BatchExecuteStatementInput>() {
            batch.statements().iter().map(of_statement).collect()
        } else {
            vec![of_item(input.downcast_ref::<PutItemInput>().and_then(PutItemInput::item), 1)]
        };
        self.note(&written);
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

/// What an item is called, and its units: each as often as `times`. One that is deleted counts as a KB.
fn of_item(put: Option<&Item>, times: usize) -> (String, usize) {
    (put.and_then(name_of).unwrap_or_else(|| "other".to_owned()), times * units(put, WRITE_UNIT))
}

/// Parts of a transaction are billed twice.
fn of_part(part: &TransactWriteItem) -> (String, usize) {
    let deleted = part.delete().and_then(|delete| name_of(delete.key()));
    let (put, units) = of_item(part.put().map(aws_sdk_dynamodb::types::Put::item), 2);
    (deleted.unwrap_or(put), units)
}

fn of_request(request: &WriteRequest) -> (String, usize) {
    let deleted = request.delete_request().and_then(|delete| name_of(delete.key()));
    let (put, units) = of_item(request.put_request().map(aws_sdk_dynamodb::types::PutRequest::item), 1);
    (deleted.unwrap_or(put), units)
}

/// A statement names its item by the key among its parameters. What a condition compares with counts, too, and is next to
/// nothing.
fn of_statement(statement: &BatchStatementRequest) -> (String, usize) {
    let parameters = statement.parameters();
    let is_pk =
        |value: &AttributeValue| value.as_s().is_ok_and(|text| text.starts_with("T#") || text.starts_with("I#"));
    let key = parameters.iter().skip_while(|value| !is_pk(value)).take(2).cloned();
    let key: Item = ["pk".to_owned(), "sk".to_owned()].into_iter().zip(key).collect();
    let size: usize = parameters.iter().map(size_of).sum();
    (name_of(&key).unwrap_or_else(|| "other".to_owned()), size.div_ceil(WRITE_UNIT).max(1))
}

/// What its keys call an item: the word behind tenant and integration, and in a record's partition that of the sort key.
fn name_of(item: &Item) -> Option<String> {
    let word = |attribute: &str, place: usize| {
        let key = item.get(attribute)?.as_s().ok()?;
        key.split('#').nth(place).map(str::to_owned)
    };
    let of_integration = item.get("pk")?.as_s().ok()?.starts_with("I#");
    match word("pk", if of_integration { 3 } else { 2 })? {
        name if name == "record" => word("sk", 0),
        name => Some(name),
    }
}

/// The units of an item; one that is not there costs one.
fn units(item: Option<&Item>, unit: usize) -> usize {
    item.map_or(1, |item| size(item).div_ceil(unit).max(1))
}

/// DynamoDB counts names and values.
fn size(item: &Item) -> usize {
    item.iter().map(|(name, held)| name.len() + size_of(held)).sum()
}

fn size_of(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => number.len().div_ceil(2) + 1,
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        // A list takes three bytes, and one for each of its values.
        AttributeValue::L(values) => 3 + values.iter().map(|value| 1 + size_of(value)).sum::<usize>(),
        _ => 1,
    }
}
