//! What happened to a person, from whichever log it is known: merged by time, the newest first.

use std::cmp::Reverse;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::automation::stored::{EventStatus, StoredEvent};
use crate::domain::consent::ConsentEntry;
use crate::domain::engagement::EngagementEvent;
use crate::domain::identity::{Email, RecordKey};
use crate::domain::operation::Operation;
use crate::domain::record::Record;
use crate::domain::scope::{IntegrationId, Scope, TenantId};
use crate::error::Result;
use crate::policy;
use crate::ports::LinkOf;

use super::operations::listing::{OperationCursor, OperationQuery};
use super::services::Services;

/// The most lifecycle events that are looked at.
const MOST_EVENTS: usize = 1_000;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Happened {
    /// When.
    pub at: Timestamp,
    /// Tells it from others of the same moment.
    pub id: String,
    /// The integration that told it, or that it was done on.
    pub integration: Option<IntegrationId>,
    /// What it is.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "what", rename_all = "snake_case")]
pub enum What {
    /// Something in the application.
    Event {
        /// The event's id.
        id: String,
        /// Its name.
        name: String,
        /// How far its effects have come.
        status: EventStatus,
    },
    /// Something was written to a platform.
    Operation(Operation),
    /// The person did something with what they were sent.
    Engagement(EngagementEvent),
    /// Something was said of being mailed.
    Consent(ConsentEntry),
}

/// Where a page of a timeline ends: the next one begins behind it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TimelinePlace(pub Timestamp, pub String);

/// A page of a timeline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// What happened, the newest first. A page can be short, and even empty, before the end.
    pub entries: Vec<Happened>,
    /// Where to go on; `None` at the end.
    pub next: Option<TimelinePlace>,
}

impl Happened {
    fn place(&self) -> TimelinePlace {
        TimelinePlace(self.at, self.id.clone())
    }
}

impl Services {
    /// What happened to a record's person before a place, at most `limit` things. Two reads for events, one for consent, one for
    /// each contact, and of each integration as much of the operation log as a listing looks through, more where that does not come
    /// down to the page's begin.
    ///
    /// # Errors
    /// As the table fails.
    pub async fn timeline(
        &self,
        tenant: &TenantId,
        key: &RecordKey,
        (record, links): &(Record, Vec<LinkOf>),
        before: Option<&TimelinePlace>,
        limit: usize,
    ) -> Result<Timeline> {
        let scope_of = |integration: &IntegrationId| Scope { tenant: tenant.clone(), integration: integration.clone() };
        let mut all = self.events_of(tenant, key).await?;
        all.extend(self.statements_of(tenant, record.email.as_ref()).await?);
        // Behind this moment all is known: what lies at it or before is left to the next page.
        let mut known_from: Option<Timestamp> = None;
        for LinkOf { integration, link, .. } in links {
            let scope = scope_of(integration);
            for contact in link.contacts() {
                let told = self.events.events(&scope, &contact).await?;
                all.extend(told.into_iter().map(|event| of_engagement(integration, event)));
            }
            let until = before.map(|place| policy::after(place.0, SignedDuration::from_micros(1)));
            let query = OperationQuery { record: Some(key.clone()), before: until, ..OperationQuery::default() };
            let (operations, from) = self.operations_before(&scope, &query, before).await?;
            known_from = known_from.max(from);
            all.extend(operations.into_iter().map(|operation| of_operation(integration, operation)));
        }
        Ok(cut(all, before, known_from, limit))
    }

    async fn events_of(&self, tenant: &TenantId, key: &RecordKey) -> Result<Vec<Happened>> {
        let scope = Scope { tenant: tenant.clone(), integration: IntegrationId::mautic() };
        let page = self.lifecycle.events_of(&scope, key, None, MOST_EVENTS).await?;
        Ok(page.events.into_iter().map(|(_, event)| of_event(event)).collect())
    }

    /// All that a listing looks through, however many: packs are ordered by when they were kept, and not their operations; and
    /// behind which moment that is all. Where so many packs were kept just after the page's begin that a listing does not come down
    /// to it, it is gone on with until it does: or the next page would be this one.
    async fn operations_before(
        &self,
        scope: &Scope,
        query: &OperationQuery,
        before: Option<&TimelinePlace>,
    ) -> Result<(Vec<Operation>, Option<Timestamp>)> {
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.operations_of(scope, query, cursor.as_ref(), usize::MAX).await?;
            found.extend(page.operations);
            let from = page.next.as_ref().map(OperationCursor::at);
            if from.is_none_or(|from| before.is_none_or(|before| from < before.0)) {
                return Ok((found, from));
            }
            cursor = page.next;
        }
    }

    async fn statements_of(&self, tenant: &TenantId, email: Option<&Email>) -> Result<Vec<Happened>> {
        let Some(identity) = email.map(Email::identity) else { return Ok(Vec::new()) };
        let scope = Scope { tenant: tenant.clone(), integration: IntegrationId::mautic() };
        let ledger = self.contacts.resolve(&scope, None, Some(&identity)).await?.consent;
        let said = |(number, entry): (usize, &ConsentEntry)| Happened {
            at: entry.at,
            id: format!("consent-{number}"),
            integration: None,
            what: What::Consent(entry.clone()),
        };
        Ok(ledger.entries().iter().enumerate().map(said).collect())
    }
}

