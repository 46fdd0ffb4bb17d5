//! Who was deleted stays deleted: what the application, files and providers still send of the person brings nobody back.
//!
//! A tombstone is digests of the address, the ids and the platform's contacts, kept for good. It speaks of people whom nobody
//! knows any more: who began anew is known, and is treated as everybody else.

use std::collections::HashMap;

use jiff::{Timestamp, civil, tz};
use serde_json::Value;

use crate::domain::identity::{Email, ExternalId, Identity};
use crate::domain::issue::{FieldIssue, IssueCode};
use crate::domain::record::Fields;
use crate::domain::situation::Situation;
use crate::error::{Failure, FailureKind, Result};
use crate::ports::Resolved;
use crate::ports::lifecycle::Burial;

use super::change::{ContactChange, Subject};
use super::services::Desk;
use super::whom::Known;
use crate::domain::whom::Whom;

/// What is told of something that would have brought somebody back.
pub(crate) const SKIPPED: &str =
    "the person was deleted: only a sign-up event, an upsert, or a record made since then begins anew";

impl Desk {
    /// Refuses a change of somebody who was deleted and did not begin anew. One read; two more when there is a tombstone.
    ///
    /// # Errors
    /// `NotFound` for such a person; `Storage`.
    pub async fn refuse_deleted(&self, change: &ContactChange) -> Result<()> {
        let Subject::Person { external_id, email } = &change.subject else { return Ok(()) };
        let identities = identities(external_id.as_ref(), email.as_ref());
        let gone = self.services.lifecycle.tombstones(&self.integration.scope, &identities).await?;
        if gone.is_empty() || self.is_known(external_id.as_ref(), email.as_ref()).await? {
            return Ok(());
        }
        Err(refusal())
    }

