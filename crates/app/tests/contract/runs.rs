//! Runs: one at a time, its state, the roster, the logs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::join_all;
use jiff::Timestamp;
use tandem_app::store::RunTable;
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::ports::Attempt;
use tandem_core::ports::bulk::{ChangeCursor, MarkCursor};
use tandem_core::ports::runs::{
    Leased, Look, MOST_PROBLEMS, ObjectLook, ObjectPlace, Pass, RosterEntry, RowIssue, RowProblem, RunEnd, RunLease,
    RunLog, RunStore, SendState, TakeState,
};
use tandem_core::ports::source::SourceCursor;

use crate::faults::{HeldPut, LostReplies, faulty};
use crate::fixture::{START, World, at, remote, scope, world};

/// Text from outside that some store somewhere takes for its own.
const HOSTILE: [&str; 7] =
    ["a#b", "I#a#mautic#runs", ":owner", "' OR '1'='1", "{\"fence_number\":9}", "\u{0}\u{202e}名前😀", "../../etc"];

fn runs(world: &World) -> RunTable {
    RunTable::new(world.local.table().clone())
}

/// Takes the lease of the tenant `a` for half a minute.
async fn begin(runs: &RunTable, owner: &str, second: i64) -> Option<(RunLease, SendState)> {
    runs.begin(&scope("a"), owner, at(second + 30), at(second)).await.unwrap()
}

fn reached(run: &str) -> SendState {
    SendState { run: Some(log(run, START)), ..SendState::default() }
}

fn lease(fence: u64) -> RunLease {
    RunLease { owner: "a run".to_owned(), fence, until: at(START + 30), inherited: false }
}

fn log(id: &str, started: i64) -> RunLog {
    RunLog { id: id.to_owned(), started_at: at(started), end: RunEnd::Finished, ..RunLog::default() }
}

/// A state with something in every place.
fn full_state() -> SendState {
    let problem =
        |id: &&str| RowProblem { id: (*id).to_owned(), issue: FieldIssue::new("email", IssueCode::Invalid, "no.") };
    let moment = Timestamp::from_microsecond(START * 1_000_000 + 123_456).unwrap();
    SendState {
        fields_seen: Some(at(START - 1)),
        rules_seen: at(START - 3),
        succeeded_at: Some(at(START + 7)),
        pull: Some(ChangeCursor { since: moment, row: Some(7), open: true, after: Some(remote("12")) }),
        pulled_at: Some(at(START + 4)),
        look: Look { newest: Some(moment), left: Some(at(START + 6)), left_row: Some(9) },
        objects: ObjectLook {
            any: true,
            under_way: Some(ObjectPlace { object: "company".to_owned(), after: 100 }),
            began_at: Some(moment),
            seen_at: Some(at(START + 8)),
        },
        lists_left: true,
        resume_at: Some(at(START + 5)),
        enrolled: true,
        enrolling: Some(MarkCursor::shard(3)),
        comparing: Some(MarkCursor::shard(4)),
        run: Some(RunLog { problems: HOSTILE.iter().map(problem).collect(), ..log("r", START) }),
    }
}

/// The same of a take.
fn full_take() -> TakeState {
    let moment = Timestamp::from_microsecond(START * 1_000_000 + 123_456).unwrap();
    TakeState {
        cursor: SourceCursor { updated_at: Some(moment), id: Some("a#b\u{0}😀".to_owned()) },
        read_at: Some(at(START + 1)),
        pass: Some(Pass {
            cursor: SourceCursor { updated_at: None, id: Some("7".to_owned()) },
            generation: 8,
            seen: 9,
            thorough: true,
            compares: Some(scope("a").integration),
            started_at: at(START + 2),
            fields_seen: Some(at(START)),
            rules_seen: at(START - 2),
        }),
        reconciled_at: Some(at(START + 3)),
        generation: 7,
        known: u64::MAX,
        losses: 3,
        met: 4,
        rejected: HOSTILE.iter().map(|name| ((*name).to_owned(), u64::MAX)).collect(),
        halted_since: Some(at(START + 8)),
        halted_for: Some(HOSTILE.concat()),
    }
}

