//! Webhook deliveries, and the webhook on the platform that they come by.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::engagement::{EngagementEvent, Standing};
use crate::domain::link::RemoteId;
use crate::domain::scope::Scope;
use crate::error::Result;
use crate::webhook::entry::{Entry, Observed};

use super::{Feed, FeedCursor, FeedPage};

/// Whether a delivery is news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It was not known; it is stored now.
    New,
    /// It is stored, and whoever took it did not finish with it.
    Unfinished,
    /// It was finished with.
    Finished,
}

/// A delivery that is kept, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptDelivery {
    /// The digest of its bytes: by it the jobs name it.
    pub digest: String,
    /// When it came.
    pub kept_at: Timestamp,
    /// Whether all of it was applied.
    pub finished: bool,
}

/// Deliveries as they came, and what people did.
#[async_trait]
pub trait EventStore: Send + Sync {
    /// Stores a delivery under its digest, whatever its size, for 35 days. One write call for a usual one.
    async fn keep(&self, scope: &Scope, digest: &str, body: &[u8], now: Timestamp) -> Result<Kept>;
    /// A stored delivery. One read call for a usual one.
    async fn kept(&self, scope: &Scope, digest: &str) -> Result<Option<Vec<u8>>>;
    /// Notes that all of a delivery was applied. One write call.
    async fn finish(&self, scope: &Scope, digest: &str) -> Result<()>;
    /// Digests of deliveries that were kept before `before` and not finished with, at most `limit`: whoever took them died.
    /// (The list of the unfinished is written with the delivery and shortened by `finish`.) One read call.
    async fn unfinished(&self, scope: &Scope, before: Timestamp, limit: usize) -> Result<Vec<String>>;
    /// How many deliveries were not finished with, counted up to `most`. One read call a megabyte.
    async fn count_unfinished(&self, scope: &Scope, most: usize) -> Result<usize>;
    /// Deliveries that were not finished with, in the order of their digests, behind one of them, at most `limit`. One read call.
    async fn unfinished_behind(&self, scope: &Scope, after: Option<&str>, limit: usize) -> Result<Vec<KeptDelivery>>;
    /// A delivery that is kept, without its bytes. One read call.
    async fn delivery(&self, scope: &Scope, digest: &str, now: Timestamp) -> Result<Option<KeptDelivery>>;
    /// Adds an event to a contact's ledger; `false` when it is there already. One write call.
    async fn add(&self, scope: &Scope, contact: &RemoteId, event: &EngagementEvent) -> Result<bool>;
    /// Deletes all that is kept of a contact: events, what follows from them, what was observed. One read call and one write
    /// call for 25 items.
    async fn forget(&self, scope: &Scope, contact: &RemoteId) -> Result<()>;
    /// A contact's events, in any order. One read call for a usual contact.
    async fn events(&self, scope: &Scope, contact: &RemoteId) -> Result<Vec<EngagementEvent>>;
    /// What follows from a contact's events, as last worked out. One read call.
    async fn standing(&self, scope: &Scope, contact: &RemoteId) -> Result<Option<Standing>>;
    /// Stores what follows from a contact's events, unless one of more events is there. One write call.
    async fn save_standing(&self, scope: &Scope, contact: &RemoteId, standing: &Standing) -> Result<()>;
    /// Takes an entry into what was observed of a contact; `false` when something newer is known. One read and one write.
    async fn observe(&self, scope: &Scope, contact: &RemoteId, entry: &Entry) -> Result<bool>;
    /// What was observed of a contact. One read call.
    async fn observed(&self, scope: &Scope, contact: &RemoteId) -> Result<Observed>;
    /// Marks that the source has to be told about a contact because of the event `by`; `false` when another event marked
    /// it already. The event's own mark is `true` again: who set it may have died before it queued the job. One write call.
    async fn mark_for_write_back(&self, scope: &Scope, contact: &RemoteId, by: &str) -> Result<bool>;
    /// Takes the mark away, before what it stands for is read. One write call.
    async fn unmark_for_write_back(&self, scope: &Scope, contact: &RemoteId) -> Result<()>;
    /// How far a feed was read. One read call.
    async fn cursor(&self, scope: &Scope, feed: Feed) -> Result<Option<FeedCursor>>;
    /// Notes how far a feed was read. One write call.
    async fn save_cursor(&self, scope: &Scope, feed: Feed, cursor: &FeedCursor) -> Result<()>;
}

/// What a look at the platform's webhook found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookCheck {
    /// It is there, published and right.
    Right,
    /// It was switched off, or wrong, and is right again.
    Repaired,
    /// It was missing and has been made.
    Made,
}

/// A webhook that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardedHook {
    /// The platform's id of it.
    pub id: String,
    /// What the look found.
    pub check: HookCheck,
}

/// Whether what the platform's webhook sends arrives.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum HookDelivery {
    /// The newest delivery was taken.
    Arrives,
    /// The newest one was not.
    Fails {
        /// Why, without anything of what was sent.
        reason: String,
        /// What helps.
        cure: String,
    },
    /// Nothing was sent so far: the platform may collect events and send them later.
    NothingSent,
    /// Tandem can't see it.
    Unseen {
        /// Why.
        reason: String,
    },
}

/// A platform's way of telling what happened: its webhook, and the tables behind it.
#[async_trait]
pub trait PlatformEvents: Send + Sync {
    /// Sees that the webhook that calls `url` is there, published and right; makes or mends it. Two calls when all is right.
    async fn guard_hook(&self, url: &str, secret: &str) -> Result<GuardedHook>;
    /// Brings about something that the webhook with this id tells of, and sees whether that arrives. Never fails: what could
    /// not be tried says so. Four calls.
    async fn try_hook(&self, id: &str) -> HookDelivery;
    /// Whether the newest delivery of the webhook with this id arrived. One call.
    async fn newest_delivery(&self, id: &str) -> HookDelivery;
    /// Reads a page of a feed from `cursor` on. One call.
    async fn page(&self, feed: Feed, cursor: &FeedCursor) -> Result<FeedPage>;
}
