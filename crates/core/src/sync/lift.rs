//! Somebody took the entry away that forbids mail, while an opt-out stands here. The person's own click on the platform is a
//! later opt-in, and the platform's log is its proof. A user's or a program's word is none, unless the operator says so: then
//! the entry is put back, and it is told who took it away: to the caller or by the run, or else among what happened to the
//! contact, which its timeline and the source show.

use std::str::FromStr;

use jiff::Timestamp;

use crate::domain::author::Author;
use crate::domain::consent::{ConsentEntry, ConsentLedger, ConsentSource, ConsentStatus};
use crate::domain::engagement::{self, EngagementEvent, EngagementKind};
use crate::domain::identity::{Email, RecordKey};
use crate::domain::issue::{FieldIssue, IssueCode};
use crate::domain::link::RemoteId;
use crate::domain::platform::DoNotContact;
use crate::domain::record::Record;
use crate::error::{FailureKind, Result};
use crate::jobs::message::Task;
use crate::ports::bulk::Mark;
use crate::ports::changes::{Change, MailChange, News};

use super::services::Desk;

/// Whether an opt-out that a user of the platform took away counts as taken back by the person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AdminOptIn {
    /// It does not: only the person may.
    #[default]
    Refuse,
    /// It does.
    Accept,
}

impl FromStr for AdminOptIn {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        match text.trim().to_lowercase().as_str() {
            "refuse" => Ok(Self::Refuse),
            "accept" => Ok(Self::Accept),
            _ => Err("must be refuse or accept"),
        }
    }
}

/// What follows from an entry's being taken away.
pub(crate) enum Lift {
    /// The person opted in again.
    OptIn(ConsentEntry),
    /// The opt-out stands: the entry to put back, and what to tell of it.
    PutBack(DoNotContact, FieldIssue),
}

/// What follows from an entry's being taken away at `at` by `author`, whoever notices it.
pub(crate) fn follow(ledger: &ConsentLedger, at: Timestamp, author: &Author, rule: AdminOptIn) -> Lift {
    match opt_in_of(ledger, at, author, rule) {
        Some(opt_in) => Lift::OptIn(opt_in),
        None => Lift::PutBack(DoNotContact::kept(ledger.standing()), put_back_issue(author)),
    }
}

/// The opt-in that follows; `None` when the opt-out stands.
fn opt_in_of(ledger: &ConsentLedger, at: Timestamp, author: &Author, rule: AdminOptIn) -> Option<ConsentEntry> {
    let source = match (author, rule) {
        (Author::Person, _) => ConsentSource::Person,
        // Nobody had said no.
        (Author::User { .. }, AdminOptIn::Refuse) if ledger.is_unclear() => ConsentSource::Administrator,
        (Author::User { .. }, AdminOptIn::Accept) => ConsentSource::Administrator,
        (Author::User { .. }, AdminOptIn::Refuse) | (Author::Program(_) | Author::Unknown, _) => return None,
    };
    let is_later = ledger.standing().is_some_and(|standing| at > standing.at);
    let proof = Some(format!("platform's log: {} allowed mail again at {at}", author.unnamed()));
    is_later.then_some(ConsentEntry { status: ConsentStatus::OptedIn, source, at, proof })
}

/// That an entry was put back, and who had taken it away.
fn put_back_issue(author: &Author) -> FieldIssue {
    let message = put_back_message(author, &author.to_string());
    FieldIssue::new("consent.marketing_opt_in", IssueCode::OptOutKept, message)
}

/// The same as a sentence; `by` is what the author is called in it.
fn put_back_message(author: &Author, by: &str) -> String {
    let lifted = match author {
        Author::Unknown => "mail was allowed to a person who opted out, and it is not known by whom".to_owned(),
        Author::Person | Author::Program(_) | Author::User { .. } => {
            format!("{by} allowed mail to a person who opted out")
        }
    };
    format!(
        "On the platform, {lifted}: the entry was put back. Only the person, or \"explicit\": true, undoes an opt-out."
    )
}

