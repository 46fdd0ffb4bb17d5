//! Conditional writes of single items, many in one call. A transaction is billed twice for each of its items; these have nothing
//! to do with each other, and are billed once.
//!
//! The only call of DynamoDB for that speaks PartiQL. So that conditions are said once and in one language, these writes are given
//! as parts of transactions and translated here, as far as it is needed.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeValue, BatchStatementError, BatchStatementErrorCodeEnum as Code, BatchStatementRequest, Put,
    TransactWriteItem,
};
use futures::{StreamExt, TryStreamExt};
use tandem_core::error::Result;
use tandem_core::ports::Attempt;

use super::access::{BATCH_PAUSES, CALLS_AT_ONCE};
use super::failure::{of_sdk, storage};
use super::keys::Key;
use super::row::{Item, key_of};
use super::table::{SERVICE, Table, unbuilt};
use super::transactions::{BYTES_AT_MOST, bytes_put};

/// How many statements DynamoDB takes in one call.
const BATCH: usize = 25;
/// The condition that nothing is there.
const ABSENT: &str = "attribute_not_exists(pk)";

/// What became of a statement.
enum Became {
    Done,
    /// Its condition did not hold, or somebody else was writing the item.
    Refused,
    /// The table could not do it now.
    Left,
}

impl Table {
    /// Writes items, each under its condition and for itself; says of each, in order, whether it was written. `optional` names the
    /// attributes that an item may lack which had them before. One write call for 25, a few at a time, and a read for those that
    /// are refused.
    pub(super) async fn write_each(&self, writes: Vec<TransactWriteItem>, optional: &[&str]) -> Result<Vec<Attempt>> {
        let mut batches: Vec<Vec<TransactWriteItem>> = Vec::new();
        let mut bytes = 0;
        for write in writes {
            let more = bytes_put(&write);
            match batches.last_mut() {
                Some(batch) if batch.len() < BATCH && bytes + more <= BYTES_AT_MOST => {
                    bytes += more;
                    batch.push(write);
                }
                _ => {
                    bytes = more;
                    batches.push(vec![write]);
                }
            }
        }
        // Statements are made for the calls under way alone: those of hundreds of records would be many megabytes.
        let calls = futures::stream::iter(batches).map(|some| self.write_singles(some, optional));
        calls.buffered(CALLS_AT_ONCE).try_concat().await
    }

    async fn write_singles(&self, writes: Vec<TransactWriteItem>, optional: &[&str]) -> Result<Vec<Attempt>> {
        let mut attempts = vec![Attempt::Done; writes.len()];
        let (mut open, mut refused): (Vec<usize>, Vec<usize>) = ((0..writes.len()).collect(), Vec::new());
        for pause in std::iter::once(None).chain(BATCH_PAUSES.map(Some)) {
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
            let statements = open.iter().map(|index| self.statement(&writes[*index], optional));
            let became = self.execute(statements.collect::<Result<_>>()?).await?;
            let of = |kind: fn(&Became) -> bool| {
                open.iter().zip(&became).filter(move |(_, one)| kind(one)).map(|(index, _)| *index).collect::<Vec<_>>()
            };
            refused.extend(of(|one| matches!(one, Became::Refused)));
            open = of(|one| matches!(one, Became::Left));
            if open.is_empty() {
                break;
            }
        }
        if !open.is_empty() {
            return Err(storage("the table is throttled: it keeps leaving out writes"));
        }
        // A request whose answer was lost is repeated by the SDK, and finds its own work.
        let put = |index: usize| writes[index].put().map(Put::item);
        let there = self.get_many(refused.iter().filter_map(|index| put(*index).and_then(key_of)).collect()).await?;
        for index in refused {
            if put(index).and_then(key_of).and_then(|key| there.get(&key)) != put(index) {
                attempts[index] = Attempt::Contended;
            }
        }
        Ok(attempts)
    }

    async fn execute(&self, statements: Vec<BatchStatementRequest>) -> Result<Vec<Became>> {
        let count = statements.len();
        let request = self.client.batch_execute_statement().set_statements(Some(statements));
        let answer = request.send().await.map_err(|e| of_sdk(SERVICE, "BatchExecuteStatement", &e))?;
        let became = answer.responses().iter().map(|one| one.error().map_or(Ok(Became::Done), of_error));
        let became: Vec<Became> = became.collect::<Result<_>>()?;
        if became.len() == count { Ok(became) } else { Err(storage("the table did not answer every statement")) }
    }

    fn statement(&self, write: &TransactWriteItem, optional: &[&str]) -> Result<BatchStatementRequest> {
        let untold = || storage("a write can't be made by a statement of its own");
        let put = write.put().ok_or_else(untold)?;
        let (item, condition) = (put.item(), put.condition_expression().ok_or_else(untold)?);
        let none = HashMap::new();
        let values = put.expression_attribute_values().unwrap_or(&none);
        let (text, parameters) = match condition {
            ABSENT => inserting(&self.name, item),
            _ => updating(&self.name, item, optional, translated(condition, values).ok_or_else(untold)?)
                .ok_or_else(untold)?,
        };
        BatchStatementRequest::builder().statement(text).set_parameters(Some(parameters)).build().map_err(unbuilt)
    }
}

