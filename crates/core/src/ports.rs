//! The narrow doors between the business and the world. Adapters live in `tandem-connectors` and `tandem-app`.

pub mod bulk;
pub mod changes;
pub mod integrations;
pub mod lifecycle;
pub mod objects;
pub mod operations;
pub mod place;
pub mod relations;
pub mod runs;
pub mod source;
pub mod spellings;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use crate::domain::catalog::FieldCatalog;
use crate::domain::consent::{ConsentEntry, ConsentLedger, ConsentOutcome};
use crate::domain::engagement::{EmailStatus, EngagementEvent, Standing};
use crate::domain::identity::{Email, Identity, RecordKey};
use crate::domain::link::{Lease, Link, RemoteId};
use crate::domain::platform::{ContactWrite, DoNotContact, PlatformInfo, RemoteContact, Written};
use crate::domain::record::Record;
use crate::domain::scope::{IntegrationId, Scope, TenantId};
use crate::error::Result;
use crate::jobs::message::{Job, MembershipChange, MembershipList, ParkedJob};
use crate::webhook::entry::{Entry, Observed};

pub use source::RecordSource;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The moment of the call.
    fn now(&self) -> Timestamp;
}

/// Gives chance.
pub trait Entropy: Send + Sync {
    /// Uniform in `[0, 1)`.
    fn unit(&self) -> f64;
    /// A name that nothing else has: time-ordered, unguessable.
    fn id(&self) -> String;
}

/// Waits without blocking the thread.
#[async_trait]
pub trait Sleep: Send + Sync {
    /// Returns after `duration`.
    async fn sleep(&self, duration: Duration);
}

/// A marketing platform, as far as Tandem needs one. Methods say in their failure whether the effect may have happened.
#[async_trait]
pub trait MarketingPlatform: Send + Sync {
    /// Sees that a write can be sent at once: whatever has to be fetched before the first one (a token) is fetched. No call
    /// when nothing has to be.
    async fn ready(&self) -> Result<()>;
    /// Contacts with this address; more than one when the platform itself made duplicates. One call.
    async fn find_by_email(&self, email: &Email) -> Result<Vec<RemoteContact>>;
    /// One contact; the answer's id differs from `id` when the platform merged the two. One call.
    async fn get(&self, id: &RemoteId) -> Result<RemoteContact>;
    /// Creates and stores zeros, and never writes on a contact that is there: [`crate::error::FailureKind::Taken`] when the
    /// address, or another value that must be unique, exists. One call.
    async fn create(&self, write: &ContactWrite) -> Result<Written>;
    /// Changes the fields given and no other. Zeros are dropped. One call.
    async fn update(&self, id: &RemoteId, write: &ContactWrite) -> Result<RemoteContact>;
    /// Changes the fields given and no other, zeros and clears included, by reading and writing the whole contact. Two calls.
    async fn rewrite(&self, id: &RemoteId, write: &ContactWrite, clear: &[String]) -> Result<RemoteContact>;
    /// Deletes; `Ok(false)` when it was not there. One call.
    async fn delete(&self, id: &RemoteId) -> Result<bool>;
    /// Puts a contact into a list or takes it out. Doing it twice is doing it once, but for a campaign that lets contacts
    /// restart: a member that is added again may enter it again. One call.
    async fn set_membership(&self, contact: &RemoteId, list: &MembershipList, member: bool) -> Result<()>;
    /// Ids of the campaigns in use that the contact is a member of now, in any order; one that is not in use may be missing.
    /// [`crate::error::FailureKind::NotFound`] for a contact that is not there. One call.
    async fn campaigns_of(&self, contact: &RemoteId) -> Result<Vec<String>>;
    /// The segments that a contact is in. [`crate::error::FailureKind::NotFound`] for a contact that is not there. One call.
    async fn segments_of(&self, contact: &RemoteId) -> Result<Vec<bulk::RemoteList>>;
    /// Forbids mail. One call.
    async fn forbid_mail(&self, contact: &RemoteId, entry: &DoNotContact) -> Result<()>;
    /// Allows mail again, whatever the reason was that forbade it. One call.
    async fn allow_mail(&self, contact: &RemoteId) -> Result<()>;
    /// All that the platform holds about a contact, for the person to read. Up to four calls.
    async fn export(&self, contact: &RemoteId) -> Result<Value>;
    /// The contact fields that the platform has. One call.
    async fn fields(&self) -> Result<FieldCatalog>;
    /// The stages by name. One call.
    async fn stages(&self) -> Result<Vec<(String, String)>>;
    /// Whether the API is on and the credentials are good. One call.
    async fn ping(&self) -> Result<PlatformInfo>;
}

