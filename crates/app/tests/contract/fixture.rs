//! A table of its own for each test, a clock that stands still until it is moved, and short names for test data.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use tandem_app::desks::FixedPeers;
use tandem_app::local_table::LocalTable;
use tandem_app::store::{ContactTable, EventTable, FeedbackTable};
use tandem_core::domain::consent::{ConsentEntry, ConsentLedger, ConsentSource, ConsentStatus};
use tandem_core::domain::engagement::{EngagementEvent, EngagementKind};
use tandem_core::domain::identity::{Email, ExternalId, Identity, RecordKey};
use tandem_core::domain::link::{Lease, Link, RemoteId};
use tandem_core::domain::record::{Fields, Record};
use tandem_core::domain::scope::Scope;
use tandem_core::jobs::message::{Job, Task};
use tandem_core::ports::{Begin, Clock, Commit};

pub const START: i64 = 1_800_000_000;

/// A clock that only tests move.
pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        at(self.0.load(Ordering::SeqCst))
    }
}

pub fn test_clock() -> Arc<TestClock> {
    Arc::new(TestClock(AtomicI64::new(START)))
}

pub struct World {
    pub local: LocalTable,
    pub contacts: Arc<ContactTable>,
    pub events: Arc<EventTable>,
    pub feedback: FeedbackTable,
    pub clock: Arc<TestClock>,
}

pub async fn world() -> World {
    let local = LocalTable::in_memory().await.unwrap();
    let clock = test_clock();
    let contacts = Arc::new(ContactTable::new(local.table().clone(), clock.clone(), alone()));
    let events = Arc::new(EventTable::new(local.table().clone()));
    let feedback = FeedbackTable::new(local.table().clone());
    World { local, contacts, events, feedback, clock }
}

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub fn scope(tenant: &str) -> Scope {
    Scope { tenant: tenant.to_owned().try_into().unwrap(), integration: "mautic".to_owned().try_into().unwrap() }
}

pub fn email(address: &str) -> Identity {
    address.parse::<Email>().unwrap().identity()
}

pub fn external(id: &str) -> Identity {
    ExternalId::try_from(id.to_owned()).unwrap().identity()
}

pub fn remote(id: &str) -> RemoteId {
    RemoteId(id.to_owned())
}

pub fn record(version: u64, address: &str) -> Record {
    Record {
        external_id: None,
        email: Some(address.parse().unwrap()),
        fields: Fields::from([("score".to_owned(), 0.1.into())]),
        updated_at: at(START),
        version,
        gone_since: None,
        awaited: None,
        corrected: None,
        overlaid: Default::default(),
        older: Default::default(),
        dated: Default::default(),
        said: Default::default(),
    }
}

pub fn link(revision: u64) -> Link {
    Link { revision, ..Link::new(at(START)) }
}

pub fn lease(owner: &str, until: i64) -> Lease {
    Lease { owner: owner.to_owned(), until: at(until) }
}

/// The first write of a contact with this address, for half a minute.
pub fn first_begin(address: &str, owner: &str) -> Begin {
    let identity = email(address);
    Begin {
        key: RecordKey::first_known_by(&identity),
        record: record(1, address),
        link: link(1),
        lease: lease(owner, START + 30),
        claim: vec![identity],
        consent: None,
        is_news: true,
    }
}

/// The write after `begin`, by another owner.
pub fn next_begin(begin: &Begin, owner: &str, until: i64) -> Begin {
    Begin {
        record: Record { version: begin.record.version + 1, ..begin.record.clone() },
        link: link(begin.link.revision + 1),
        lease: lease(owner, until),
        claim: Vec::new(),
        ..begin.clone()
    }
}

/// The plain end of the write that `begin` began.
pub fn commit_of(begin: &Begin, contact: &str) -> Commit {
    Commit {
        key: begin.key.clone(),
        link: Link { remote_id: Some(remote(contact)), ..link(begin.link.revision + 1) },
        owner: begin.lease.owner.clone(),
        release: Vec::new(),
        point: vec![remote(contact)],
        consent: None,
    }
}

/// A ledger with these statements of the platform, in order.
pub fn ledger(statements: &[(ConsentStatus, i64)]) -> ConsentLedger {
    let mut ledger = ConsentLedger::default();
    for &(status, second) in statements {
        ledger.take(ConsentEntry { status, source: ConsentSource::Person, at: at(second), proof: None });
    }
    ledger
}

/// An open, under this name.
pub fn opened(natural_id: &str) -> EngagementEvent {
    EngagementEvent {
        natural_id: natural_id.to_owned(),
        kind: EngagementKind::Open,
        at: at(START),
        email: Some("1".to_owned()),
        campaign: None,
        subject: None,
        url: None,
        agent: None,
        sent_at: None,
        source: "delivery".to_owned(),
    }
}

/// A job of the tenant `a`.
pub fn job(id: &str) -> Job {
    Job {
        id: id.to_owned(),
        scope: scope("a"),
        correlation_id: "c".to_owned(),
        queued_at: at(START),
        task: Task::DeleteContact { contact: remote("7") },
    }
}

/// The peers of an integration that has none.
pub fn alone() -> Arc<FixedPeers> {
    Arc::default()
}
