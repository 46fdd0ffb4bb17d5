//! Records, links and marks, many at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use tandem_app::store::BulkTable;
use tandem_core::domain::association::{Association, Associations};
use tandem_core::domain::consent::ConsentStatus::OptedOut;
use tandem_core::domain::identity::{Identity, RecordKey};
use tandem_core::domain::link::Link;
use tandem_core::domain::record::{Fields, Record};
use tandem_core::domain::scope::Scope;
use tandem_core::ports::bulk::{BulkStore, Mark, MarkCursor, Origin, Taken};
use tandem_core::ports::{Attempt, Begin, Commit, ContactStore, Resolved, Save, Stored};

use crate::faults::{LostReplies, faulty};
use crate::fixture::{
    START, World, alone, at, email, external, first_begin, lease, ledger, link, record, remote, scope, world,
};

fn bulk(world: &World) -> BulkTable {
    BulkTable::new(world.local.table().clone(), alone())
}

fn address(number: usize) -> String {
    format!("p{number}@example.com")
}

fn own_id(number: usize) -> Identity {
    external(&format!("u{number}"))
}

fn key(number: usize) -> RecordKey {
    RecordKey::first_known_by(&own_id(number))
}

/// The first state of a record that is known by an id and an address.
fn save(number: usize) -> Save {
    Save {
        key: key(number),
        record: record(1, &address(number)),
        claim: vec![own_id(number), email(&address(number))],
        release: Vec::new(),
        consent: None,
    }
}

/// What another writer stores of the same person.
fn of_another(number: usize) -> Save {
    let other = Record { fields: Fields::from([("score".to_owned(), 0.2.into())]), ..record(1, &address(number)) };
    Save { record: other, ..save(number) }
}

fn marked(numbers: impl IntoIterator<Item = usize>) -> Vec<(Save, bool)> {
    numbers.into_iter().map(|number| (save(number), true)).collect()
}

fn taken(number: usize, revision: u64, owner: &str, until: i64) -> Taken {
    Taken { key: key(number), link: link(revision), lease: lease(owner, until) }
}

fn committed(number: usize, revision: u64, owner: &str) -> Commit {
    let contact = remote(&format!("r{number}"));
    Commit {
        key: key(number),
        link: Link { remote_id: Some(contact.clone()), ..link(revision) },
        owner: owner.to_owned(),
        release: Vec::new(),
        point: vec![contact],
        consent: None,
    }
}

fn mark(number: usize, version: u64, attempts: u32, due: i64) -> Mark {
    Mark { attempts, ..Mark::new(key(number), version, at(due)) }
}

/// Nobody was refused.
const NOBODY: [usize; 0] = [];

/// The numbers of those that were refused.
fn refused(attempts: &[Attempt]) -> Vec<usize> {
    let refused = attempts.iter().enumerate().filter(|(_, attempt)| **attempt == Attempt::Contended);
    refused.map(|(number, _)| number).collect()
}

async fn all_marks(bulk: &BulkTable, scope: &Scope, limit: usize) -> Vec<Mark> {
    let (mut cursor, mut all) = (MarkCursor::default(), Vec::new());
    loop {
        let (marks, next) = bulk.marks(scope, &cursor, limit).await.unwrap();
        assert!(marks.len() <= limit);
        all.extend(marks.into_iter().map(|mark| Mark { origin: Origin::New, ..mark }));
        match next {
            Some(next) => cursor = next,
            None => return all,
        }
    }
}

/// Marks as they are read.
async fn packed_marks(bulk: &BulkTable, scope: &Scope) -> Vec<Mark> {
    let (marks, _) = bulk.marks(scope, &MarkCursor::default(), 1_000).await.unwrap();
    assert!(marks.iter().all(|mark| matches!(mark.origin, Origin::Pack(_))), "{marks:?}");
    marks
}

fn records_of(marks: &[Mark]) -> BTreeSet<RecordKey> {
    marks.iter().map(|mark| mark.record.clone()).collect()
}