#[tokio::test]
async fn of_ten_runs_that_begin_at_once_one_comes_through() {
    let world = world().await;
    let runs = Arc::new(runs(&world));
    let attempts = (0..10).map(|number| {
        let runs = Arc::clone(&runs);
        tokio::spawn(async move { begin(&runs, &format!("run {number}"), START).await })
    });
    let begun: Vec<_> = join_all(attempts).await.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(begun.len(), 1);
    assert_eq!((begun[0].0.fence, &begun[0].1), (1, &SendState::default()));
    assert_eq!(runs.save(&scope("a"), &begun[0].0, &reached("1")).await.unwrap(), Attempt::Done);
}

#[tokio::test]
async fn a_run_keeps_others_away_until_its_lease_is_over_or_given_back() {
    let world = world().await;
    let runs = runs(&world);
    let (lease, _) = begin(&runs, "first", START).await.unwrap();
    assert_eq!(begin(&runs, "second", START + 29).await, None);
    assert_eq!(runs.prolong(&scope("a"), &lease, at(START + 60)).await.unwrap(), Attempt::Done);
    assert_eq!(begin(&runs, "second", START + 59).await, None);
    let saved = RunLease { until: at(START + 90), ..lease.clone() };
    assert_eq!(runs.save(&scope("a"), &saved, &reached("1")).await.unwrap(), Attempt::Done);
    assert_eq!(begin(&runs, "second", START + 89).await, None);
    assert_eq!(runs.end(&scope("a"), &lease, &reached("2")).await.unwrap(), Attempt::Done);
    let (second, state) = begin(&runs, "second", START + 61).await.unwrap();
    assert_eq!((second.fence, state), (2, reached("2")));
}

#[tokio::test]
async fn leases_of_runs_and_takes_whose_clock_was_years_ahead_are_over_for_everybody_else() {
    let world = world().await;
    let (runs, tenant) = (runs(&world), scope("a").tenant);
    let years = 157_680_000;
    assert!(begin(&runs, "ahead", START + years).await.is_some());
    assert!(begin(&runs, "other", START).await.is_some());
    assert_eq!(begin(&runs, "third", START + 1).await, None, "an ordinary one holds");
    let take = async |owner, second| runs.begin_take(&tenant, owner, at(second + 30), at(second)).await.unwrap();
    assert!(take("ahead", START + years).await.is_some());
    assert!(take("other", START).await.is_some());
    assert!(take("third", START + 1).await.is_none(), "an ordinary one holds");
}

#[tokio::test]
async fn a_dead_runs_lease_can_be_taken_over_and_the_dead_can_change_nothing_any_more() {
    let world = world().await;
    let runs = runs(&world);
    let (dead, _) = begin(&runs, "dead", START).await.unwrap();
    runs.save(&scope("a"), &dead, &reached("1")).await.unwrap();
    let (next, state) = begin(&runs, "next", START + 31).await.unwrap();
    assert_eq!((next.fence, state), (dead.fence + 1, reached("1")));
    runs.save(&scope("a"), &next, &reached("2")).await.unwrap();

    assert_eq!(runs.save(&scope("a"), &dead, &reached("0")).await.unwrap(), Attempt::Contended);
    assert_eq!(runs.prolong(&scope("a"), &dead, at(START + 900)).await.unwrap(), Attempt::Contended);
    assert_eq!(runs.end(&scope("a"), &dead, &reached("0")).await.unwrap(), Attempt::Contended);
    assert_eq!(runs.state(&scope("a")).await.unwrap(), reached("2"));
    assert_eq!(begin(&runs, "third", START + 60).await, None);
    assert_eq!(runs.end(&scope("a"), &next, &reached("3")).await.unwrap(), Attempt::Done);
}