/// That an entry was put back, among what happened to a contact. Whoever learns of it, it has one name.
fn put_back_event(contact: &RemoteId, at: Timestamp, author: &Author) -> EngagementEvent {
    EngagementEvent {
        natural_id: format!("lifted:{contact}:{at}"),
        kind: EngagementKind::Contactable,
        at,
        email: None,
        campaign: None,
        subject: Some(put_back_message(author, &author.unnamed())),
        url: None,
        agent: None,
        sent_at: None,
        source: "consent ledger".to_owned(),
    }
}

/// The newest change of what forbids mail to a contact, among edits of which the newest comes first.
pub(crate) fn newest_of_mail<'a>(edits: &'a [Change], contact: &RemoteId) -> Option<(&'a Change, &'a MailChange)> {
    edits.iter().filter(|change| change.contact == *contact).find_map(|change| match &change.news {
        News::Edited(edit) => Some((change, edit.mail.as_ref()?)),
        News::Made | News::Merged { .. } | News::Gone => None,
    })
}

impl Desk {
    /// Mail to a contact was allowed again at `at`. Nothing follows unless an opt-out stands. One read of the table or three;
    /// two calls of the platform when the entry has to be put back, and then four writes and a read more.
    ///
    /// # Errors
    /// As table and platform fail; doing it again is sound.
    pub(crate) async fn mail_was_allowed(
        &self,
        contact: &RemoteId,
        at: Timestamp,
        author: &Author,
        correlation_id: &str,
    ) -> Result<()> {
        let Some(opted_out) = self.opted_out(contact).await? else { return Ok(()) };
        let OptedOut { key, record, email, ledger } = opted_out;
        match follow(&ledger, at, author, self.integration.admin_opt_in) {
            Lift::OptIn(opt_in) => {
                let (services, scope) = (&self.services, &self.integration.scope);
                // Marked before: the run that finds the mark finds the opt-in, and corrects the field.
                let mark = Mark::new(key, record.version, self.now());
                services.contacts.amend_consent(scope, &email.identity(), opt_in).await?;
                services.bulk.mark_many(scope, &[mark]).await?;
                self.tell_source(contact, &format!("allowed:{contact}:{at}"), correlation_id).await
            }
            Lift::PutBack(entry, _) => {
                let event = put_back_event(contact, at, author);
                self.put_back(contact, &entry, &event, correlation_id).await
            }
        }
    }

    /// Who allowed mail to a contact again is asked of the platform's log, as far as it can be read.
    ///
    /// # Errors
    /// As table and platform fail; doing it again is sound.
    pub async fn check_allowed(&self, contact: &RemoteId, at: Timestamp, correlation_id: &str) -> Result<()> {
        let edits = self.integration.changes.edits_of(std::slice::from_ref(contact)).await?;
        let Some(edits) = edits else {
            return self.mail_was_allowed(contact, at, &Author::Unknown, correlation_id).await;
        };
        match newest_of_mail(&edits, contact) {
            Some((change, MailChange::Allowed)) => {
                self.mail_was_allowed(contact, change.at, &change.author, correlation_id).await
            }
            Some((_, MailChange::Forbidden { .. })) | None => Ok(()),
        }
    }

    /// A delivery says that mail was allowed again. What it says of the person's own click counts at once; of anybody else's
    /// the log is asked, by a job.
    pub(crate) async fn hear_of_allowed(
        &self,
        contact: &RemoteId,
        at: Timestamp,
        author: &Author,
        correlation_id: &str,
    ) -> Result<()> {
        if *author == Author::Person {
            return self.mail_was_allowed(contact, at, author, correlation_id).await;
        }
        if self.opted_out(contact).await?.is_none() {
            return Ok(());
        }
        let task = Task::CheckAllowed { contact: contact.clone(), at };
        self.defer(task, correlation_id, CHECK_DELAY).await.map(drop)
    }

