//! Many contacts at once: the platform's batch calls, and the table's batches behind them.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Attempt, Commit, Resolved, Save, Stored};
use crate::domain::identity::{Email, Identity, RecordKey};
use crate::domain::link::{Lease, Link, RemoteId};
use crate::domain::platform::{ContactWrite, RemoteContact, Written};
use crate::domain::scope::{Scope, TenantId};
use crate::error::Result;

/// The most contacts that one batch call takes.
pub const BATCH: usize = 200;
/// The most addresses that one look-up takes.
pub const LOOK_UP: usize = 100;

/// The results of a batch, in the order of its entries. Of their fields, contacts show those that were sent, as the platform
/// stored them.
pub type Outcomes = Vec<Result<Written>>;

/// A contact's change that carries zeros or blanks.
#[derive(Clone, Debug, PartialEq)]
pub struct Rewrite {
    /// Which contact.
    pub id: RemoteId,
    /// What to set.
    pub write: ContactWrite,
    /// Fields to blank.
    pub clear: Vec<String>,
}

/// A list that contacts can be put into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteList {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its short name, unique among lists of its kind, when the platform gives it one.
    pub alias: Option<String>,
    /// Whether it is in use.
    pub published: bool,
}

/// Where a look for changed contacts stands.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ChangeCursor {
    /// Changes from this moment on, by the platform's clock, as long as no row of its log was read.
    pub since: Timestamp,
    /// The last row of the platform's log that was read.
    #[serde(default)]
    pub row: Option<u64>,
    /// Whether a look by the log is under way.
    #[serde(default)]
    pub open: bool,
    /// Where the log can't be read: the last contact of the page before, when a look by dates is under way.
    pub after: Option<RemoteId>,
}

impl ChangeCursor {
    /// The beginning: changes from this moment on.
    #[must_use]
    pub const fn from(since: Timestamp) -> Self {
        Self { since, row: None, open: false, after: None }
    }

    /// Whether a look is under way.
    #[must_use]
    pub const fn is_under_way(&self) -> bool {
        self.open || self.after.is_some()
    }
}

/// A contact as marketing left it.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangedContact {
    /// The contact.
    pub contact: RemoteContact,
    /// When it was changed last (or made), as the contact itself says. Only a hint: Mautic 7.0 and 6.0 never move it
    /// (recording `217-date-modified-patch`), and in 5.1 an opened mail does.
    pub at: Timestamp,
    /// When each field was changed last, by its name on the platform, as the log tells it.
    pub times: BTreeMap<String, Timestamp>,
}

/// A page of changed contacts.
#[derive(Clone, Debug)]
pub struct ChangedPage {
    /// The contacts, by id.
    pub contacts: Vec<ChangedContact>,
    /// Whether there may be more behind the last one.
    pub more: bool,
}

/// What a platform was asked so far, by this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Calls, failed ones and token requests included.
    pub calls: u64,
    /// Bytes of the bodies of calls and answers.
    pub bytes: u64,
}

/// A marketing platform's calls on many contacts. A batch fails as a whole, or entry by entry.
#[async_trait]
pub trait BulkPlatform: Send + Sync {
    /// What the platform was asked so far.
    fn usage(&self) -> Usage;
    /// Contacts' fields whose text makes a thing of that name where there is none, besides tags: two calls at the same time
    /// would make two.
    fn makes_by_name(&self) -> &'static [&'static str];
    /// Contacts with these addresses (at most [`LOOK_UP`]); several of one address when the platform made duplicates. One call.
    async fn find_many(&self, emails: &[Email]) -> Result<Vec<RemoteContact>>;
    /// Creates (at most [`BATCH`]) and stores zeros; an entry whose address exists is `Taken`. One call.
    async fn create_many(&self, writes: &[ContactWrite]) -> Result<Outcomes>;
    /// Changes the fields given and no other. Zeros are dropped. Contacts that were merged away or deleted are `NotFound`. One call.
    async fn update_many(&self, writes: &[(RemoteId, ContactWrite)]) -> Result<Outcomes>;
    /// Changes fields, zeros and blanks included, by reading and writing whole contacts. Contacts that were merged away or
    /// deleted are `NotFound`. Two calls.
    async fn rewrite_many(&self, rewrites: &[Rewrite]) -> Result<Outcomes>;
    /// Deletes (at most [`BATCH`]); contacts that are not there are passed over. One call.
    async fn delete_many(&self, ids: &[RemoteId]) -> Result<()>;
    /// All segments. One call.
    async fn segments(&self) -> Result<Vec<RemoteList>>;
    /// Makes a segment. One call.
    async fn create_segment(&self, name: &str) -> Result<RemoteList>;
    /// Puts contacts into a segment; says of each whether the platform knows it. One call.
    async fn add_to_segment(&self, segment: &str, contacts: &[RemoteId]) -> Result<Vec<bool>>;
    /// All campaigns. One call.
    async fn campaigns(&self) -> Result<Vec<RemoteList>>;
    /// The contacts with these ids (at most [`BATCH`]) that are there, in any order. One call.
    async fn read_many(&self, ids: &[RemoteId]) -> Result<Vec<ChangedContact>>;
    /// All contacts with their addresses, by id, at most `limit` behind `after`. One call.
    async fn addresses(&self, after: Option<&RemoteId>, limit: usize) -> Result<Vec<(RemoteId, Option<String>)>>;
    /// Contacts that were changed or made by their own dates, by id, at most `limit`: where the log can't be read. One call.
    async fn changed(&self, cursor: &ChangeCursor, limit: usize) -> Result<ChangedPage>;
}

