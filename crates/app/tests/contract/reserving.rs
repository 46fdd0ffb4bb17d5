//! Many new people, whose identities are reserved before their records are stored: what becomes of a writer that is held up between the
//! two.

use std::collections::BTreeSet;
use std::sync::{Arc, Barrier};

use tandem_app::store::BulkTable;
use tandem_core::domain::consent::ConsentStatus::{OptedIn, OptedOut};
use tandem_core::domain::identity::{Identity, RecordKey};
use tandem_core::domain::record::Record;
use tandem_core::ports::bulk::{BulkStore, MarkCursor};
use tandem_core::ports::{Attempt, ContactStore, Resolved, Save, Stored};
use tokio::task::JoinHandle;

use crate::faults::{HeldPut, faulty};
use crate::fixture::{START, World, alone, at, email, external, ledger, record, scope, world};

const VOID: Stored = Stored { record: None, link: None, lease: None, is_void: true };

fn id(number: usize) -> Identity {
    external(&format!("u{number}"))
}

fn address(number: usize) -> Identity {
    email(&format!("p{number}@example.com"))
}

fn key(number: usize) -> RecordKey {
    RecordKey::first_known_by(&id(number))
}

fn save(number: usize) -> Save {
    Save {
        key: key(number),
        record: record(1, &format!("p{number}@example.com")),
        claim: vec![id(number), address(number)],
        release: Vec::new(),
        consent: None,
    }
}

/// What another writer stores of the same person.
fn of_another(number: usize) -> Save {
    Save { record: Record { updated_at: at(START - 1), ..save(number).record }, ..save(number) }
}

async fn meet(barrier: &Arc<Barrier>) {
    let barrier = Arc::clone(barrier);
    tokio::task::spawn_blocking(move || barrier.wait()).await.unwrap();
}

/// A writer of these people, twelve at most, that has reserved their identities and is about to store what comes next.
async fn slow(world: &World, saves: Vec<Save>) -> (HeldPut, JoinHandle<Vec<Attempt>>) {
    let held = HeldPut::of_statements();
    let bulk = BulkTable::new(faulty(&world.local, held.clone()), alone());
    let saves: Vec<(Save, bool)> = saves.into_iter().map(|save| (save, true)).collect();
    let writer = tokio::spawn(async move { bulk.save_many(&scope("a"), &saves, at(START)).await.unwrap() });
    meet(&held.reached).await;
    meet(&held.released).await;
    meet(&held.reached).await;
    (held, writer)
}

async fn resolved(world: &World, number: usize) -> (Option<RecordKey>, Option<RecordKey>) {
    let found = world.contacts.resolve(&scope("a"), Some(&id(number)), Some(&address(number))).await.unwrap();
    (found.by_external_id, found.by_email)
}

async fn marked(world: &World) -> BTreeSet<RecordKey> {
    let bulk = BulkTable::new(world.local.table().clone(), alone());
    let (marks, _) = bulk.marks(&scope("a"), &MarkCursor::default(), 100).await.unwrap();
    marks.into_iter().map(|mark| mark.record).collect()
}

