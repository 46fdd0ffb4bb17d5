//! The feed of changes over the table: order, settling, writers that are slow, tenants.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use tandem_app::store::RecordsTable;
use tandem_core::domain::identity::RecordKey;
use tandem_core::ports::place::TimePlace;
use tandem_core::ports::source::RecordChange;
use tandem_core::ports::{Clock, RecordSource};

use crate::fixture::{START, World, at, scope, world};

fn change(record: &str) -> RecordChange {
    RecordChange {
        record: RecordKey::from_stored(record.to_owned()),
        fields: ["city".to_owned()].into(),
        integration: "mautic".to_owned().try_into().unwrap(),
        at: at(START),
        appeared: false,
    }
}

fn feed(world: &World, clock: Arc<dyn Clock>) -> RecordsTable {
    RecordsTable::new(world.local.table().clone(), clock)
}

async fn read(feed: &RecordsTable, tenant: &str, after: Option<&TimePlace>, limit: usize) -> Vec<(TimePlace, String)> {
    let read = feed.changes(&scope(tenant), after, limit).await.unwrap();
    read.changes.into_iter().map(|(place, change)| (place, change.record.as_str().to_owned())).collect()
}

fn records(read: &[(TimePlace, String)]) -> Vec<&str> {
    read.iter().map(|(_, record)| record.as_str()).collect()
}

/// A clock that jumps ahead between two looks at it: a writer that is held up.
struct Jumping {
    now: AtomicI64,
    by: AtomicI64,
}

impl Clock for Jumping {
    fn now(&self) -> Timestamp {
        at(self.now.fetch_add(self.by.swap(0, Ordering::SeqCst), Ordering::SeqCst))
    }
}

#[tokio::test]
async fn changes_of_one_microsecond_are_all_read_and_page_by_page() {
    let world = world().await;
    let feed = feed(&world, world.clock.clone());
    let writes = world.local.meter().writes();
    feed.note_changes(&scope("a"), &["e1", "e2", "e3"].map(change)).await.unwrap();
    assert_eq!(world.local.meter().writes() - writes, 3, "one write for each");
    assert!(read(&feed, "a", None, 10).await.is_empty(), "they are not settled yet");
    world.clock.advance(16);
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = read(&feed, "a", after.as_ref(), 1).await;
        let Some((place, record)) = page.into_iter().next() else { break };
        seen.push(record);
        after = Some(place);
    }
    seen.sort();
    assert_eq!(seen, ["e1", "e2", "e3"]);
    assert!(read(&feed, "b", None, 10).await.is_empty(), "they belong to their tenant");
}

#[tokio::test]
async fn a_writer_whose_clock_is_behind_gets_in_before_the_reader_has_passed() {
    let world = world().await;
    let reader = feed(&world, world.clock.clone());
    let behind = feed(&world, Arc::new(Jumping { now: AtomicI64::new(START + 5), by: AtomicI64::new(0) }));
    world.clock.advance(15);
    reader.note_changes(&scope("a"), &[change("e2")]).await.unwrap();
    assert!(read(&reader, "a", None, 10).await.is_empty());
    behind.note_changes(&scope("a"), &[change("e1")]).await.unwrap();
    world.clock.advance(20);
    assert_eq!(records(&read(&reader, "a", None, 10).await), ["e1", "e2"]);
}

#[tokio::test]
async fn a_write_that_took_longer_than_a_place_takes_to_settle_is_made_once_more() {
    let world = world().await;
    let slow = feed(&world, Arc::new(Jumping { now: AtomicI64::new(START), by: AtomicI64::new(60) }));
    let reader = feed(&world, world.clock.clone());
    slow.note_changes(&scope("a"), &[change("e1")]).await.unwrap();
    world.clock.advance(59);
    // The reader had passed the first place.
    let passed = TimePlace::behind(at(START + 30));
    world.clock.advance(30);
    assert_eq!(records(&read(&reader, "a", Some(&passed), 10).await), ["e1"]);
}

#[tokio::test]
async fn changes_are_read_over_the_turn_of_a_month_and_for_thirty_days() {
    let world = world().await;
    let feed = feed(&world, world.clock.clone());
    for record in ["e1", "e2", "e3"] {
        feed.note_changes(&scope("a"), &[change(record)]).await.unwrap();
        world.clock.advance(12 * 86_400);
    }
    assert_eq!(records(&read(&feed, "a", None, 10).await), ["e2", "e3"], "the first is older than thirty days");
}
