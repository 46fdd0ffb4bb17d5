//! Many new people, whose identities are reserved before their records are stored: whenever the process dies that stores them, and
//! whoever comes next, each of them is one record and one contact.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;
use tandem_app::desks::FixedPeers;
use tandem_app::local_table::LocalTable;
use tandem_app::store::{BulkTable, Purge};
use tandem_core::domain::consent::{ConsentEntry, ConsentLedger, ConsentSource, ConsentStatus};
use tandem_core::domain::identity::RecordKey;
use tandem_core::domain::scope::Scope;
use tandem_core::domain::tenant::{Tenant, TenantStatus};
use tandem_core::domain::whom::Whom;
use tandem_core::error::FailureKind;
use tandem_core::ports::bulk::{BulkStore, MarkCursor};
use tandem_core::ports::source::SourceRow;
use tandem_core::ports::{Clock, Save};
use tandem_core::sync::erase::Erasure;
use tandem_core::sync::run::{Stopped, SyncOptions};
use tandem_core::sync::services::Desk;
use tandem_tests::faulty_table::FaultyTable;
use tandem_tests::hands::Hands;
use tandem_tests::list_source::ListSource;
use tandem_tests::system::{Options, System};

use super::packs::{SETTLED, address, identities, save, saves};
use super::sync_run::row;

const PEOPLE: usize = 12;
/// A pack and the places in the list of records: then come two identities of each, the records, and the pack once more.
const BEFORE: usize = 1 + PEOPLE;

/// How many items were written when the process died.
const DEATHS: [usize; 8] = [
    BEFORE,
    BEFORE + 1,
    BEFORE + PEOPLE + 1,
    BEFORE + 2 * PEOPLE,
    BEFORE + 2 * PEOPLE + 1,
    BEFORE + 2 * PEOPLE + 7,
    BEFORE + 3 * PEOPLE,
    BEFORE + 3 * PEOPLE + 1,
];

fn of_source(number: usize) -> SourceRow {
    row(&format!("u{number}"), 1, json!({"email": address(number), "first_name": "First"}))
}

/// A system in which a process died after so many items of those that twelve new people take.
struct Died {
    system: System,
    clock: Hands,
    desk: Desk,
}

impl Died {
    async fn after(items: usize) -> Self {
        let clock = Hands::default();
        let options = Options { clock: Arc::new(clock.clone()), ..Options::default() };
        let system = System::with(options).await;
        let mut desk = system.desk();
        desk.services.source = Arc::new(ListSource::of([]));
        desk.sync(SyncOptions::default()).await.unwrap();
        let faulty = FaultyTable::start(system.table.access(), 0.0).await.expect("a free port");
        let dying = system.desk_through(LocalTable::attach(faulty.access()));
        faulty.crash_within(items as u64);
        let saved = dying.services.bulk.save_many(&desk.integration.scope, &saves(PEOPLE), system.now()).await;
        assert_eq!(saved.is_ok(), items > BEFORE + 3 * PEOPLE, "{items} items");
        Self { system, clock, desk }
    }

    /// After so many identities, of twelve people one after the other.
    async fn after_identities(identities: usize) -> Self {
        Self::after(BEFORE + identities).await
    }

