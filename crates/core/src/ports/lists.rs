//! Lists that lifecycle events decided, and that have to be brought to integrations which did not work at the events.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::identity::RecordKey;
use crate::domain::scope::Scope;
use crate::error::Result;

/// An outbox entry: the lists of a record have to be set at an integration. Which ones is remembered of its person
/// ([`crate::automation::subject::Written::open`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenLists {
    /// Whose lists.
    pub record: RecordKey,
    /// Whether the integration is new: then it lacks all segments that the person was ever put into.
    pub all_segments: bool,
    /// When that was first found.
    pub since: Timestamp,
    /// From when on they may be set.
    pub due_at: Timestamp,
    /// How often they were begun with.
    pub attempts: u32,
}

impl OpenLists {
    /// Lists that may be set from `now` on.
    #[must_use]
    pub const fn new(record: RecordKey, now: Timestamp) -> Self {
        Self { record, all_segments: false, since: now, due_at: now, attempts: 0 }
    }
}

/// The part of an integration's outbox that is about lists.
#[async_trait]
pub trait ListOutbox: Send + Sync {
    /// The entries that are due longest, at most `limit`, and whether there are others, due or not. One read call.
    async fn due(&self, scope: &Scope, now: Timestamp, limit: usize) -> Result<(Vec<OpenLists>, bool)>;
    /// Adds entries; a record may have several. One write call for 25, none for none.
    async fn put(&self, scope: &Scope, entries: &[OpenLists]) -> Result<()>;
    /// Takes entries away. One write call for 25, none for none.
    async fn remove(&self, scope: &Scope, entries: &[OpenLists]) -> Result<()>;
}
