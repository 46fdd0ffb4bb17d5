//! Users who change addresses with each other end with the addresses that the application gives them: two or three, told one by
//! one or by a run, in every order, and whoever dies on the way.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tandem_app::system::SystemClock;
use tandem_core::domain::identity::ExternalId;
use tandem_core::domain::kind::Kind;
use tandem_core::ports::Clock;
use tandem_core::ports::source::SourceRow;
use tandem_core::sync::change::{ContactChange, Subject};
use tandem_core::sync::push::For;
use tandem_core::sync::run::{Stopped, SyncOptions};
use tandem_core::sync::services::Desk;
use tandem_tests::list_source::ListSource;
use tandem_tests::system::{Options, System};

/// What the users begin with; each is named as its address is.
const USERS: [&str; 3] = ["a", "b", "c"];

fn address(name: &str) -> String {
    format!("{name}@example.com")
}

fn said(user: &str, has: &str) -> Value {
    json!({"id": user, "contact": {"email": address(has), "first_name": user}})
}

async fn with_users(system: &System) -> Vec<u64> {
    let mut contacts = Vec::new();
    for user in USERS {
        let answer = system.caller.upsert(said(user, user)).await.unwrap();
        contacts.push(answer.contact_id().unwrap().parse().unwrap());
    }
    contacts
}

/// Each user's contact has the address that the user moved to, and is the contact that the user always had.
fn assert_moved(system: &System, contacts: &[u64], moves: &[(&str, &str)], about: &str) {
    for (user, to) in moves {
        let contact = system.contact(&address(to));
        let number = contacts[USERS.iter().position(|one| one == user).unwrap()];
        assert_eq!((contact.id, &contact.fields["firstname"]), (number, &json!(user)), "{about}: {user} has {to}");
    }
    assert_eq!(system.mautic.stats().contacts, USERS.len(), "{about}");
}

/// All orders of some moves.
fn orders<'a>(moves: &[(&'a str, &'a str)]) -> Vec<Vec<(&'a str, &'a str)>> {
    if moves.len() < 2 {
        return vec![moves.to_vec()];
    }
    let mut all = Vec::new();
    for index in 0..moves.len() {
        let mut rest = moves.to_vec();
        let first = rest.remove(index);
        all.extend(orders(&rest).into_iter().map(|order| [vec![first], order].concat()));
    }
    all
}

const SWAP: &[(&str, &str)] = &[("a", "b"), ("b", "a")];
const RING: &[(&str, &str)] = &[("a", "b"), ("b", "c"), ("c", "a")];
/// No ring: the last one moves to an address that nobody had.
const CHAIN: &[(&str, &str)] = &[("a", "b"), ("b", "c"), ("c", "d")];

/// Runs until nothing is left to do; pauses are waited for.
async fn settle(desk: &Desk) {
    let mut told = Vec::new();
    for _ in 0..10 {
        let ran = desk.sync(SyncOptions::default()).await.expect("no other run is under way");
        match ran.stopped {
            None => return,
            Some(Stopped::Paused(until)) => {
                told.push(format!("{:?} {:?}", until.duration_since(SystemClock.now()), ran.log));
                let wait = until.duration_since(SystemClock.now()).max(SignedDuration::ZERO);
                tokio::time::sleep(Duration::try_from(wait).unwrap() + Duration::from_millis(20)).await;
            }
            Some(other) => panic!("{other:?}"),
        }
    }
    panic!("the runs come to no end: {told:#?}");
}

/// Takes all marks for due, as time would make them.
async fn hurry(system: &System, desk: &Desk) {
    let (bulk, scope) = (&desk.services.bulk, &desk.integration.scope);
    let mut cursor = tandem_core::ports::bulk::MarkCursor::default();
    loop {
        let (mut marks, next) = bulk.marks(scope, &cursor, 100).await.unwrap();
        marks.iter_mut().for_each(|mark| mark.due_at = system.now());
        bulk.mark_many(scope, &marks).await.unwrap();
        match next {
            Some(next) => cursor = next,
            None => return,
        }
    }
}

fn desk_of(system: &System, source: &ListSource) -> Desk {
    let mut desk = system.desk();
    desk.services.source = Arc::new(source.clone());
    desk
}