    async fn upsert(&self, id: Option<String>, email: &str) {
        let body = json!({"id": id, "contact": {"email": email, "last_name": "Last"}});
        let answer = self.system.caller.upsert(body).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    async fn run(&self, rows: impl IntoIterator<Item = SourceRow>) {
        let mut desk = self.system.desk();
        desk.services.source = Arc::new(ListSource::of(rows));
        let ran = desk.sync(SyncOptions { full: true, ..SyncOptions::default() }).await.unwrap();
        // The pack of the dead process may not be due yet.
        assert!(matches!(ran.stopped, None | Some(Stopped::Paused(_))), "{:?}", ran.stopped);
        assert_eq!((ran.log.put_off, ran.log.failed), (0, 0), "{:?}", ran.log);
    }

    /// A run that paused goes on, and another one reads the rows.
    async fn settle(&self) {
        self.clock.move_on(SETTLED);
        for _ in 0..2 {
            self.run((0..PEOPLE).map(of_source)).await;
        }
        self.system.finish().await;
    }

    /// The record that somebody's id and address lead to.
    async fn record_of(&self, number: usize) -> RecordKey {
        let [id, email] = identities(number).try_into().unwrap();
        let (contacts, scope) = (&self.desk.services.contacts, &self.desk.integration.scope);
        let found = contacts.resolve(scope, Some(&id), Some(&email)).await.unwrap();
        assert_eq!(found.by_external_id, found.by_email, "{number}");
        let key = found.by_email.expect("somebody");
        let stored = contacts.load(scope, &key).await.unwrap();
        assert_eq!(stored.record.expect("a record").email.unwrap().as_str(), address(number));
        key
    }

    /// All are one record and one contact each, and nothing is left to do.
    async fn is_whole(&self, what: &str) {
        let mut keys = BTreeSet::new();
        for number in 0..PEOPLE {
            assert_eq!(self.system.contacts_with(&address(number)).len(), 1, "{number}, {what}");
            assert!(keys.insert(self.record_of(number).await), "{number}, {what}");
        }
        assert_eq!(self.system.mautic.stats().contacts, PEOPLE, "{what}");
        assert_eq!(self.records().await, keys, "{what}");
        let (marks, _) =
            self.desk.services.bulk.marks(&self.desk.integration.scope, &MarkCursor::default(), 100).await.unwrap();
        assert_eq!(marks, [], "{what}");
    }

    /// The records that the list leads to.
    async fn records(&self) -> BTreeSet<RecordKey> {
        let (bulk, scope) = (&self.desk.services.bulk, &self.desk.integration.scope);
        let (mut cursor, mut listed) = (Some(MarkCursor::default()), Vec::new());
        while let Some(after) = cursor {
            let (some, next) = bulk.records(&scope.tenant, &after, 100).await.unwrap();
            listed.extend(some);
            cursor = next;
        }
        let stored = bulk.load_many(scope, &listed).await.unwrap();
        listed.into_iter().zip(stored).filter(|(_, stored)| stored.record.is_some()).map(|(key, _)| key).collect()
    }
}

#[tokio::test]
async fn whenever_a_process_dies_the_next_run_makes_everybody_once() {
    for items in DEATHS {
        let died = Died::after(items).await;
        died.run((0..PEOPLE).map(of_source)).await;
        died.settle().await;
        died.is_whole(&format!("after {items} items")).await;
    }
}

#[tokio::test]
async fn whenever_a_process_dies_calls_make_everybody_once() {
    for items in DEATHS {
        let died = Died::after(items).await;
        for number in 0..PEOPLE {
            died.upsert(Some(format!("u{number}")), &address(number)).await;
        }
        died.settle().await;
        died.is_whole(&format!("after {items} items")).await;
    }
}

#[tokio::test]
async fn whenever_a_process_dies_events_make_everybody_once() {
    for items in DEATHS {
        let died = Died::after(items).await;
        for number in 0..PEOPLE {
            let user = json!({"id": format!("u{number}"), "email": address(number)});
            let event = json!({"id": format!("e{number}"), "name": "user_signup", "user": user});
            let request = died.system.caller.keyed(reqwest::Method::POST, "/events").json(&event);
            assert_eq!(died.system.caller.send(request).await.unwrap().status, 202);
        }
        died.system.finish().await;
        died.settle().await;
        died.is_whole(&format!("after {items} items")).await;
    }
}

#[tokio::test]
async fn an_id_that_was_reserved_for_nobody_joins_the_record_that_has_the_address_by_now() {
    for by_run in [false, true] {
        let died = Died::after_identities(7).await;
        died.upsert(None, &address(3)).await;
        let held = died.system.record_of(&address(3)).await;
        match by_run {
            true => died.run([of_source(3)]).await,
            false => died.upsert(Some("u3".to_owned()), &address(3)).await,
        }
        assert_eq!(died.record_of(3).await, held);
        died.settle().await;
        died.is_whole("an id alone").await;
    }
}

#[tokio::test]
async fn an_address_that_was_reserved_for_nobody_can_be_somebody_elses_and_whom_it_was_reserved_for_shares_it() {
    let died = Died::after_identities(8).await;
    died.upsert(Some("other".to_owned()), "other@example.com").await;
    died.upsert(Some("other".to_owned()), &address(3)).await;
    let other = died.system.record_of(&address(3)).await;
    assert_eq!(died.system.contact(&address(3)).fields["lastname"], "Last");
    died.settle().await;
    assert_eq!(died.record_of(3).await, other, "two with one address are one");
    died.is_whole("an address of another").await;
}

#[tokio::test]
async fn whoever_asks_for_somebody_who_never_came_hears_of_nobody() {
    let died = Died::after_identities(8).await;
    let whom = Whom { email: Some(address(3).parse().unwrap()), ..Whom::default() };
    let failure = died.desk.export(&whom).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotFound);
    let view = died.desk.look_at(tandem_core::domain::kind::Kind::Person, &"u3".to_owned().try_into().unwrap()).await;
    assert!(view.unwrap().is_none());
}

#[tokio::test]
async fn whoever_is_deleted_before_their_record_came_does_not_come_by_what_was_said_before() {
    let died = Died::after_identities(2 * PEOPLE).await;
    let whom = Whom { email: Some(address(3).parse().unwrap()), ..Whom::default() };
    let erasure = Erasure { at: died.clock.now(), keep_row: false };
    died.desk.erase(&whom, erasure, "c").await.unwrap();
    died.run((0..PEOPLE).map(of_source)).await;
    died.clock.move_on(SETTLED);
    died.run((0..PEOPLE).map(of_source)).await;
    assert_eq!(died.system.contacts_with(&address(3)).len(), 0);
    assert_eq!(died.system.mautic.stats().contacts, PEOPLE - 1);
    // They sign up again, and have a key of their own.
    died.upsert(Some("u3".to_owned()), &address(3)).await;
    died.system.finish().await;
    died.is_whole("begun anew").await;
}