/// A record whose platform has to be brought up to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The record.
    pub record: RecordKey,
    /// The record's version when it was marked last.
    pub version: u64,
    /// How often it was tried in vain.
    pub attempts: u32,
    /// From when on it may be tried.
    pub due_at: Timestamp,
    /// Where it was read.
    pub origin: Origin,
}

/// Where a mark was read. Whoever takes a mark away takes this one, and none that came since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is a new one.
    New,
    /// An entry of the record's own, with what tells it from those that came before and after it.
    Entry {
        /// A name that no other entry of the record has.
        stamp: String,
    },
    /// A pack: one item with the marks of many records.
    Pack(Arc<Pack>),
    /// It was never stored, and takes none away.
    Nowhere,
}

/// One item with the marks of many records, as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pack {
    /// Its name among the packs of the outbox.
    pub name: String,
    /// What tells it from what was written under the name before and after it.
    pub stamp: String,
}

impl Mark {
    /// A new mark of a record that is due at `due_at`.
    #[must_use]
    pub const fn new(record: RecordKey, version: u64, due_at: Timestamp) -> Self {
        Self { record, version, attempts: 0, due_at, origin: Origin::New }
    }
}

/// Up to where marks, or the list of a tenant's records, were read.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct MarkCursor {
    /// The shard of the list.
    pub shard: usize,
    /// The pack that was read last, where marks of packs were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pack: Option<String>,
    /// The last record, of the shard or of the pack.
    pub after: Option<RecordKey>,
}

impl MarkCursor {
    /// The beginning of a shard.
    #[must_use]
    pub const fn shard(shard: usize) -> Self {
        Self { shard, pack: None, after: None }
    }
}

/// The start of one contact's write in a batch.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Which record.
    pub key: RecordKey,
    /// The link, marked pending; its `revision` is one more than what was read (1 for a new one).
    pub link: Link,
    /// The lease.
    pub lease: Lease,
}

/// A record that is made of a contact which the platform has already: both begin together.
#[derive(Clone, Debug)]
pub struct Adoption {
    /// The record; its `version` is 1.
    pub save: Save,
    /// The link to the contact; its `revision` is 1.
    pub link: Link,
    /// Whether the platform lacks something of it.
    pub is_due: bool,
}

/// Records, links and marks, many at a time. Results are in the order of what was given.
#[async_trait]
pub trait BulkStore: Send + Sync {
    /// As [`super::ContactStore::resolve`]. One read call for 33 of them.
    async fn resolve_many(
        &self,
        scope: &Scope,
        identities: &[(Option<Identity>, Option<Identity>)],
    ) -> Result<Vec<Resolved>>;
    /// As [`super::ContactStore::load`]. One read call for 50.
    async fn load_many(&self, scope: &Scope, keys: &[RecordKey]) -> Result<Vec<Stored>>;
    /// The records that contacts of the platform belong to. One read call for 100.
    async fn by_remote_ids(&self, scope: &Scope, ids: &[RemoteId]) -> Result<Vec<Option<RecordKey>>>;
    /// Stores records' newer states, and marks those whose flag is set; all are marked for the tenant's other integrations. One
    /// write call for about 20. Of many that are new the marks are packed, and written before the records: a mark of a record that
    /// is not there may be read when the process died between the two, and is not due before it is known not to come.
    async fn save_many(&self, scope: &Scope, saves: &[(Save, bool)], now: Timestamp) -> Result<Vec<Attempt>>;
    /// Stores records with the links and the pointers of the contacts that they were made of, and marks those that are due; all are
    /// marked for the tenant's other integrations. `Contended` where a record of the address is there, or the contact belongs to
    /// one. One write call for about 14.
    async fn adopt_many(&self, scope: &Scope, adoptions: &[Adoption], now: Timestamp) -> Result<Vec<Attempt>>;
    /// Takes leases. One write call for 100.
    async fn take_many(&self, scope: &Scope, taken: &[Taken], now: Timestamp) -> Result<Vec<Attempt>>;
    /// Ends writes. One write call for about 50.
    async fn commit_many(&self, scope: &Scope, commits: &[Commit]) -> Result<Vec<Attempt>>;
    /// Puts links in the place of those of one revision less, unless somebody writes the contact. One write call for 100.
    async fn relink_many(&self, scope: &Scope, links: &[(RecordKey, Link)], now: Timestamp) -> Result<Vec<Attempt>>;
    /// Marks a record unless it was marked for a newer version; puts a mark that was read off, unless there is another one by
    /// now. One write call for 100.
    async fn mark_many(&self, scope: &Scope, marks: &[Mark]) -> Result<()>;
    /// Marks people, packed, whatever marks they have already, and other records unless they are marked. One write call for 100.
    async fn mark_all(&self, scope: &Scope, records: Vec<RecordKey>, now: Timestamp) -> Result<()>;
    /// Takes marks away, unless the record was marked again since they were read. One write call for 100; of packed ones a read
    /// and a write for 100 packs.
    async fn unmark_many(&self, scope: &Scope, marks: &[Mark]) -> Result<()>;
    /// All records of a tenant, in no order that means anything; `None` instead of a cursor after the last. One read call.
    async fn records(
        &self,
        tenant: &TenantId,
        after: &MarkCursor,
        limit: usize,
    ) -> Result<(Vec<RecordKey>, Option<MarkCursor>)>;
    /// Forgets the link of a record to an integration, with what leads to it and what its contacts did. A few calls.
    async fn unlink(&self, scope: &Scope, record: &RecordKey) -> Result<()>;
    /// Marks in no order that means anything; `None` instead of a cursor after the last. A record may have two: an entry, and one
    /// in a pack. One read call.
    async fn marks(&self, scope: &Scope, after: &MarkCursor, limit: usize) -> Result<(Vec<Mark>, Option<MarkCursor>)>;
}
