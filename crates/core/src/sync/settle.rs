//! Consent after a write: what the platform and the ledger say of being mailed is brought together, and an opt-out wins.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::domain::author::Author;
use crate::domain::consent::{ConsentEntry, ConsentLedger, ConsentSource, ConsentStatus};
use crate::domain::issue::{FieldIssue, IssueCode};
use crate::domain::link::RemoteId;
use crate::domain::platform::{ContactWrite, DoNotContact, DoNotContactReason, RemoteContact};
use crate::error::Result;
use crate::policy;
use crate::ports::changes::MailChange;

use super::lift::{self, Lift, newest_of_mail};
use super::plan::{self, MAIL};
use super::services::Desk;
use super::write::Writing;

impl Writing<'_> {
    /// Opt-outs go both ways; gives whether the ledger learnt something from the platform.
    pub(super) async fn settle_consent(&mut self, contact: &mut RemoteContact) -> Result<bool> {
        match (self.draft.consent.opted_out(), contact.mail_forbidden().cloned()) {
            (true, None) => self.forbid(contact).await,
            // An address that takes no mail is no word of the person.
            (false, Some(entry)) if entry.reason == DoNotContactReason::Bounced => {
                self.draft.issues.extend(self.draft.opted_in_by_person.then(lifts_nothing));
                Ok(false)
            }
            (false, Some(entry)) if self.lifts(contact, &entry).await? => {
                self.platform().allow_mail(&contact.id).await?;
                Ok(false)
            }
            (_, Some(entry)) if is_word_against_mail(&self.draft.consent, &entry) => {
                self.learn_opt_out(contact, &entry).await
            }
            (_, Some(_)) | (false, None) => Ok(false),
        }
    }

    /// An opt-out stands and mail is allowed there. Where the platform forbade it before, somebody took that away: the person
    /// may, and nobody else.
    async fn forbid(&mut self, contact: &mut RemoteContact) -> Result<bool> {
        let standing = self.draft.consent.standing().cloned();
        let wrote = self.draft.link.snapshot.contains_key(MAIL);
        let was_there = was_forbidden(wrote, standing.as_ref());
        // Without the log, only the entry of this very contact is known to have been there.
        let was_here = wrote && self.draft.remote_id() == Some(&contact.id);
        let lifted = if was_there { self.desk.lifted(&contact.id, was_here).await? } else { None };
        let Some((at, author)) = lifted else {
            self.platform().forbid_mail(&contact.id, &DoNotContact::of_opt_out(standing.as_ref())).await?;
            return Ok(false);
        };
        match lift::follow(&self.draft.consent, at, &author, self.desk.integration.admin_opt_in) {
            Lift::OptIn(opt_in) => {
                self.draft.consent.take(opt_in);
                self.draft.wanted.remove(MAIL);
                self.correct_field(contact, true).await?;
                Ok(true)
            }
            Lift::PutBack(entry, issue) => {
                self.platform().forbid_mail(&contact.id, &entry).await?;
                self.draft.issues.push(issue);
                Ok(false)
            }
        }
    }

    /// Whether the person's opt-in is later than the platform's entry. Tandem's own is as old as the opt-out that was undone.
    async fn lifts(&self, contact: &RemoteContact, entry: &DoNotContact) -> Result<bool> {
        if entry.is_of_unclear() {
            return Ok(self.draft.consent.opted_in());
        }
        let standing = self.draft.consent.standing().filter(|standing| standing.source.may_undo());
        let Some(opt_in) = standing else { return Ok(false) };
        if entry.is_own() {
            return Ok(true);
        }
        let is_fresh = self.draft.opted_in_by_person && self.desk.now().duration_since(opt_in.at) < FRESH;
        if is_fresh {
            return Ok(true);
        }
        Ok(match entry.since.or(self.desk.forbidden_since(&contact.id).await?) {
            Some(since) => is_before(since, opt_in.at),
            None => self.draft.opted_in_by_person,
        })
    }

    /// The platform knows of an opt-out that Tandem did not: it stands, and the field that says otherwise is corrected.
    async fn learn_opt_out(&mut self, contact: &mut RemoteContact, entry: &DoNotContact) -> Result<bool> {
        let at = self.desk.now();
        learn(&mut self.draft.consent, entry, at);
        plan::note_forbidden(&mut self.draft.wanted);
        self.draft.enrol = None;
        if self.correct_field(contact, false).await? {
            self.draft.issues.push(FieldIssue::new(
                "consent.marketing_opt_in",
                IssueCode::OptOutKept,
                "The person opted out on the platform; the opt-out was kept.",
            ));
        }
        Ok(true)
    }

    /// Corrects the field that shows the opt-in, if it is written at all.
    async fn correct_field(&mut self, contact: &mut RemoteContact, opted_in: bool) -> Result<bool> {
        let field = self.desk.integration.rules.consent().and_then(|rule| rule.remote.clone());
        let Some(field) = field else { return Ok(false) };
        let Some(value) = self.draft.wanted.get_mut(&field) else { return Ok(false) };
        *value = json!(opted_in);
        let correction = ContactWrite { fields: [(field, json!(opted_in))].into(), ..Default::default() };
        *contact = self.platform().update(&contact.id, &correction).await?;
        Ok(true)
    }
}