/// A record key that an identity points to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// The record that the external id is known for.
    pub by_external_id: Option<RecordKey>,
    /// The record that holds the address.
    pub by_email: Option<RecordKey>,
    /// What the person at the address said about being mailed.
    pub consent: ConsentLedger,
}

/// A record, its link and its lease, read together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stored {
    /// What the application wants.
    pub record: Option<Record>,
    /// What the platform has.
    pub link: Option<Link>,
    /// Who is writing it just now.
    pub lease: Option<Lease>,
}

/// A record's link to one of the tenant's integrations, and who is writing it.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkOf {
    /// The integration.
    pub integration: IntegrationId,
    /// The link.
    pub link: Link,
    /// Who is writing it just now.
    pub lease: Option<Lease>,
}

/// The start of a write: the record's new state, the lease, the identities and the consent, all or nothing.
#[derive(Clone, Debug)]
pub struct Begin {
    /// Which record.
    pub key: RecordKey,
    /// Its new state; its `version` is one more than what was read.
    pub record: Record,
    /// The link, marked pending; its `revision` is one more than what was read (1 for a new one).
    pub link: Link,
    /// The lease taken on the link.
    pub lease: Lease,
    /// Identities that shall point to the record and did not yet. Fails when one points elsewhere by now.
    pub claim: Vec<Identity>,
    /// The consent ledger of the record's address, when it changed.
    pub consent: Option<(Identity, ConsentLedger)>,
    /// Whether the record, its identities or the consent are others than before: then the tenant's other integrations are to
    /// hear of it.
    pub is_news: bool,
}

/// A record's newer state, to be written to the platform by a job: record, identities and consent, all or nothing.
#[derive(Clone, Debug)]
pub struct Save {
    /// Which record.
    pub key: RecordKey,
    /// Its new state; its `version` is one more than what was read (1 for a new one).
    pub record: Record,
    /// Identities that shall point to the record and did not yet. Fails when one points elsewhere by now.
    pub claim: Vec<Identity>,
    /// Identities that no longer point to the record (an old address).
    pub release: Vec<Identity>,
    /// The consent ledger of the record's address, when it changed.
    pub consent: Option<(Identity, ConsentLedger)>,
}

impl Save {
    /// A record's newer state and nothing else.
    #[must_use]
    pub fn of(key: &RecordKey, record: &Record) -> Self {
        Self { key: key.clone(), record: record.clone(), claim: Vec::new(), release: Vec::new(), consent: None }
    }
}

/// The end of a write.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Which record.
    pub key: RecordKey,
    /// The link as it now stands; its `revision` is one more than what was begun.
    pub link: Link,
    /// The owner of the lease, which ends with this.
    pub owner: String,
    /// Identities that no longer point to the record (an old address).
    pub release: Vec<Identity>,
    /// Remote ids that shall lead to the record and did not yet.
    pub point: Vec<RemoteId>,
    /// The consent ledger, when the platform's answer changed it.
    pub consent: Option<(Identity, ConsentLedger)>,
}

/// A record that takes the address of another one, which takes a third one's, and so on, until the ring is closed.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Which record.
    pub key: RecordKey,
    /// Its new state; its `version` is one more than what was read.
    pub record: Record,
    /// The address that it takes.
    pub address: Identity,
    /// The record that the address points to until now.
    pub holder: RecordKey,
}

