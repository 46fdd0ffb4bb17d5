//! Putting contacts into campaigns and segments and taking them out.

use std::time::Duration;

use crate::domain::link::RemoteId;
use crate::error::Result;
use crate::jobs::message::{ListChoice, MembershipChange, MembershipRequest, Task};
use crate::policy;
use crate::ports::Attempt;

use super::change::{Outcome, Queued};
use super::services::Desk;

impl Desk {
    /// Puts a contact into a list or takes it out; queued when the platform can't do it, or can't say who or what is meant,
    /// now. One write and one call; one call more for a contact or list that has to be looked up.
    ///
    /// # Errors
    /// `NotFound` for a contact or list that is not there; `Invalid` for a name that several lists have.
    pub async fn set_membership(&self, request: MembershipRequest, correlation_id: &str) -> Result<Outcome<RemoteId>> {
        match self.meant(&request).await {
            Ok(wish) => self.carry_out_now(wish, correlation_id).await,
            Err(reason) if policy::may_be_done_later(reason.kind) => {
                let job_id =
                    self.defer(Task::RequestMembership(request), correlation_id, Duration::from_secs(1)).await?;
                Ok(Outcome::Queued(Queued { job_id, reason, issues: Vec::new() }))
            }
            Err(failure) => Err(failure),
        }
    }

    /// Does what a queued request asks for, now that the platform can say who and what is meant.
    ///
    /// # Errors
    /// As [`Desk::set_membership`], and as the platform fails.
    pub async fn fulfil_request(&self, request: &MembershipRequest) -> Result<()> {
        self.carry_out_wish(&self.meant(request).await?).await
    }

    async fn meant(&self, request: &MembershipRequest) -> Result<MembershipChange> {
        let list = match &request.list {
            ListChoice::Id(list) => list.clone(),
            ListChoice::Named { kind, name, field } => self.list_named(*kind, name, field).await?,
        };
        let contact = self.contact_id(&request.whom).await?;
        Ok(MembershipChange { contact, list, member: request.member, asked_at: request.asked_at })
    }

    async fn carry_out_now(&self, wish: MembershipChange, correlation_id: &str) -> Result<Outcome<RemoteId>> {
        let contact = wish.contact.clone();
        // The wish is noted before it is acted on: an older wish that still lies on the queue must find this one.
        self.services.contacts.note_membership_wish(&self.integration.scope, &wish).await?;
        match self.integration.platform.set_membership(&contact, &wish.list, wish.member).await {
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
