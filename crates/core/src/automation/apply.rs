//! Doing what an event asks for, step by step. Each step that is done is recorded before the next one is begun; a retry goes
//! on where the last attempt stopped.

use jiff::SignedDuration;

use crate::domain::link::RemoteId;
use crate::error::{Effect, Failure, FailureKind, Result};
use crate::jobs::message::{MembershipChange, MembershipList};
use crate::policy;
use crate::ports::Attempt;
use crate::sync::change::{ContactChange, Outcome};
use crate::sync::push::For;
use crate::sync::services::Desk;

use super::admit::Begun;
use super::outcome::word;
use super::stored::{EventStatus, StepAction, StepStatus, StoredEvent};
use super::target::Target;
use super::work::{Ended, Work, missing, no_contact, outdated};

/// How old an event is that was stored, and never worked on, before its job counts as lost.
const LOST: SignedDuration = SignedDuration::from_mins(5);
/// How many of them are queued again at a time.
const LOST_AT_ONCE: usize = 500;

impl Desk {
    /// Does what a stored event asks for, or what is left of it.
    ///
    /// # Errors
    /// What keeps a step from being done: the event goes on where it stopped when it is applied again.
    pub async fn apply_event(&self, id: &str) -> Result<()> {
        let Some(event) = self.services.lifecycle.event(&self.integration.scope, id).await? else {
            tracing::info!("an event is not there any more: nothing to do");
            return Ok(());
        };
        match self.begin_event(event, policy::LEASE_PATIENCE).await? {
            Begun::Working(work) => self.work(*work).await,
            Begun::Ended => Ok(()),
        }
    }

    /// Begins an event, or goes on with it; while another event of the user is worked on, it waits for `patience`.
    pub(super) async fn begin_event(&self, event: StoredEvent, patience: SignedDuration) -> Result<Begun> {
        if event.status == EventStatus::Completed {
            return Ok(Begun::Ended);
        }
        if self.integration.lifecycle.rules_for(event.name.as_str()).any(|(_, rule)| rule.erase) {
            return self.apply_deletion(event).await.map(|()| Begun::Ended);
        }
        match event.subject.clone() {
            Some(key) => self.resume(&event.by.id, key, patience).await,
            None => self.admit(event, patience).await,
        }
    }

