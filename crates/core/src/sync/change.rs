//! What a caller wants of a contact, and what became of it.

use crate::domain::consent::ConsentEntry;
use crate::domain::identity::{Email, ExternalId, RecordKey};
use crate::domain::issue::FieldIssue;
use crate::domain::kind::Kind;
use crate::domain::link::RemoteId;
use crate::domain::record::Patch;
use crate::domain::situation::Situation;
use crate::error::Failure;

/// Which contact a change is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// Whoever has these identities; at least one is given.
    Person {
        /// The application's id.
        external_id: Option<ExternalId>,
        /// The address.
        email: Option<Email>,
    },
    /// A record of another kind, which is known by its id alone.
    Other {
        /// The kind.
        kind: Kind,
        /// The application's id.
        id: ExternalId,
    },
    /// A record that is known already (a queued job).
    Known(RecordKey),
}

/// A visitor of the website who turns out to be the subject.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Visitor {
    /// The contact number in the visitor's browser. A cookie: anyone can forge it.
    pub id: RemoteId,
    /// Whether the application signed the number, so that it is no forgery.
    pub trusted: bool,
}

/// A change of one contact.
#[derive(Clone, Debug, PartialEq)]
pub struct ContactChange {
    /// Which contact.
    pub subject: Subject,
    /// Fields to set or clear; others are kept.
    pub fields: Patch,
    /// What is said about being mailed.
    pub consent: Option<ConsentEntry>,
    /// The visitor that the person was until now.
    pub visitor: Option<Visitor>,
    /// What was wrong with the request already, field by field.
    pub issues: Vec<FieldIssue>,
}

impl ContactChange {
    /// Nothing new: bring the platform to what the record says.
    #[must_use]
    pub fn refresh(key: RecordKey) -> Self {
        Self { subject: Subject::Known(key), fields: Patch::new(), consent: None, visitor: None, issues: Vec::new() }
    }
}

/// What a push did on the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushAction {
    /// There is a new contact.
    Created,
    /// A contact was changed.
    Updated,
    /// The platform has all of it already; it was not called.
    Unchanged,
    /// The record is stored, and left out on the platform, as its situation says.
    NotSent,
}

/// Who the visitor turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentifyCase {
    /// The address belonged to a contact already.
    KnownEmail,
    /// The anonymous visitor now has the address.
    ClaimedAnonymous,
    /// The number in the browser was another person's: left alone, a contact of its own was made.
    OtherPerson,
    /// A new contact.
    Created,
}

/// A finished push.
#[derive(Clone, Debug, PartialEq)]
pub struct Pushed {
    /// The contact on the platform; `None` only where the record is left out.
    pub contact: Option<RemoteId>,
    /// What was done.
    pub action: PushAction,
    /// In which situation the record was found when it was written.
    pub situation: Situation,
    /// Who a visitor turned out to be.
    pub case: IdentifyCase,
    /// Campaigns that Tandem put the contact into, now or before.
    pub enrolled_in: Vec<String>,
    /// What could not be taken as it was given.
    pub issues: Vec<FieldIssue>,
}

/// A write that will be done later.
#[derive(Clone, Debug, PartialEq)]
pub struct Queued {
    /// The job that will do it.
    pub job_id: String,
    /// Why it was not done now.
    pub reason: Failure,
    /// What could not be taken as it was given.
    pub issues: Vec<FieldIssue>,
}

/// What became of an operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<T> {
    /// Done.
    Done(T),
    /// On the queue: it will be done, or parked where a person sees it.
    Queued(Queued),
}
