//! `/api/v1/records`: what is known of people, and what happened to them. Personal data, for operators alone.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;
use tandem_core::domain::identity::{Email, ExternalId, RecordKey};
use tandem_core::domain::issue::IssueCode;
use tandem_core::domain::record::Record;
use tandem_core::domain::scope::{IntegrationId, Scope};
use tandem_core::domain::whom::Whom;
use tandem_core::error::Result;
use tandem_core::ports::LinkOf;
use tandem_core::ports::bulk::{Mark, MarkCursor};
use tandem_core::sync::timeline::TimelinePlace;

use super::params::{Page, cursor, listed};
use super::{Answered, Call, nothing};
use crate::api::records::{LinkState, ListedRecord, OneRecord, RecordView};
use crate::http::envelope::{ApiError, Reply};
use crate::http::input::Input;

/// Of which records a list is.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wanted {
    /// Those that wait to be brought to the integration.
    Pending,
    /// Those of them that were tried in vain.
    Error,
    /// Those with a field that a person has to decide.
    Conflict,
}

/// How many reads of outbox entries one page makes at most, where few of them were tried in vain.
const MOST_READS: usize = 20;

/// Lists records, in an order that means nothing and stays. A read for each of 16 partitions that is come to, and for each
/// integration of the tenant one for 50 records.
pub async fn list(call: Call) -> Answered {
    let params = call.params(&["state", "after", "limit"])?;
    let page = params.page()?;
    let (keys, next) = match params.word::<Wanted>("state", "pending, error, conflict")? {
        None => all(&call, &page).await?,
        Some(Wanted::Conflict) => contested(&call, &page).await?,
        Some(wanted) => marked(&call, &page, wanted).await?,
    };
    let records = shown(&call, keys).await.map_err(|failure| call.failed(failure))?;
    listed("records", &records, next.as_deref())
}

type Keys = std::result::Result<(Vec<RecordKey>, Option<String>), ApiError>;

async fn all(call: &Call, page: &Page) -> Keys {
    let mut at: MarkCursor = page.place()?.unwrap_or_default();
    let mut keys = Vec::new();
    loop {
        let bulk = &call.state.services.bulk;
        let read = bulk.records(call.tenant(), &at, page.limit - keys.len()).await;
        let (some, next) = read.map_err(|failure| call.failed(failure))?;
        keys.extend(some);
        match next {
            Some(next) if keys.len() < page.limit => at = next,
            next => return Ok((keys, next.map(|next| cursor(&next)))),
        }
    }
}

async fn marked(call: &Call, page: &Page, wanted: Wanted) -> Keys {
    let desk = call.desk().await?;
    let (bulk, scope) = (&desk.services.bulk, &desk.integration.scope);
    let mut at: MarkCursor = page.place()?.unwrap_or_default();
    let mut keys = Vec::new();
    for _ in 0..MOST_READS {
        let (marks, next) =
            bulk.marks(scope, &at, page.limit - keys.len()).await.map_err(|failure| call.failed(failure))?;
        let is_wanted = |mark: &Mark| wanted == Wanted::Pending || mark.attempts > 0;
        keys.extend(marks.into_iter().filter(is_wanted).map(|mark| mark.record));
        match next {
            Some(next) => at = next,
            None => return Ok((keys, None)),
        }
        if keys.len() >= page.limit {
            break;
        }
    }
    Ok((keys, Some(cursor(&at))))
}

async fn contested(call: &Call, page: &Page) -> Keys {
    let desk = call.desk().await?;
    let after: Option<RecordKey> = page.place()?;
    let found = desk.contested(after.as_ref(), page.limit).await;
    let (people, next) = found.map_err(|failure| call.failed(failure))?;
    let keys = people.into_iter().map(|person| person.record).collect();
    Ok((keys, next.map(|next| cursor(&next))))
}

/// The records with these keys, in this order, each with how it stands with every integration.
async fn shown(call: &Call, keys: Vec<RecordKey>) -> Result<Vec<ListedRecord>> {
    let services = &call.state.services;
    let mut integrations = services.peers.of(call.tenant()).await?.to_vec();
    if integrations.is_empty() {
        integrations.push(IntegrationId::mautic());
    }
    let mut found: BTreeMap<RecordKey, ListedRecord> = BTreeMap::new();
    for integration in integrations {
        let scope = Scope { tenant: call.tenant().clone(), integration };
        for (key, stored) in keys.iter().zip(services.bulk.load_many(&scope, &keys).await?) {
            let Some(record) = stored.record else { continue };
            let entry = found.entry(key.clone()).or_insert_with(|| ListedRecord::of(key, record));
            entry.links.extend(stored.link.map(|link| LinkState::of(&scope.integration, &link)));
        }
    }
    // Who was erased since the list was read is not in it.
    Ok(keys.iter().filter_map(|key| found.remove(key)).collect())
}

