//! The calls of the table. Reads are strongly consistent; single writes are conditional.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValuesOnConditionCheckFailure, Select};
use futures::{StreamExt, TryStreamExt};
use tandem_core::error::{Failure, Result};
use tandem_core::ports::Attempt;

use super::condition::Condition;
use super::failure::{of_sdk, storage};
use super::keys::Key;
use super::row::{Item, attributes, key_of};
use super::table::{SERVICE, Table, unbuilt};

/// How long a batch waits before it asks again for what DynamoDB left out, time after time; then it gives up.
pub(super) const BATCH_PAUSES: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(100), Duration::from_millis(200)];

/// The most keys that one batch get takes.
const GET_AT_MOST: usize = 100;
/// How many calls of bulk work are under way at once.
pub(super) const CALLS_AT_ONCE: usize = 4;

/// What became of a conditional put.
pub(super) enum Put {
    /// The item is as it was given.
    Done,
    /// The condition did not hold, or a transaction was writing the item; this is what is there.
    Refused(Item),
}

impl Table {
    /// One item. One read call, none for a key that no item can have.
    pub(super) async fn get(&self, key: Key) -> Result<Option<Item>> {
        if !key.fits() {
            return Ok(None);
        }
        let request = self.client.get_item().table_name(&*self.name).set_key(Some(attributes(key)));
        let answer = request.consistent_read(true).send().await.map_err(|e| of_sdk(SERVICE, "GetItem", &e))?;
        Ok(answer.item)
    }

    /// Those of the items that are there, by key. One read call, unless DynamoDB leaves keys out.
    pub(super) async fn get_all(&self, keys: Vec<Key>) -> Result<HashMap<Key, Item>> {
        let mut found = HashMap::new();
        let mut left = self.get_some(keys_and_attributes(keys)?, &mut found).await?;
        for pause in BATCH_PAUSES {
            let Some(wanted) = left else { return Ok(found) };
            tokio::time::sleep(pause).await;
            left = self.get_some(wanted, &mut found).await?;
        }
        if left.is_none() { Ok(found) } else { Err(storage("the table is throttled: it keeps leaving out items")) }
    }

    /// Adds to `found` what DynamoDB gives of the wanted items, and returns the keys that it left out.
    async fn get_some(
        &self,
        wanted: KeysAndAttributes,
        found: &mut HashMap<Key, Item>,
    ) -> Result<Option<KeysAndAttributes>> {
        let request = self.client.batch_get_item().request_items(&*self.name, wanted);
        let answer = request.send().await.map_err(|e| of_sdk(SERVICE, "BatchGetItem", &e))?;
        let items = answer.responses.into_iter().flat_map(HashMap::into_values).flatten();
        found.extend(items.filter_map(|item| Some((key_of(&item)?, item))));
        Ok(answer.unprocessed_keys.and_then(|mut left| left.remove(&*self.name)))
    }

    /// The items of a partition in the order of their sort keys, at most `limit`. One read call per megabyte.
    pub(super) async fn partition(&self, pk: String, limit: Option<usize>) -> Result<Vec<Item>> {
        self.query(Condition::new("pk = :pk").text(":pk", pk), limit, true).await
    }

    /// Items of a partition that come after a sort key, at most `limit`. One read call per megabyte.
    pub(super) async fn partition_after(&self, pk: String, after: Option<&str>, limit: usize) -> Result<Vec<Item>> {
        let keys = match after {
            None => Condition::new("pk = :pk"),
            Some(after) => Condition::new("pk = :pk AND sk > :after").text(":after", after),
        };
        self.query(keys.text(":pk", pk), Some(limit), true).await
    }

    /// Items of a partition that come before a sort key, against their order, at most `limit`. One read call per megabyte.
    pub(super) async fn partition_before(&self, pk: String, before: Option<&str>, limit: usize) -> Result<Vec<Item>> {
        let keys = match before {
            None => Condition::new("pk = :pk"),
            Some(before) => Condition::new("pk = :pk AND sk < :before").text(":before", before),
        };
        self.query(keys.text(":pk", pk), Some(limit), false).await
    }

    /// The items of a partition from one sort key to another, both included, in their order, at most `limit`. One read call per
    /// megabyte.
    pub(super) async fn partition_between(&self, pk: String, low: &str, high: &str, limit: usize) -> Result<Vec<Item>> {
        let keys = Condition::new("pk = :pk AND sk BETWEEN :low AND :high").text(":low", low).text(":high", high);
        self.query(keys.text(":pk", pk), Some(limit), true).await
    }

    /// The items of a partition from one sort key to another, both included, against their order, at most `limit`. One read call
    /// per megabyte.
    pub(super) async fn partition_between_from_end(
        &self,
        pk: String,
        low: &str,
        high: &str,
        limit: usize,
    ) -> Result<Vec<Item>> {
        let keys = Condition::new("pk = :pk AND sk BETWEEN :low AND :high").text(":low", low).text(":high", high);
        self.query(keys.text(":pk", pk), Some(limit), false).await
    }

    /// Those of any number of items that are there, by key. One read call for 100 of them, a few calls at a time.
    pub(super) async fn get_many(&self, keys: Vec<Key>) -> Result<HashMap<Key, Item>> {
        let distinct: Vec<Key> = keys.into_iter().filter(Key::fits).collect::<HashSet<_>>().into_iter().collect();
        let chunks: Vec<Vec<Key>> = distinct.chunks(GET_AT_MOST).map(<[Key]>::to_vec).collect();
        let gets = futures::stream::iter(chunks).map(|keys| self.get_all(keys)).buffer_unordered(CALLS_AT_ONCE);
        gets.try_fold(HashMap::new(), |mut all, found| async move {
            all.extend(found);
            Ok(all)
        })
        .await
    }