/// Records of the even numbers below 400, and what is asked for: all numbers from behind, beyond the last, some again.
async fn every_other(world: &World) -> (BulkTable, Vec<usize>) {
    let bulk = bulk(world);
    let evens: Vec<usize> = (0..400).step_by(2).collect();
    let saves: Vec<(Save, bool)> = evens.iter().map(|number| (save(*number), false)).collect();
    assert_eq!(bulk.save_many(&scope("a"), &saves, at(START)).await.unwrap(), vec![Attempt::Done; evens.len()]);
    (bulk, (0..450).rev().chain([4, 4, 5, 398, 4]).collect())
}

fn is_there(number: usize) -> bool {
    number < 400 && number.is_multiple_of(2)
}

#[tokio::test]
async fn hundreds_of_identities_are_resolved_in_the_order_given_whatever_is_missing_or_repeated() {
    let world = world().await;
    let (bulk, asked) = every_other(&world).await;
    let said = ledger(&[(OptedOut, START)]);
    let consent = Save {
        record: record(2, &address(4)),
        claim: Vec::new(),
        consent: Some((email(&address(4)), said.clone())),
        ..save(4)
    };
    world.contacts.save_record(&scope("a"), &consent).await.unwrap();

    let identities: Vec<_> =
        asked.iter().map(|number| (Some(own_id(*number)), Some(email(&address(*number))))).collect();
    let reads = world.local.meter().reads();
    let resolved = bulk.resolve_many(&scope("a"), &identities).await.unwrap();
    assert_eq!(world.local.meter().reads() - reads, 14, "450 different ones, three keys each, a hundred keys a call");
    for (number, resolved) in asked.iter().zip(&resolved) {
        let expected = is_there(*number).then(|| key(*number));
        assert_eq!((&resolved.by_external_id, &resolved.by_email), (&expected, &expected), "{number}");
        assert_eq!(resolved.consent == said, *number == 4, "{number}");
    }
    let halves = bulk.resolve_many(&scope("a"), &[(None, None), (Some(own_id(4)), None)]).await.unwrap();
    let led = Resolved { by_external_id: Some(key(4)), reserved_at: Some(at(START)), ..Resolved::default() };
    assert_eq!(halves, [Resolved::default(), led]);
    assert_eq!(bulk.resolve_many(&scope("a"), &[]).await.unwrap(), []);
}

#[tokio::test]
async fn hundreds_of_records_are_loaded_in_the_order_given_whatever_is_missing_or_repeated() {
    let world = world().await;
    let (bulk, asked) = every_other(&world).await;
    bulk.take_many(&scope("a"), &[taken(4, 1, "me", START + 30)], at(START)).await.unwrap();
    let keys: Vec<RecordKey> = asked.iter().map(|number| key(*number)).collect();
    let reads = world.local.meter().reads();
    let stored = bulk.load_many(&scope("a"), &keys).await.unwrap();
    assert_eq!(world.local.meter().reads() - reads, 9, "450 different ones, two items each, a hundred items a call");
    for (number, stored) in asked.iter().zip(stored) {
        let record = is_there(*number).then(|| record(1, &address(*number)));
        let held = (*number == 4).then(|| (link(1), lease("me", START + 30)));
        let (link, lease) = held.unzip();
        assert_eq!(stored, Stored { record, link, lease, is_void: false }, "{number}");
    }
}