fn contended(attempts: &[Attempt]) -> Vec<usize> {
    (0..attempts.len()).filter(|number| attempts[*number] == Attempt::Contended).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_slow_writer_stores_nothing_where_another_came_first_or_gave_its_key_up_or_erased_the_person() {
    let world = world().await;
    let (held, writer) = slow(&world, (0..12).map(save).collect()).await;
    assert_eq!(resolved(&world, 3).await, (Some(key(3)), Some(key(3))), "reserved");
    assert_eq!(world.contacts.load(&scope("a"), &key(3)).await.unwrap(), Stored::default());

    let went_on = world.contacts.save_record(&scope("a"), &of_another(3)).await.unwrap();
    assert_eq!(went_on, Attempt::Done);
    world.contacts.void(&scope("a"), &key(4), &[id(4), address(4), address(5)]).await.unwrap();
    world.contacts.erase(&scope("a"), &key(6), &[id(6), address(6)], &[]).await.unwrap();

    meet(&held.released).await;
    assert_eq!(contended(&writer.await.unwrap()), [3, 4, 6]);
    for number in [4, 6] {
        assert_eq!(world.contacts.load(&scope("a"), &key(number)).await.unwrap(), VOID);
        assert_eq!(world.contacts.whole(&scope("a").tenant, &key(number)).await.unwrap(), None);
        assert_eq!(resolved(&world, number).await, (None, None));
        assert_eq!(world.contacts.save_record(&scope("a"), &save(number)).await.unwrap(), Attempt::Contended);
    }
    assert_eq!(resolved(&world, 5).await, (Some(key(5)), Some(key(5))), "what leads to another key stays");
    assert_eq!(resolved(&world, 3).await, (Some(key(3)), Some(key(3))));
    let came: BTreeSet<RecordKey> = (0..12).filter(|number| ![3, 4, 6].contains(number)).map(key).collect();
    assert_eq!(marked(&world).await, came);
}

#[tokio::test]
async fn a_key_that_has_a_record_is_not_given_up() {
    let world = world().await;
    world.contacts.save_record(&scope("a"), &save(1)).await.unwrap();
    world.contacts.void(&scope("a"), &key(1), &[id(1), address(1)]).await.unwrap();
    assert_eq!(world.contacts.load(&scope("a"), &key(1)).await.unwrap().record, Some(save(1).record));
    assert_eq!(resolved(&world, 1).await, (Some(key(1)), Some(key(1))));
}

#[tokio::test]
async fn whose_address_another_record_has_is_refused_and_the_others_are_stored() {
    let world = world().await;
    let other = Save { key: RecordKey::first_known_by(&address(5)), claim: vec![address(5)], ..save(5) };
    world.contacts.save_record(&scope("a"), &other).await.unwrap();
    let bulk = BulkTable::new(world.local.table().clone(), alone());
    let saves: Vec<(Save, bool)> = (0..30).map(|number| (save(number), true)).collect();
    let attempts = bulk.save_many(&scope("a"), &saves, at(START)).await.unwrap();
    assert_eq!(contended(&attempts), [5]);
    assert_eq!(resolved(&world, 5).await, (Some(key(5)), Some(other.key)));
    assert_eq!(world.contacts.load(&scope("a"), &key(5)).await.unwrap(), Stored::default());
    let found = bulk.resolve_many(&scope("a"), &[(Some(id(5)), None)]).await.unwrap();
    assert_eq!(found[0].reserved_at, Some(at(START)), "for a record that was never seen");
}

/// What a transaction of a new record finds leading to it may be given up before it is written.
#[tokio::test]
async fn a_new_record_claims_all_of_its_identities_whatever_was_found_to_lead_to_it() {
    let world = world().await;
    let found = Save { claim: Vec::new(), ..save(1) };
    assert_eq!(world.contacts.save_record(&scope("a"), &found).await.unwrap(), Attempt::Done);
    let leads = world.contacts.resolve(&scope("a"), None, Some(&address(1))).await.unwrap();
    assert_eq!(leads, Resolved { by_email: Some(key(1)), ..Resolved::default() });
}

#[tokio::test]
async fn what_new_people_said_of_mail_is_stored_and_what_was_said_before_is_not_lost() {
    let world = world().await;
    let said = |number: usize, statements: &[_]| Some((address(number), ledger(statements)));
    let opted_out = Save { consent: said(2, &[(OptedOut, START)]), ..save(2) };
    world.contacts.save_record(&scope("a"), &Save { claim: vec![], ..opted_out }).await.unwrap();
    world.contacts.erase(&scope("a"), &key(2), &[id(2), address(2)], &[]).await.unwrap();
    let mut saves: Vec<(Save, bool)> =
        (20..32).map(|number| (Save { consent: said(number, &[(OptedIn, START)]), ..save(number) }, true)).collect();
    // One does not know what was said before, the other one does.
    let unaware = RecordKey::first_known_by(&address(2));
    saves.push((Save { key: unaware, claim: vec![], consent: said(2, &[(OptedIn, START + 1)]), ..save(2) }, true));
    let bulk = BulkTable::new(world.local.table().clone(), alone());
    let attempts = bulk.save_many(&scope("a"), &saves, at(START)).await.unwrap();
    assert_eq!(contended(&attempts), [12]);
    let stands = world.contacts.resolve(&scope("a"), None, Some(&address(2))).await.unwrap().consent;
    assert_eq!(stands, ledger(&[(OptedOut, START)]));
    let stands = world.contacts.resolve(&scope("a"), None, Some(&address(25))).await.unwrap().consent;
    assert_eq!(stands, ledger(&[(OptedIn, START)]));
}

/// Another writer's record may have been sent before it heard of an opt-out that is written here.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_said_something_is_marked_though_the_record_is_another_writers() {
    let world = world().await;
    let opted_out = |number| Save { consent: Some((address(number), ledger(&[(OptedOut, START)]))), ..save(number) };
    let (held, writer) = slow(&world, (0..12).map(opted_out).collect()).await;
    world.contacts.save_record(&scope("a"), &of_another(7)).await.unwrap();
    // The opt-outs, and then the records.
    meet(&held.released).await;
    meet(&held.reached).await;
    meet(&held.released).await;
    assert_eq!(contended(&writer.await.unwrap()), [7]);
    assert!(marked(&world).await.contains(&key(7)));
}
