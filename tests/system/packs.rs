//! Marks of many new people in one item: what a run makes of them when people were erased, changed or refused meanwhile, and what
//! is there when the process died that wrote them.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::json;
use tandem_app::desks::FixedPeers;
use tandem_app::local_table::LocalTable;
use tandem_app::store::BulkTable;
use tandem_core::domain::identity::{Email, ExternalId, Identity, RecordKey};
use tandem_core::domain::kind::Kind;
use tandem_core::domain::record::Record;
use tandem_core::domain::scope::Scope;
use tandem_core::ports::bulk::{BulkStore, Mark, MarkCursor, Origin};
use tandem_core::ports::{Clock, Save};
use tandem_core::sync::run::SyncOptions;
use tandem_core::sync::services::Desk;
use tandem_tests::faulty_table::FaultyTable;
use tandem_tests::hands::Hands;
use tandem_tests::system::{Options, System};

use super::hub::{Hub, addresses, people};

/// More than a pack waits whose process died.
pub(super) const SETTLED: SignedDuration = SignedDuration::from_secs(60);

pub(super) async fn system() -> (System, Hands) {
    let clock = Hands::default();
    let options = Options { clock: Arc::new(clock.clone()), ..Options::default() };
    (System::with(options.without_worker()).await, clock)
}

pub(super) fn identities(number: usize) -> Vec<Identity> {
    let id = ExternalId::try_from(format!("u{number}")).unwrap().identity_as(Kind::Person);
    vec![id, address(number).parse::<Email>().unwrap().identity()]
}

pub(super) fn address(number: usize) -> String {
    format!("p{number}@example.com")
}

pub(super) fn key(number: usize) -> RecordKey {
    RecordKey::first_known_by(&identities(number)[0])
}

pub(super) fn save(number: usize, version: u64, name: &str) -> Save {
    let record = Record {
        external_id: Some(ExternalId::try_from(format!("u{number}")).unwrap()),
        email: Some(address(number).parse().unwrap()),
        fields: [("first_name".to_owned(), json!(name))].into(),
        updated_at: "2026-11-01T00:00:00Z".parse().unwrap(),
        version,
        gone_since: None,
        awaited: None,
        corrected: None,
        overlaid: Default::default(),
        older: Default::default(),
        dated: Default::default(),
        said: Default::default(),
    };
    let claim = if version == 1 { identities(number) } else { Vec::new() };
    Save { key: key(number), record, claim, release: Vec::new(), consent: None }
}

pub(super) fn saves(count: usize) -> Vec<(Save, bool)> {
    (0..count).map(|number| (save(number, 1, "First"), true)).collect()
}

async fn marks(bulk: &dyn BulkStore, scope: &Scope) -> Vec<Mark> {
    let (mut cursor, mut all) = (Some(MarkCursor::default()), Vec::new());
    while let Some(after) = cursor {
        let (some, next) = bulk.marks(scope, &after, 200).await.unwrap();
        all.extend(some);
        cursor = next;
    }
    all
}

/// A system with so many people who were stored and not sent.
async fn stored(count: usize) -> (System, Desk) {
    let (system, _) = system().await;
    let desk = system.desk();
    // The first run of an integration puts everybody into the outbox.
    desk.sync(SyncOptions::default()).await.unwrap();
    desk.services.bulk.save_many(&desk.integration.scope, &saves(count), system.now()).await.unwrap();
    (system, desk)
}

async fn left(desk: &Desk) -> Vec<Mark> {
    marks(&*desk.services.bulk, &desk.integration.scope).await
}

#[tokio::test]
async fn whoever_is_erased_before_a_pack_is_sent_is_not_made_and_leaves_nothing_in_it() {
    let (system, desk) = stored(30).await;
    desk.services.contacts.erase(&desk.integration.scope, &key(3), &identities(3), &[]).await.unwrap();
    let log = desk.sync(SyncOptions::default()).await.unwrap().log;
    assert_eq!((log.created, system.contacts_with(&address(3)).len()), (29, 0));
    assert_eq!(left(&desk).await, []);
}

#[tokio::test]
async fn whoever_changes_before_a_pack_is_sent_is_made_once_as_they_are_now() {
    let (system, desk) = stored(30).await;
    let changed: Vec<(Save, bool)> = (0..5).map(|number| (save(number, 2, "Second"), true)).collect();
    desk.services.bulk.save_many(&desk.integration.scope, &changed, system.now()).await.unwrap();
    assert_eq!(left(&desk).await.len(), 35);
    let ran = desk.sync(SyncOptions::default()).await.unwrap();
    assert_eq!((ran.stopped, ran.log.created, ran.log.updated), (None, 30, 0));
    assert_eq!(system.mautic.stats().contacts, 30);
    assert_eq!(system.contact(&address(4)).fields["firstname"], "Second");
    assert_eq!(left(&desk).await, [], "both marks of each are gone");
}

