//! Contacts of several jobs brought to the platform with as few calls as it takes.

use std::collections::HashMap;

use futures::stream::{self, StreamExt};
use jiff::Timestamp;

use crate::domain::identity::RecordKey;
use crate::domain::link::RemoteId;
use crate::error::{Failure, Result};
use crate::mapping::Response;
use crate::policy;
use crate::ports::bulk::{BATCH, Mark};

use super::batches::{Ended, Item, Sender};
use super::change::{IdentifyCase, PushAction, Pushed};
use super::plan::Draft;
use super::push::busy;
use super::services::Desk;

/// What became of a contact that was brought to the platform together with others.
pub(crate) enum Together {
    /// The platform has all of it.
    Done(Box<Pushed>),
    /// Its record was deleted.
    Forgotten,
    /// It needs what no batch call does: it has to be written by itself.
    Single,
    /// It could not be written.
    Failed(Failure),
}

impl Desk {
    /// Brings records to the platform by their state of now, each as a push of it alone would; `until` is when the time for
    /// it is over. For 200 new contacts one call.
    ///
    /// What fails for one is told for that one. What fails for all (the platform is away) is told for all that were not
    /// written before.
    pub(crate) async fn push_together(
        &self,
        keys: Vec<RecordKey>,
        correlation_id: &str,
        until: Timestamp,
    ) -> HashMap<RecordKey, Together> {
        let mut became: HashMap<RecordKey, Together> = HashMap::new();
        // Together with nobody it is written as ever.
        if keys.len() == 1 {
            return keys.into_iter().map(|key| (key, Together::Single)).collect();
        }
        let mut left = keys;
        left.sort();
        left.dedup();
        for some in left.chunks(BATCH) {
            let mut sender = Sender::of_jobs(self, correlation_id);
            let sent = self.send_together(some, &mut sender, until).await;
            let sent = sent.and(sender.finish().await);
            became.extend(sender.take_ended().into_iter().map(Self::together));
            if let Err(failure) = sent {
                for key in some {
                    became.entry(key.clone()).or_insert_with(|| Together::Failed(failure.clone()));
                }
            }
        }
        became
    }

    async fn send_together(&self, keys: &[RecordKey], sender: &mut Sender<'_>, until: Timestamp) -> Result<()> {
        let now = self.now();
        let mark = |key: &RecordKey| Mark::new(key.clone(), 0, now);
        sender.place_all(keys.iter().map(mark).collect()).await?;
        let open = self.open_memberships(sender);
        self.services.bulk.mark_many(&self.integration.scope, &open).await?;
        while !sender.is_done() {
            if policy::after(self.now(), policy::LONGEST_STEP) >= until {
                return Err(policy::out_of_time());
            }
            sender.advance().await?;
        }
        Ok(())
    }

    /// Memberships that follow from the records' own fields are left to the next sync run, as a single write leaves them.
    fn open_memberships(&self, sender: &Sender<'_>) -> Vec<Mark> {
        let settled = sender.ended().iter().filter_map(|ended| match ended {
            Ended::Settled(_, draft) => draft.as_deref(),
            _ => None,
        });
        let drafts = sender.waiting().map(|item| &item.draft).chain(settled);
        let open = drafts.filter(|draft| draft.has_open_memberships());
        open.map(|draft| Mark::new(draft.key.clone(), draft.record.version, self.now())).collect()
    }

    fn together(ended: Ended) -> (RecordKey, Together) {
        match ended {
            Ended::Written { item, contact, created, unfinished: false, left_out } => {
                let Item { mark, draft, .. } = *item;
                let action = if created { PushAction::Created } else { PushAction::Updated };
                let mut pushed = pushed(draft, Some(contact), action);
                pushed.issues.extend(left_out);
                (mark.record, Together::Done(Box::new(pushed)))
            }
            Ended::Settled(mark, Some(draft)) if draft.follows == Response::Ignore => {
                let contact = draft.remote_id().cloned();
                (mark.record, Together::Done(Box::new(pushed(*draft, contact, PushAction::NotSent))))
            }
            Ended::Settled(mark, Some(draft)) => match draft.remote_id().cloned() {
                Some(contact) => {
                    (mark.record, Together::Done(Box::new(pushed(*draft, Some(contact), PushAction::Unchanged))))
                }
                None => (mark.record, Together::Single),
            },
            Ended::Written { item, .. } => (item.mark.record, Together::Single),
            Ended::Settled(mark, None) | Ended::Single(mark) | Ended::Astray(mark) => (mark.record, Together::Single),
            Ended::Forgotten(mark) | Ended::Deleted(mark) => (mark.record, Together::Forgotten),
            Ended::Held(mark, until, failure) => {
                let failure = failure.map_or_else(|| busy(until), |failure| failure.not_before(until));
                (mark.record, Together::Failed(failure))
            }
            Ended::Failed(item, failure) => (item.mark.record, Together::Failed(failure)),
        }
    }
}

fn pushed(draft: Draft, contact: Option<RemoteId>, action: PushAction) -> Pushed {
    let case = match action {
        PushAction::Created => IdentifyCase::Created,
        PushAction::Updated | PushAction::Unchanged | PushAction::NotSent => IdentifyCase::KnownEmail,
    };
    let (situation, enrolled_in) = (draft.situation, draft.link.associations.campaigns().map(str::to_owned).collect());
    Pushed { contact, action, situation, case, enrolled_in, issues: draft.issues }
}

/// Does work of many at the same time, but not of all at once: the platform takes only so many calls a second. The results
/// are in the order of the work.
pub(crate) async fn side_by_side<T>(work: Vec<impl Future<Output = T>>) -> Vec<T> {
    stream::iter(work).buffered(policy::SIDE_BY_SIDE).collect().await
}
