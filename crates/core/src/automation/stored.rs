//! An event as the table holds it: how far its effects have come, step by step.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::identity::RecordKey;
use crate::domain::link::RemoteId;
use crate::domain::record::Fields;

use super::event::{EventName, EventUser, LifecycleEvent, Moment};
use super::target::Target;

/// How far an event has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventStatus {
    /// It is stored, and nothing was done yet.
    Pending,
    /// Its steps are known, and some are left.
    Processing,
    /// All that it asks for is done.
    Completed,
    /// A person is needed; the event's note says what for.
    Parked,
}

/// How far a step has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// It is to be done.
    Pending,
    /// It is done.
    Done,
    /// There was nothing to do; the note says why.
    Skipped,
    /// A newer event decided otherwise before it was its turn.
    Superseded,
    /// The platform does not take it; the note says why.
    Failed,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StepAction {
    /// Notes what the person said about being mailed.
    Consent {
        /// Yes or no.
        opted_in: bool,
    },
    /// Brings the contact to what its record says, fields, consent and all.
    Contact,
    /// Puts the contact into a list, or takes it out.
    List {
        /// Which list, by its key in the rules.
        target: Target,
        /// In or out.
        member: bool,
        /// The event that says so: this one, or a later one that a late arrival puts into another light.
        by: Moment,
    },
    /// Deletes the person everywhere.
    Erase,
}

/// One step of an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What it does.
    pub action: StepAction,
    /// How far it is.
    pub status: StepStatus,
    /// Why it was skipped or failed. No personal data.
    pub note: Option<String>,
}

impl Step {
    /// A step that is to be done.
    #[must_use]
    pub fn pending(action: StepAction) -> Self {
        Self { action, status: StepStatus::Pending, note: None }
    }

    /// Notes how it ended.
    pub fn end(&mut self, status: StepStatus, note: Option<String>) {
        self.status = status;
        self.note = note;
    }

    /// Whether it is to be done: for the first time, or again after somebody saw to what made it fail.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self.status {
            StepStatus::Pending | StepStatus::Failed => true,
            StepStatus::Done | StepStatus::Skipped | StepStatus::Superseded => false,
        }
    }
}

/// What of an event is forgotten as soon as it is completed: the person's data.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Payload {
    /// To whom it happened.
    pub user: EventUser,
    /// What the sender said of it.
    pub properties: Fields,
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload").finish_non_exhaustive()
    }
}

/// An event as the table holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredEvent {
    /// Name and place in time.
    pub by: Moment,
    /// What happened.
    pub name: EventName,
    /// Whom and what; gone when the event is completed.
    pub payload: Option<Payload>,
    /// When Tandem got it.
    pub received_at: Timestamp,
    /// The correlation id of the call that brought it.
    pub correlation_id: String,
    /// How far it is.
    pub status: EventStatus,
    /// Whose record it is about, once that is known.
    pub subject: Option<RecordKey>,
    /// The contact on the platform, once that is known.
    pub contact: Option<RemoteId>,
    /// What it asks for, once that is known.
    pub steps: Vec<Step>,
    /// How often it was worked on.
    pub attempts: u32,
    /// Why nothing was done, or what a person is needed for. No personal data.
    pub note: Option<String>,
    /// When it was completed.
    pub completed_at: Option<Timestamp>,
    /// Grows by one with every change; the guard of optimistic writes.
    pub revision: u64,
}

impl StoredEvent {
    /// An event as it comes in.
    #[must_use]
    pub fn received(event: LifecycleEvent, now: Timestamp, correlation_id: &str) -> Self {
        Self {
            by: event.by,
            name: event.name,
            payload: Some(Payload { user: event.user, properties: event.properties }),
            received_at: now,
            correlation_id: correlation_id.to_owned(),
            status: EventStatus::Pending,
            subject: None,
            contact: None,
            steps: Vec::new(),
            attempts: 0,
            note: None,
            completed_at: None,
            revision: 1,
        }
    }

    /// Goes on with a parked event after somebody saw to its cause: with the contact first, which may be another one by now.
    pub fn reopen(&mut self) {
        self.status = EventStatus::Processing;
        self.note = None;
        self.steps.retain(|step| step.action != StepAction::Contact);
        let place = self.steps.iter().take_while(|step| matches!(step.action, StepAction::Consent { .. })).count();
        self.steps.insert(place, Step::pending(StepAction::Contact));
    }

    /// Leaves out what is left to do.
    pub fn skip_all(&mut self, why: &str) {
        for step in self.steps.iter_mut().filter(|step| step.is_open()) {
            step.end(StepStatus::Skipped, Some(why.to_owned()));
        }
    }

    /// Ends the event: what is left of it names no person.
    pub fn complete(&mut self, now: Timestamp) {
        self.status = EventStatus::Completed;
        self.completed_at = Some(now);
        self.payload = None;
    }
}
