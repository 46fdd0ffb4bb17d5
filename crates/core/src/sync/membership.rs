//! Putting contacts into campaigns and segments and taking them out.

use std::time::Duration;

use crate::domain::link::RemoteId;
use crate::error::Result;
use crate::jobs::message::{MembershipChange, MembershipList, Task};
use crate::policy;
use crate::ports::Attempt;

use super::change::{Outcome, Queued};
use super::services::Desk;
use super::whom::Whom;

impl Desk {
    /// Puts a contact into a list or takes it out; queued when the platform can't do it now. One write and one call.
    ///
    /// # Errors
    /// `NotFound` for a contact or list that is not there.
    pub async fn set_membership(
        &self,
        whom: &Whom,
        list: MembershipList,
        member: bool,
        correlation_id: &str,
    ) -> Result<Outcome<RemoteId>> {
        let contact = self.contact_id(whom).await?;
        let wish = MembershipChange { contact: contact.clone(), list, member, asked_at: self.now() };
        // The wish is noted before it is acted on: an older wish that still lies on the queue must find this one.
        self.services.contacts.note_membership_wish(&self.integration.scope, &wish).await?;
        match self.integration.platform.set_membership(&contact, &wish.list, member).await {
            Ok(()) => Ok(Outcome::Done(contact)),
            Err(reason) if policy::may_be_done_later(reason.kind) => {
                let job_id = self.defer(Task::SetMembership(wish), correlation_id, Duration::from_secs(1)).await?;
                Ok(Outcome::Queued(Queued { job_id, reason, issues: Vec::new() }))
            }
            Err(failure) => Err(failure),
        }
    }

    /// Does what a queued wish says, unless a newer wish about the same contact and list was made since.
    ///
    /// # Errors
    /// As table and platform fail.
    pub async fn carry_out_wish(&self, wish: &MembershipChange) -> Result<()> {
        let scope = &self.integration.scope;
        let newest = self.services.contacts.membership_wish(scope, &wish.contact, &wish.list).await?;
        if newest.is_some_and(|newest| newest.asked_at > wish.asked_at) {
            return Ok(());
        }
        if self.services.contacts.note_membership_wish(scope, wish).await? == Attempt::Contended {
            return Ok(());
        }
        self.integration.platform.set_membership(&wish.contact, &wish.list, wish.member).await
    }
}
