//! Consent after a write: what the platform and the ledger say of being mailed is brought together, and an opt-out wins.

use jiff::Timestamp;
use serde_json::json;

use crate::domain::consent::{ConsentEntry, ConsentLedger, ConsentSource, ConsentStatus};
use crate::domain::issue::{FieldIssue, IssueCode};
use crate::domain::platform::{ContactWrite, DoNotContact, DoNotContactReason, RemoteContact};
use crate::error::Result;

use super::plan;
use super::write::Writing;

impl Writing<'_> {
    /// Opt-outs go both ways; gives whether the ledger learnt one from the platform.
    pub(super) async fn settle_consent(&mut self, contact: &mut RemoteContact) -> Result<bool> {
        match (self.draft.consent.opted_out(), contact.mail_forbidden().cloned()) {
            (true, None) => {
                self.platform().forbid_mail(&contact.id, &DoNotContact::own_opt_out()).await?;
                Ok(false)
            }
            (false, Some(entry)) if self.draft.opted_in_by_person && entry.reason != DoNotContactReason::Bounced => {
                self.platform().allow_mail(&contact.id).await?;
                Ok(false)
            }
            // An address that takes no mail is no word of the person.
            (false, Some(entry)) if entry.reason == DoNotContactReason::Bounced => Ok(false),
            (false, Some(entry)) => self.learn_opt_out(contact, &entry).await,
            (true, Some(_)) | (false, None) => Ok(false),
        }
    }

    /// The platform knows of an opt-out that Tandem did not: it stands, and the field that says otherwise is corrected.
    async fn learn_opt_out(&mut self, contact: &mut RemoteContact, entry: &DoNotContact) -> Result<bool> {
        let at = self.desk.now();
        learn(&mut self.draft.consent, entry, at);
        plan::note_forbidden(&mut self.draft.wanted);
        self.draft.enrol = None;
        if let Some(value) = self.draft.wanted.get_mut(OPT_IN_FIELD) {
            *value = json!(false);
            let correction =
                ContactWrite { fields: [(OPT_IN_FIELD.to_owned(), json!(false))].into(), ..Default::default() };
            *contact = self.platform().update(&contact.id, &correction).await?;
            self.draft.issues.push(FieldIssue::new(
                "consent.marketing_opt_in",
                IssueCode::OptOutKept,
                "The person opted out on the platform; the opt-out was kept.",
            ));
        }
        Ok(true)
    }
}

/// The platform's field that shows the opt-in.
const OPT_IN_FIELD: &str = "marketing_opt_in";

pub(super) fn learn(ledger: &mut ConsentLedger, entry: &DoNotContact, at: Timestamp) {
    ledger.take(statement(entry, at));
}

/// What the platform's entry says of being mailed.
pub(super) fn statement(entry: &DoNotContact, at: Timestamp) -> ConsentEntry {
    let proof = match entry.reason {
        DoNotContactReason::Unsubscribed => "platform: unsubscribed",
        DoNotContactReason::Bounced => "platform: bounced",
        DoNotContactReason::Manual => "platform: set by hand",
    };
    ConsentEntry { status: ConsentStatus::OptedOut, source: ConsentSource::Platform, at, proof: Some(proof.to_owned()) }
}
