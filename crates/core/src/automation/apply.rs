//! Doing what an event asks for, step by step. Each step that is done is recorded before the next one is begun; a retry goes
//! on where the last attempt stopped.

use jiff::SignedDuration;
use serde_json::json;

use crate::domain::link::RemoteId;
use crate::error::{Effect, Failure, FailureKind, Result};
use crate::jobs::message::{MembershipChange, MembershipList};
use crate::policy;
use crate::ports::Attempt;
use crate::sync::change::{ContactChange, Outcome, PushAction};
use crate::sync::push::For;
use crate::sync::services::Desk;

use super::admit::{Begun, Work};
use super::outcome::word;
use super::stored::{EventStatus, Step, StepAction, StepStatus};
use super::target::Target;

/// How a step ended, and what there is to say of it.
type Ended = (StepStatus, Option<String>);

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
        if event.status == EventStatus::Completed {
            return Ok(());
        }
        if self.integration.lifecycle.rules_for(event.name.as_str()).any(|(_, rule)| rule.erase) {
            return self.apply_deletion(event).await;
        }
        let begun = match event.subject.clone() {
            Some(key) => self.resume(&event.by.id, key).await?,
            None => self.admit(event).await?,
        };
        match begun {
            Begun::Working(work) => self.work(*work).await,
            Begun::Ended => Ok(()),
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

    async fn work(&self, mut work: Work) -> Result<()> {
        let mut is_new = false;
        let mut refusal = None;
        for index in 0..work.event.steps.len() {
            if !work.event.steps[index].is_open() {
                continue;
            }
            match self.step(&mut work, index, &mut is_new).await {
                Ok((status, note)) => work.event.steps[index].end(status, note),
                Err(failure) if policy::may_be_done_later(failure.kind) || failure.kind == FailureKind::Storage => {
                    return self.interrupted(work, failure).await;
                }
                Err(failure) => {
                    let is_contact = work.event.steps[index].action == StepAction::Contact;
                    if is_contact && failure.kind == FailureKind::NotFound {
                        work.event.skip_all("the user was deleted since");
                        break;
                    }
                    work.event.steps[index].end(StepStatus::Failed, Some(failure.message.clone()));
                    refusal.get_or_insert(failure);
                    if is_contact {
                        // Lists take a contact that can't be written because others have its address.
                        work.event.contact = self.one_of_several(&work.key).await?;
                        if work.event.contact.is_none() {
                            break;
                        }
                    }
                }
            }
            if work.event.steps[index + 1..].iter().any(Step::is_open) {
                self.record(&mut work).await?;
            }
        }
        self.conclude_event(work, refusal).await
    }

    /// Records how far the event is.
    async fn record(&self, work: &mut Work) -> Result<()> {
        work.event.revision += 1;
        match self.services.lifecycle.save(&self.integration.scope, &work.event).await? {
            Attempt::Done => Ok(()),
            Attempt::Contended => Err(Failure::new(FailureKind::Conflict, "another worker took the event over")),
        }
    }

    /// The event goes on later; other events of the user may go before it.
    async fn interrupted(&self, mut work: Work, failure: Failure) -> Result<()> {
        work.event.revision += 1;
        let (lifecycle, scope) = (&self.services.lifecycle, &self.integration.scope);
        lifecycle.finish(scope, &work.event, &work.key, &work.lease.owner).await?;
        Err(failure)
    }

    async fn conclude_event(&self, mut work: Work, refusal: Option<Failure>) -> Result<()> {
        work.event.revision += 1;
        if refusal.is_none() {
            work.event.complete(self.now());
        }
        let (lifecycle, scope) = (&self.services.lifecycle, &self.integration.scope);
        match (lifecycle.finish(scope, &work.event, &work.key, &work.lease.owner).await?, refusal) {
            (_, Some(refusal)) => Err(refusal),
            (Attempt::Done, None) => Ok(()),
            (Attempt::Contended, None) => {
                Err(Failure::new(FailureKind::Conflict, "another worker took the event over"))
            }
        }
    }

    async fn step(&self, work: &mut Work, index: usize, is_new: &mut bool) -> Result<Ended> {
        if policy::after(self.now(), policy::LEASE_MARGIN) >= work.lease.until {
            return Err(Failure::new(FailureKind::Timeout, "the event's steps take longer than its lease"));
        }
        match work.event.steps[index].action.clone() {
            StepAction::Contact => self.bring_contact(work, is_new).await,
            StepAction::List { target, member, by } => {
                if work.subject.overrules(&target, &by, &json!(member)) {
                    return Ok((StepStatus::Superseded, Some("a later event decided otherwise".to_owned())));
                }
                if *is_new && !member {
                    return Ok((StepStatus::Skipped, Some("the contact is new: it is in no list".to_owned())));
                }
                self.set_list(work, &target, member).await
            }
            StepAction::Consent { .. } | StepAction::Erase => Ok((StepStatus::Done, None)),
        }
    }

    /// Brings the contact to what the record says by now, which is at least what the event said.
    async fn bring_contact(&self, work: &mut Work, is_new: &mut bool) -> Result<Ended> {
        let visitor = work.event.payload.as_ref().and_then(|payload| payload.user.visitor.clone());
        // The ledger has the person's word already. Said once more, it has what forbids mail there taken away.
        let consent = work.event.steps.iter().find_map(|step| match step.action {
            StepAction::Consent { opted_in } => Some(word(&work.event, opted_in)),
            StepAction::Contact | StepAction::List { .. } | StepAction::Erase => None,
        });
        let change = ContactChange { visitor, consent, ..ContactChange::refresh(work.key.clone()) };
        match self.push(&change, &work.event.correlation_id, For::Job).await {
            Ok(Outcome::Done(pushed)) => {
                *is_new = pushed.action == PushAction::Created;
                work.event.contact = Some(pushed.contact);
                let issues: Vec<String> = pushed.issues.iter().map(|issue| issue.field.clone()).collect();
                let note = (!issues.is_empty()).then(|| format!("not taken as given: {}", issues.join(", ")));
                Ok((StepStatus::Done, note))
            }
            Ok(Outcome::Queued(queued)) => Err(queued.reason),
            Err(failure) => Err(failure),
        }
    }

    async fn set_list(&self, work: &Work, target: &Target, member: bool) -> Result<Ended> {
        let Some(contact) = work.event.contact.clone() else { return Err(no_contact()) };
        let Some(list) = self.list_of(target).await? else {
            return Ok((
                StepStatus::Skipped,
                Some(format!("Mautic has no such list: make it, or name it in the rules ({target})")),
            ));
        };
        // An event that came before others can have happened after them.
        let asked_at = work.subject.heard_at.unwrap_or(work.event.received_at);
        let wish = MembershipChange { contact: contact.clone(), list: list.clone(), member, asked_at };
        // The wish is noted before it is acted on, so that an older one that still lies on the queue finds it.
        if self.services.contacts.note_membership_wish(&self.integration.scope, &wish).await? == Attempt::Contended {
            return Ok((StepStatus::Superseded, Some("somebody asked for something else since".to_owned())));
        }
        if member && work.again && self.is_in_campaign(&contact, &list).await? {
            return Ok((StepStatus::Done, Some("an earlier attempt had done it".to_owned())));
        }
        let done = self.integration.platform.set_membership(&contact, &list, member).await;
        done.map_err(|failure| self.when_it_has_settled(failure))?;
        Ok((StepStatus::Done, None))
    }

    /// What took too long may still be done there: another attempt must be able to see it.
    fn when_it_has_settled(&self, failure: Failure) -> Failure {
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

fn no_contact() -> Failure {
    Failure::new(FailureKind::Storage, "the event's contact is not known")
}
