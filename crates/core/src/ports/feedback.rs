//! What people did with what the platform sent them, for the application to read.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::consent::ConsentEntry;
use crate::domain::engagement::{EmailStatus, Standing};
use crate::domain::identity::RecordKey;
use crate::domain::scope::Scope;
use crate::error::Result;
use crate::webhook::entry::Entry;

/// What the source of a record is told about the person.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Feedback {
    /// Whether the person may be mailed; `None` when nobody said.
    pub marketing_opt_in: Option<bool>,
    /// The statement behind it.
    pub consent: Option<ConsentEntry>,
    /// Whether mail reaches the person.
    pub email_status: EmailStatus,
    /// What the person did, counted.
    pub standing: Standing,
}

/// What the source of a record was last told.
#[async_trait]
pub trait FeedbackStore: Send + Sync {
    /// Notes what is told of a person. Noting it twice is noting it once; older feedback never overwrites newer. One write.
    async fn note(&self, scope: &Scope, key: &RecordKey, feedback: &Feedback) -> Result<()>;
    /// What was last noted. For people to look at. One read call.
    async fn feedback(&self, scope: &Scope, key: &RecordKey) -> Result<Option<Feedback>>;
}

/// The platform's tables from which missed events are made up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feed {
    /// Do-not-contact entries: opt-outs, bounces.
    DoNotContact,
    /// Opened emails.
    Opens,
    /// Page hits and clicks.
    Hits,
    /// Form submissions.
    Forms,
    /// The platform's log: deletions and removals.
    Audit,
}

/// How far a feed was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FeedCursor {
    /// The highest row number read.
    pub after: u64,
    /// For feeds whose rows change after they were made: up to which moment changes were read.
    pub until: Option<Timestamp>,
}

/// A page of a feed.
#[derive(Clone, Debug)]
pub struct FeedPage {
    /// What the rows tell.
    pub entries: Vec<Entry>,
    /// Where to read on.
    pub next: FeedCursor,
    /// Whether there may be more.
    pub more: bool,
}
