//! Finding the lists that rules speak of; segments that are only named are made.

use crate::error::{Failure, FailureKind, Result};
use crate::jobs::message::{ListKind, MembershipList};
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

    /// The same at an integration that did not work at the event: by the name, for numbers are those of another platform's lists.
    /// `None` also for a list that the rules don't know any more, or know by its number alone, and for one that is to be left and is
    /// not there.
    ///
    /// # Errors
    /// As [`Desk::list_of`].
    pub(super) async fn list_elsewhere(&self, target: &Target, member: bool) -> Result<Option<MembershipList>> {
        let named = self.integration.lifecycle.list(target).filter(|list| list.name.is_some());
        let Some(list) = named else { return Ok(None) };
        let list = ListRef { id: None, ..list.clone() };
        if member {
            return self.find_list(target, &list).await;
        }
        match self.list_named(list.kind, list.name.as_deref().unwrap_or_default(), &target.to_string()).await {
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(None),
            found => found.map(Some),
        }
    }

    async fn find_list(&self, target: &Target, list: &ListRef) -> Result<Option<MembershipList>> {
        if let Some(id) = &list.id {
            return Ok(Some(list.kind.with_id(id.clone())));
        }
        let name = list.name.as_deref().unwrap_or_default();
        match self.list_named(list.kind, name, &target.to_string()).await {
            Err(failure) if failure.kind == FailureKind::NotFound && list.optional => Ok(None),
            Err(failure) if failure.kind == FailureKind::NotFound && list.kind == ListKind::Segment => {
                self.segment_named(name, &target.to_string()).await.map(Some)
            }
            found => found.map(Some),
        }
    }
}
