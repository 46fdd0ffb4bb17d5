//! Records, links, pointers, consent and wishes.

use tandem_core::domain::consent::ConsentStatus::{OptedIn, OptedOut};
use tandem_core::domain::identity::RecordKey;
use tandem_core::jobs::message::{MembershipChange, MembershipList};
use tandem_core::ports::{Attempt, Begin, Commit, ContactStore, Resolved, Save, Stored};

use crate::fixture::{START, at, commit_of, email, external, first_begin, ledger, link, record, remote, scope, world};

#[tokio::test]
async fn a_write_is_read_back_as_it_was_made() {
    let world = world().await;
    let begin = first_begin("one@example.com", "me");
    world.contacts.begin(&scope("a"), &begin).await.unwrap();
    let begun = world.contacts.load(&scope("a"), &begin.key).await.unwrap();
    let expected = Stored {
        record: Some(begin.record.clone()),
        link: Some(link(1)),
        lease: Some(begin.lease.clone()),
        ..Stored::default()
    };
    assert_eq!(begun, expected);

    let commit = commit_of(&begin, "7");
    assert_eq!(world.contacts.commit(&scope("a"), &commit).await.unwrap(), Attempt::Done);
    let committed = world.contacts.load(&scope("a"), &begin.key).await.unwrap();
    assert_eq!(committed, Stored { record: Some(begin.record), link: Some(commit.link), ..Stored::default() });
    assert_eq!(world.contacts.by_remote_id(&scope("a"), &remote("7")).await.unwrap(), Some(begin.key));
}

#[tokio::test]
async fn each_step_of_a_write_is_one_call() {
    let world = world().await;
    let (reads, writes) = (world.local.meter().reads(), world.local.meter().writes());
    let (outside, address) = (external("u1"), email("one@example.com"));
    world.contacts.resolve(&scope("a"), Some(&outside), Some(&address)).await.unwrap();
    let begin = Begin {
        claim: vec![outside, address.clone()],
        consent: Some((address, ledger(&[(OptedIn, START)]))),
        ..first_begin("one@example.com", "me")
    };
    world.contacts.load(&scope("a"), &begin.key).await.unwrap();
    world.contacts.begin(&scope("a"), &begin).await.unwrap();
    world.contacts.commit(&scope("a"), &commit_of(&begin, "7")).await.unwrap();
    assert_eq!(world.local.meter().reads() - reads, 2);
    assert_eq!(world.local.meter().writes() - writes, 2);
}

#[tokio::test]
async fn nothing_to_resolve_is_no_call() {
    let world = world().await;
    let reads = world.local.meter().reads();
    assert_eq!(world.contacts.resolve(&scope("a"), None, None).await.unwrap(), Resolved::default());
    assert_eq!(world.local.meter().reads(), reads);
}

#[tokio::test]
async fn a_tenant_sees_nothing_of_another() {
    let world = world().await;
    let address = email("one@example.com");
    let begin = Begin {
        consent: Some((address.clone(), ledger(&[(OptedOut, START)]))),
        ..first_begin("one@example.com", "me")
    };
    world.contacts.begin(&scope("a"), &begin).await.unwrap();
    world.contacts.commit(&scope("a"), &commit_of(&begin, "7")).await.unwrap();

    let other = scope("b");
    assert_eq!(world.contacts.resolve(&other, None, Some(&address)).await.unwrap(), Resolved::default());
    assert_eq!(world.contacts.load(&other, &begin.key).await.unwrap(), Stored::default());
    assert_eq!(world.contacts.by_remote_id(&other, &remote("7")).await.unwrap(), None);
    assert_eq!(world.contacts.begin(&other, &begin).await.unwrap(), Attempt::Done);
}

#[tokio::test]
async fn a_record_and_an_opt_out_are_known_to_all_integrations_of_the_tenant_and_a_link_to_its_own() {
    let world = world().await;
    let address = email("one@example.com");
    let said = ledger(&[(OptedOut, START)]);
    let begin = Begin { consent: Some((address.clone(), said.clone())), ..first_begin("one@example.com", "me") };
    world.contacts.begin(&scope("a"), &begin).await.unwrap();
    let mut second = scope("a");
    second.integration = "second".to_owned().try_into().unwrap();
    let resolved = world.contacts.resolve(&second, None, Some(&address)).await.unwrap();
    assert_eq!(resolved, Resolved { consent: said, by_email: Some(begin.key.clone()), ..Resolved::default() });
    let stored = world.contacts.load(&second, &begin.key).await.unwrap();
    assert_eq!(stored, Stored { record: Some(begin.record), ..Stored::default() });
}