/// What tells a thing from others of the same moment. It stands in cursors, which are sent in addresses: of what is long, a digest.
fn name(kind: &str, integration: Option<&IntegrationId>, rest: &str) -> String {
    let is_short = rest.len() <= LONGEST_NAME && rest.bytes().all(|byte| byte.is_ascii_graphic());
    let rest = if is_short { rest.to_owned() } else { hex::encode(&Sha256::digest(rest)[..16]) };
    match integration {
        Some(integration) => format!("{kind}-{integration}-{rest}"),
        None => format!("{kind}-{rest}"),
    }
}

/// The longest name that stands for itself, in bytes.
const LONGEST_NAME: usize = 100;

/// What no id comes behind.
const BEHIND_ALL: &str = "~";

/// What lies before the place, as far as all is known, at most `limit`.
fn cut(
    mut all: Vec<Happened>,
    before: Option<&TimelinePlace>,
    known_from: Option<Timestamp>,
    limit: usize,
) -> Timeline {
    all.retain(|one| before.is_none_or(|before| one.place() < *before));
    all.sort_by_cached_key(|one| Reverse(one.place()));
    let known = known_from.map_or(all.len(), |from| all.partition_point(|one| one.at > from));
    let more = all.len() > known.min(limit) || known_from.is_some();
    all.truncate(known.min(limit));
    let next = match (more, all.last()) {
        (true, Some(last)) => Some(last.place()),
        // Nothing of the person among what was looked through: it goes on further down.
        (true, None) => known_from.map(|from| TimelinePlace(from, BEHIND_ALL.to_owned())),
        (false, _) => None,
    };
    Timeline { entries: all, next }
}

fn of_event(event: StoredEvent) -> Happened {
    let id = event.by.id.clone();
    let what = What::Event { id: id.clone(), name: event.name.as_str().to_owned(), status: event.status };
    Happened { at: event.by.at, id: name("event", None, &id), integration: None, what }
}

fn of_engagement(integration: &IntegrationId, event: EngagementEvent) -> Happened {
    Happened {
        at: event.at,
        id: name("engagement", Some(integration), &event.natural_id.to_string()),
        integration: Some(integration.clone()),
        what: What::Engagement(event),
    }
}

fn of_operation(integration: &IntegrationId, operation: Operation) -> Happened {
    let Operation { operation: kind, object, remote_id, list, fields, .. } = &operation;
    let contact = remote_id.as_ref().map_or("", |id| id.0.as_str());
    let list = list.as_deref().unwrap_or_default();
    let rest = format!("{kind:?}-{object}-{contact}-{list}-{}", fields.join(","));
    Happened {
        at: operation.at,
        id: name("operation", Some(integration), &rest),
        integration: Some(integration.clone()),
        what: What::Operation(operation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn one(second: i64, id: &str) -> Happened {
        let what = What::Event { id: id.to_owned(), name: "n".to_owned(), status: EventStatus::Completed };
        Happened { at: at(second), id: id.to_owned(), integration: None, what }
    }

    fn ids(page: &Timeline) -> Vec<&str> {
        page.entries.iter().map(|one| one.id.as_str()).collect()
    }

    #[test]
    fn pages_hold_everything_once_also_what_happened_at_one_moment() {
        let all = || vec![one(1, "a"), one(3, "b"), one(3, "c"), one(2, "d")];
        let first = cut(all(), None, None, 2);
        assert_eq!(ids(&first), ["c", "b"]);
        let second = cut(all(), first.next.as_ref(), None, 2);
        assert_eq!((ids(&second), second.next.is_some()), (vec!["d", "a"], false));
    }

    #[test]
    fn what_lies_before_the_part_of_the_log_that_was_looked_through_is_left_to_the_next_page() {
        let all = || vec![one(5, "a"), one(3, "b"), one(1, "c")];
        let first = cut(all(), None, Some(at(3)), 10);
        assert_eq!(ids(&first), ["a"]);
        let second = cut(all(), first.next.as_ref(), Some(at(3)), 10);
        assert_eq!(ids(&second), Vec::<&str>::new());
        let third = cut(all(), second.next.as_ref(), None, 10);
        assert_eq!((ids(&third), &third.next), (vec!["b", "c"], &None));
    }
}
