//! An event under work, and how its steps end. Pure.

use serde_json::json;

use crate::domain::identity::RecordKey;
use crate::domain::link::Lease;
use crate::error::{Failure, FailureKind, Result};
use crate::policy;
use crate::sync::change::{PushAction, Pushed};

use super::event::Moment;
use super::stored::{StepAction, StepStatus, StoredEvent};
use super::subject::Subject;
use super::target::Target;

/// How a step ended, and what there is to say of it.
pub(super) type Ended = (StepStatus, Option<String>);

/// An event under work: the right to do its user's steps is ours until it is finished or given back.
pub(super) struct Work {
    pub(super) event: StoredEvent,
    pub(super) key: RecordKey,
    pub(super) subject: Subject,
    pub(super) lease: Lease,
    /// An earlier attempt may have done a step without being able to say so.
    pub(super) again: bool,
    /// The contact was just made.
    pub(super) is_new: bool,
    /// The first step that this attempt did not look at yet.
    pub(super) looked_at: usize,
    /// What the platform refused.
    pub(super) refusal: Option<Failure>,
}

impl Work {
    pub(super) fn new(event: StoredEvent, key: RecordKey, subject: Subject, lease: Lease, again: bool) -> Box<Self> {
        Box::new(Self { event, key, subject, lease, again, is_new: false, looked_at: 0, refusal: None })
    }

    /// The place of the next step that is to be done.
    pub(super) fn next(&self) -> Option<usize> {
        let is_open = |index: &usize| self.event.steps[*index].is_open();
        (self.looked_at..self.event.steps.len()).find(is_open)
    }

    /// Notes how a step ended.
    ///
    /// # Errors
    /// What keeps the event from going on for now.
    pub(super) fn note(&mut self, index: usize, ended: Result<Ended>) -> Result<()> {
        self.looked_at = index + 1;
        let failure = match ended {
            Ok((status, note)) => {
                self.event.steps[index].end(status, note);
                return Ok(());
            }
            Err(failure) if goes_on_later(failure.kind) => return Err(failure),
            Err(failure) => failure,
        };
        let is_contact = self.event.steps[index].action == StepAction::Contact;
        if is_contact {
            // Without the contact nothing else can be done.
            self.looked_at = self.event.steps.len();
        }
        if is_contact && failure.kind == FailureKind::NotFound {
            self.event.skip_all("the user was deleted since");
            return Ok(());
        }
        self.event.steps[index].end(StepStatus::Failed, Some(failure.message.clone()));
        self.refusal.get_or_insert(failure);
        Ok(())
    }

    /// Notes how steps ended that were done apart from their order. What the platform refused is done once more in its turn,
    /// by itself.
    ///
    /// # Errors
    /// As [`Work::note`].
    pub(super) fn note_apart(&mut self, steps: Vec<(usize, Result<Ended>)>) -> Result<()> {
        let mut noted = Ok(());
        for (index, ended) in steps {
            match ended {
                Ok((status, note)) => self.event.steps[index].end(status, note),
                Err(failure) if goes_on_later(failure.kind) => noted = Err(failure),
                Err(_) => {}
            }
        }
        noted
    }

    /// The end of a step about a list that needs no call.
    pub(super) fn spared(&self, target: &Target, member: bool, by: &Moment) -> Option<Ended> {
        if self.subject.overrules(target, by, &json!(member)) {
            return Some((StepStatus::Superseded, Some("a later event decided otherwise".to_owned())));
        }
        let is_out = self.is_new && !member;
        is_out.then(|| (StepStatus::Skipped, Some("the contact is new: it is in no list".to_owned())))
    }

    /// The contact is what its record says.
    pub(super) fn brought(&mut self, pushed: &Pushed) -> Ended {
        self.is_new = pushed.action == PushAction::Created;
        self.event.contact.clone_from(&pushed.contact);
        if pushed.action == PushAction::NotSent {
            let note = format!("the record is left out on the platform: {}", pushed.situation);
            if pushed.contact.is_none() {
                // There is nobody to be put into lists.
                self.event.skip_all(&note);
            }
            return (StepStatus::Skipped, Some(note));
        }
        let issues: Vec<&str> = pushed.issues.iter().map(|issue| issue.field.as_str()).collect();
        let note = (!issues.is_empty()).then(|| format!("not taken as given: {}", issues.join(", ")));
        (StepStatus::Done, note)
    }
}

/// Whether the event has to wait because of it.
pub(super) fn goes_on_later(kind: FailureKind) -> bool {
    policy::may_be_done_later(kind) || kind == FailureKind::Storage
}

/// The end of a step about a list that the platform does not have.
pub(super) fn missing(target: &Target) -> Ended {
    (StepStatus::Skipped, Some(format!("Mautic has no such list: make it, or name it in the rules ({target})")))
}

/// The end of a step that another wish has overtaken.
pub(super) fn outdated() -> Ended {
    (StepStatus::Superseded, Some("somebody asked for something else since".to_owned()))
}

pub(super) fn no_contact() -> Failure {
    Failure::new(FailureKind::Storage, "the event's contact is not known")
}
