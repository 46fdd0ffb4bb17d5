//! Finding the lists that rules speak of; segments that are only named are made.

use crate::domain::link::Lease;
use crate::error::{Failure, FailureKind, Result};
use crate::jobs::message::ListKind;
use crate::jobs::message::MembershipList;
use crate::policy;
use crate::ports::Attempt;
use crate::sync::services::Desk;

use super::rulebook::ListRef;
use super::target::Target;

impl Desk {
    /// The platform's list for a target of the rules; `None` for one that may be missing and is. No call for one that is
    /// given by its number, or whose name was found within five minutes.
    ///
    /// # Errors
    /// `NotFound` for one that must be there; as the platform fails.
    pub(super) async fn list_of(&self, target: &Target) -> Result<Option<MembershipList>> {
        let Some(list) = self.integration.lifecycle.list(target) else {
            return Err(Failure::new(FailureKind::NotFound, format!("the rules know no {target} any more")));
        };
        self.find_list(target, list).await
    }

    async fn find_list(&self, target: &Target, list: &ListRef) -> Result<Option<MembershipList>> {
        if let Some(id) = &list.id {
            return Ok(Some(list.kind.with_id(id.clone())));
        }
        let name = list.name.as_deref().unwrap_or_default();
        match self.list_named(list.kind, name, &target.to_string()).await {
            Err(failure) if failure.kind == FailureKind::NotFound && list.optional => Ok(None),
            Err(failure) if failure.kind == FailureKind::NotFound && list.kind == ListKind::Segment => {
                self.make_segment(name, target).await.map(Some)
            }
            found => found.map(Some),
        }
    }

    /// Makes a segment that nobody else is making: the platform would make two of one name, of which nobody could say any
    /// more which one is meant.
    async fn make_segment(&self, name: &str, target: &Target) -> Result<MembershipList> {
        let (lifecycle, scope, now) = (&self.services.lifecycle, &self.integration.scope, self.now());
        let lease = Lease { owner: self.services.entropy.id(), until: policy::after(now, policy::LEASE) };
        if lifecycle.lock_list(scope, name, &lease, now).await? == Attempt::Contended {
            return Err(Failure::new(FailureKind::Conflict, format!("another worker makes {target}")));
        }
        let made = self.make_locked(name, target).await;
        self.integration.reference.forget_lists(ListKind::Segment);
        // After a time-out it may still be made: then the lock stays as long as that can take.
        if !matches!(&made, Err(failure) if failure.kind == FailureKind::Timeout) {
            lifecycle.unlock_list(scope, name, &lease.owner).await?;
        }
        made
    }

    /// It may have been made since it was last looked for.
    async fn make_locked(&self, name: &str, target: &Target) -> Result<MembershipList> {
        self.integration.reference.forget_lists(ListKind::Segment);
        match self.list_named(ListKind::Segment, name, &target.to_string()).await {
            Err(failure) if failure.kind == FailureKind::NotFound => {
                let made = self.integration.bulk.create_segment(name).await?;
                Ok(ListKind::Segment.with_id(made.id))
            }
            found => found,
        }
    }
}