#[tokio::test]
async fn whoever_is_put_into_the_outbox_twice_is_made_once() {
    let (system, _) = system().await;
    let desk = system.desk();
    desk.services.bulk.save_many(&desk.integration.scope, &saves(450), system.now()).await.unwrap();
    // The first run: they are in a pack, and in another one because everybody is.
    let ran = desk.sync(SyncOptions::default()).await.unwrap();
    assert_eq!((ran.stopped, ran.log.created, system.mautic.stats().contacts), (None, 450, 450));
    assert_eq!(left(&desk).await, []);
}

#[tokio::test]
async fn whoever_can_not_be_sent_waits_by_an_entry_and_the_pack_goes() {
    let (system, desk) = stored(30).await;
    let mut refused = save(40, 1, "Odd");
    refused.record.email = Some("a&b@example.com".parse().unwrap());
    let mut all = vec![(refused, true)];
    all.extend((50..70).map(|number| (save(number, 1, "Later"), true)));
    desk.services.bulk.save_many(&desk.integration.scope, &all, system.now()).await.unwrap();
    let log = desk.sync(SyncOptions::default()).await.unwrap().log;
    assert_eq!((log.created, log.failed), (50, 1));
    let left = left(&desk).await;
    assert_eq!((left.len(), &left[0].record, left[0].attempts), (1, &key(40), 1));
    assert!(matches!(left[0].origin, Origin::Entry { .. }), "{left:?}");
}

#[tokio::test]
async fn a_place_in_the_list_and_a_mark_of_a_record_that_never_came_do_no_harm() {
    let (system, clock) = system().await;
    let desk = system.desk();
    desk.sync(SyncOptions::default()).await.unwrap();
    let faulty = FaultyTable::start(system.table.access(), 0.0).await.expect("a free port");
    let dying = system.desk_through(LocalTable::attach(faulty.access()));
    faulty.crash_after(2);
    let saved = dying.services.bulk.save_many(&desk.integration.scope, &saves(30), system.now()).await;
    assert!(saved.is_err(), "the packs and the places are two calls");
    let early = left(&desk).await;
    assert!(early.len() == 30 && early.iter().all(|mark| mark.due_at > system.now()), "{early:?}");
    clock.move_on(SETTLED);
    let ran = desk.sync(SyncOptions::default()).await.unwrap();
    assert_eq!((ran.stopped, ran.log.created, left(&desk).await), (None, 0, Vec::new()));
    desk.sync(SyncOptions { full: true, ..SyncOptions::default() }).await.unwrap();
    desk.services.bulk.save_many(&desk.integration.scope, &saves(30), system.now()).await.unwrap();
    assert_eq!(desk.sync(SyncOptions::default()).await.unwrap().log.created, 30);
}

#[tokio::test]
async fn after_whichever_write_its_process_dies_no_record_is_without_a_mark_of_any_integration() {
    for writes in 0.. {
        let table = LocalTable::in_memory().await.unwrap();
        let scope = |name: &str| Scope {
            tenant: "a".to_owned().try_into().unwrap(),
            integration: name.to_owned().try_into().unwrap(),
        };
        let (own, other) = (scope("mautic"), scope("second"));
        let peers = Arc::new(FixedPeers::new([own.clone(), other.clone()]));
        let faulty = FaultyTable::start(table.access(), 0.0).await.expect("a free port");
        let dying = BulkTable::new(LocalTable::attach(faulty.access()), peers.clone());
        faulty.crash_after(writes);
        let finished = dying.save_many(&own, &saves(80), Hands::default().now()).await.is_ok();
        let bulk = BulkTable::new(table.table().clone(), peers);
        let keys: Vec<RecordKey> = (0..80).map(key).collect();
        let stored = bulk.load_many(&own, &keys).await.unwrap();
        let there: BTreeSet<&RecordKey> =
            keys.iter().zip(&stored).filter(|(_, stored)| stored.record.is_some()).map(|(key, _)| key).collect();
        for scope in [&own, &other] {
            let marked = marks(&bulk, scope).await;
            let marked: BTreeSet<&RecordKey> = marked.iter().map(|mark| &mark.record).collect();
            assert!(marked.is_superset(&there), "after {writes} writes");
        }
        let mut listed = BTreeSet::new();
        let mut cursor = Some(MarkCursor::default());
        while let Some(after) = cursor {
            let (some, next) = bulk.records(&own.tenant, &after, 200).await.unwrap();
            listed.extend(some);
            cursor = next;
        }
        assert!(there.iter().all(|key| listed.contains(*key)), "after {writes} writes");
        if finished {
            assert!(writes > 5 && there.len() == 80, "after {writes} writes");
            return;
        }
    }
}

#[tokio::test]
async fn many_who_are_new_reach_every_integration_and_one_that_comes_later() {
    let hub = Hub::with_one().await;
    hub.rows(people(0..25)).await;
    hub.round().await;
    hub.integrations.add("second");
    hub.settle().await;
    assert_eq!((addresses(&hub.one).len(), addresses(&hub.other)), (25, addresses(&hub.one)));
    hub.rows(people(25..60)).await;
    hub.settle().await;
    assert_eq!((addresses(&hub.one).len(), addresses(&hub.other)), (60, addresses(&hub.one)));
    for desk in [hub.one.desk(), hub.other.desk()] {
        assert_eq!(left(&desk).await, []);
    }
    hub.is_quiet().await;
}