#[tokio::test]
async fn a_ledger_that_does_not_know_the_newest_statement_is_not_taken() {
    let world = world().await;
    let address = email("one@example.com");
    let save = |version, statements: &[_]| Save {
        key: RecordKey::first_known_by(&address),
        record: record(version, "one@example.com"),
        claim: vec![address.clone()],
        release: Vec::new(),
        consent: Some((address.clone(), ledger(statements))),
    };
    let yes = (OptedIn, START);
    let no = (OptedOut, START + 10);
    let steps = [
        (save(1, &[yes]), Attempt::Done),
        (save(2, &[yes, no]), Attempt::Done),
        (save(3, &[yes, (OptedIn, START + 20)]), Attempt::Contended),
        (save(3, &[yes, no]), Attempt::Done),
        (save(4, &[yes, no, (OptedIn, START + 20)]), Attempt::Done),
    ];
    for (step, expected) in steps {
        assert_eq!(world.contacts.save_record(&scope("a"), &step).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_saved_record_claims_its_identities_and_takes_no_lease() {
    let world = world().await;
    let address = email("one@example.com");
    let key = RecordKey::first_known_by(&external("u1"));
    let save = Save {
        key: key.clone(),
        record: record(1, "one@example.com"),
        claim: vec![external("u1"), address.clone()],
        release: Vec::new(),
        consent: None,
    };
    assert_eq!(world.contacts.save_record(&scope("a"), &save).await.unwrap(), Attempt::Done);
    let resolved = world.contacts.resolve(&scope("a"), Some(&external("u1")), Some(&address)).await.unwrap();
    assert_eq!((resolved.by_external_id, resolved.by_email), (Some(key.clone()), Some(key.clone())));
    let stored = world.contacts.load(&scope("a"), &key).await.unwrap();
    assert_eq!(stored, Stored { record: Some(save.record.clone()), ..Stored::default() });

    let rival = Save { key: RecordKey::first_known_by(&address), ..save };
    assert_eq!(world.contacts.save_record(&scope("a"), &rival).await.unwrap(), Attempt::Contended);
}

#[tokio::test]
async fn a_released_address_is_free_for_another_record() {
    let world = world().await;
    let begin = first_begin("old@example.com", "me");
    world.contacts.begin(&scope("a"), &begin).await.unwrap();
    let commit = Commit { release: vec![email("old@example.com")], ..commit_of(&begin, "7") };
    world.contacts.commit(&scope("a"), &commit).await.unwrap();
    let rival = Begin { key: RecordKey::first_known_by(&external("u2")), ..first_begin("old@example.com", "other") };
    assert_eq!(world.contacts.begin(&scope("a"), &rival).await.unwrap(), Attempt::Done);
}

#[tokio::test]
async fn erasing_leaves_the_consent_and_what_belongs_to_others() {
    let world = world().await;
    let (mine, theirs) = (email("mine@example.com"), email("theirs@example.com"));
    let said = ledger(&[(OptedOut, START)]);
    let begin = Begin { consent: Some((mine.clone(), said.clone())), ..first_begin("mine@example.com", "me") };
    world.contacts.begin(&scope("a"), &begin).await.unwrap();
    world.contacts.commit(&scope("a"), &commit_of(&begin, "7")).await.unwrap();
    let other = first_begin("theirs@example.com", "other");
    world.contacts.begin(&scope("a"), &other).await.unwrap();

    let identities = [mine.clone(), theirs.clone()];
    world.contacts.erase(&scope("a"), &begin.key, &identities, &[remote("7"), remote("unknown")]).await.unwrap();

    assert_eq!(
        world.contacts.load(&scope("a"), &begin.key).await.unwrap(),
        Stored { is_void: true, ..Stored::default() }
    );
    assert_eq!(world.contacts.by_remote_id(&scope("a"), &remote("7")).await.unwrap(), None);
    let left = world.contacts.resolve(&scope("a"), None, Some(&mine)).await.unwrap();
    assert_eq!(left, Resolved { consent: said, ..Resolved::default() });
    let kept = world.contacts.resolve(&scope("a"), None, Some(&theirs)).await.unwrap();
    assert_eq!(kept.by_email, Some(other.key));
}

#[tokio::test]
async fn a_write_under_way_can_not_commit_what_was_erased() {
    let world = world().await;
    let begin = first_begin("mine@example.com", "me");
    world.contacts.begin(&scope("a"), &begin).await.unwrap();
    world.contacts.erase(&scope("a"), &begin.key, &begin.claim, &[]).await.unwrap();
    assert_eq!(world.contacts.commit(&scope("a"), &commit_of(&begin, "7")).await.unwrap(), Attempt::Contended);
    assert_eq!(
        world.contacts.load(&scope("a"), &begin.key).await.unwrap(),
        Stored { is_void: true, ..Stored::default() }
    );
}

#[tokio::test]
async fn an_older_wish_does_not_override_a_newer_one() {
    let world = world().await;
    let wish = |member, second, list| MembershipChange { contact: remote("7"), list, member, asked_at: at(second) };
    let campaign = || MembershipList::Campaign("1".to_owned());
    let note = |wish| {
        let contacts = world.contacts.clone();
        async move { contacts.note_membership_wish(&scope("a"), &wish).await.unwrap() }
    };
    assert_eq!(note(wish(true, START + 10, campaign())).await, Attempt::Done);
    assert_eq!(note(wish(false, START + 9, campaign())).await, Attempt::Contended);
    assert_eq!(note(wish(true, START + 10, campaign())).await, Attempt::Done);
    assert_eq!(note(wish(false, START, MembershipList::Segment("1".to_owned()))).await, Attempt::Done);
    let newest = world.contacts.membership_wish(&scope("a"), &remote("7"), &campaign()).await.unwrap();
    assert_eq!(newest, Some(wish(true, START + 10, campaign())));
}
