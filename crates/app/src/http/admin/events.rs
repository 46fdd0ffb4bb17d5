//! `/api/v1/events`: lifecycle events by day, by user and by how far they have come; shown, and done again.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};
use tandem_core::automation::listing::EventQuery;
use tandem_core::automation::stored::{EventStatus, StoredEvent};
use tandem_core::domain::identity::{Email, ExternalId};
use tandem_core::error::{Failure, FailureKind};
use tandem_core::ports::lifecycle::EventPage;
use tandem_core::ports::place::TimePlace;
use tandem_core::sync::services::Desk;

use super::params::{Params, bad_cursor, listed};
use super::{Answered, Call, nothing};
use crate::about::person_of_event;
use crate::api::issues::Replayed;
use crate::http::envelope::{ApiError, Reply};
use crate::http::operations::event_view;

/// How far events come.
const STATUSES: &str = "pending, processing, completed, parked";

/// Lists events, the newest first: of all days or of one, of all users or of one. One read a day, one for 100 events that are looked
/// at, 2,000 at most, and one more for each whose user is not told by itself.
pub async fn list(call: Call) -> Answered {
    let params = call.params(&["day", "userId", "email", "status", "after", "limit"])?;
    let page = params.page()?;
    let status = params.word::<EventStatus>("status", STATUSES)?;
    let day = params.parsed::<Date>("day", "a day, such as 2026-11-28")?;
    let desk = call.desk().await?;
    let behind = page.after.as_deref().map(str::parse::<TimePlace>).transpose().map_err(|_| bad_cursor())?;
    let (begin, end) = day.map(bounds).transpose()?.unwrap_or((Timestamp::MIN, Timestamp::MAX));
    let query = EventQuery { status, from: begin, behind };
    let found = match user(&params)? {
        Some(User { id, email }) => desk.events_of_user(id.as_ref(), email.as_ref(), &query, page.limit).await,
        None => {
            let behind = query.behind.or_else(|| day.map(|_| TimePlace::before(end)));
            desk.newest_events(&EventQuery { behind, ..query }, page.limit).await
        }
    };
    let EventPage { events: found, next } = found.map_err(|failure| call.failed(failure))?;
    let mut events = Vec::with_capacity(found.len());
    for (_, event) in found.iter().filter(|(_, event)| event.received_at >= begin && event.received_at < end) {
        events.push(view(&call, event).await?);
    }
    listed("events", &events, next.map(|next| next.to_string()).as_deref())
}

/// Shows one with its steps.
pub async fn show(call: Call) -> Answered {
    call.params(&[])?;
    let desk = call.desk().await?;
    let event = stored(&call, &desk, &call.path("id")).await?.ok_or_else(no_event)?;
    Ok(Reply::Done(json!({"event": view(&call, &event).await?})))
}

/// Queues one again, once what stopped it is gone: it goes on with the steps that are left.
pub async fn replay(call: Call) -> Answered {
    let desk = call.desk().await?;
    let id = call.path("id");
    let refused = |failure: Failure| match failure.kind {
        FailureKind::NotFound => no_event(),
        FailureKind::Invalid => ApiError::new(axum::http::StatusCode::CONFLICT, "event_is_completed", failure.message),
        _ => call.failed(failure),
    };
    desk.replayable_event(&id).await.map_err(refused)?;
    call.note("event.replay", &id.chars().take(200).collect::<String>(), &[]).await?;
    desk.replay_event(&id, &call.started.correlation_id).await.map_err(refused)?;
    Ok(Reply::Done(json!(Replayed { replayed: vec![id], more: false })))
}

/// The user whom a list is of.
struct User {
    id: Option<ExternalId>,
    email: Option<Email>,
}

/// The user that the parameters name. What can be nobody's id has no events.
fn user(params: &Params) -> Result<Option<User>, ApiError> {
    let email = params.parsed::<Email>("email", "an address")?;
    let id = params.text("userId").map(|id| ExternalId::try_from(id.to_owned()).ok());
    let is_named = id.is_some() || email.is_some();
    Ok(is_named.then(|| User { id: id.flatten(), email }))
}

/// The first moment of a day, and of the next one, in UTC.
fn bounds(day: Date) -> Result<(Timestamp, Timestamp), ApiError> {
    let bad = || super::unfit("day", "The value must be a day, such as 2026-11-28.");
    let begin = |day: Date| day.to_zoned(TimeZone::UTC).map(|begin| begin.timestamp()).map_err(|_| bad());
    Ok((begin(day)?, begin(day.checked_add(1.day()).map_err(|_| bad())?)?))
}

async fn stored(call: &Call, desk: &Desk, id: &str) -> Result<Option<StoredEvent>, ApiError> {
    desk.stored_event(id).await.map_err(|failure| call.failed(failure))
}

async fn view(call: &Call, event: &StoredEvent) -> Result<Value, ApiError> {
    let person = person_of_event(&call.state.services, &call.scope(), event).await;
    let mut view = event_view::event(event);
    view["person"] = json!(person.map_err(|failure| call.failed(failure))?);
    Ok(view)
}

fn no_event() -> ApiError {
    nothing("there is no event of this id")
}