    /// Whether a record is stored of the person.
    pub(crate) async fn is_known(&self, external_id: Option<&ExternalId>, email: Option<&Email>) -> Result<bool> {
        let (contacts, scope) = (&self.services.contacts, &self.integration.scope);
        let (id, email) = (external_id.map(ExternalId::identity), email.map(Email::identity));
        let Resolved { by_external_id, by_email, .. } = contacts.resolve(scope, id.as_ref(), email.as_ref()).await?;
        for key in by_external_id.into_iter().chain(by_email) {
            if contacts.load(scope, &key).await?.record.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Notes that a person is deleted, before anything of it is done: what is still on its way must not bring anybody back.
    pub(crate) async fn bury(&self, whom: &Whom, known: &Known, at: Timestamp) -> Result<()> {
        let mut identities = identities(whom.external_id.as_ref(), whom.email.as_ref());
        identities.extend(known.identities());
        if identities.is_empty() {
            identities.extend(self.address_on_the_platform(known).await?.as_ref().map(Email::identity));
        }
        let burial = Burial { identities, contacts: known.contacts.clone(), at };
        self.services.lifecycle.bury(&self.integration.scope, &burial).await
    }

    /// The address of a contact that only the platform knows. One call.
    async fn address_on_the_platform(&self, known: &Known) -> Result<Option<Email>> {
        let Some(contact) = known.contacts.first() else { return Ok(None) };
        match self.integration.platform.get(contact).await {
            Ok(shown) => Ok(shown.email.and_then(|email| email.parse().ok())),
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

/// The failure of what would have brought somebody back.
pub(crate) fn refusal() -> Failure {
    let issue = FieldIssue::new("id", IssueCode::Erased, format!("Skipped: {SKIPPED}."));
    Failure::new(FailureKind::NotFound, SKIPPED).with_fields(vec![issue]).because(Situation::Erased)
}

/// The identities that somebody is given by.
pub(crate) fn identities(external_id: Option<&ExternalId>, email: Option<&Email>) -> Vec<Identity> {
    external_id.map(ExternalId::identity).into_iter().chain(email.map(Email::identity)).collect()
}

/// Whether a row of somebody whom nobody knows may make a contact: nobody with its identities was deleted, or the record was made
/// after that. It was when the row says so; where it tells nothing of when it was made, a new id says so: one that is not that
/// of the deleted person, and that was never seen before. One that was reserved since then for a record that never came is new.
pub(crate) fn may_begin(
    made_at: Option<Timestamp>,
    identities: &(Option<Identity>, Option<Identity>),
    resolved: &Resolved,
    tombstones: &HashMap<Identity, Timestamp>,
) -> bool {
    let gone_since = |identity: &Option<Identity>| identity.as_ref().and_then(|one| tombstones.get(one)).copied();
    let (id, address) = (gone_since(&identities.0), gone_since(&identities.1));
    match (id.max(address), made_at) {
        (None, _) => true,
        (Some(gone), Some(made)) => made > gone,
        (Some(gone), None) => {
            let is_new = resolved.by_external_id.is_none() || resolved.reserved_at.is_some_and(|at| at > gone);
            id.is_none() && is_new
        }
    }
}

/// Columns in which applications say when a record was made, without what parts their words.
const MADE: &[&str] = &[
    "createdat",
    "created",
    "createdon",
    "creationdate",
    "datecreated",
    "dateadded",
    "insertedat",
    "signupdate",
    "signedupat",
    "registeredat",
    "registrationdate",
    "customersince",
    "membersince",
    "joinedat",
];

/// Whether a column of this name tells when the application made the record.
#[must_use]
pub fn tells_when_made(column: &str) -> bool {
    let plain: String = column.chars().filter(|c| c.is_alphanumeric()).collect();
    MADE.contains(&plain.to_lowercase().as_str())
}

/// When the application made the record, if a column says so; of several the latest. Of a day it is the first moment.
pub(crate) fn made_at(fields: &Fields) -> Option<Timestamp> {
    let columns = fields.iter().filter(|(name, _)| tells_when_made(name));
    columns.filter_map(|(_, value)| moment(value)).max()
}

fn moment(value: &Value) -> Option<Timestamp> {
    let text = value.as_str()?.trim();
    let local =
        || text.parse::<civil::DateTime>().ok()?.to_zoned(tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    text.parse().ok().or_else(local)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::identity::RecordKey;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn ids() -> (Option<Identity>, Option<Identity>) {
        let id: ExternalId = "7".to_owned().try_into().unwrap();
        (Some(id.identity()), Some("a@example.com".parse::<Email>().unwrap().identity()))
    }

    #[test]
    fn a_row_says_in_many_words_when_its_record_was_made() {
        let made = |fields: Value| made_at(&fields.as_object().unwrap().clone().into_iter().collect());
        assert_eq!(made(json!({"Created At": "2026-11-20T10:00:00Z"})), Some(at("2026-11-20T10:00:00Z")));
        assert_eq!(made(json!({"customer_since": "2026-11-20", "x": "2027-01-01"})), Some(at("2026-11-20T00:00:00Z")));
        assert_eq!(made(json!({"created": "2026-11-20 10:00:00"})), Some(at("2026-11-20T10:00:00Z")));
        assert_eq!(made(json!({"updated_at": "2026-11-20T10:00:00Z", "created_at": null})), None);
    }

    #[test]
    fn only_a_record_made_after_the_deletion_begins_anew() {
        let (id, address) = ids();
        let gone = at("2026-11-20T10:00:00Z");
        let of = |identity: &Option<Identity>| HashMap::from([(identity.clone().unwrap(), gone)]);
        let (later, earlier) = (Some(at("2026-11-21T00:00:00Z")), Some(at("2026-11-20T00:00:00Z")));
        let unseen = Resolved::default();
        let seen = Resolved { by_external_id: Some(RecordKey::from_stored("x".to_owned())), ..Resolved::default() };
        let may = |made, resolved: &Resolved, stones: &HashMap<_, _>| may_begin(made, &ids(), resolved, stones);
        assert!(may(None, &unseen, &HashMap::new()) && may(earlier, &unseen, &HashMap::new()));
        assert!(may(later, &unseen, &of(&id)) && may(later, &seen, &of(&address)));
        assert!(!may(earlier, &unseen, &of(&id)) && !may(earlier, &unseen, &of(&address)));
        assert!(!may(None, &unseen, &of(&id)), "the deleted person's own id");
        assert!(!may(None, &seen, &of(&address)), "an id that was known before");
        assert!(may(None, &unseen, &of(&address)), "a new id with the address");
        let reserved = |moment: &str| Resolved { reserved_at: Some(at(moment)), ..seen.clone() };
        assert!(may(None, &reserved("2026-11-20T11:00:00Z"), &of(&address)), "a new id whose record never came");
        assert!(!may(None, &reserved("2026-11-20T09:00:00Z"), &of(&address)), "an id that was known before");
    }
}
