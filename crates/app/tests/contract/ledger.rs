//! What is known of a contact of the platform, and how far the platform's feeds were read.

use futures::future::join_all;
use tandem_core::domain::author::Author;
use tandem_core::domain::engagement::{EngagementEvent, EngagementKind, Standing, standing};
use tandem_core::domain::scope::Scope;
use tandem_core::ports::{EventStore, Feed, FeedCursor};
use tandem_core::webhook::entry::{Entry, EntryKind, Observed};

use crate::fixture::{START, World, at, opened, remote, scope, world};

async fn add(world: &World, event: &EngagementEvent) -> bool {
    world.events.add(&scope("a"), &remote("7"), event).await.unwrap()
}

async fn events(world: &World, scope: &Scope) -> Vec<EngagementEvent> {
    let mut events = world.events.events(scope, &remote("7")).await.unwrap();
    events.sort_by(|one, other| one.natural_id.cmp(&other.natural_id));
    events
}

fn entry(kind: EntryKind, second: i64) -> Entry {
    Entry {
        name: "entry",
        kind,
        contact: Some(remote("7")),
        email: None,
        at: at(START + second),
        echo: false,
        author: Author::Unknown,
    }
}

async fn observe(world: &World, contact: &str, entry: &Entry) -> bool {
    world.events.observe(&scope("a"), &remote(contact), entry).await.unwrap()
}

async fn observed(world: &World, contact: &str) -> Observed {
    world.events.observed(&scope("a"), &remote(contact)).await.unwrap()
}

#[tokio::test]
async fn an_event_counts_once_however_often_it_comes() {
    let world = world().await;
    let long = "x".repeat(5_000);
    for id in ["hit:1", "hit:2", "", "a#b", &long] {
        let writes = world.local.meter().writes();
        assert!(add(&world, &opened(id)).await);
        assert_eq!(world.local.meter().writes() - writes, 1);
        let later = EngagementEvent { source: "another".to_owned(), ..opened(id) };
        assert!(!add(&world, &later).await);
    }
    let kept = ["", "a#b", "hit:1", "hit:2", &long].map(opened);
    assert_eq!(events(&world, &scope("a")).await, kept);
    assert!(world.events.add(&scope("a"), &remote("8"), &opened("hit:1")).await.unwrap());
}

#[tokio::test]
async fn of_fifty_that_add_one_event_at_once_one_comes_through() {
    let world = world().await;
    let attempts = (0..50).map(|_| {
        let events = world.events.clone();
        tokio::spawn(async move { events.add(&scope("a"), &remote("7"), &opened("hit:1")).await.unwrap() })
    });
    let outcomes: Vec<_> = join_all(attempts).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes.iter().filter(|added| **added).count(), 1);
}

#[tokio::test]
async fn a_contacts_events_are_all_read_and_nothing_else() {
    let world = world().await;
    // More than one answer of the table holds.
    for number in 0..30 {
        let agent = Some("x".repeat(100_000));
        add(&world, &EngagementEvent { agent, ..opened(&number.to_string()) }).await;
    }
    world.events.save_standing(&scope("a"), &remote("7"), &Standing::default()).await.unwrap();
    observe(&world, "7", &entry(EntryKind::Points { points: 1 }, 0)).await;
    world.events.mark_for_write_back(&scope("a"), &remote("7"), "hit:1").await.unwrap();
    assert_eq!(events(&world, &scope("a")).await.len(), 30);
}

#[tokio::test]
async fn what_follows_from_fewer_events_does_not_override() {
    let world = world().await;
    let save = |standing| {
        let events = world.events.clone();
        async move { events.save_standing(&scope("a"), &remote("7"), &standing).await.unwrap() }
    };
    assert_eq!(world.events.standing(&scope("a"), &remote("7")).await.unwrap(), None);
    let (one, two) = (standing(&[opened("1")]), standing(&[opened("1"), opened("2")]));
    save(two.clone()).await;
    save(one).await;
    assert_eq!(world.events.standing(&scope("a"), &remote("7")).await.unwrap(), Some(two.clone()));
    // Of as many events, what a newer release makes of them counts.
    let again = Standing { counts: [(EngagementKind::Click, 2)].into(), ..two };
    save(again.clone()).await;
    assert_eq!(world.events.standing(&scope("a"), &remote("7")).await.unwrap(), Some(again));
}