impl Desk {
    /// When mail to a contact was allowed again, and by whom; `None` when the log does not tell. Where there is no log to read,
    /// somebody whom nobody can name did it at some time, if the entry `was_here`. One call.
    async fn lifted(&self, contact: &RemoteId, was_here: bool) -> Result<Option<(Timestamp, Author)>> {
        let Some(edits) = self.integration.changes.edits_of(std::slice::from_ref(contact)).await? else {
            return Ok(was_here.then(|| (self.now(), Author::Unknown)));
        };
        Ok(match newest_of_mail(&edits, contact) {
            Some((change, MailChange::Allowed)) => Some((change.at, change.author.clone())),
            Some((_, MailChange::Forbidden { .. })) | None => None,
        })
    }

    /// Since when mail to a contact is forbidden as it is; `None` when the log does not tell. One call.
    async fn forbidden_since(&self, contact: &RemoteId) -> Result<Option<Timestamp>> {
        let edits = self.integration.changes.edits_of(std::slice::from_ref(contact)).await?.unwrap_or_default();
        Ok(match newest_of_mail(&edits, contact) {
            Some((change, MailChange::Forbidden { .. })) => Some(change.at),
            Some((_, MailChange::Allowed)) | None => None,
        })
    }
}

/// An opt-in that is as young as this was said just now.
const FRESH: SignedDuration = SignedDuration::from_mins(2);
/// The platform's dates have whole seconds.
const TICK: SignedDuration = SignedDuration::from_secs(1);

/// Whether the platform had an entry before: the last write knew of it, or the opt-out was learnt there.
pub(super) fn was_forbidden(known: bool, standing: Option<&ConsentEntry>) -> bool {
    known || standing.is_some_and(|standing| standing.source == ConsentSource::Platform)
}

/// The person opted in, and mail goes nowhere all the same.
fn lifts_nothing() -> FieldIssue {
    let message = "The opt-in was noted. On the platform a bounce forbids mail to the address, and that stays.";
    FieldIssue::new("consent.marketing_opt_in", IssueCode::OptOutKept, message)
}

pub(super) fn learn(ledger: &mut ConsentLedger, entry: &DoNotContact, at: Timestamp) {
    ledger.take(statement(entry, at));
}

/// Whether an entry of the platform says a no that the ledger does not know. A bounce is nobody's word, nor is what Tandem set
/// for somebody of whom nothing clear is known.
pub(super) fn is_word_against_mail(ledger: &ConsentLedger, entry: &DoNotContact) -> bool {
    let is_new = !ledger.opted_out() || ledger.is_unclear() && !entry.is_own();
    is_new && entry.reason != DoNotContactReason::Bounced
}

/// Whether the ledger knows better than an entry of the platform: of the opt-out, or that the person opted in since. An
/// entry of Tandem's own is as old as the opt-out that it was set for.
pub(crate) fn is_known(entry: &DoNotContact, ledger: &ConsentLedger) -> bool {
    let Some(standing) = ledger.standing() else { return false };
    match standing.status {
        ConsentStatus::OptedOut => true,
        ConsentStatus::Unclear => entry.is_own(),
        ConsentStatus::OptedIn if entry.is_of_unclear() => true,
        ConsentStatus::OptedIn if !standing.source.may_undo() => false,
        ConsentStatus::OptedIn => entry.is_own() || entry.since.is_some_and(|since| is_before(since, standing.at)),
    }
}

/// Whether an entry is older than an opt-in without doubt: the platform's dates have whole seconds, cut off.
fn is_before(since: Timestamp, opt_in: Timestamp) -> bool {
    policy::after(since, TICK) <= opt_in
}

/// What the platform's entry says of being mailed; learnt at `at`, where it does not say since when it stands.
pub(crate) fn statement(entry: &DoNotContact, at: Timestamp) -> ConsentEntry {
    let proof = match entry.reason {
        DoNotContactReason::Unsubscribed => "platform: unsubscribed",
        DoNotContactReason::Bounced => "platform: bounced",
        DoNotContactReason::Manual => "platform: set by hand",
    };
    let at = entry.since.unwrap_or(at);
    if entry.is_of_unclear() {
        return ConsentEntry::unclear(at);
    }
    ConsentEntry { status: ConsentStatus::OptedOut, source: ConsentSource::Platform, at, proof: Some(proof.to_owned()) }
}
