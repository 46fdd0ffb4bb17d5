//! Who may write a contact: one at a time, until the lease ends.

use futures::future::join_all;
use tandem_core::domain::identity::RecordKey;
use tandem_core::domain::link::Link;
use tandem_core::ports::{Attempt, Begin, ContactStore};

use crate::fixture::{START, at, commit_of, email, external, first_begin, link, next_begin, remote, scope, world};

#[tokio::test]
async fn of_twenty_that_begin_with_one_new_address_one_comes_through() {
    let world = world().await;
    let attempts = (0..20).map(|number| {
        let contacts = world.contacts.clone();
        tokio::spawn(async move {
            let begin = first_begin("one@example.com", &format!("writer {number}"));
            contacts.begin(&scope("a"), &begin).await.unwrap()
        })
    });
    let outcomes: Vec<_> = join_all(attempts).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Attempt::Done).count(), 1, "{outcomes:?}");
}

#[tokio::test]
async fn one_address_claimed_for_many_records_at_once_leads_to_one_of_them() {
    let world = world().await;
    let attempts = (0..20).map(|number| {
        let contacts = world.contacts.clone();
        tokio::spawn(async move {
            let own = external(&format!("user-{number}"));
            let begin = Begin {
                key: RecordKey::first_known_by(&own),
                claim: vec![own, email("one@example.com")],
                ..first_begin("one@example.com", "writer")
            };
            (contacts.begin(&scope("a"), &begin).await.unwrap(), begin.key)
        })
    });
    let outcomes: Vec<_> = join_all(attempts).await.into_iter().map(Result::unwrap).collect();
    let won: Vec<_> =
        outcomes.into_iter().filter(|(outcome, _)| *outcome == Attempt::Done).map(|(_, key)| key).collect();
    assert_eq!(won.len(), 1);
    let held = world.contacts.resolve(&scope("a"), None, Some(&email("one@example.com"))).await.unwrap();
    assert_eq!(held.by_email, won.into_iter().next());
    for number in 0..20 {
        let own = external(&format!("user-{number}"));
        let resolved = world.contacts.resolve(&scope("a"), Some(&own), None).await.unwrap();
        assert!(resolved.by_external_id.is_none() || resolved.by_external_id == held.by_email);
    }
}

#[tokio::test]
async fn a_lease_can_be_taken_over_when_it_is_over_and_not_before() {
    let world = world().await;
    let first = first_begin("one@example.com", "first");
    assert_eq!(world.contacts.begin(&scope("a"), &first).await.unwrap(), Attempt::Done);
    let second = next_begin(&first, "second", START + 90);
    world.clock.advance(30);
    assert_eq!(world.contacts.begin(&scope("a"), &second).await.unwrap(), Attempt::Contended);
    world.clock.advance(1);
    assert_eq!(world.contacts.begin(&scope("a"), &second).await.unwrap(), Attempt::Done);
}

#[tokio::test]
async fn who_lost_the_lease_can_neither_commit_nor_let_go() {
    let world = world().await;
    let first = first_begin("one@example.com", "first");
    world.contacts.begin(&scope("a"), &first).await.unwrap();
    world.clock.advance(31);
    let second = next_begin(&first, "second", START + 90);
    world.contacts.begin(&scope("a"), &second).await.unwrap();
    let before = world.contacts.load(&scope("a"), &first.key).await.unwrap();

    assert_eq!(world.contacts.commit(&scope("a"), &commit_of(&first, "7")).await.unwrap(), Attempt::Contended);
    world.contacts.let_go(&scope("a"), &first.key, "first").await.unwrap();

    assert_eq!(world.contacts.load(&scope("a"), &first.key).await.unwrap(), before);
    assert_eq!(world.contacts.by_remote_id(&scope("a"), &remote("7")).await.unwrap(), None);
    assert_eq!(world.contacts.commit(&scope("a"), &commit_of(&second, "8")).await.unwrap(), Attempt::Done);
}

#[tokio::test]
async fn a_lease_that_was_let_go_is_free_at_once_and_the_link_is_as_it_was() {
    let world = world().await;
    let first = first_begin("one@example.com", "first");
    world.contacts.begin(&scope("a"), &first).await.unwrap();
    world.contacts.let_go(&scope("a"), &first.key, "first").await.unwrap();
    let stored = world.contacts.load(&scope("a"), &first.key).await.unwrap();
    assert_eq!((stored.lease, stored.link), (None, Some(first.link.clone())));
    let second = next_begin(&first, "second", START + 60);
    assert_eq!(world.contacts.begin(&scope("a"), &second).await.unwrap(), Attempt::Done);
}