#[tokio::test]
async fn hundreds_of_contacts_lead_to_their_records_in_the_order_given_whatever_is_missing_or_repeated() {
    let world = world().await;
    let (bulk, asked) = every_other(&world).await;
    let evens: Vec<usize> = (0..400).step_by(2).collect();
    let begun: Vec<Taken> = evens.iter().map(|number| taken(*number, 1, "run", START + 120)).collect();
    let ended: Vec<Commit> = evens.iter().map(|number| committed(*number, 2, "run")).collect();
    let writes = world.local.meter().writes();
    assert_eq!(refused(&bulk.take_many(&scope("a"), &begun, at(START)).await.unwrap()), NOBODY);
    assert_eq!(world.local.meter().writes() - writes, 8, "25 leases a call");
    assert_eq!(refused(&bulk.commit_many(&scope("a"), &ended).await.unwrap()), NOBODY);
    assert_eq!(world.local.meter().writes() - writes, 24, "and 25 pointers a call, and as many links");

    let ids: Vec<_> = asked.iter().map(|number| remote(&format!("r{number}"))).collect();
    let found = bulk.by_remote_ids(&scope("a"), &ids).await.unwrap();
    let expected: Vec<_> = asked.iter().map(|number| is_there(*number).then(|| key(*number))).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn one_that_is_refused_among_many_costs_a_call_and_holds_up_no_other() {
    let world = world().await;
    let bulk = bulk(&world);
    world.contacts.save_record(&scope("a"), &of_another(57)).await.unwrap();
    world.contacts.begin(&scope("a"), &first_begin(&address(80), "somebody else")).await.unwrap();
    let writes = world.local.meter().writes();
    let attempts = bulk.save_many(&scope("a"), &marked(0..120), at(START)).await.unwrap();
    assert_eq!(refused(&attempts), [57, 80]);
    let told = "a pack and 120 places; 240 identities; 119 records; the pack, 25 a call";
    assert_eq!(world.local.meter().writes() - writes, 5 + 10 + 5 + 1, "{told}");
    let expected: BTreeSet<_> = (0..120).filter(|number| ![57, 80].contains(number)).map(key).collect();
    assert_eq!(records_of(&all_marks(&bulk, &scope("a"), 50).await), expected);
}

#[tokio::test]
async fn many_that_are_refused_at_once_are_all_named() {
    let world = world().await;
    let bulk = bulk(&world);
    let others: Vec<(Save, bool)> = (0..60).step_by(2).map(|number| (of_another(number), true)).collect();
    bulk.save_many(&scope("a"), &others, at(START)).await.unwrap();
    let attempts = bulk.save_many(&scope("a"), &marked(0..60), at(START)).await.unwrap();
    assert_eq!(refused(&attempts), (0..60).step_by(2).collect::<Vec<_>>());
}

#[tokio::test]
async fn of_a_record_that_is_refused_nothing_is_left_behind() {
    let world = world().await;
    let bulk = bulk(&world);
    world.contacts.begin(&scope("a"), &first_begin(&address(1), "somebody else")).await.unwrap();
    let said = ledger(&[(OptedOut, START)]);
    let refused = Save { consent: Some((email(&address(1)), said)), ..save(1) };
    let attempts = bulk.save_many(&scope("a"), &[(refused, true)], at(START)).await.unwrap();
    assert_eq!(attempts, [Attempt::Contended]);
    assert_eq!(bulk.load_many(&scope("a"), &[key(1)]).await.unwrap(), [Stored::default()]);
    let there = bulk.resolve_many(&scope("a"), &[(Some(own_id(1)), Some(email(&address(1))))]).await.unwrap();
    let theirs = Some(RecordKey::first_known_by(&email(&address(1))));
    assert_eq!(there, [Resolved { by_email: theirs, ..Resolved::default() }]);
    assert_eq!(all_marks(&bulk, &scope("a"), 10).await, []);
}

#[tokio::test]
async fn of_two_that_save_the_same_addresses_at_once_each_address_leads_to_one_record() {
    let world = world().await;
    let bulk = Arc::new(bulk(&world));
    let of = |writer: usize, number: usize| {
        let own = external(&format!("{writer}-{number}"));
        Save { key: RecordKey::first_known_by(&own), claim: vec![own, email(&address(number))], ..save(number) }
    };
    let write = |writer: usize, numbers: Vec<usize>| {
        let (bulk, saves) = (Arc::clone(&bulk), numbers.iter().map(|n| (of(writer, *n), true)).collect::<Vec<_>>());
        tokio::spawn(async move { bulk.save_many(&scope("a"), &saves, at(START)).await.unwrap() })
    };
    let (first, second) = tokio::join!(write(1, (0..150).collect()), write(2, (0..150).rev().collect()));
    let (first, mut second) = (first.unwrap(), second.unwrap());
    second.reverse();
    for (number, pair) in first.into_iter().zip(second).enumerate() {
        let (winner, loser) = match pair {
            (Attempt::Done, Attempt::Contended) => (of(1, number), of(2, number)),
            (Attempt::Contended, Attempt::Done) => (of(2, number), of(1, number)),
            both => panic!("{number}: {both:?}"),
        };
        let ids =
            [(Some(winner.claim[0].clone()), Some(winner.claim[1].clone())), (Some(loser.claim[0].clone()), None)];
        let [won, lost] = bulk.resolve_many(&scope("a"), &ids).await.unwrap().try_into().unwrap();
        assert_eq!((won.by_external_id, won.by_email), (Some(winner.key.clone()), Some(winner.key.clone())));
        assert!(lost.by_external_id.is_none_or(|reserved| reserved == loser.key), "it leads to no other record");
        let stored = bulk.load_many(&scope("a"), &[winner.key, loser.key]).await.unwrap();
        assert_eq!(stored, [Stored { record: Some(winner.record), ..Stored::default() }, Stored::default()]);
    }
}

#[tokio::test]
async fn contacts_that_somebody_writes_are_not_taken_until_the_lease_is_over() {
    let world = world().await;
    let bulk = bulk(&world);
    for number in [3, 150] {
        let begin = Begin { key: key(number), ..first_begin(&address(number), "somebody else") };
        world.contacts.begin(&scope("a"), &begin).await.unwrap();
    }
    let held = |number: usize| [3, 150].contains(&number);
    let all = |owner: &str| -> Vec<Taken> {
        (0..200).map(|number| taken(number, if held(number) { 2 } else { 1 }, owner, START + 120)).collect()
    };
    let attempts = bulk.take_many(&scope("a"), &all("run"), at(START + 30)).await.unwrap();
    assert_eq!(refused(&attempts), [3, 150]);
    let theirs = [taken(3, 2, "run", START + 120), taken(150, 2, "run", START + 120)];
    assert_eq!(bulk.take_many(&scope("a"), &theirs, at(START + 31)).await.unwrap(), [Attempt::Done; 2]);
    let others: Vec<Taken> =
        (0..200).map(|number| taken(number, link_after(held(number)), "late", START + 120)).collect();
    assert_eq!(refused(&bulk.take_many(&scope("a"), &others, at(START + 31)).await.unwrap()).len(), 200);
}

/// The revision after the one that a run's lease left behind.
fn link_after(was_held: bool) -> u64 {
    if was_held { 3 } else { 2 }
}

#[tokio::test]
async fn who_lost_some_leases_commits_the_others_only() {
    let world = world().await;
    let bulk = bulk(&world);
    let begun: Vec<Taken> = (0..60).map(|number| taken(number, 1, "run", START + 120)).collect();
    bulk.take_many(&scope("a"), &begun, at(START)).await.unwrap();
    let taken_over = [taken(7, 2, "next", START + 300), taken(59, 2, "next", START + 300)];
    assert_eq!(bulk.take_many(&scope("a"), &taken_over, at(START + 121)).await.unwrap(), [Attempt::Done; 2]);

    let said = ledger(&[(OptedOut, START)]);
    let late =
        |number| Commit { consent: Some((email(&address(number)), said.clone())), ..committed(number, 2, "run") };
    let attempts = bulk.commit_many(&scope("a"), &(0..60).map(late).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(refused(&attempts), [7, 59]);
    let ids = [6, 7, 59].map(|number| remote(&format!("r{number}")));
    assert_eq!(bulk.by_remote_ids(&scope("a"), &ids).await.unwrap(), [Some(key(6)), None, None]);
    let consents = [6, 7].map(|number| (None, Some(email(&address(number)))));
    let consents: Vec<_> = bulk.resolve_many(&scope("a"), &consents).await.unwrap();
    assert_eq!(consents.iter().map(|found| found.consent == said).collect::<Vec<_>>(), [true, false]);
    let ended = [committed(7, 3, "next"), committed(59, 3, "next")];
    assert_eq!(bulk.commit_many(&scope("a"), &ended).await.unwrap(), [Attempt::Done; 2]);
}

fn vip() -> Associations {
    [Association::Segment("VIP".to_owned())].into_iter().collect()
}

#[tokio::test]
async fn links_are_replaced_unless_somebody_writes_the_contact_or_changed_the_link() {
    let world = world().await;
    let bulk = bulk(&world);
    let begun: Vec<Taken> = (0..50).map(|number| taken(number, 1, "run", START + 120)).collect();
    bulk.take_many(&scope("a"), &begun, at(START)).await.unwrap();
    let ended: Vec<Commit> = (0..50).filter(|number| *number != 8).map(|number| committed(number, 2, "run")).collect();
    bulk.commit_many(&scope("a"), &ended).await.unwrap();
    let other = (key(9), Link { error: Some("of another".to_owned()), ..link(3) });
    assert_eq!(bulk.relink_many(&scope("a"), &[other], at(START)).await.unwrap(), [Attempt::Done]);

    let joined = |number: usize| {
        let revision = if number == 8 { 2 } else { 3 };
        (key(number), Link { associations: vip(), ..link(revision) })
    };
    let links: Vec<_> = (0..50).chain([60]).map(joined).collect();
    let attempts = bulk.relink_many(&scope("a"), &links, at(START)).await.unwrap();
    assert_eq!(refused(&attempts), [8, 9, 50], "held, changed, not there");
    let stored = bulk.load_many(&scope("a"), &[key(7), key(9), key(8), key(60)]).await.unwrap();
    let segments = |stored: &Stored| stored.link.as_ref().map(|link| link.associations.segments().count());
    assert_eq!(stored.iter().map(segments).collect::<Vec<_>>(), [Some(1), Some(0), Some(0), None]);
    assert_eq!(stored[2].lease, Some(lease("run", START + 120)));
}

#[tokio::test]
async fn a_mark_of_a_newer_state_is_neither_taken_away_nor_put_off_by_who_knows_the_older() {
    let world = world().await;
    let bulk = bulk(&world);
    let marks: Vec<Mark> = (0..120).map(|number| mark(number, 1, 0, START)).collect();
    bulk.mark_many(&scope("a"), &marks).await.unwrap();
    bulk.save_many(&scope("a"), &[(save(64), false)], at(START)).await.unwrap();
    let newer = Save { record: record(2, &address(64)), claim: Vec::new(), ..save(64) };
    bulk.save_many(&scope("a"), &[(newer, true)], at(START + 5)).await.unwrap();

    let put_off: Vec<Mark> = (0..120).map(|number| mark(number, 1, 3, START + 600)).collect();
    bulk.mark_many(&scope("a"), &put_off).await.unwrap();
    let left: Vec<Mark> =
        all_marks(&bulk, &scope("a"), 50).await.into_iter().filter(|mark| mark.attempts == 0).collect();
    assert_eq!(left, [mark(64, 2, 0, START + 5)]);

    bulk.unmark_many(&scope("a"), &put_off).await.unwrap();
    assert_eq!(all_marks(&bulk, &scope("a"), 50).await, left);
    bulk.mark_many(&scope("a"), &[mark(64, 2, 1, START + 9)]).await.unwrap();
    assert_eq!(all_marks(&bulk, &scope("a"), 50).await, [mark(64, 2, 1, START + 9)]);
    bulk.unmark_many(&scope("a"), &[mark(64, 2, 0, START)]).await.unwrap();
    bulk.unmark_many(&scope("a"), &[mark(64, 2, 0, START)]).await.unwrap();
    assert_eq!(all_marks(&bulk, &scope("a"), 50).await, []);
}

#[tokio::test]
async fn a_record_that_changes_again_is_due_at_once_however_often_it_failed() {
    let world = world().await;
    let bulk = bulk(&world);
    bulk.save_many(&scope("a"), &marked([1]), at(START)).await.unwrap();
    bulk.mark_many(&scope("a"), &[mark(1, 1, 9, START + 86_400)]).await.unwrap();
    let newer = Save { record: record(2, &address(1)), claim: Vec::new(), ..save(1) };
    bulk.save_many(&scope("a"), &[(newer, true)], at(START + 5)).await.unwrap();
    assert_eq!(all_marks(&bulk, &scope("a"), 50).await, [mark(1, 2, 0, START + 5)]);
}

#[tokio::test]
async fn marks_are_read_page_by_page_once_each_at_any_limit() {
    let world = world().await;
    let bulk = bulk(&world);
    let marks: Vec<Mark> = (0..301).map(|number| mark(number, 1, 0, START)).collect();
    bulk.mark_many(&scope("a"), &marks).await.unwrap();
    for limit in [3, 7, 75, 76, 300, 301, 1_000] {
        let read = all_marks(&bulk, &scope("a"), limit).await;
        assert_eq!(read.len(), 301, "{limit}");
        assert_eq!(records_of(&read), records_of(&marks), "{limit}");
    }
}

#[tokio::test]
async fn no_mark_is_passed_over_or_read_twice_while_those_that_were_read_are_taken_away() {
    let world = world().await;
    let bulk = bulk(&world);
    let marks: Vec<Mark> = (0..301).map(|number| mark(number, 1, 0, START)).collect();
    for limit in [7, 75, 200] {
        bulk.mark_many(&scope("a"), &marks).await.unwrap();
        let (mut cursor, mut read) = (Some(MarkCursor::default()), Vec::new());
        while let Some(after) = cursor {
            let (page, next) = bulk.marks(&scope("a"), &after, limit).await.unwrap();
            bulk.unmark_many(&scope("a"), &page).await.unwrap();
            read.extend(page);
            cursor = next;
        }
        assert_eq!((read.len(), records_of(&read)), (301, records_of(&marks)), "{limit}");
        assert_eq!(all_marks(&bulk, &scope("a"), limit).await, []);
    }
}

#[tokio::test]
async fn a_tenant_neither_sees_nor_disturbs_what_another_has() {
    let world = world().await;
    let bulk = bulk(&world);
    let (mine, theirs) = (scope("a"), scope("b"));
    bulk.save_many(&mine, &marked(0..30), at(START)).await.unwrap();
    bulk.take_many(&mine, &[taken(1, 1, "me", START + 30)], at(START)).await.unwrap();

    let identities: Vec<_> = (0..30).map(|number| (Some(own_id(number)), Some(email(&address(number))))).collect();
    assert_eq!(bulk.resolve_many(&theirs, &identities).await.unwrap(), vec![Resolved::default(); 30]);
    assert_eq!(bulk.load_many(&theirs, &[key(1)]).await.unwrap(), [Stored::default()]);
    assert_eq!(all_marks(&bulk, &theirs, 10).await, []);
    assert_eq!(refused(&bulk.save_many(&theirs, &marked(0..30), at(START)).await.unwrap()), NOBODY);
    assert_eq!(bulk.take_many(&theirs, &[taken(1, 1, "they", START + 30)], at(START)).await.unwrap(), [Attempt::Done]);
    bulk.unmark_many(&theirs, &packed_marks(&bulk, &theirs).await).await.unwrap();
    assert_eq!((all_marks(&bulk, &theirs, 10).await.len(), all_marks(&bulk, &mine, 10).await.len()), (0, 30));
}

#[tokio::test]
async fn a_batch_whose_answer_was_lost_is_done_and_says_so() {
    let world = world().await;
    let lost = LostReplies::default();
    let bulk = BulkTable::new(faulty(&world.local, lost.clone()), alone());
    let tenant = scope("a");
    lost.lose(1);
    assert_eq!(refused(&bulk.save_many(&tenant, &marked(0..20), at(START)).await.unwrap()), NOBODY);
    lost.lose(1);
    let begun: Vec<Taken> = (0..20).map(|number| taken(number, 1, "run", START + 120)).collect();
    assert_eq!(refused(&bulk.take_many(&tenant, &begun, at(START)).await.unwrap()), NOBODY);
    lost.lose(1);
    let ended: Vec<Commit> = (0..20).map(|number| committed(number, 2, "run")).collect();
    assert_eq!(refused(&bulk.commit_many(&tenant, &ended).await.unwrap()), NOBODY);
    lost.lose(1);
    let links: Vec<_> = (0..20).map(|number| (key(number), link(3))).collect();
    assert_eq!(refused(&bulk.relink_many(&tenant, &links, at(START)).await.unwrap()), NOBODY);
    lost.lose(1);
    bulk.unmark_many(&tenant, &packed_marks(&bulk, &tenant).await).await.unwrap();
    assert_eq!((lost.left(), all_marks(&bulk, &tenant, 10).await), (0, Vec::new()));
}