#[tokio::test]
async fn a_run_of_the_same_name_does_not_pass_for_an_older_one() {
    let world = world().await;
    let runs = runs(&world);
    let (old, _) = begin(&runs, "me", START).await.unwrap();
    let (new, _) = begin(&runs, "me", START + 31).await.unwrap();
    assert_eq!(runs.save(&scope("a"), &old, &reached("0")).await.unwrap(), Attempt::Contended);
    assert_eq!(runs.end(&scope("a"), &old, &reached("0")).await.unwrap(), Attempt::Contended);
    assert_eq!(runs.end(&scope("a"), &new, &reached("1")).await.unwrap(), Attempt::Done);
    assert_eq!(runs.end(&scope("a"), &old, &reached("0")).await.unwrap(), Attempt::Contended);
    assert_eq!(runs.state(&scope("a")).await.unwrap(), reached("1"));
}

/// A slow process reads a state whose lease is over; before it takes the lease, the run shows that it is alive.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_run_saved_while_another_was_taking_its_place_is_not_set_back() {
    for ends in [false, true] {
        let world = world().await;
        let held = HeldPut::new();
        let late = RunTable::new(faulty(&world.local, held.clone()));
        let runs = runs(&world);
        let (lease, _) = begin(&runs, "slow", START).await.unwrap();
        runs.save(&scope("a"), &lease, &reached("1")).await.unwrap();
        let taking = tokio::spawn(async move { begin(&late, "late", START + 31).await });
        tokio::task::block_in_place(|| held.reached.wait());
        let alive = RunLease { until: at(START + 60), ..lease };
        let written = if ends {
            runs.end(&scope("a"), &alive, &reached("2")).await
        } else {
            runs.save(&scope("a"), &alive, &reached("2")).await
        };
        tokio::task::block_in_place(|| held.released.wait());
        assert_eq!((written.unwrap(), taking.await.unwrap()), (Attempt::Done, None));
        assert_eq!(runs.state(&scope("a")).await.unwrap(), reached("2"));
    }
}

#[tokio::test]
async fn every_part_of_a_state_comes_back_as_it_was_stored() {
    let world = world().await;
    let runs = runs(&world);
    assert_eq!(runs.state(&scope("a")).await.unwrap(), SendState::default());
    let (lease, _) = begin(&runs, "me", START).await.unwrap();
    runs.save(&scope("a"), &lease, &full_state()).await.unwrap();
    assert_eq!(runs.state(&scope("a")).await.unwrap(), full_state());
    runs.prolong(&scope("a"), &lease, at(START + 60)).await.unwrap();
    runs.end(&scope("a"), &lease, &full_state()).await.unwrap();
    assert_eq!(begin(&runs, "next", START).await.unwrap().1, full_state());
    assert_eq!(runs.state(&scope("a")).await.unwrap(), full_state());
    assert_eq!(runs.state(&scope("b")).await.unwrap(), SendState::default());
}

#[tokio::test]
async fn a_take_is_the_tenants_and_has_a_lease_of_its_own() {
    let world = world().await;
    let runs = runs(&world);
    let tenant = scope("a").tenant;
    let (run, _) = begin(&runs, "a run", START).await.unwrap();
    let (lease, state) = runs.begin_take(&tenant, "one", at(START + 30), at(START)).await.unwrap().unwrap();
    assert_eq!(state, TakeState::default());
    assert_eq!(runs.begin_take(&tenant, "other", at(START + 50), at(START + 20)).await.unwrap(), None);
    assert!(runs.begin_take(&scope("b").tenant, "other", at(START + 50), at(START + 20)).await.unwrap().is_some());
    let (done, full) = (full_state(), full_take());
    let of_run = || Leased { lease: &run, state: &done };
    let of_take = || Leased { lease: &lease, state: &full };
    assert_eq!(runs.save_with_take(&scope("a"), of_run(), of_take()).await.unwrap(), Attempt::Done);
    assert_eq!(runs.state(&scope("a")).await.unwrap(), full_state());
    assert_eq!(runs.prolong_take(&tenant, &lease, at(START + 60)).await.unwrap(), Attempt::Done);
    assert_eq!(runs.end_take(&scope("a"), of_run(), of_take()).await.unwrap(), Attempt::Done);
    assert_eq!(runs.take_state(&tenant).await.unwrap(), full_take());
    let (next, _) = runs.begin_take(&tenant, "other", at(START + 50), at(START + 20)).await.unwrap().unwrap();
    assert_eq!((next.fence, next.inherited, run.fence), (2, false, 1));
}