fn of_error(error: &BatchStatementError) -> Result<Became> {
    match error.code() {
        Some(Code::ConditionalCheckFailed | Code::DuplicateItem | Code::TransactionConflict) => Ok(Became::Refused),
        Some(
            Code::InternalServerError
            | Code::ProvisionedThroughputExceeded
            | Code::RequestLimitExceeded
            | Code::ThrottlingError,
        ) => Ok(Became::Left),
        // The message is not told: it can repeat values.
        code => {
            let code = code.map_or("no code", Code::as_str);
            Err(storage(format!("the table refused a statement: {code}")))
        }
    }
}

/// The statement, with its parameters, that writes an item where none is. The key comes first.
fn inserting(table: &str, item: &Item) -> (String, Vec<AttributeValue>) {
    let attributes = in_order(item);
    let named: Vec<String> = attributes.iter().map(|(name, _)| format!("'{name}': ?")).collect();
    let parameters = attributes.into_iter().map(|(_, value)| value.clone()).collect();
    (format!("INSERT INTO \"{table}\" VALUE {{{}}}", named.join(", ")), parameters)
}

/// The statement that makes an item that is there into this one.
fn updating(
    table: &str,
    item: &Item,
    optional: &[&str],
    (condition, values): (String, Vec<AttributeValue>),
) -> Option<(String, Vec<AttributeValue>)> {
    let Key { pk, sk } = key_of(item)?;
    let set: Vec<_> = in_order(item).into_iter().filter(|(name, _)| !is_key(name)).collect();
    let assigned = set.iter().map(|(name, _)| format!(" SET {name} = ?"));
    let gone = optional.iter().filter(|name| !item.contains_key(**name)).map(|name| format!(" REMOVE {name}"));
    let clauses: String = assigned.chain(gone).collect();
    let text = format!("UPDATE \"{table}\"{clauses} WHERE pk = ? AND sk = ? AND ({condition})");
    let parameters = set.into_iter().map(|(_, value)| value.clone());
    let parameters = parameters.chain([AttributeValue::S(pk), AttributeValue::S(sk)]).chain(values);
    Some((text, parameters.collect()))
}

fn in_order(item: &Item) -> Vec<(&String, &AttributeValue)> {
    let mut attributes: Vec<_> = item.iter().collect();
    attributes.sort_by_key(|(name, _)| (!is_key(name), *name));
    attributes
}

fn is_key(name: &str) -> bool {
    name == "pk" || name == "sk"
}

/// A condition expression in PartiQL, with its values in their order; `None` for a placeholder without a value.
fn translated(condition: &str, values: &HashMap<String, AttributeValue>) -> Option<(String, Vec<AttributeValue>)> {
    const NOT_THERE: &str = "attribute_not_exists(";
    let (mut text, mut parameters, mut rest) = (String::new(), Vec::new(), condition);
    while let Some(first) = rest.chars().next() {
        if let Some(behind) = rest.strip_prefix(NOT_THERE) {
            let (name, behind) = behind.split_once(')')?;
            text.push_str(&format!("{name} IS MISSING"));
            rest = behind;
        } else if first == ':' {
            let length = rest[1..].find(|c: char| !c.is_alphanumeric() && c != '_').map_or(rest.len(), |end| end + 1);
            let (placeholder, behind) = rest.split_at(length);
            parameters.push(values.get(placeholder)?.clone());
            text.push('?');
            rest = behind;
        } else {
            text.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    Some((text, parameters))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: u32) -> AttributeValue {
        AttributeValue::N(value.to_string())
    }

    #[test]
    fn a_condition_is_said_in_the_other_language_with_its_values_in_their_order() {
        let values = HashMap::from([(":owner".to_owned(), number(1)), (":before_it".to_owned(), number(2))]);
        let condition = "(revision = :before_it) AND (attribute_not_exists(until) OR owner = :owner)";
        let (text, parameters) = translated(condition, &values).unwrap();
        assert_eq!(text, "(revision = ?) AND (until IS MISSING OR owner = ?)");
        assert_eq!(parameters, [number(2), number(1)]);
        assert_eq!(translated("revision = :other", &values), None);
        assert_eq!(translated("attribute_not_exists(until", &values), None);
    }

    #[test]
    fn an_item_is_made_or_changed_as_a_whole() {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let of = |name: &str, value| (name.to_owned(), value);
        let item =
            Item::from([of("pk", text("p")), of("sk", text("s")), of("revision", number(3)), of("at", number(1))]);
        assert_eq!(
            inserting("t", &item),
            (
                "INSERT INTO \"t\" VALUE {'pk': ?, 'sk': ?, 'at': ?, 'revision': ?}".to_owned(),
                vec![text("p"), text("s"), number(1), number(3)]
            )
        );
        let condition = ("revision = ?".to_owned(), vec![number(2)]);
        assert_eq!(
            updating("t", &item, &["revision", "owner"], condition),
            Some((
                "UPDATE \"t\" SET at = ? SET revision = ? REMOVE owner WHERE pk = ? AND sk = ? AND (revision = ?)"
                    .to_owned(),
                vec![number(1), number(3), text("p"), text("s"), number(2)]
            ))
        );
    }
}
