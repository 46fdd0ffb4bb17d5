//! `/api/v1/conflicts`: fields that the application and a platform both changed, and that a person has to decide.

use serde_json::json;
use tandem_core::domain::identity::RecordKey;
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::error::{Failure, FailureKind};
use tandem_core::sync::conflict::Side;

use super::params::{cursor, listed};
use super::records::nobody;
use super::{Answered, Call, nothing};
use crate::http::envelope::{ApiError, Reply};
use crate::http::input::Input;

/// Lists people with both values of each such field, by integration. One read, and one for 50 people.
pub async fn list(call: Call) -> Answered {
    let page = call.params(&["after", "limit"])?.page()?;
    let after: Option<RecordKey> = page.place()?;
    let desk = call.desk().await?;
    let found = desk.contested(after.as_ref(), page.limit).await;
    let (people, next) = found.map_err(|failure| call.failed(failure))?;
    listed("conflicts", &people, next.map(|next| cursor(&next)).as_deref())
}

/// Decides one: the chosen side's value goes to the other, to the platform by a job. Done again, it goes on where it stopped.
pub async fn resolve(call: Call) -> Answered {
    let object = call.object(&["record", "field", "side"]).await?;
    let (record, field, side) = read(Input::root(&object)).map_err(|issue| ApiError::invalid(vec![issue]))?;
    let key = RecordKey::parse(&record).ok_or_else(nobody)?;
    let desk = call.desk().await?;
    let refused = |failure: Failure| match failure.kind {
        FailureKind::NotFound => nothing("nobody has to decide such a field of this record"),
        _ => call.failed(failure),
    };
    desk.must_decide(&key, &field, side).await.map_err(refused)?;
    call.note("conflict.resolve", key.as_str(), &[&field]).await?;
    desk.decide_record(&key, &field, side, &call.started.correlation_id).await.map_err(refused)?;
    Ok(Reply::Done(json!({"resolved": field})))
}

fn read(input: Input<'_>) -> Result<(String, String, Side), FieldIssue> {
    let given = |name: &str, what: &str| {
        let text = input.text(name)?.map(str::trim).filter(|text| !text.is_empty());
        text.map(str::to_owned).ok_or_else(|| input.issue(name, IssueCode::Missing, what))
    };
    let (record, field) = (given("record", "Give the key of a record.")?, given("field", "Give the field's name.")?);
    let sides = "The value must be application or platform.";
    let side = match given("side", sides)?.as_str() {
        "application" => Side::Application,
        "platform" => Side::Platform,
        _ => return Err(input.issue("side", IssueCode::NotInList, sides)),
    };
    Ok((record, field, side))
}