#[tokio::test]
async fn of_a_run_and_its_take_both_states_are_stored_or_none() {
    let world = world().await;
    let runs = runs(&world);
    let tenant = scope("a").tenant;
    let (run, _) = begin(&runs, "a run", START).await.unwrap();
    let (lease, _) = runs.begin_take(&tenant, "one", at(START + 30), at(START)).await.unwrap().unwrap();
    let (next, _) = runs.begin_take(&tenant, "other", at(START + 70), at(START + 40)).await.unwrap().unwrap();
    assert!(next.inherited, "the one before did not give it back");
    let (done, full) = (full_state(), full_take());
    let of_run = || Leased { lease: &run, state: &done };
    let of_take = || Leased { lease: &lease, state: &full };
    assert_eq!(runs.save_with_take(&scope("a"), of_run(), of_take()).await.unwrap(), Attempt::Contended);
    assert_eq!(runs.end_take(&scope("a"), of_run(), of_take()).await.unwrap(), Attempt::Contended);
    assert_eq!(runs.state(&scope("a")).await.unwrap(), SendState::default());
    assert_eq!(runs.take_state(&tenant).await.unwrap(), TakeState::default());
}

#[tokio::test]
async fn each_step_of_a_run_is_as_few_calls_as_its_port_says() {
    let world = world().await;
    let runs = runs(&world);
    let meter = world.local.meter();
    let before = (meter.reads(), meter.writes());
    let (lease, state) = begin(&runs, "me", START).await.unwrap();
    assert_eq!((meter.reads() - before.0, meter.writes() - before.1), (1, 1));
    runs.save(&scope("a"), &lease, &state).await.unwrap();
    runs.prolong(&scope("a"), &lease, at(START + 60)).await.unwrap();
    runs.end(&scope("a"), &lease, &state).await.unwrap();
    runs.log(&scope("a"), &lease, &log("r", START)).await.unwrap();
    assert_eq!((meter.reads() - before.0, meter.writes() - before.1), (1, 5));
}

#[tokio::test]
async fn a_step_whose_answer_was_lost_is_done_and_says_so() {
    let world = world().await;
    let lost = LostReplies::default();
    let runs = RunTable::new(faulty(&world.local, lost.clone()));
    for fence in 1..=2 {
        // The read's answer and the write's.
        lost.lose(2);
        let (lease, _) = begin(&runs, "me", START).await.unwrap();
        assert_eq!((lease.fence, lost.left()), (fence, 0));
        lost.lose(1);
        assert_eq!(runs.save(&scope("a"), &lease, &reached("1")).await.unwrap(), Attempt::Done);
        lost.lose(1);
        assert_eq!(runs.prolong(&scope("a"), &lease, at(START + 60)).await.unwrap(), Attempt::Done);
        lost.lose(1);
        assert_eq!(runs.end(&scope("a"), &lease, &reached("2")).await.unwrap(), Attempt::Done);
        assert_eq!(runs.state(&scope("a")).await.unwrap(), reached("2"));
    }
}

fn entry(number: u64) -> RosterEntry {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    RosterEntry { id, content: u64::MAX - number }
}

async fn roster(runs: &RunTable, tenant: &str, generation: u64) -> Vec<(u128, u64)> {
    let entries = runs.roster(&scope(tenant).tenant, generation).await.unwrap();
    let mut entries: Vec<_> = entries.into_iter().map(|entry| (u128::from_be_bytes(entry.id), entry.content)).collect();
    entries.sort_unstable();
    entries
}