#[tokio::test]
async fn entries_observed_in_any_order_come_to_the_same() {
    let world = world().await;
    let saved = |points: i64, second| {
        let fields = [("points".to_owned(), points.into())].into();
        entry(EntryKind::Saved { fields, identified: false }, second)
    };
    let segment = |member, second| entry(EntryKind::Segment { alias: "vip".to_owned(), member }, second);
    let company = entry(EntryKind::Company { name: "Acme".to_owned(), member: true }, 5);
    let points = |points, second| entry(EntryKind::Points { points }, second);
    let told = [
        saved(1, 10),
        saved(2, 20),
        segment(true, 1),
        segment(false, 2),
        company,
        points(9, 4),
        points(8, 4),
        saved(3, 20),
    ];
    for (contact, order) in
        [("1", [0, 1, 2, 3, 4, 5, 6, 7]), ("2", [7, 6, 5, 4, 3, 2, 1, 0]), ("3", [3, 7, 0, 6, 2, 1, 5, 4])]
    {
        for position in order {
            observe(&world, contact, &told[position]).await;
        }
    }
    let first = observed(&world, "1").await;
    assert_eq!(first.points, Some((at(START + 4), 9)));
    assert_eq!(first.segments.get("vip"), Some(&(at(START + 2), false)));
    assert_eq!(observed(&world, "2").await, first);
    assert_eq!(observed(&world, "3").await, first);
}

#[tokio::test]
async fn what_is_no_news_is_not_written() {
    let world = world().await;
    assert!(observe(&world, "7", &entry(EntryKind::Points { points: 2 }, 10)).await);
    let writes = world.local.meter().writes();
    assert!(!observe(&world, "7", &entry(EntryKind::Points { points: 2 }, 10)).await);
    assert!(!observe(&world, "7", &entry(EntryKind::Points { points: 9 }, 9)).await);
    assert!(!observe(&world, "7", &entry(EntryKind::Gone, 20)).await);
    assert_eq!(world.local.meter().writes(), writes);
}

#[tokio::test]
async fn of_twenty_entries_observed_at_once_none_is_lost() {
    let world = world().await;
    let attempts = (0..20).map(|number| {
        let events = world.events.clone();
        tokio::spawn(async move {
            let joined = entry(EntryKind::Segment { alias: format!("segment-{number}"), member: true }, 0);
            events.observe(&scope("a"), &remote("7"), &joined).await.unwrap()
        })
    });
    assert!(join_all(attempts).await.into_iter().all(Result::unwrap));
    assert_eq!(observed(&world, "7").await.segments.len(), 20);
}

#[tokio::test]
async fn a_contact_is_marked_once_until_the_mark_is_taken_away() {
    let world = world().await;
    let (tenant, contact) = (scope("a"), remote("7"));
    let mark = |by| world.events.mark_for_write_back(&tenant, &contact, by);
    world.events.unmark_for_write_back(&scope("a"), &remote("7")).await.unwrap();
    assert!(mark("hit:1").await.unwrap());
    assert!(!mark("hit:2").await.unwrap());
    // Who set it may have died before it told anybody.
    assert!(mark("hit:1").await.unwrap());
    assert!(world.events.mark_for_write_back(&tenant, &remote("8"), "hit:2").await.unwrap());
    world.events.unmark_for_write_back(&scope("a"), &remote("7")).await.unwrap();
    assert!(mark("hit:2").await.unwrap());
}

#[tokio::test]
async fn each_feed_has_its_cursor() {
    let world = world().await;
    let feeds = [Feed::DoNotContact, Feed::Opens, Feed::Hits, Feed::Forms, Feed::Audit];
    let cursor = |number| FeedCursor { after: number, until: Some(at(START)) };
    for (feed, number) in feeds.into_iter().zip(1..) {
        assert_eq!(world.events.cursor(&scope("a"), feed).await.unwrap(), None);
        world.events.save_cursor(&scope("a"), feed, &cursor(0)).await.unwrap();
        world.events.save_cursor(&scope("a"), feed, &cursor(number)).await.unwrap();
    }
    for (feed, number) in feeds.into_iter().zip(1..) {
        assert_eq!(world.events.cursor(&scope("a"), feed).await.unwrap(), Some(cursor(number)));
        assert_eq!(world.events.cursor(&scope("b"), feed).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_tenant_sees_nothing_of_anothers_contacts() {
    let world = world().await;
    add(&world, &opened("hit:1")).await;
    observe(&world, "7", &entry(EntryKind::Points { points: 1 }, 0)).await;
    world.events.save_standing(&scope("a"), &remote("7"), &standing(&[opened("hit:1")])).await.unwrap();
    world.events.mark_for_write_back(&scope("a"), &remote("7"), "hit:1").await.unwrap();

    let (other, contact) = (scope("b"), remote("7"));
    assert_eq!(events(&world, &other).await, []);
    assert_eq!(world.events.standing(&other, &contact).await.unwrap(), None);
    assert_eq!(world.events.observed(&other, &contact).await.unwrap(), Observed::default());
    assert!(world.events.mark_for_write_back(&other, &contact, "hit:2").await.unwrap());
    assert!(world.events.add(&other, &contact, &opened("hit:1")).await.unwrap());
}
