//! Records and their links, and the writes that change them.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::consent::{ConsentEntry, ConsentLedger, ConsentOutcome};
use crate::domain::identity::{Identity, RecordKey};
use crate::domain::link::{Lease, Link, RemoteId};
use crate::domain::record::Record;
use crate::domain::scope::{IntegrationId, Scope, TenantId};
use crate::error::Result;
use crate::jobs::message::{MembershipChange, MembershipList};

/// A record key that an identity points to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// The record that the external id is known for.
    pub by_external_id: Option<RecordKey>,
    /// The record that holds the address.
    pub by_email: Option<RecordKey>,
    /// What the person at the address said about being mailed.
    pub consent: ConsentLedger,
    /// When the external id was reserved for its record, if that was written after it: a record that is not there may never have
    /// come, instead of being gone.
    pub reserved_at: Option<Timestamp>,
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
    /// Whether there is no record and none can be stored under the key for now: a write of it was given up, or it was erased.
    pub is_void: bool,
}

impl Stored {
    /// Whether the key can't be that of somebody new.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.record.is_some() || self.is_void
    }
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
    /// Puts an end to what was begun under a key that no record has: none can be stored under it for days, which refuses who is late,
    /// and those of the identities that lead to it lead nowhere any more. Nothing is done when there is a record. Two write calls.
    async fn void(&self, scope: &Scope, key: &RecordKey, identities: &[Identity]) -> Result<()>;
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
