//! Packs: outbox entries of many new people in one item.

use std::collections::BTreeSet;
use std::sync::Arc;

use tandem_app::desks::FixedPeers;
use tandem_app::store::BulkTable;
use tandem_core::domain::identity::RecordKey;
use tandem_core::domain::record::Record;
use tandem_core::domain::scope::Scope;
use tandem_core::ports::bulk::{BulkStore, Mark, MarkCursor, Origin};
use tandem_core::ports::{Attempt, ContactStore, Save};

use crate::faults::{HeldPut, faulty};
use crate::fixture::{START, World, alone, at, email, external, record, scope, world};

/// Longer than a pack waits whose process died.
const SETTLED: i64 = 60;

fn second() -> Scope {
    Scope { integration: "second".to_owned().try_into().unwrap(), ..scope("a") }
}

fn hub(world: &World) -> BulkTable {
    BulkTable::new(world.local.table().clone(), Arc::new(FixedPeers::new([scope("a"), second()])))
}

fn key(number: usize) -> RecordKey {
    RecordKey::first_known_by(&external(&format!("u{number}")))
}

fn save(number: usize) -> Save {
    let address = format!("p{number}@example.com");
    Save {
        key: key(number),
        record: record(1, &address),
        claim: vec![external(&format!("u{number}")), email(&address)],
        release: Vec::new(),
        consent: None,
    }
}

fn saves(numbers: impl IntoIterator<Item = usize>) -> Vec<(Save, bool)> {
    numbers.into_iter().map(|number| (save(number), true)).collect()
}

async fn marks(bulk: &BulkTable, scope: &Scope, limit: usize) -> Vec<Mark> {
    let (mut cursor, mut all) = (MarkCursor::default(), Vec::new());
    loop {
        let (marks, next) = bulk.marks(scope, &cursor, limit).await.unwrap();
        assert!(marks.len() <= limit);
        all.extend(marks);
        match next {
            Some(next) => cursor = next,
            None => return all,
        }
    }
}

fn of(marks: &[Mark]) -> BTreeSet<RecordKey> {
    marks.iter().map(|mark| mark.record.clone()).collect()
}

fn keys(numbers: impl IntoIterator<Item = usize>) -> BTreeSet<RecordKey> {
    numbers.into_iter().map(key).collect()
}

fn is_packed(mark: &Mark) -> bool {
    matches!(mark.origin, Origin::Pack(_))
}

async fn records(bulk: &BulkTable) -> BTreeSet<RecordKey> {
    let (mut cursor, mut all) = (Some(MarkCursor::default()), BTreeSet::new());
    while let Some(after) = cursor {
        let (some, next) = bulk.records(&scope("a").tenant, &after, 100).await.unwrap();
        all.extend(some);
        cursor = next;
    }
    all
}

#[tokio::test]
async fn many_who_are_new_are_due_at_once_everywhere_by_a_pack_each_and_stand_in_the_list_of_records() {
    let world = world().await;
    let bulk = hub(&world);
    let other = Record { updated_at: at(START - 1), ..save(7).record };
    world.contacts.save_record(&scope("a"), &Save { record: other, ..save(7) }).await.unwrap();
    let mut all = saves(0..40);
    all[8].1 = false;
    let attempts = bulk.save_many(&scope("a"), &all, at(START)).await.unwrap();
    let refused: Vec<usize> = (0..40).filter(|number| attempts[*number] == Attempt::Contended).collect();
    assert_eq!(refused, [7]);
    let (own, others) = (marks(&bulk, &scope("a"), 100).await, marks(&bulk, &second(), 100).await);
    assert_eq!(of(&own), keys((0..40).filter(|number| ![7, 8].contains(number))), "8 needs nothing here");
    assert_eq!(of(&others), keys((0..40).filter(|number| *number != 7)));
    assert!(own.iter().chain(&others).all(|mark| is_packed(mark) && mark.due_at == at(START)));
    assert_eq!(records(&bulk).await, keys(0..40));
}