    /// The items of a partition whose sort keys begin with `prefix`, in their order. One read call per megabyte.
    pub(super) async fn partition_with_prefix(&self, pk: String, prefix: &str) -> Result<Vec<Item>> {
        let keys = Condition::new("pk = :pk AND begins_with(sk, :prefix)").text(":pk", pk).text(":prefix", prefix);
        self.query(keys, None, true).await
    }

    /// How many items a partition has, counted up to `most`; none of them is sent. One read call per megabyte.
    pub(super) async fn partition_count(&self, pk: String, most: usize) -> Result<usize> {
        let keys = Condition::new("pk = :pk").text(":pk", pk);
        if !keys.fits_keys() {
            return Ok(0);
        }
        let (mut count, mut start) = (0, None);
        while count < most {
            let request = self
                .client
                .query()
                .table_name(&*self.name)
                .key_condition_expression(&keys.text)
                .set_expression_attribute_values(Some(keys.values.clone()))
                .select(Select::Count)
                .limit(i32::try_from(most - count).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start)
                .consistent_read(true);
            let answer = request.send().await.map_err(|e| of_sdk(SERVICE, "Query", &e))?;
            count += usize::try_from(answer.count).unwrap_or_default();
            start = answer.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(count)
    }

    async fn query(&self, keys: Condition, limit: Option<usize>, forward: bool) -> Result<Vec<Item>> {
        if !keys.fits_keys() {
            return Ok(Vec::new());
        }
        let mut items = Vec::new();
        let mut start = None;
        loop {
            let left = limit.map(|limit| limit.saturating_sub(items.len()));
            if left == Some(0) {
                return Ok(items);
            }
            let request = self
                .client
                .query()
                .table_name(&*self.name)
                .key_condition_expression(&keys.text)
                .set_expression_attribute_values(Some(keys.values.clone()))
                .set_limit(left.map(|left| i32::try_from(left).unwrap_or(i32::MAX)))
                .set_exclusive_start_key(start)
                .scan_index_forward(forward)
                .consistent_read(true);
            let answer = request.send().await.map_err(|e| of_sdk(SERVICE, "Query", &e))?;
            items.extend(answer.items.unwrap_or_default());
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(items);
            }
        }
    }

    /// Writes an item over whatever is there. One write call.
    pub(super) async fn put(&self, item: Item) -> Result<()> {
        let request = self.client.put_item().table_name(&*self.name).set_item(Some(item));
        request.send().await.map_err(|e| of_sdk(SERVICE, "PutItem", &e))?;
        Ok(())
    }

    /// Writes an item if the condition holds of what is there. One write call.
    pub(super) async fn put_if(&self, item: Item, condition: Condition) -> Result<Put> {
        let key = key_of(&item);
        let request = self
            .client
            .put_item()
            .table_name(&*self.name)
            .set_item(Some(item))
            .condition_expression(condition.text)
            .set_expression_attribute_values(some(condition.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let error = match request.send().await {
            Ok(_) => return Ok(Put::Done),
            Err(error) => error,
        };
        let failure = of_sdk(SERVICE, "PutItem", &error);
        match error.into_service_error() {
            PutItemError::ConditionalCheckFailedException(refused) => {
                Ok(Put::Refused(refused.item.unwrap_or_default()))
            }
            PutItemError::TransactionConflictException(_) => match key {
                Some(key) => Ok(Put::Refused(self.get(key).await?.unwrap_or_default())),
                None => Err(failure),
            },
            _ => Err(failure),
        }
    }

    /// Changes attributes of an item (`change` is an update expression, whose values stand with the condition's) if the
    /// condition holds and no transaction is writing the item. One write call.
    pub(super) async fn update(&self, key: Key, change: &str, condition: Condition) -> Result<Attempt> {
        let request = self
            .client
            .update_item()
            .table_name(&*self.name)
            .set_key(Some(attributes(key)))
            .update_expression(change)
            .condition_expression(condition.text)
            .set_expression_attribute_values(some(condition.values));
        match request.send().await {
            Ok(_) => Ok(Attempt::Done),
            Err(error) => {
                let refused = error.as_service_error().is_some_and(|e| {
                    e.is_conditional_check_failed_exception() || e.is_transaction_conflict_exception()
                });
                contended_or(refused, of_sdk(SERVICE, "UpdateItem", &error))
            }
        }
    }

    /// Deletes an item, under a condition if one is given. One write call.
    pub(super) async fn delete(&self, key: Key, condition: Option<Condition>) -> Result<Attempt> {
        let (text, values) = condition.map_or((None, None), |c| (Some(c.text), some(c.values)));
        let request = self
            .client
            .delete_item()
            .table_name(&*self.name)
            .set_key(Some(attributes(key)))
            .set_condition_expression(text)
            .set_expression_attribute_values(values);
        match request.send().await {
            Ok(_) => Ok(Attempt::Done),
            Err(error) => {
                let refused = error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception());
                contended_or(refused, of_sdk(SERVICE, "DeleteItem", &error))
            }
        }
    }
}

/// DynamoDB refuses an empty map of values.
pub(super) fn some(values: HashMap<String, AttributeValue>) -> Option<HashMap<String, AttributeValue>> {
    (!values.is_empty()).then_some(values)
}

fn contended_or(refused: bool, failure: Failure) -> Result<Attempt> {
    if refused { Ok(Attempt::Contended) } else { Err(failure) }
}

fn keys_and_attributes(keys: Vec<Key>) -> Result<KeysAndAttributes> {
    let keys = keys.into_iter().map(attributes).collect();
    KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build().map_err(unbuilt)
}
