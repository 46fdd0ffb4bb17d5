//! What is left of a person who is erased: the consent, and nothing else.

use tandem_core::domain::author::Author;
use tandem_core::domain::consent::ConsentStatus::OptedOut;
use tandem_core::domain::engagement::{EmailStatus, Standing};
use tandem_core::ports::{Begin, Commit, ContactStore, EventStore, Feedback, FeedbackStore, Resolved, Stored};
use tandem_core::webhook::entry::{Entry, EntryKind, Observed};

use crate::fixture::{START, World, at, commit_of, email, first_begin, ledger, opened, remote, scope, world};

/// Makes a contact of which all is known that can be.
async fn known_contact(world: &World, address: &str, contact: &str) -> Begin {
    let said = ledger(&[(OptedOut, START)]);
    let begin = Begin { consent: Some((email(address), said)), ..first_begin(address, "me") };
    world.contacts.begin(&scope("a"), &begin).await.unwrap();
    world.contacts.commit(&scope("a"), &commit_of(&begin, contact)).await.unwrap();
    // More than one batch of deletions holds.
    for number in 0..60 {
        world.events.add(&scope("a"), &remote(contact), &opened(&number.to_string())).await.unwrap();
    }
    let standing = Standing { events: 60, ..Standing::default() };
    world.events.save_standing(&scope("a"), &remote(contact), &standing).await.unwrap();
    let kind = EntryKind::Points { points: 1 };
    let entry =
        Entry { name: "points", kind, contact: None, email: None, at: at(START), echo: false, author: Author::Unknown };
    world.events.observe(&scope("a"), &remote(contact), &entry).await.unwrap();
    world.events.mark_for_write_back(&scope("a"), &remote(contact), "1").await.unwrap();
    let feedback = Feedback { marketing_opt_in: None, consent: None, email_status: EmailStatus::Active, standing };
    world.feedback.note(&scope("a"), &begin.key, &feedback).await.unwrap();
    begin
}

#[tokio::test]
async fn of_an_erased_person_the_consent_is_left() {
    let world = world().await;
    let (address, contact) = (email("one@example.com"), remote("7"));
    let begin = known_contact(&world, "one@example.com", "7").await;
    let (identities, contacts) = ([address.clone()], [contact.clone()]);
    world.contacts.erase(&scope("a"), &begin.key, &identities, &contacts).await.unwrap();

    assert_eq!(
        world.contacts.load(&scope("a"), &begin.key).await.unwrap(),
        Stored { is_void: true, ..Stored::default() }
    );
    assert_eq!(world.contacts.by_remote_id(&scope("a"), &contact).await.unwrap(), None);
    assert_eq!(world.feedback.feedback(&scope("a"), &begin.key).await.unwrap(), None);
    assert_eq!(world.events.events(&scope("a"), &contact).await.unwrap(), []);
    assert_eq!(world.events.standing(&scope("a"), &contact).await.unwrap(), None);
    assert_eq!(world.events.observed(&scope("a"), &contact).await.unwrap(), Observed::default());
    assert!(world.events.mark_for_write_back(&scope("a"), &contact, "2").await.unwrap());
    let resolved = world.contacts.resolve(&scope("a"), None, Some(&address)).await.unwrap();
    assert_eq!(resolved, Resolved { consent: ledger(&[(OptedOut, START)]), ..Resolved::default() });
}

#[tokio::test]
async fn a_contact_that_belongs_to_another_record_by_now_keeps_its_events() {
    let world = world().await;
    let mine = known_contact(&world, "mine@example.com", "7").await;
    let theirs = known_contact(&world, "theirs@example.com", "8").await;
    let gone = [remote("7"), remote("8"), remote("unknown")];
    world.contacts.erase(&scope("a"), &mine.key, &[], &gone).await.unwrap();
    assert_eq!(world.events.events(&scope("a"), &remote("7")).await.unwrap(), []);
    assert_eq!(world.events.events(&scope("a"), &remote("8")).await.unwrap().len(), 60);
    assert_eq!(world.contacts.by_remote_id(&scope("a"), &remote("8")).await.unwrap(), Some(theirs.key));
}

#[tokio::test]
async fn all_contacts_of_a_record_lose_their_events() {
    let world = world().await;
    let begin = first_begin("one@example.com", "me");
    world.contacts.begin(&scope("a"), &begin).await.unwrap();
    let commit = Commit { point: vec![remote("7"), remote("8")], ..commit_of(&begin, "7") };
    world.contacts.commit(&scope("a"), &commit).await.unwrap();
    for contact in ["7", "8"] {
        world.events.add(&scope("a"), &remote(contact), &opened("hit:1")).await.unwrap();
    }
    world.contacts.erase(&scope("a"), &begin.key, &[], &[remote("7"), remote("8")]).await.unwrap();
    for contact in ["7", "8"] {
        assert_eq!(world.events.events(&scope("a"), &remote(contact)).await.unwrap(), []);
    }
}