#[tokio::test]
async fn a_few_who_are_new_and_those_who_were_known_have_an_entry_each() {
    let world = world().await;
    let bulk = hub(&world);
    bulk.save_many(&scope("a"), &saves(0..9), at(START)).await.unwrap();
    assert!(!marks(&bulk, &second(), 100).await.iter().any(is_packed));
    let known =
        |number| Save { record: record(2, &format!("p{number}@example.com")), claim: Vec::new(), ..save(number) };
    let changed: Vec<(Save, bool)> = (0..9).map(|number| (known(number), true)).chain(saves(10..30)).collect();
    bulk.save_many(&scope("a"), &changed, at(START + 5)).await.unwrap();
    let read = marks(&bulk, &second(), 100).await;
    assert_eq!((read.len(), of(&read)), (29, keys((0..9).chain(10..30))));
    assert_eq!(read.iter().filter(|mark| is_packed(mark)).count(), 20);
}

#[tokio::test]
async fn the_marks_of_packs_are_read_once_each_at_any_limit_while_they_are_taken_away_too() {
    let world = world().await;
    let bulk = BulkTable::new(world.local.table().clone(), alone());
    for limit in [1, 7, 99, 100, 101, 200, 1_000] {
        for start in [0, 130, 260] {
            bulk.mark_all(&scope("a"), (start..start + 130).map(key).collect(), at(START)).await.unwrap();
        }
        bulk.mark_many(&scope("a"), &[Mark::new(key(500), 1, at(START))]).await.unwrap();
        let all = marks(&bulk, &scope("a"), limit).await;
        assert_eq!((all.len(), of(&all)), (391, keys((0..390).chain([500]))), "{limit}");
        let (mut cursor, mut read) = (Some(MarkCursor::default()), Vec::new());
        while let Some(after) = cursor {
            let (page, next) = bulk.marks(&scope("a"), &after, limit).await.unwrap();
            bulk.unmark_many(&scope("a"), &page).await.unwrap();
            read.extend(page);
            cursor = next;
        }
        assert_eq!((read.len(), of(&read)), (391, of(&all)), "{limit}");
        assert_eq!(marks(&bulk, &scope("a"), limit).await, [], "{limit}");
    }
}

#[tokio::test]
async fn who_is_put_off_gets_an_entry_and_the_rest_of_the_pack_stays_as_it_is() {
    let world = world().await;
    let bulk = hub(&world);
    bulk.save_many(&scope("a"), &saves(0..20), at(START)).await.unwrap();
    let read = marks(&bulk, &scope("a"), 100).await;
    let later = |mark: &Mark| Mark { attempts: 3, due_at: at(START + 600), ..mark.clone() };
    let put_off: Vec<Mark> = read.iter().take(2).map(later).collect();
    bulk.mark_many(&scope("a"), &put_off).await.unwrap();
    let left = marks(&bulk, &scope("a"), 100).await;
    let (packed, single): (Vec<Mark>, Vec<Mark>) = left.into_iter().partition(is_packed);
    assert_eq!((packed.len(), of(&single)), (18, of(&put_off)));
    assert!(single.iter().all(|mark| (mark.attempts, mark.due_at) == (3, at(START + 600))), "{single:?}");
    bulk.unmark_many(&scope("a"), &packed).await.unwrap();
    bulk.unmark_many(&scope("a"), &single).await.unwrap();
    assert_eq!(marks(&bulk, &scope("a"), 100).await, []);
    assert_eq!(marks(&bulk, &second(), 100).await.len(), 20, "another's are its own");
}