#[tokio::test]
async fn letting_go_of_what_is_not_there_makes_nothing() {
    let world = world().await;
    let begin = first_begin("one@example.com", "first");
    world.contacts.let_go(&scope("a"), &begin.key, "first").await.unwrap();
    assert_eq!(world.contacts.load(&scope("a"), &begin.key).await.unwrap().link, None);
}

#[tokio::test]
async fn a_record_that_changed_since_it_was_read_is_not_overwritten() {
    let world = world().await;
    let first = first_begin("one@example.com", "first");
    world.contacts.begin(&scope("a"), &first).await.unwrap();
    world.contacts.commit(&scope("a"), &commit_of(&first, "7")).await.unwrap();
    let mut stale = next_begin(&first, "second", START + 60);
    stale.link.revision = 3;
    stale.record.version = 1;
    assert_eq!(world.contacts.begin(&scope("a"), &stale).await.unwrap(), Attempt::Contended);
    stale.record.version = 2;
    assert_eq!(world.contacts.begin(&scope("a"), &stale).await.unwrap(), Attempt::Done);
}

#[tokio::test]
async fn a_link_is_put_in_the_place_of_the_one_that_was_read_and_leads_to_the_record() {
    let world = world().await;
    let begin = first_begin("one@example.com", "me");
    world.contacts.begin(&scope("a"), &begin).await.unwrap();
    world.contacts.commit(&scope("a"), &commit_of(&begin, "7")).await.unwrap();
    let merged = Link { remote_id: Some(remote("8")), aliases: [remote("7")].into(), ..link(3) };
    let tenant = scope("a");
    let relink = |revision| world.contacts.relink(&tenant, &begin.key, &merged, revision, at(START));

    assert_eq!(relink(1).await.unwrap(), Attempt::Contended);
    assert_eq!(world.contacts.by_remote_id(&scope("a"), &remote("8")).await.unwrap(), None);
    assert_eq!(relink(2).await.unwrap(), Attempt::Done);
    assert_eq!(relink(2).await.unwrap(), Attempt::Contended);

    let stored = world.contacts.load(&scope("a"), &begin.key).await.unwrap();
    assert_eq!((stored.record, stored.link), (Some(begin.record.clone()), Some(merged.clone())));
    for id in ["7", "8"] {
        let leads_to = world.contacts.by_remote_id(&scope("a"), &remote(id)).await.unwrap();
        assert_eq!(leads_to, Some(begin.key.clone()));
    }
}

#[tokio::test]
async fn a_link_is_not_replaced_while_somebody_writes_the_contact() {
    let world = world().await;
    let begin = first_begin("one@example.com", "me");
    world.contacts.begin(&scope("a"), &begin).await.unwrap();
    let gone = link(2);
    let tenant = scope("a");
    let relink = |second| world.contacts.relink(&tenant, &begin.key, &gone, 1, at(second));
    assert_eq!(relink(START + 30).await.unwrap(), Attempt::Contended);
    assert_eq!(relink(START + 31).await.unwrap(), Attempt::Done);
    assert_eq!(world.contacts.commit(&scope("a"), &commit_of(&begin, "7")).await.unwrap(), Attempt::Contended);
    let stored = world.contacts.load(&scope("a"), &begin.key).await.unwrap();
    assert_eq!((stored.link, stored.lease), (Some(gone), None));
}

#[tokio::test]
async fn a_link_that_is_not_there_is_not_replaced() {
    let world = world().await;
    let key = RecordKey::first_known_by(&email("one@example.com"));
    let outcome = world.contacts.relink(&scope("a"), &key, &link(1), 0, at(START)).await.unwrap();
    assert_eq!(outcome, Attempt::Contended);
}

#[tokio::test]
async fn a_lease_of_a_writer_whose_clock_was_years_ahead_is_over_for_everybody_else() {
    let world = world().await;
    let mut first = first_begin("one@example.com", "first");
    first.lease.until = at(START + 157_680_000);
    assert_eq!(world.contacts.begin(&scope("a"), &first).await.unwrap(), Attempt::Done);
    let second = next_begin(&first, "second", START + 60);
    assert_eq!(world.contacts.begin(&scope("a"), &second).await.unwrap(), Attempt::Done);
}
