//! Writes of several items, all or none.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, ConditionCheck, Delete, Put, TransactWriteItem};
use tandem_core::error::Result;
use tandem_core::ports::Attempt;

use super::access::some;
use super::condition::Condition;
use super::failure::of_sdk;
use super::keys::Key;
use super::row::{Item, attributes};
use super::table::{SERVICE, Table, unbuilt};

/// What became of a transaction.
pub(super) enum Transacted {
    /// All of it was written.
    Done,
    /// Nothing was written. These parts' conditions did not hold; none are named when only another write was under way.
    Refused(Vec<usize>),
}

impl From<Transacted> for Attempt {
    fn from(transacted: Transacted) -> Self {
        match transacted {
            Transacted::Done => Self::Done,
            Transacted::Refused(_) => Self::Contended,
        }
    }
}

impl Table {
    /// The part of a transaction that writes an item, under a condition if one is given.
    pub(super) fn putting(&self, item: Item, condition: Option<Condition>) -> Result<TransactWriteItem> {
        let (text, values) = condition.map_or((None, None), |c| (Some(c.text), some(c.values)));
        let put = Put::builder()
            .table_name(&*self.name)
            .set_item(Some(item))
            .set_condition_expression(text)
            .set_expression_attribute_values(values)
            .build()
            .map_err(unbuilt)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// The part of a transaction that deletes an item, under a condition if one is given.
    pub(super) fn deleting(&self, key: Key, condition: Option<Condition>) -> Result<TransactWriteItem> {
        let (text, values) = condition.map_or((None, None), |c| (Some(c.text), some(c.values)));
        let delete = Delete::builder()
            .table_name(&*self.name)
            .set_key(Some(attributes(key)))
            .set_condition_expression(text)
            .set_expression_attribute_values(values)
            .build()
            .map_err(unbuilt)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// The part of a transaction that writes nothing and asks for a condition.
    pub(super) fn checking(&self, key: Key, condition: Condition) -> Result<TransactWriteItem> {
        let check = ConditionCheck::builder()
            .table_name(&*self.name)
            .set_key(Some(attributes(key)))
            .condition_expression(condition.text)
            .set_expression_attribute_values(some(condition.values))
            .build()
            .map_err(unbuilt)?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }

    /// Writes the parts, all or none. One write call.
    pub(super) async fn transact(&self, parts: Vec<TransactWriteItem>) -> Result<Transacted> {
        // The SDK gives the request a token, so that its own retry after a lost reply is not taken for another write.
        let request = self.client.transact_write_items().set_transact_items(Some(parts));
        let Err(error) = request.send().await else { return Ok(Transacted::Done) };
        if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() {
            let reasons = cancelled.cancellation_reasons();
            if reasons.iter().any(lost_a_race) {
                return Ok(Transacted::Refused(failed_conditions(reasons)));
            }
        }
        Err(of_sdk(SERVICE, "TransactWriteItems", &error))
    }
}

/// Whether somebody else changed the item or is changing it; other reasons (throttling, size) are the table's failures.
fn lost_a_race(reason: &CancellationReason) -> bool {
    matches!(reason.code(), Some("ConditionalCheckFailed" | "TransactionConflict"))
}

fn failed_conditions(reasons: &[CancellationReason]) -> Vec<usize> {
    let failed = reasons.iter().enumerate().filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"));
    failed.map(|(position, _)| position).collect()
}