#[tokio::test]
async fn a_roster_of_25_000_is_three_writes_and_one_read_and_comes_back_whole() {
    let world = world().await;
    let runs = runs(&world);
    let entries: Vec<RosterEntry> = (0..25_000).map(entry).collect();
    let meter = world.local.meter();
    let (reads, writes) = (meter.reads(), meter.writes());
    runs.enrol(&scope("a").tenant, 1, &entries).await.unwrap();
    let back = roster(&runs, "a", 1).await;
    assert_eq!((meter.reads() - reads, meter.writes() - writes), (1, 3));
    let expected: Vec<_> = entries.iter().map(|entry| (u128::from_be_bytes(entry.id), entry.content)).collect();
    assert_eq!(back, expected);
}

#[tokio::test]
async fn a_roster_of_two_megabytes_comes_back_whole() {
    let world = world().await;
    let runs = runs(&world);
    let entries: Vec<RosterEntry> = (0..90_000).map(entry).collect();
    runs.enrol(&scope("a").tenant, 1, &entries).await.unwrap();
    let ids: BTreeSet<u128> = roster(&runs, "a", 1).await.into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), 90_000);
}

#[tokio::test]
async fn enrolling_twice_is_enrolling_once_and_what_is_enrolled_later_is_added() {
    let world = world().await;
    let runs = runs(&world);
    let page = |numbers: std::ops::Range<u64>| numbers.map(entry).collect::<Vec<_>>();
    assert_eq!(roster(&runs, "a", 0).await, []);
    runs.enrol(&scope("a").tenant, 0, &[]).await.unwrap();
    for numbers in [0..500, 500..1_000, 0..500, 500..1_000, 1_000..1_003] {
        runs.enrol(&scope("a").tenant, 0, &page(numbers)).await.unwrap();
    }
    assert_eq!(roster(&runs, "a", 0).await.len(), 1_003);
}

#[tokio::test]
async fn a_generation_that_is_forgotten_takes_no_other_with_it() {
    let world = world().await;
    let runs = runs(&world);
    for (tenant, generation) in [("a", 1), ("a", 11), ("b", 1)] {
        runs.enrol(&scope(tenant).tenant, generation, &[entry(generation)]).await.unwrap();
    }
    runs.forget_roster(&scope("a").tenant, 1).await.unwrap();
    runs.forget_roster(&scope("a").tenant, 1).await.unwrap();
    let left =
        [roster(&runs, "a", 1).await.len(), roster(&runs, "a", 11).await.len(), roster(&runs, "b", 1).await.len()];
    assert_eq!(left, [0, 1, 1]);
}

#[tokio::test]
async fn logs_are_listed_newest_first_and_a_run_has_one() {
    let world = world().await;
    let runs = runs(&world);
    for number in [3, 1, 2, 5, 4] {
        runs.log(&scope("a"), &lease(1), &log(&format!("run-{number}"), START + number)).await.unwrap();
    }
    let later = RunLog { continuations: 2, end: RunEnd::Paused, ..log("run-4", START + 4) };
    runs.log(&scope("a"), &lease(1), &later).await.unwrap();
    runs.log(&scope("b"), &lease(1), &log("run-9", START)).await.unwrap();
    let listed = runs.runs(&scope("a"), None, 3).await.unwrap();
    assert_eq!(listed, [log("run-5", START + 5), later, log("run-3", START + 3)]);
    assert_eq!(runs.runs(&scope("a"), None, 100).await.unwrap().len(), 5);
    assert_eq!(runs.runs(&scope("c"), None, 100).await.unwrap(), []);
}