    /// Nobody waits for an answer in which it could be told: it is told by the event.
    async fn put_back(
        &self,
        contact: &RemoteId,
        entry: &DoNotContact,
        event: &EngagementEvent,
        correlation_id: &str,
    ) -> Result<()> {
        let shown = match self.integration.platform.get(contact).await {
            Err(failure) if failure.kind == FailureKind::NotFound => return Ok(()),
            shown => shown?,
        };
        if shown.id != *contact || shown.mail_forbidden().is_some() {
            return Ok(());
        }
        // Before the entry stands again: who dies in between tells it once more, and then under the same name.
        let (events, scope) = (&self.services.events, &self.integration.scope);
        events.add(scope, contact, event).await?;
        let all = events.events(scope, contact).await?;
        events.save_standing(scope, contact, &engagement::standing(&all)).await?;
        self.tell_source(contact, &event.natural_id, correlation_id).await?;
        tracing::warn!(%contact, "mail was allowed on the platform though an opt-out stands: put back");
        self.integration.platform.forbid_mail(contact, entry).await
    }

    /// The person whose contact it is, if an opt-out stands.
    async fn opted_out(&self, contact: &RemoteId) -> Result<Option<OptedOut>> {
        let (contacts, scope) = (&self.services.contacts, &self.integration.scope);
        let Some(key) = contacts.by_remote_id(scope, contact).await? else { return Ok(None) };
        let Some(record) = contacts.load(scope, &key).await?.record else { return Ok(None) };
        let Some(email) = record.email.clone() else { return Ok(None) };
        let ledger = contacts.resolve(scope, None, Some(&email.identity())).await?.consent;
        Ok(ledger.opted_out().then_some(OptedOut { key, record, email, ledger }))
    }
}

/// By then the platform has written its log.
const CHECK_DELAY: std::time::Duration = std::time::Duration::from_secs(1);

struct OptedOut {
    key: RecordKey,
    record: Record,
    email: Email,
    ledger: ConsentLedger,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn opted_out_at(second: i64) -> ConsentLedger {
        let mut ledger = ConsentLedger::default();
        let (status, source) = (ConsentStatus::OptedOut, ConsentSource::Platform);
        ledger.take(ConsentEntry { status, source, at: at(second), proof: None });
        ledger
    }

    #[test]
    fn the_persons_later_click_is_an_opt_in_with_proof_and_nobody_elses_is() {
        let ledger = opted_out_at(100);
        let admin = Author::User { id: 1, name: "Ada Admin".to_owned() };
        let opt_in = opt_in_of(&ledger, at(101), &Author::Person, AdminOptIn::Refuse).unwrap();
        assert_eq!((opt_in.source, opt_in.at, opt_in.proof.is_some()), (ConsentSource::Person, at(101), true));
        for author in [admin.clone(), Author::Program("hub [1]".to_owned()), Author::Unknown] {
            assert_eq!(opt_in_of(&ledger, at(101), &author, AdminOptIn::Refuse), None, "{author:?}");
        }
        let accepted = opt_in_of(&ledger, at(101), &admin, AdminOptIn::Accept).unwrap();
        assert_eq!(accepted.source, ConsentSource::Administrator);
        assert!(!accepted.proof.unwrap().contains("Ada"));
    }

    #[test]
    fn what_was_unclear_a_user_of_the_platform_may_clear_up() {
        let mut ledger = ConsentLedger::default();
        ledger.take(ConsentEntry::unclear(at(100)));
        let user = Author::User { id: 1, name: "Ada Admin".to_owned() };
        let opt_in = opt_in_of(&ledger, at(101), &user, AdminOptIn::Refuse).unwrap();
        assert_eq!(opt_in.source, ConsentSource::Administrator);
        assert_eq!(opt_in_of(&ledger, at(101), &Author::Unknown, AdminOptIn::Refuse), None);
    }

    #[test]
    fn a_click_that_is_older_than_the_opt_out_is_none() {
        assert_eq!(opt_in_of(&opted_out_at(100), at(100), &Author::Person, AdminOptIn::Accept), None);
    }
}
