//! Segments by their names: the one way to find one, or to make it when there is none. Sync runs, lifecycle events and
//! `tandem connect` all come through here: the platform makes two of one name without a word, and then nobody can say any
//! more which one is meant.

use jiff::SignedDuration;

use crate::domain::link::Lease;
use crate::error::{Failure, FailureKind, Result};
use crate::jobs::message::{ListKind, MembershipList};
use crate::policy;
use crate::ports::Attempt;

use super::lists::folded;
use super::services::Desk;

/// How old a list may be in which a name was not found.
const FRESH: SignedDuration = SignedDuration::from_mins(1);
/// By how much the clocks of two functions may differ.
const CLOCKS: SignedDuration = SignedDuration::from_mins(3);

impl Desk {
    /// The segment of this name; it is made when there is none, under a lock that all functions share. One call in five
    /// minutes for a name that is there; one more to make one, and another where somebody else may have made it meanwhile.
    ///
    /// # Errors
    /// `Invalid` with an issue for `field` when several have the name; `Conflict` while another function makes it; as table
    /// and platform fail.
    pub async fn segment_named(&self, name: &str, field: &str) -> Result<MembershipList> {
        match self.list_named(ListKind::Segment, name, field).await {
            Err(failure) if failure.kind == FailureKind::NotFound => self.make_segment(name, field).await,
            found => found,
        }
    }

    async fn make_segment(&self, name: &str, field: &str) -> Result<MembershipList> {
        let (lifecycle, scope, now) = (&self.services.lifecycle, &self.integration.scope, self.now());
        let lease = Lease { owner: self.services.entropy.id(), until: policy::after(now, policy::LEASE) };
        // Two spellings of one name are one segment, so they are one lock.
        let lock = folded(name);
        // The list that lacks the name is still true where nobody has had the lock since it was read.
        let listed_at = self.integration.reference.lists_read_at(ListKind::Segment);
        let is_missing = match listed_at.filter(|listed_at| now.duration_since(*listed_at) < FRESH) {
            Some(listed_at) => {
                let since = policy::after(listed_at, -CLOCKS);
                lifecycle.lock_list(scope, &lock, &lease, Some(since), now).await? == Attempt::Done
            }
            None => false,
        };
        if !is_missing && lifecycle.lock_list(scope, &lock, &lease, None, now).await? == Attempt::Contended {
            return Err(Failure::new(FailureKind::Conflict, format!("another function makes the segment of {field}")));
        }
        let made = if is_missing { self.make_now(name).await } else { self.make_locked(name, field).await };
        if made.is_err() {
            self.integration.reference.forget_lists(ListKind::Segment);
        }
        // After a time-out it may still be made: then the lock stays as long as that can take.
        if !matches!(&made, Err(failure) if failure.kind == FailureKind::Timeout) {
            lifecycle.unlock_list(scope, &lock, &lease.owner).await?;
        }
        made
    }

    /// It may have been made since it was last looked for.
    async fn make_locked(&self, name: &str, field: &str) -> Result<MembershipList> {
        self.integration.reference.forget_lists(ListKind::Segment);
        match self.list_named(ListKind::Segment, name, field).await {
            Err(failure) if failure.kind == FailureKind::NotFound => self.make_now(name).await,
            found => found,
        }
    }

    async fn make_now(&self, name: &str) -> Result<MembershipList> {
        let made = self.integration.bulk.create_segment(name.trim()).await?;
        let list = ListKind::Segment.with_id(made.id.clone());
        self.integration.reference.note_list(ListKind::Segment, made);
        Ok(list)
    }
}
