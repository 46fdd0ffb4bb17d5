//! What was changed on the platform, row by row, as its own log tells it: the feed that says when, what, and by whom.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use crate::domain::author::Author;
use crate::domain::link::RemoteId;
use crate::domain::platform::DoNotContactReason;
use crate::error::Result;

/// One row of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The row's number; they grow.
    pub row: u64,
    /// Which contact, or which other thing.
    pub contact: RemoteId,
    /// When, by the platform's clock.
    pub at: Timestamp,
    /// Who made it.
    pub author: Author,
    /// What was done.
    pub news: News,
}

/// What was done to a contact.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// It was made.
    Made,
    /// It was changed.
    Edited(Edit),
    /// It was merged into another one, and is no more.
    Merged {
        /// The survivor.
        into: RemoteId,
    },
    /// It was deleted; a merge ends with this, too.
    Gone,
}

/// What was changed of a contact.
#[derive(Clone, Default, PartialEq)]
pub struct Edit {
    /// Fields by the platform's names, with their new values; `null` for one that was blanked.
    pub fields: BTreeMap<String, Value>,
    /// Tags that came and went.
    pub tags: Option<TagChange>,
    /// Whether it came into another stage.
    pub stage: bool,
    /// What became of mail.
    pub mail: Option<MailChange>,
}

impl std::fmt::Debug for Edit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Edit").field("fields", &self.fields.keys()).field("mail", &self.mail).finish_non_exhaustive()
    }
}

/// Tags that a change put on a contact and took away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagChange {
    /// Came.
    pub added: BTreeSet<String>,
    /// Went.
    pub removed: BTreeSet<String>,
}

/// What became of the entry that forbids mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailChange {
    /// There is one now.
    Forbidden {
        /// Why.
        reason: DoNotContactReason,
        /// Whether Tandem set it.
        own: bool,
    },
    /// It was taken away.
    Allowed,
}

/// Where to read the log on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogPlace {
    /// Behind the row of this number. A few rows before it are read again, for they may be committed in another order.
    Behind(u64),
    /// Rows from this moment on, by the platform's clock.
    From(Timestamp),
}

/// A page of the log.
#[derive(Clone, Debug)]
pub struct LogPage {
    /// The changes in order. Rows that are of no interest are left out.
    pub changes: Vec<Change>,
    /// The highest row that was read; `None` when there was none.
    pub last: Option<u64>,
    /// Whether there may be more.
    pub more: bool,
}

/// The platform's log of changes. `None` instead of an answer where the role may not read it.
#[async_trait]
pub trait ChangeLog: Send + Sync {
    /// Edits, merges and deletions of contacts, in order, and on demand also which were made. One call.
    async fn log_page(&self, place: LogPlace, with_made: bool) -> Result<Option<LogPage>>;
    /// The newest edits of these contacts, or of these things of one object (at most [`super::bulk::BATCH`]), the newest first; of
    /// things, as far as the platform's log tells of them. One call.
    async fn edits_of(&self, contacts: &[RemoteId]) -> Result<Option<Vec<Change>>>;
}