/// Whether an optimistic write came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Written.
    Done,
    /// Somebody else changed it since it was read, or holds it: read again.
    Contended,
}

/// Records, links, identities and consent. The scope says whose act a write is: what changes a record, or what its person said
/// about mail, puts an entry into the outbox of each other integration of the tenant, in the same transaction.
#[async_trait]
pub trait ContactStore: Send + Sync {
    /// What the identities point to, and the consent of the address. One read call.
    async fn resolve(&self, scope: &Scope, external: Option<&Identity>, email: Option<&Identity>) -> Result<Resolved>;
    /// A record with its link. One read call.
    async fn load(&self, scope: &Scope, key: &RecordKey) -> Result<Stored>;
    /// All links of a record, in no order. One read call.
    async fn links(&self, tenant: &TenantId, key: &RecordKey) -> Result<Vec<LinkOf>>;
    /// A record with all its links, in no order. One read call.
    async fn whole(&self, tenant: &TenantId, key: &RecordKey) -> Result<Option<(Record, Vec<LinkOf>)>>;
    /// The record that a contact of the platform belongs to. One read call.
    async fn by_remote_id(&self, scope: &Scope, id: &RemoteId) -> Result<Option<RecordKey>>;
    /// Begins a write. One write call.
    async fn begin(&self, scope: &Scope, begin: &Begin) -> Result<Attempt>;
    /// Ends a write. One write call.
    async fn commit(&self, scope: &Scope, commit: &Commit) -> Result<Attempt>;
    /// Stores a record's newer state without writing it to the platform. One write call.
    async fn save_record(&self, scope: &Scope, save: &Save) -> Result<Attempt>;
    /// Lets records change addresses, all or nothing. One write call.
    async fn exchange(&self, scope: &Scope, moves: &[Exchange]) -> Result<Attempt>;
    /// Ends a lease without changing anything else, so that the next writer need not wait. One write call.
    async fn let_go(&self, scope: &Scope, key: &RecordKey, owner: &str) -> Result<()>;
    /// Erases a record, all its links and its pointers, `remote` being the contacts of the scope's own integration. Consent stays,
    /// under the digest of the address. A read call, and one write call or two.
    async fn erase(&self, scope: &Scope, key: &RecordKey, identities: &[Identity], remote: &[RemoteId]) -> Result<()>;
    /// Puts a link in the place of the stored one, if that has `revision` and nobody writes the contact just now; points
    /// the link's remote id, if any, to the record, and lists the record when a person has to decide a field of it. One write
    /// call.
    async fn relink(
        &self,
        scope: &Scope,
        key: &RecordKey,
        link: &Link,
        revision: u64,
        now: Timestamp,
    ) -> Result<Attempt>;
    /// Records with a field that a person has to decide, as far as [`ContactStore::relink`] noted it; some may be decided by
    /// now. In the order of their keys, behind `after`, at most `limit`. One read call.
    async fn contested(&self, scope: &Scope, after: Option<&RecordKey>, limit: usize) -> Result<Vec<RecordKey>>;
    /// Takes a statement into the consent ledger of an address. One read call and, when it changes something, one write; two
    /// reads more where the tenant has other integrations.
    async fn amend_consent(&self, scope: &Scope, email: &Identity, entry: ConsentEntry) -> Result<ConsentOutcome>;
    /// The newest wish about a membership. One read call.
    async fn membership_wish(
        &self,
        scope: &Scope,
        contact: &RemoteId,
        list: &MembershipList,
    ) -> Result<Option<MembershipChange>>;
    /// Notes a wish unless a newer one is there; `Contended` then. One write call.
    async fn note_membership_wish(&self, scope: &Scope, wish: &MembershipChange) -> Result<Attempt>;
}

/// Puts jobs on the queue.
#[async_trait]
pub trait JobQueue: Send + Sync {
    /// Queues a job, to be seen after `delay` (at most 15 minutes).
    async fn send(&self, job: &Job, delay: Duration) -> Result<()>;
    /// Whether the queue can be reached.
    async fn ping(&self) -> Result<()>;
    /// What lies on it. One call.
    async fn depth(&self) -> Result<QueueDepth>;
}

