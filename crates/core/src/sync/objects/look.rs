//! Things are read before they are changed: what people changed of them since is brought together with what the record says, and
//! not overwritten.

use jiff::Timestamp;

use crate::domain::link::RemoteId;
use crate::error::{FailureKind, Result};
use crate::policy;
use crate::ports::objects::RemoteObject;
use crate::sync::pull::{PullCounts, pulling};

use super::{Became, Item, ObjectSender};

impl ObjectSender<'_> {
    /// Gives those that are to be written as they were planned. Where something came back, or may have, the record is planned anew,
    /// and is among `open` if something is still to be written. A call for each that is read, and a read for ten.
    pub(super) async fn look_first(&mut self, some: Vec<Item>, open: &mut Vec<Item>) -> Result<Vec<Item>> {
        if self.may_look(&some).await? { self.read(some, open).await } else { Ok(some) }
    }

    /// Nothing is read while a create is in doubt: what stands in a thing may be what that one wrote.
    async fn may_look(&mut self, some: &[Item]) -> Result<bool> {
        if !some.iter().any(|item| self.is_to_be_read(item)) {
            return Ok(false);
        }
        let in_doubt = match self.in_doubt {
            Some(known) => known,
            None => self.desk.creates_are_open().await?,
        };
        self.in_doubt = Some(in_doubt);
        Ok(!in_doubt)
    }

    /// Whether the write goes over something that people may have changed.
    fn is_to_be_read(&self, item: &Item) -> bool {
        let draft = &item.draft;
        let Some(object) = self.desk.integration.rules.object_of(draft.key.kind()) else { return false };
        let writes = |name: &String| draft.set.contains_key(name) || draft.clear.contains(name);
        let mut both_ways = pulling(&object.rules).filter_map(|rule| rule.remote.as_ref());
        !item.looked && draft.remote_id().is_some() && !draft.link.overwritten && both_ways.any(writes)
    }

    async fn read(&mut self, some: Vec<Item>, open: &mut Vec<Item>) -> Result<Vec<Item>> {
        let (read, mut as_planned): (Vec<Item>, Vec<Item>) =
            some.into_iter().partition(|item| self.is_to_be_read(item));
        let ids: Vec<RemoteId> = read.iter().filter_map(|item| item.draft.remote_id().cloned()).collect();
        let outcomes = self.desk.integration.objects.read_objects(&ids).await?;
        if let Some(away) = self.away(&outcomes).await {
            return Err(away);
        }
        let passes = |outcome: &Result<RemoteObject>| {
            outcome.as_ref().is_err_and(|failure| policy::may_be_done_later(failure.kind))
        };
        let to_blame = outcomes.iter().position(passes);
        let (mut things, mut there) = (Vec::new(), Vec::new());
        for (place, (item, outcome)) in read.into_iter().zip(outcomes).enumerate() {
            // Those behind one that failed were not asked for.
            let was_not_asked = to_blame.is_some_and(|first| place > first) && passes(&outcome);
            match outcome {
                Ok(thing) => {
                    things.push(thing);
                    there.push(item);
                }
                // The write finds that out, and what follows.
                Err(failure) if failure.kind == FailureKind::NotFound => as_planned.push(item),
                Err(_) if was_not_asked => {
                    let due_at = item.mark.due_at;
                    self.ended.push((item.mark, Became::Held(due_at)));
                }
                Err(failure) => self.ended.push((item.mark, Became::Failed(Box::new(item.draft), failure))),
            }
        }
        let since = self.looked_at.unwrap_or(Timestamp::UNIX_EPOCH);
        let changed = self.desk.take_in_objects(things, since, &mut PullCounts::default()).await?;
        let (anew, same): (Vec<Item>, Vec<Item>) =
            there.into_iter().partition(|item| changed.contains(&item.draft.key));
        as_planned.extend(same);
        self.plan_anew(anew, open).await?;
        Ok(as_planned)
    }

    async fn plan_anew(&mut self, items: Vec<Item>, open: &mut Vec<Item>) -> Result<()> {
        for (mark, draft) in self.planned(items.into_iter().map(|item| item.mark).collect()).await? {
            match draft {
                None => self.ended.push((mark, Became::Gone)),
                Some(draft) => {
                    open.extend(self.place(mark, draft).await?.map(|item| Item { looked: true, ..item }));
                }
            }
        }
        Ok(())
    }
}
