//! Putting contacts into campaigns and segments and taking them out.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::link::RemoteId;
use crate::error::{FailureKind, Result};
use crate::jobs::message::{ListChoice, MembershipChange, MembershipList, MembershipRequest, Task};
use crate::policy;
use crate::ports::Attempt;

use super::change::{Outcome, Queued};
use super::services::Desk;
use super::together::side_by_side;

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
        if self.note_unless_outdated(wish).await? {
            self.integration.platform.set_membership(&wish.contact, &wish.list, wish.member).await?;
        }
        Ok(())
    }

    /// Does what queued wishes say, as [`Desk::carry_out_wish`] does; the results are in the wishes' order. Those who come
    /// into one segment take one call.
    pub(crate) async fn carry_out_wishes(&self, wishes: &[&MembershipChange]) -> Vec<Result<()>> {
        let noted = wishes.iter().map(|wish| self.note_unless_outdated(wish)).collect();
        let noted: Vec<Result<bool>> = side_by_side(noted).await;
        let mut results: Vec<Option<Result<()>>> = noted
            .into_iter()
            .map(|noted| match noted {
                Ok(true) => None,
                Ok(false) => Some(Ok(())),
                Err(failure) => Some(Err(failure)),
            })
            .collect();
        let mut joining: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, wish) in wishes.iter().enumerate().filter(|(index, _)| results[*index].is_none()) {
            if let (MembershipList::Segment(id), true) = (&wish.list, wish.member) {
                joining.entry(id).or_default().push(index);
            }
        }
        for (segment, indices) in joining.into_iter().filter(|(_, indices)| indices.len() > 1) {
            let contacts: Vec<RemoteId> = indices.iter().map(|index| wishes[*index].contact.clone()).collect();
            for (index, joined) in indices.into_iter().zip(self.join_segment(segment, &contacts).await) {
                results[index] = joined.map_or_else(|failure| Some(Err(failure)), |joined| joined.then_some(Ok(())));
            }
        }
        let single = wishes.iter().zip(results).map(|(wish, result)| async move {
            match result {
                Some(result) => result,
                None => self.integration.platform.set_membership(&wish.contact, &wish.list, wish.member).await,
            }
        });
        side_by_side(single.collect()).await
    }

    /// Puts contacts into a segment with one call; says of each whether it is in it now, or has to be put there by a call of
    /// its own, which tells what is wrong with it: the platform does not know it, or refuses the call as a whole.
    pub(crate) async fn join_segment(&self, segment: &str, contacts: &[RemoteId]) -> Vec<Result<bool>> {
        match self.integration.bulk.add_to_segment(segment, contacts).await {
            Ok(known) => known.into_iter().map(Ok).chain(std::iter::repeat(Ok(false))).take(contacts.len()).collect(),
            Err(failure) if policy::may_be_done_later(failure.kind) && failure.kind != FailureKind::Conflict => {
                contacts.iter().map(|_| Err(failure.clone())).collect()
            }
            Err(_) => contacts.iter().map(|_| Ok(false)).collect(),
        }
    }

    /// Notes a queued wish again before it is carried out; `false` when a newer one about the same contact and list was made.
    async fn note_unless_outdated(&self, wish: &MembershipChange) -> Result<bool> {
        let scope = &self.integration.scope;
        let newest = self.services.contacts.membership_wish(scope, &wish.contact, &wish.list).await?;
        if newest.is_some_and(|newest| newest.asked_at > wish.asked_at) {
            return Ok(false);
        }
        Ok(self.services.contacts.note_membership_wish(scope, wish).await? == Attempt::Done)
    }
}