/// Shows one: fields, who said what, links, lists, consent. Three reads.
pub async fn show(call: Call) -> Answered {
    call.params(&[])?;
    let key = key_of(&call)?;
    view(&call, key).await
}

/// Finds one by address, by the application's id, by a contact's number on the platform, or by its key or the application's id as
/// `name`. In the body, so that nobody's address stands in an access log. One read more.
pub async fn find(call: Call) -> Answered {
    let object = call.object(&["email", "externalId", "contact", "name"]).await?;
    let input = Input::root(&object);
    let read = || {
        let whom = Whom {
            contact: input.remote_id("contact")?,
            external_id: input.external_id("externalId")?,
            email: input.email("email")?,
        };
        let name = input.text("name")?.map(str::to_owned);
        if name.is_none() && whom == Whom::default() {
            return Err(input.issue("email", IssueCode::Missing, "Give email, externalId, contact or name."));
        }
        Ok((whom, name))
    };
    let (whom, name) = read().map_err(|issue| ApiError::invalid(vec![issue]))?;
    let found = match name {
        Some(name) => call.state.services.record_named(&call.scope(), &name).await,
        None => key_of_whom(&call, &whom).await?,
    };
    let key = found.map_err(|failure| call.failed(failure))?.ok_or_else(nobody)?;
    view(&call, key).await
}

async fn key_of_whom(call: &Call, whom: &Whom) -> std::result::Result<Result<Option<RecordKey>>, ApiError> {
    let contacts = &call.state.services.contacts;
    if let Some(contact) = &whom.contact {
        let scope = call.desk().await?.integration.scope;
        return Ok(contacts.by_remote_id(&scope, contact).await);
    }
    let (external, email) =
        (whom.external_id.as_ref().map(ExternalId::identity), whom.email.as_ref().map(Email::identity));
    let resolved = contacts.resolve(&call.scope(), external.as_ref(), email.as_ref()).await;
    Ok(resolved.map(|resolved| resolved.by_external_id.or(resolved.by_email)))
}

async fn view(call: &Call, key: RecordKey) -> Answered {
    let (record, links) = whole(call, &key).await?;
    let (services, scope) = (&call.state.services, call.scope());
    let told = async {
        let identity = record.email.as_ref().map(Email::identity);
        let consent = services.contacts.resolve(&scope, None, identity.as_ref()).await?.consent;
        Result::Ok((consent, services.feedback.feedback(&scope, &key).await?))
    };
    let (consent, feedback) = told.await.map_err(|failure| call.failed(failure))?;
    let record = RecordView::of(&key, record, links, &consent, feedback);
    Ok(Reply::Done(json!(OneRecord { record })))
}

/// What happened to one, the newest first.
pub async fn timeline(call: Call) -> Answered {
    let page = call.params(&["after", "limit"])?.page()?;
    let before: Option<TimelinePlace> = page.place()?;
    let key = key_of(&call)?;
    let known = whole(&call, &key).await?;
    let told = call.state.services.timeline(call.tenant(), &key, &known, before.as_ref(), page.limit).await;
    let told = told.map_err(|failure| call.failed(failure))?;
    listed("entries", &told.entries, told.next.map(|next| cursor(&next)).as_deref())
}

async fn whole(call: &Call, key: &RecordKey) -> std::result::Result<(Record, Vec<LinkOf>), ApiError> {
    let found = call.state.services.contacts.whole(call.tenant(), key).await;
    found.map_err(|failure| call.failed(failure))?.ok_or_else(nobody)
}

/// The record that the path names. What can be no key is nobody's.
pub(super) fn key_of(call: &Call) -> std::result::Result<RecordKey, ApiError> {
    RecordKey::parse(&call.path("record")).ok_or_else(nobody)
}

pub(super) fn nobody() -> ApiError {
    nothing("there is no such record")
}