    /// Queues events whose jobs were lost: their receiver died between storing and queueing them. One read call, and one
    /// message each.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn pick_up_lost_events(&self, correlation_id: &str) -> Result<usize> {
        let before = policy::after(self.now(), -LOST);
        let lost = self.services.lifecycle.unqueued(&self.integration.scope, before, LOST_AT_ONCE).await?;
        for id in &lost {
            self.queue_event(id, correlation_id, std::time::Duration::ZERO).await?;
        }
        Ok(lost.len())
    }

    /// Notes on an event that a person is needed for it.
    pub(crate) async fn park_event(&self, id: &str, reason: &Failure, advice: &str) -> Result<()> {
        let Some(mut event) = self.stored_event(id).await? else { return Ok(()) };
        event.revision += 1;
        event.status = EventStatus::Parked;
        event.note = Some(format!("{reason}. {advice}"));
        self.services.lifecycle.save(&self.integration.scope, &event).await.map(drop)
    }

    /// Does what is left of an event, and ends it.
    pub(super) async fn work(&self, work: Work) -> Result<()> {
        let work = self.steps_while(work, |_| true).await?;
        self.conclude_event(work).await
    }

    /// Does the next steps, as long as they are wanted.
    ///
    /// # Errors
    /// What keeps a step from being done; the event was given back then.
    pub(super) async fn steps_while(&self, mut work: Work, wanted: fn(&StepAction) -> bool) -> Result<Work> {
        while let Some(index) = work.next().filter(|index| wanted(&work.event.steps[*index].action)) {
            let ended = self.step(&mut work, index).await;
            let noted = self.noted(&mut work, index, ended).await;
            work = self.recorded(work, noted).await?;
        }
        Ok(work)
    }

    /// Notes how a step ended.
    ///
    /// # Errors
    /// What keeps the event from going on for now.
    pub(super) async fn noted(&self, work: &mut Work, index: usize, ended: Result<Ended>) -> Result<()> {
        work.note(index, ended)?;
        let step = &work.event.steps[index];
        if step.action == StepAction::Contact && step.status == StepStatus::Failed {
            // Lists take a contact that can't be written because others have its address.
            work.event.contact = self.one_of_several(&work.key).await?;
            if work.event.contact.is_some() {
                work.looked_at = index + 1;
            }
        }
        Ok(())
    }

    /// Records how far the event is, if something is left of it, or gives it back for later.
    ///
    /// # Errors
    /// What keeps it from going on.
    pub(super) async fn recorded(&self, mut work: Work, noted: Result<()>) -> Result<Work> {
        if let Err(failure) = noted {
            return Err(self.interrupted(work, failure).await);
        }
        if work.next().is_some() {
            self.record(&mut work).await?;
        }
        Ok(work)
    }

    /// Records how far the event is.
    async fn record(&self, work: &mut Work) -> Result<()> {
        work.event.revision += 1;
        match self.services.lifecycle.save(&self.integration.scope, &work.event).await? {
            Attempt::Done => Ok(()),
            Attempt::Contended => Err(Failure::new(FailureKind::Conflict, "another worker took the event over")),
        }
    }

    /// The event goes on later; other events of the user may go before it. Gives the failure back.
    async fn interrupted(&self, mut work: Work, failure: Failure) -> Failure {
        work.event.revision += 1;
        let (lifecycle, scope) = (&self.services.lifecycle, &self.integration.scope);
        match lifecycle.finish(scope, &work.event, &work.key, &work.lease.owner).await {
            Ok(_) => failure,
            Err(storage) => storage,
        }
    }

    async fn conclude_event(&self, mut work: Work) -> Result<()> {
        work.event.revision += 1;
        if work.refusal.is_none() {
            work.event.complete(self.now());
        }
        let (lifecycle, scope) = (&self.services.lifecycle, &self.integration.scope);
        match (lifecycle.finish(scope, &work.event, &work.key, &work.lease.owner).await?, work.refusal) {
            (_, Some(refusal)) => Err(refusal),
            (Attempt::Done, None) => Ok(()),
            (Attempt::Contended, None) => {
                Err(Failure::new(FailureKind::Conflict, "another worker took the event over"))
            }
        }
    }

    async fn step(&self, work: &mut Work, index: usize) -> Result<Ended> {
        self.in_lease(work)?;
        match work.event.steps[index].action.clone() {
            StepAction::Contact => self.bring_contact(work).await,
            StepAction::List { target, member, by } => match work.spared(&target, member, &by) {
                Some(ended) => Ok(ended),
                None => self.set_list(work, &target, member).await,
            },
            StepAction::Consent { .. } | StepAction::Erase => Ok((StepStatus::Done, None)),
        }
    }

    /// No step is begun that could outlive the lease.
    pub(super) fn in_lease(&self, work: &Work) -> Result<()> {
        if policy::after(self.now(), policy::LEASE_MARGIN) < work.lease.until {
            return Ok(());
        }
        Err(Failure::new(FailureKind::Timeout, "the event's steps take longer than its lease"))
    }

    /// Brings the contact to what the record says by now, which is at least what the event said.
    async fn bring_contact(&self, work: &mut Work) -> Result<Ended> {
        let visitor = work.event.payload.as_ref().and_then(|payload| payload.user.visitor.clone());
        // The ledger has the person's word already. Said once more, it has what forbids mail there taken away.
        let consent = work.event.steps.iter().find_map(|step| match step.action {
            StepAction::Consent { opted_in } => Some(word(&work.event, opted_in)),
            StepAction::Contact | StepAction::List { .. } | StepAction::Erase => None,
        });
        let change = ContactChange { visitor, consent, ..ContactChange::refresh(work.key.clone()) };
        match self.push(&change, &work.event.correlation_id, For::Job).await {
            Ok(Outcome::Done(pushed)) => Ok(work.brought(&pushed)),
            Ok(Outcome::Queued(queued)) => Err(queued.reason),
            Err(failure) => Err(failure),
        }
    }

    async fn set_list(&self, work: &Work, target: &Target, member: bool) -> Result<Ended> {
        let Some(contact) = work.event.contact.clone() else { return Err(no_contact()) };
        let Some(list) = self.list_of(target).await? else {
            return Ok(missing(target));
        };
        // The wish is noted before it is acted on, so that an older one that still lies on the queue finds it.
        if self.wish(work, &contact, &list, member).await? == Attempt::Contended {
            return Ok(outdated());
        }
        if member && work.again && self.is_in_campaign(&contact, &list).await? {
            return Ok((StepStatus::Done, Some("an earlier attempt had done it".to_owned())));
        }
        let done = self.integration.platform.set_membership(&contact, &list, member).await;
        done.map_err(|failure| self.when_it_has_settled(failure))?;
        Ok((StepStatus::Done, None))
    }

    /// Notes what an event wants of a list; `Contended` when somebody asked for something else since.
    pub(super) async fn wish(
        &self,
        work: &Work,
        contact: &RemoteId,
        list: &MembershipList,
        member: bool,
    ) -> Result<Attempt> {
        // An event that came before others can have happened after them.
        let asked_at = work.subject.heard_at.unwrap_or(work.event.received_at);
        let wish = MembershipChange { contact: contact.clone(), list: list.clone(), member, asked_at };
        self.services.contacts.note_membership_wish(&self.integration.scope, &wish).await
    }

    /// What took too long may still be done there: another attempt must be able to see it.
    pub(super) fn when_it_has_settled(&self, failure: Failure) -> Failure {
        let is_under_way = failure.kind == FailureKind::Timeout && failure.effect == Effect::Unknown;
        if is_under_way { failure.not_before(policy::after(self.now(), policy::LEASE)) } else { failure }
    }

    /// Whether an earlier attempt put the contact into the campaign. A campaign that may be restarted takes a member who is
    /// added again from its beginning (Mautic's `Membership\Action\Adder`).
    async fn is_in_campaign(&self, contact: &RemoteId, list: &MembershipList) -> Result<bool> {
        match list {
            MembershipList::Campaign(id) => Ok(self.integration.platform.campaigns_of(contact).await?.contains(id)),
            MembershipList::Segment(_) => Ok(false),
        }
    }
}