/// A row does not tell when it was made: then a new id tells that it is not the deleted person's.
#[tokio::test]
async fn a_new_id_at_a_deleted_persons_address_is_new_also_when_its_record_did_not_come_the_first_time() {
    let died = Died::after(0).await;
    died.upsert(Some("gone".to_owned()), &address(0)).await;
    let whom = Whom { email: Some(address(0).parse().unwrap()), ..Whom::default() };
    died.desk.erase(&whom, Erasure { at: died.clock.now(), keep_row: false }, "c").await.unwrap();
    died.clock.move_on(SignedDuration::from_secs(5));
    let faulty = FaultyTable::start(died.system.table.access(), 0.0).await.expect("a free port");
    let dying = died.system.desk_through(LocalTable::attach(faulty.access()));
    faulty.crash_within((BEFORE + 2 * PEOPLE) as u64);
    let saved = dying.services.bulk.save_many(&died.desk.integration.scope, &saves(PEOPLE), died.clock.now()).await;
    assert!(saved.is_err());
    died.settle().await;
    died.settle().await;
    died.is_whole("a new id").await;
}

#[tokio::test]
async fn a_run_and_calls_for_the_same_people_at_once_make_each_once() {
    let clock = Hands::default();
    let system = System::with(Options { clock: Arc::new(clock.clone()), ..Options::default() }).await;
    let mut desk = system.desk();
    desk.services.source = Arc::new(ListSource::of((0..60).map(of_source)));
    let calls = (0..60).map(|number| {
        let caller = system.caller.clone();
        async move {
            let body = json!({"id": format!("u{number}"), "contact": {"email": address(number), "last_name": "Last"}});
            let answer = caller.upsert(body).await.unwrap();
            assert!([200, 202].contains(&answer.status), "{}", answer.body);
        }
    });
    let (ran, _) = tokio::join!(desk.sync(SyncOptions::default()), futures::future::join_all(calls));
    let ran = ran.unwrap();
    assert_eq!(ran.log.put_off, 0, "{:?}", ran.log);
    // Whoever met the other one at a contact comes back when that one's lease is over.
    while !system.drained(Duration::from_millis(500)).await {
        clock.move_on(SETTLED);
        system.skip_a_minute();
    }
    assert_eq!(desk.sync(SyncOptions::default()).await.unwrap().stopped, None);
    for number in 0..60 {
        assert_eq!(system.contacts_with(&address(number)).len(), 1, "{number}");
        let shown = system.contact(&address(number)).fields;
        assert_eq!((&shown["firstname"], &shown["lastname"]), (&json!("First"), &json!("Last")), "{number}");
    }
    assert_eq!(system.mautic.stats().contacts, 60);
}

#[tokio::test]
async fn a_tenant_that_is_deleted_leaves_nothing_that_was_reserved_said_or_given_up() {
    let scope =
        Scope { tenant: "a".to_owned().try_into().unwrap(), integration: "mautic".to_owned().try_into().unwrap() };
    let said = ConsentEntry {
        status: ConsentStatus::OptedOut,
        source: ConsentSource::Application,
        at: Hands::default().now(),
        proof: None,
    };
    let opted_out = |number: usize| {
        let mut ledger = ConsentLedger::default();
        ledger.take(said.clone());
        let consent = Some((identities(number)[1].clone(), ledger));
        (Save { consent, ..save(number, 1, "First") }, true)
    };
    for items in [BEFORE + 2 * PEOPLE, BEFORE + 3 * PEOPLE] {
        let table = LocalTable::in_memory().await.unwrap();
        let faulty = FaultyTable::start(table.access(), 0.0).await.expect("a free port");
        let peers = Arc::new(FixedPeers::new([scope.clone()]));
        let dying = BulkTable::new(LocalTable::attach(faulty.access()), peers);
        faulty.crash_within(items as u64);
        let saves: Vec<(Save, bool)> = (0..PEOPLE).map(opted_out).collect();
        assert!(dying.save_many(&scope, &saves, Hands::default().now()).await.is_err());
        let since = Hands::default().now();
        let tenant = Tenant {
            id: scope.tenant.clone(),
            name: "A".to_owned().try_into().unwrap(),
            status: TenantStatus::Deleting { since },
            created_at: None,
            revision: 1,
        };
        assert!(Purge::new(table.table().clone()).tenant(&tenant, &|| true).await.unwrap());
        let left = table.keys().unwrap().into_iter().filter(|(pk, _)| pk.starts_with("T#a#"));
        assert_eq!(left.collect::<Vec<_>>(), [], "after {items} items");
    }
}
