//! The operations of DynamoDB that Tandem uses, carried out by the engine.
//!
//! The engine has a server of its own, but that one lets in any caller and answers pages of any site.

use dynoxide::{Database, DynoxideError, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Carries out an operation with a request in DynamoDB's JSON; the answer is in the same.
///
/// # Errors
/// As DynamoDB would answer, and for an operation that Tandem does not use.
pub(super) fn execute(database: &Database, operation: &str, body: &[u8]) -> Result<String> {
    match operation {
        "GetItem" => answer(body, |request| database.get_item(request)),
        "PutItem" => answer(body, |request| database.put_item(request)),
        "UpdateItem" => answer(body, |request| database.update_item(request)),
        "DeleteItem" => answer(body, |request| database.delete_item(request)),
        "Query" => answer(body, |request| database.query(request)),
        "BatchGetItem" => answer(body, |request| database.batch_get_item(request)),
        "BatchWriteItem" => answer(body, |request| database.batch_write_item(request)),
        "BatchExecuteStatement" => answer(body, |request| database.batch_execute_statement(request)),
        "TransactWriteItems" => answer(body, |request| database.transact_write_items(request)),
        "TransactGetItems" => answer(body, |request| database.transact_get_items(request)),
        "CreateTable" => answer(body, |request| database.create_table(request)),
        "ListTables" => answer(body, |request| database.list_tables(request)),
        "UpdateTimeToLive" => answer(body, |request| database.update_time_to_live(request)),
        _ => {
            Err(DynoxideError::UnsupportedCapability(format!("{operation} is none of the operations that are served")))
        }
    }
}

/// The keys of all items of a table.
///
/// # Errors
/// As the engine fails.
pub(super) fn keys(database: &Database, table: &str) -> Result<Vec<(String, String)>> {
    let unreadable = |error: serde_json::Error| DynoxideError::SerializationException(error.to_string());
    let (mut keys, mut after) = (Vec::new(), Value::Null);
    loop {
        let mut request = json!({"TableName": table});
        if !after.is_null() {
            request["ExclusiveStartKey"] = after;
        }
        let page = database.scan(serde_json::from_value(request).map_err(unreadable)?)?;
        let page = serde_json::to_value(page).map_err(unreadable)?;
        let text = |item: &Value, name: &str| item[name]["S"].as_str().unwrap_or_default().to_owned();
        let items = page["Items"].as_array().map(Vec::as_slice).unwrap_or_default();
        keys.extend(items.iter().map(|item| (text(item, "pk"), text(item, "sk"))));
        after = page["LastEvaluatedKey"].clone();
        if after.is_null() {
            return Ok(keys);
        }
    }
}

fn answer<Request: DeserializeOwned, Answer: Serialize>(
    body: &[u8],
    operation: impl FnOnce(Request) -> Result<Answer>,
) -> Result<String> {
    let unreadable = |error: serde_json::Error| DynoxideError::SerializationException(error.to_string());
    let request = serde_json::from_slice(body).map_err(unreadable)?;
    serde_json::to_string(&operation(request)?).map_err(unreadable)
}