/// What lies on the queue, about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueDepth {
    /// Jobs to be done, now or after their delay.
    pub waiting: u64,
    /// Jobs under way, and those that wait for another try.
    pub in_flight: u64,
    /// When the oldest of all was queued, where the queue tells it: SQS does not.
    pub oldest_queued_at: Option<Timestamp>,
}

/// Jobs that wait for a person.
#[async_trait]
pub trait ParkedJobs: Send + Sync {
    /// Parks a job; parking it again overwrites.
    async fn park(&self, parked: &ParkedJob) -> Result<()>;
    /// Parked jobs of a tenant, oldest first, at most `limit`.
    async fn list(&self, tenant: &TenantId, limit: usize) -> Result<Vec<ParkedJob>>;
    /// The same, of those behind the job of an id. One read call a megabyte.
    async fn list_behind(&self, tenant: &TenantId, after: &str, limit: usize) -> Result<Vec<ParkedJob>>;
    /// How many there are, counted up to `most`. One read call a megabyte.
    async fn count(&self, tenant: &TenantId, most: usize) -> Result<usize>;
    /// One parked job.
    async fn get(&self, tenant: &TenantId, id: &str) -> Result<Option<ParkedJob>>;
    /// Forgets a parked job, after it was put on the queue again.
    async fn remove(&self, tenant: &TenantId, id: &str) -> Result<()>;
}

/// A platform's access token.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// The secret itself.
    pub secret: String,
    /// When the platform stops taking it.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// The token that all functions of an integration share, and the lock that lets one of them fetch a new one.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// The stored token, if there is one. One read call.
    async fn read(&self, scope: &Scope) -> Result<Option<AccessToken>>;
    /// Takes the right to fetch a token; `Contended` while another function holds it. One write call.
    async fn lock(&self, scope: &Scope, lease: &Lease, now: Timestamp) -> Result<Attempt>;
    /// Stores a token and gives the lock back. One write call.
    async fn save(&self, scope: &Scope, token: &AccessToken, owner: &str) -> Result<()>;
    /// Gives the lock back without a token. One write call.
    async fn unlock(&self, scope: &Scope, owner: &str) -> Result<()>;
}

/// What is known of a platform's budget of calls.
#[async_trait]
pub trait BudgetStore: Send + Sync {
    /// The moment until which the platform takes no call, if that is known. One read call.
    async fn exhausted_until(&self, scope: &Scope) -> Result<Option<Timestamp>>;
    /// Notes that the budget is used up until `reset`, as was found out at `now`. One write call.
    async fn exhaust(&self, scope: &Scope, reset: Timestamp, now: Timestamp) -> Result<()>;
    /// Takes the right to find out by a call whether a budget that is used up is back, unless somebody took it after `before`, or
    /// it is back. One write call.
    async fn claim_probe(&self, scope: &Scope, before: Timestamp, now: Timestamp) -> Result<bool>;
    /// Notes that calls are welcome again. One write call.
    async fn clear(&self, scope: &Scope) -> Result<()>;
}

/// What is known of a platform that does not answer.
#[async_trait]
pub trait CircuitStore: Send + Sync {
    /// The moment until which no call is worth its time, if one was noted. One read call.
    async fn silent_until(&self, scope: &Scope) -> Result<Option<Timestamp>>;
    /// Notes that the platform does not answer, and that no call is made until then. One write call.
    async fn note_silence(&self, scope: &Scope, until: Timestamp) -> Result<()>;
}

/// The cached list of the platform's fields.
#[async_trait]
pub trait CatalogStore: Send + Sync {
    /// The list as last read, however old. One read call.
    async fn read(&self, scope: &Scope) -> Result<Option<FieldCatalog>>;
    /// Stores a list as the one that follows the stored one ([`FieldCatalog::following`]), and gives it. One read call and one
    /// write call.
    async fn save(&self, scope: &Scope, catalog: &FieldCatalog) -> Result<FieldCatalog>;
}

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