#[tokio::test]
async fn users_who_swap_addresses_in_single_calls_end_swapped_in_every_order() {
    for moves in [SWAP, RING, CHAIN] {
        for order in orders(moves) {
            let system = System::start().await;
            let contacts = with_users(&system).await;
            for (user, to) in &order {
                let answer = system.caller.upsert(said(user, to)).await.unwrap();
                assert!(answer.is_taken(), "{order:?}: {}", answer.body);
            }
            system.finish().await;
            let desk = desk_of(&system, &ListSource::default());
            // Where nobody waits for the address that came free, the next run gives it to who waited.
            for _ in 0..order.len() {
                hurry(&system, &desk).await;
                settle(&desk).await;
                system.finish().await;
            }
            assert_moved(&system, &contacts, moves, &format!("{order:?}"));
            assert!(system.parked().await.is_empty(), "{order:?}");
        }
    }
}

fn moment(minute: i64) -> Timestamp {
    SystemClock.now() - SignedDuration::from_hours(48) + SignedDuration::from_mins(minute)
}

fn row(user: &str, has: &str, minute: i64) -> SourceRow {
    let fields = json!({"email": address(has), "first_name": user});
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    let fields = fields.into_iter().collect();
    SourceRow { kind: Kind::Person, id: user.to_owned(), updated_at: Some(moment(minute)), fields, deleted: false }
}

#[tokio::test]
async fn users_who_swap_addresses_in_a_run_end_swapped_in_every_order() {
    for moves in [SWAP, RING, CHAIN] {
        for (order, at_once) in orders(moves).into_iter().flat_map(|order| [(order.clone(), true), (order, false)]) {
            let system = System::with(Options::default().without_worker()).await;
            let source = ListSource::of(USERS.map(|user| row(user, user, 1)));
            let mut desk = desk_of(&system, &source);
            settle(&desk).await;
            let contacts: Vec<u64> = USERS.iter().map(|user| system.contact(&address(user)).id).collect();
            for (minute, (user, to)) in order.iter().enumerate() {
                source.put([row(user, to, 2 + i64::try_from(minute).unwrap())]);
                if !at_once {
                    settle(&desk).await;
                }
            }
            for _ in 0..order.len() {
                hurry(&system, &desk).await;
                settle(&desk).await;
            }
            assert_moved(&system, &contacts, moves, &format!("{order:?} at once: {at_once}"));
            desk = desk_of(&system, &source);
            assert_eq!(
                desk.sync(SyncOptions::default()).await.unwrap().log.calls,
                0,
                "{order:?}: nothing is left to do"
            );
        }
    }
}

#[tokio::test]
async fn a_swap_whose_writer_dies_anywhere_ends_swapped() {
    for calls in 0..10 {
        let mut system = System::with(Options::default().without_worker()).await;
        let contacts = with_users(&system).await;
        system.caller.upsert(said("a", "b")).await.unwrap();
        let (desk, before) = (system.desk(), system.calls());
        let dying = tokio::spawn(async move {
            let id = ExternalId::try_from("b".to_owned()).unwrap();
            let subject = Subject::Person { external_id: Some(id), email: Some(address("a").parse().unwrap()) };
            let change =
                ContactChange { subject, fields: Default::default(), consent: None, visitor: None, issues: Vec::new() };
            let _ = desk.push(&change, "test", For::Caller).await;
        });
        for _ in 0..400 {
            if system.calls() - before >= calls || dying.is_finished() {
                break;
            }
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        dying.abort();
        let _ = dying.await;
        for user in ["a", "b"] {
            system.end_lease(&address(user)).await;
        }
        // The caller who had no answer says it again.
        let answer = system.caller.upsert(said("b", "a")).await.unwrap();
        assert!(answer.is_taken(), "{calls}: {}", answer.body);
        system.start_worker();
        system.finish().await;
        let desk = desk_of(&system, &ListSource::default());
        hurry(&system, &desk).await;
        settle(&desk).await;
        system.finish().await;
        assert_moved(&system, &contacts, SWAP, &format!("dead after {calls} calls"));
    }
}

#[tokio::test]
async fn an_opt_out_moves_along_with_who_swaps() {
    let system = System::start().await;
    with_users(&system).await;
    let out = json!({"id": "a", "contact": {"email": address("a")}, "consent": {"marketing_opt_in": false}});
    system.caller.upsert(out).await.unwrap();
    for (user, to) in SWAP {
        system.caller.upsert(said(user, to)).await.unwrap();
    }
    system.finish().await;
    assert_eq!(system.contact(&address("b")).dnc.len(), 1, "who opted out is not mailed at the new address");
}