#[tokio::test]
async fn what_came_since_is_neither_put_off_nor_taken_away_by_who_read_the_pack() {
    let world = world().await;
    let bulk = hub(&world);
    bulk.save_many(&scope("a"), &saves(0..20), at(START)).await.unwrap();
    let read = marks(&bulk, &scope("a"), 100).await;
    let news = Mark::new(read[4].record.clone(), 0, at(START + 1));
    bulk.mark_many(&scope("a"), std::slice::from_ref(&news)).await.unwrap();
    bulk.mark_many(&scope("a"), &[Mark { due_at: at(START + 900), ..read[4].clone() }]).await.unwrap();
    bulk.unmark_many(&scope("a"), &read).await.unwrap();
    let left = marks(&bulk, &scope("a"), 100).await;
    assert_eq!((left.len(), &left[0].record, left[0].due_at), (1, &news.record, news.due_at));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn those_who_take_out_of_one_pack_at_the_same_time_leave_what_nobody_took_out() {
    let world = world().await;
    let bulk = Arc::new(hub(&world));
    bulk.save_many(&scope("a"), &saves(0..100), at(START)).await.unwrap();
    let read = marks(&bulk, &scope("a"), 100).await;
    let (left, ended) = read.split_at(20);
    let takers: Vec<_> = ended
        .chunks(20)
        .map(|some| {
            let (bulk, some) = (Arc::clone(&bulk), some.to_vec());
            tokio::spawn(async move { bulk.unmark_many(&scope("a"), &some).await.unwrap() })
        })
        .collect();
    for taker in takers {
        taker.await.unwrap();
    }
    let stays = marks(&bulk, &scope("a"), 100).await;
    assert!(of(&stays).is_superset(&of(left)), "nobody was done with these");
    bulk.unmark_many(&scope("a"), &stays).await.unwrap();
    assert_eq!(marks(&bulk, &scope("a"), 100).await, []);
}

/// A process that was held up for long: another run took the marks of records for void that were not there yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_writes_records_late_marks_them_anew() {
    let world = world().await;
    let held = HeldPut::of_batches();
    let slow = BulkTable::new(faulty(&world.local, held.clone()), alone());
    let writer = tokio::spawn(async move { slow.save_many(&scope("a"), &saves(0..12), at(START)).await.unwrap() });
    let meet = |barrier: Arc<std::sync::Barrier>| tokio::task::spawn_blocking(move || barrier.wait());
    meet(held.reached.clone()).await.unwrap();
    meet(held.released.clone()).await.unwrap();
    meet(held.reached.clone()).await.unwrap();
    let bulk = BulkTable::new(world.local.table().clone(), alone());
    let early = marks(&bulk, &scope("a"), 100).await;
    assert_eq!(of(&early), keys(0..12));
    let due_at: BTreeSet<_> = early.iter().map(|mark| mark.due_at).collect();
    assert!(due_at.iter().all(|due_at| *due_at > at(START) && *due_at <= at(START + SETTLED)), "{due_at:?}");
    bulk.unmark_many(&scope("a"), &early).await.unwrap();
    assert_eq!(marks(&bulk, &scope("a"), 100).await, []);
    meet(held.released.clone()).await.unwrap();
    writer.await.unwrap();
    let late = marks(&bulk, &scope("a"), 100).await;
    assert_eq!(of(&late), keys(0..12));
    bulk.unmark_many(&scope("a"), &early).await.unwrap();
    assert_eq!(marks(&bulk, &scope("a"), 100).await, late, "these are others than those that were read before");
}

#[tokio::test]
async fn an_integration_that_comes_gets_everybody_and_what_it_had_stays_as_it_is() {
    let world = world().await;
    let bulk = BulkTable::new(world.local.table().clone(), alone());
    let put_off = Mark { attempts: 2, ..Mark::new(key(3), 1, at(START + 900)) };
    bulk.mark_many(&scope("a"), std::slice::from_ref(&put_off)).await.unwrap();
    bulk.mark_all(&scope("a"), (0..20).map(key).collect(), at(START)).await.unwrap();
    bulk.mark_all(&scope("a"), vec![key(3), key(30)], at(START)).await.unwrap();
    let (packed, single): (Vec<Mark>, Vec<Mark>) =
        marks(&bulk, &scope("a"), 100).await.into_iter().partition(is_packed);
    assert_eq!((of(&packed), of(&single)), (keys(0..20), keys([3, 30])));
    assert!(single.iter().any(|mark| mark.attempts == 2 && mark.due_at == put_off.due_at), "{single:?}");
    bulk.mark_all(&scope("a"), Vec::new(), at(START)).await.unwrap();
}
