//! Opt-outs in batches: mail is forbidden to those who opted out and whose contact does not show it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::author::Author;
use crate::domain::link::RemoteId;
use crate::domain::platform::{ContactWrite, DoNotContact};
use crate::error::Result;
use crate::ports::changes::MailChange;
use crate::sync::lift::{self, Lift, newest_of_mail};
use crate::sync::operations;
use crate::sync::plan;

use super::Writer;
use super::held::Done;

/// Who allowed mail again, and when.
type Lifts = BTreeMap<RemoteId, (Timestamp, Author)>;

impl Writer<'_> {
    /// Forbids mail to those who opted out and whose contact does not show it yet. One call for all of them, and one more
    /// when some were forbidden before: their own click is an opt-in, and nobody else's is.
    pub(super) async fn forbid_mail(&self, done: &mut [Done]) -> Result<()> {
        let open: Vec<usize> = (0..done.len()).filter(|index| done[*index].may_be_mailed_wrongly()).collect();
        if open.is_empty() {
            return Ok(());
        }
        let lifts = match self.lifts_of(done, &open).await {
            Ok(lifts) => lifts,
            Err(failure) => return leave_open(done, open, Err(failure)),
        };
        let entries = self.entries_for(done, &open, &lifts);
        let write = |entry: &DoNotContact| ContactWrite { forbid_mail: Some(entry.clone()), ..ContactWrite::default() };
        let writes: Vec<_> =
            entries.iter().map(|(index, entry)| (done[*index].contact.id.clone(), write(entry))).collect();
        if writes.is_empty() {
            return Ok(());
        }
        let about = entries.iter().map(|(index, _)| done[*index].held.item.about()).collect();
        let indices = entries.into_iter().map(|(index, _)| index);
        match operations::about(about, self.desk.integration.bulk.update_many(&writes)).await {
            Ok(outcomes) => {
                let failed = indices.zip(outcomes).filter(|(_, outcome)| outcome.is_err()).map(|(index, _)| index);
                let failed = failed.collect();
                leave_open(done, failed, Ok(()))
            }
            Err(failure) => {
                let indices = indices.collect();
                leave_open(done, indices, Err(failure))
            }
        }
    }

    /// Who allowed mail to those of the contacts that were forbidden it before, as far as the log tells.
    async fn lifts_of(&self, done: &[Done], open: &[usize]) -> Result<Lifts> {
        let was_forbidden = open.iter().filter(|index| done[**index].was_forbidden());
        let ids: Vec<RemoteId> = was_forbidden.map(|index| done[*index].contact.id.clone()).collect();
        if ids.is_empty() {
            return Ok(Lifts::new());
        }
        let Some(edits) = self.desk.integration.changes.edits_of(&ids).await? else {
            // Without the log, only the entries of these very contacts are known to have been there.
            let here = open.iter().map(|index| &done[*index]).filter(|done| done.was_forbidden_here());
            return Ok(here.map(|done| (done.contact.id.clone(), (self.now(), Author::Unknown))).collect());
        };
        let lift = |id: RemoteId| match newest_of_mail(&edits, &id) {
            Some((change, MailChange::Allowed)) => Some((id, (change.at, change.author.clone()))),
            Some((_, MailChange::Forbidden { .. })) | None => None,
        };
        Ok(ids.into_iter().filter_map(lift).collect())
    }

    /// The entries that are to be set. Who opted in again by their own click gets none: it is learnt.
    fn entries_for(&self, done: &mut [Done], open: &[usize], lifts: &Lifts) -> Vec<(usize, DoNotContact)> {
        let rule = self.desk.integration.admin_opt_in;
        let mut entries = Vec::new();
        for index in open {
            let one = &mut done[*index];
            let consent = &one.held.item.draft.consent;
            let Some((at, author)) = lifts.get(&one.contact.id) else {
                entries.push((*index, DoNotContact::of_opt_out(consent.standing())));
                continue;
            };
            match lift::follow(consent, *at, author, rule) {
                Lift::OptIn(opt_in) => one.opt_in = Some(opt_in),
                Lift::PutBack(entry, issue) => {
                    entries.push((*index, entry));
                    one.told.push(issue);
                }
            }
        }
        entries
    }
}

/// Committed without the entry, the next plan finds that mail is still to be forbidden.
fn leave_open(done: &mut [Done], open: Vec<usize>, end: Result<()>) -> Result<()> {
    for index in open {
        done[index].held.item.refused.push(plan::MAIL.to_owned());
    }
    end
}