/// Such logs are more than the megabyte that one query gives.
#[tokio::test]
async fn a_log_is_not_set_back_by_a_run_that_lost_its_lease() {
    let world = world().await;
    let runs = runs(&world);
    let (early, late) = (RunLog { rows: 1, ..log("r", START) }, RunLog { rows: 2, ..log("r", START) });
    assert_eq!(runs.log(&scope("a"), &lease(7), &early).await.unwrap(), Attempt::Done);
    assert_eq!(runs.log(&scope("a"), &lease(8), &late).await.unwrap(), Attempt::Done);
    assert_eq!(runs.log(&scope("a"), &lease(7), &early).await.unwrap(), Attempt::Contended);
    assert_eq!(runs.runs(&scope("a"), None, 9).await.unwrap(), [late]);
}

#[tokio::test]
async fn logs_with_as_many_problems_as_they_take_are_listed_whole() {
    let world = world().await;
    let runs = runs(&world);
    let message = "A sentence that says what is wrong with the value, and what has to be done about it.";
    let problem = |number: usize| RowProblem {
        id: format!("{number:0>191}"),
        issue: FieldIssue::new("contact.email", IssueCode::Invalid, message),
    };
    for number in 10..20 {
        let problems = (0..MOST_PROBLEMS).map(problem).collect();
        runs.log(&scope("a"), &lease(1), &RunLog { problems, ..log(&format!("run-{number}"), START) }).await.unwrap();
    }
    let listed = runs.runs(&scope("a"), None, 9).await.unwrap();
    let ids: Vec<&str> = listed.iter().map(|run| run.id.as_str()).collect();
    assert_eq!(ids, ["run-19", "run-18", "run-17", "run-16", "run-15", "run-14", "run-13", "run-12", "run-11"]);
    assert!(listed.iter().all(|run| run.problems.len() == MOST_PROBLEMS));
}

#[tokio::test]
async fn names_from_outside_reach_nothing_but_their_own_place() {
    let world = world().await;
    let runs = runs(&world);
    for (number, name) in HOSTILE.into_iter().enumerate() {
        let (lease, _) = begin(&runs, name, START).await.unwrap();
        assert_eq!(usize::try_from(lease.fence).unwrap(), number + 1);
        let run =
            RunLog { issues: BTreeMap::from([(name.to_owned(), 1)]), error: Some(name.to_owned()), ..log(name, START) };
        runs.log(&scope("a"), &lease, &run).await.unwrap();
        assert_eq!(runs.end(&scope("a"), &lease, &reached(name)).await.unwrap(), Attempt::Done);
        assert_eq!(runs.state(&scope("a")).await.unwrap(), reached(name));
        assert!(runs.runs(&scope("a"), None, 100).await.unwrap().contains(&run));
    }
    assert_eq!(runs.runs(&scope("a"), None, 100).await.unwrap().len(), HOSTILE.len());
    assert_eq!(runs.roster(&scope("a").tenant, 0).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_wrong_with_rows_is_kept_in_parts_and_read_as_one() {
    let world = world().await;
    let (runs, scope) = (runs(&world), scope("a"));
    let issue = |id: &str| RowIssue { id: id.to_owned(), field: "contact.mobile".to_owned(), code: IssueCode::Invalid };
    for (part, ids) in [("b", &HOSTILE[..1]), ("a", &HOSTILE[1..])] {
        let issues: Vec<RowIssue> = ids.iter().map(|id| issue(id)).collect();
        // A part that is kept once more, because its reply was lost, is the same part.
        for _ in 0..2 {
            runs.keep_issues(&scope, &log("r", START), part, &issues).await.unwrap();
        }
    }
    let mut found: Vec<String> = runs.issues(&scope, "r").await.unwrap().into_iter().map(|issue| issue.id).collect();
    found.sort();
    let mut meant: Vec<String> = HOSTILE.iter().map(|id| (*id).to_owned()).collect();
    meant.sort();
    assert_eq!((found, runs.issues(&scope, "other").await.unwrap()), (meant, Vec::new()));
    assert!(runs.runs(&scope, None, 10).await.unwrap().is_empty(), "it is no log of a run");
}
