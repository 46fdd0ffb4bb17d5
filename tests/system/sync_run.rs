//! Sync runs: what rows become, what is said of those that can't be, and what a run leaves alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use tandem_app::system::SystemClock;
use tandem_core::domain::kind::Kind;
use tandem_core::error::FailureKind;
use tandem_core::mapping::Vanished;
use tandem_core::ports::Clock;
use tandem_core::ports::runs::{RunEnd, RunLog};
use tandem_core::ports::source::SourceRow;
use tandem_core::sync::change::PushAction;
use tandem_core::sync::run::chosen::ChosenOutcome;
use tandem_core::sync::run::dry_run::{PlannedAction, PlannedChange};
use tandem_core::sync::run::{Ran, Stopped, SyncOptions};
use tandem_core::sync::services::Desk;
use tandem_simulators::mautic::{FaultKind, FaultRule, LostReply};
use tandem_tests::list_source::ListSource;
use tandem_tests::system::{Options, System};

/// Long enough ago that no row is read once more.
const LONG_AGO: SignedDuration = SignedDuration::from_hours(48);

fn moment(minute: i64) -> Timestamp {
    SystemClock.now() - LONG_AGO + SignedDuration::from_mins(minute)
}

pub(super) fn row(id: &str, minute: i64, fields: Value) -> SourceRow {
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    let fields = fields.into_iter().collect();
    SourceRow { kind: Kind::Person, id: id.to_owned(), updated_at: Some(moment(minute)), fields, deleted: false }
}

pub(super) fn person(number: usize, minute: i64) -> SourceRow {
    let fields = json!({
        "email": format!("p{number}@example.com"), "first_name": format!("Name{number}"), "total_orders": number % 3,
        "customer_segments": "{new}",
    });
    row(&format!("id-{number:04}"), minute, fields)
}

pub(super) struct Shop {
    pub(super) system: System,
    pub(super) source: ListSource,
    pub(super) desk: Desk,
}

impl Shop {
    pub(super) async fn with(rows: impl IntoIterator<Item = SourceRow>) -> Self {
        Self::of(rows, Options::default()).await
    }

    pub(super) async fn of(rows: impl IntoIterator<Item = SourceRow>, options: Options) -> Self {
        let system = System::with(options.without_worker()).await;
        let source = ListSource::of(rows);
        let mut desk = system.desk();
        desk.services.source = Arc::new(source.clone());
        Self { system, source, desk }
    }

    pub(super) async fn run(&self, options: SyncOptions<'_>) -> Ran {
        self.desk.sync(options).await.expect("no other run is under way")
    }

    pub(super) async fn sync(&self) -> RunLog {
        let ran = self.run(SyncOptions::default()).await;
        assert_eq!(ran.stopped, None);
        ran.log
    }

    pub(super) async fn full(&self) -> Ran {
        self.run(SyncOptions { full: true, ..SyncOptions::default() }).await
    }
}

#[tokio::test]
async fn a_run_without_changes_calls_nobody_and_reads_no_rows() {
    let shop = Shop::with((0..30).map(|n| person(n, 1))).await;
    let first = shop.sync().await;
    assert_eq!((first.created, first.memberships), (30, 30));
    let (calls, asked) = (shop.system.calls(), shop.source.calls());
    let (reads, writes) = (shop.system.table.meter().reads(), shop.system.table.meter().writes());
    let second = shop.sync().await;
    assert_eq!((second.rows, second.calls, shop.system.calls() - calls), (0, 0, 0));
    assert_eq!(shop.source.calls() - asked, 1, "one page is asked for, and nobody is told of nothing");
    let meter = shop.system.table.meter();
    assert_eq!(
        (meter.reads() - reads, meter.writes() - writes),
        (8, 3),
        "states of run and take, list of fields, marks; lease, state, log"
    );
}

#[tokio::test]
async fn changed_rows_take_one_write_call_however_many() {
    let shop = Shop::with((0..150).map(|n| person(n, 1))).await;
    shop.sync().await;
    shop.source.put((0..150).map(|n| {
        let mut row = person(n, 2);
        row.fields.insert("first_name".to_owned(), json!(format!("Other{n}")));
        row
    }));
    let before = shop.system.calls_of("PATCH /api/contacts/batch/edit");
    let log = shop.sync().await;
    assert_eq!(log.updated, 150);
    assert_eq!(shop.system.calls_of("PATCH /api/contacts/batch/edit") - before, 1);
    assert_eq!(shop.system.contact("p7@example.com").fields["firstname"], "Other7");
}

#[tokio::test]
async fn a_number_that_becomes_zero_and_a_value_that_is_gone_reach_the_platform() {
    let shop =
        Shop::with([row("1", 1, json!({"email": "a@example.com", "total_orders": "7", "suburb": "Perth"}))]).await;
    shop.sync().await;
    shop.source.put([row("1", 2, json!({"email": "a@example.com", "total_orders": "0", "suburb": null}))]);
    let ran = shop.run(SyncOptions { accept_losses: true, ..SyncOptions::default() }).await;
    assert_eq!(ran.log.updated, 1);
    let held = shop.system.contact("a@example.com").fields;
    assert_eq!((held["total_orders"].as_f64(), held.get("city")), (Some(0.0), None));
}

#[tokio::test]
async fn rows_that_share_an_address_become_one_contact_of_the_newest_and_are_reported() {
    let shop = Shop::with([
        row("new", 9, json!({"email": "Same@Example.com ", "first_name": "New"})),
        row("old", 1, json!({"email": "same@example.com", "first_name": "Old", "last_name": "Kept"})),
    ])
    .await;
    let log = shop.sync().await;
    assert_eq!((log.created, log.shared), (1, 1));
    let held = shop.system.contact("same@example.com").fields;
    assert_eq!((&held["firstname"], &held["lastname"]), (&json!("New"), &json!("Kept")));
}

#[tokio::test]
async fn a_row_without_a_sound_address_is_reported_once_with_its_reason() {
    let now = SystemClock.now();
    let bad = |id: &str, email: Value| SourceRow { updated_at: Some(now), ..row(id, 0, json!({"email": email})) };
    let shop = Shop::with([bad("1", json!(null)), bad("2", json!("n/a")), bad("3", json!("a@@b.example"))]).await;
    let first = shop.sync().await;
    assert_eq!((first.rejected, first.problems.len()), (3, 3));
    assert!(shop.source.status("2").unwrap().error.unwrap().contains("email"));
    // So young a row is read once more.
    let second = shop.sync().await;
    assert_eq!((second.rows, second.rejected, second.unchanged), (3, 0, 3));
    assert_eq!(shop.full().await.log.rejected, 0);
}

#[tokio::test]
async fn ids_of_any_length_and_number_stop_no_run() {
    let long = |n: usize| row(&format!("{n:0>20000}"), 1, json!({"email": format!("p{n}@example.com")}));
    let refused = |n: usize| row(&format!("{n:0>191}"), 1, json!({"email": "n/a"}));
    let shop = Shop::with((0..40).map(long).chain((100..1_300).map(refused)).chain([person(1, 2)])).await;
    let log = shop.sync().await;
    assert_eq!((log.rejected, log.created), (1_240, 1));
    assert_eq!(shop.sync().await.end, RunEnd::Finished);
}

#[tokio::test]
async fn one_bad_contact_holds_up_no_other_and_is_tried_again_later() {
    let rows = (0..5).map(|n| person(n, 1)).chain([row("bad", 1, json!({"email": "bad@example.com", "website": "x"}))]);
    let shop = Shop::with(rows).await;
    shop.system.mautic_refuses("PUT", "/api/contacts/batch/edit", &["firstname"]);
    let log = shop.run(SyncOptions::default()).await.log;
    // The call was refused as a whole: smaller calls find out that nobody is to blame.
    assert_eq!((log.created, log.failed), (6, 0));
}

#[tokio::test]
async fn a_row_that_vanishes_follows_the_rule() {
    for (rule, expected) in [
        (Vanished::Keep, "kept"),
        (Vanished::Tag("gone".to_owned()), "tagged"),
        (Vanished::Unsubscribe, "forbidden"),
        (Vanished::Delete, "deleted"),
    ] {
        let mut shop = Shop::with((0..20).map(|n| person(n, 1))).await;
        shop.desk.integration.vanished = rule;
        shop.sync().await;
        shop.source.lose(&BTreeSet::from(["id-0003".to_owned()]));
        let ran = shop.full().await;
        assert_eq!((ran.stopped, ran.log.gone), (None, 1), "{expected}");
        let found = shop.system.contacts_with("p3@example.com");
        let state = match found.as_slice() {
            [] => "deleted",
            [contact] if !contact.dnc.is_empty() => "forbidden",
            [contact] if contact.tags == ["gone"] => "tagged",
            [_] => "kept",
            _ => "doubled",
        };
        assert_eq!(state, expected);
        let again = shop.full().await;
        assert_eq!((again.stopped, again.log.gone, again.log.updated), (None, 0, 0), "{expected}");
        shop.source.put([SourceRow { updated_at: Some(SystemClock.now()), ..person(3, 5) }]);
        shop.sync().await;
        let back = shop.system.contact("p3@example.com");
        assert_eq!((back.tags.len(), back.dnc.len()), (0, usize::from(expected == "forbidden")), "{expected}");
    }
}

#[tokio::test]
async fn a_row_marked_as_deleted_is_gone_without_a_pass() {
    let mut shop = Shop::with((0..20).map(|n| person(n, 1))).await;
    shop.desk.integration.vanished = Vanished::Delete;
    shop.sync().await;
    shop.source.put([SourceRow { deleted: true, ..person(4, 3) }]);
    assert_eq!(shop.sync().await.gone, 1);
    assert!(shop.system.contacts_with("p4@example.com").is_empty());
}

#[tokio::test]
async fn a_run_that_would_delete_more_than_a_tenth_stops_until_a_person_says_so() {
    let mut shop = Shop::with((0..40).map(|n| person(n, 1))).await;
    shop.desk.integration.vanished = Vanished::Delete;
    shop.sync().await;
    shop.source.lose(&(0..11).map(|n| format!("id-{n:04}")).collect());
    for _ in 0..2 {
        let ran = shop.full().await;
        assert!(matches!(ran.stopped, Some(Stopped::Halted(_))), "{:?}", ran.stopped);
        assert_eq!((ran.log.end, shop.system.mautic.contacts().len()), (RunEnd::Halted, 40));
    }
    let accepted = shop.run(SyncOptions { full: true, accept_losses: true, ..SyncOptions::default() }).await;
    assert_eq!(accepted.stopped, None);
    assert_eq!(shop.system.mautic.contacts().len(), 29);
}

#[tokio::test]
async fn a_handful_may_always_be_lost() {
    let mut shop = Shop::with((0..40).map(|n| person(n, 1))).await;
    shop.desk.integration.vanished = Vanished::Delete;
    shop.sync().await;
    shop.source.lose(&(0..10).map(|n| format!("id-{n:04}")).collect());
    assert_eq!(shop.full().await.stopped, None);
    assert_eq!(shop.system.mautic.contacts().len(), 30);
}

/// Contacts that the application brought by calls, before the first run of all. Each has a first name.
async fn brought_by_calls(shop: &Shop, count: usize) {
    for n in 0..count {
        let fields = json!({"email": format!("p{n}@example.com"), "first_name": format!("Name{n}")});
        let payload = json!({"id": format!("id-{n:04}"), "contact": fields});
        let answer = shop.system.caller.upsert(payload).await.unwrap();
        assert_eq!(answer.status, 200, "{:?}", answer.body);
    }
}

/// A row of the same person in which some have no first name.
fn nameless(number: usize, which: impl Fn(usize) -> bool) -> SourceRow {
    let mut row = person(number, 1);
    if which(number) {
        row.fields.insert("first_name".to_owned(), Value::Null);
    }
    row
}

#[tokio::test]
async fn a_first_run_after_calls_of_the_api_is_held_against_the_contacts_that_are_known() {
    let shop = Shop::with((0..30).map(|n| nameless(n, |n| n % 3 == 0))).await;
    brought_by_calls(&shop, 30).await;
    assert_eq!(shop.run(SyncOptions::default()).await.stopped, None, "ten of thirty are few");
    let emptied = Shop::with((0..30).map(|n| nameless(n, |_| true))).await;
    brought_by_calls(&emptied, 30).await;
    let ran = emptied.run(SyncOptions::default()).await;
    let Some(Stopped::Halted(why)) = ran.stopped else { panic!("{:?}", ran.stopped) };
    assert!(why.starts_with("30 or more of 30 known contacts"), "{why}");
    assert_eq!(emptied.system.contact("p9@example.com").fields["firstname"], "Name9");
}

#[tokio::test]
async fn a_first_run_can_not_lose_what_nobody_had() {
    let shop = Shop::with((0..200).map(|n| nameless(n, |_| true))).await;
    assert_eq!(shop.sync().await.created, 200);
}

#[tokio::test]
async fn a_dry_run_says_whether_the_run_would_halt() {
    let mut shop = Shop::with((0..40).map(|n| person(n, 1))).await;
    shop.desk.integration.vanished = Vanished::Delete;
    let would_halt = async |full: bool| shop.desk.dry_run(full, &mut |_| {}).await.unwrap().would_halt;
    assert_eq!(would_halt(false).await, None);
    shop.sync().await;
    shop.source.lose(&(0..11).map(|n| format!("id-{n:04}")).collect());
    assert_eq!(would_halt(false).await, None, "nobody asks for all rows");
    let why = would_halt(true).await.expect("it would");
    let Some(Stopped::Halted(halted)) = shop.full().await.stopped else { panic!("it halts") };
    assert_eq!(why, halted);
}

#[tokio::test]
async fn a_dry_run_plans_what_the_run_then_does() {
    let shop = Shop::with((0..20).map(|n| person(n, 1)).chain([row("bad", 1, json!({"email": "n/a"}))])).await;
    shop.sync().await;
    // Left behind by a run that only takes, as one whose Mautic was away leaves it.
    shop.source.put([person(20, 2)]);
    shop.run(SyncOptions { take_only: true, ..SyncOptions::default() }).await;
    let mut renamed = person(3, 3);
    renamed.fields.insert("first_name".to_owned(), json!("Other"));
    let deleted = SourceRow { deleted: true, ..person(999, 3) };
    shop.source.put([renamed, person(21, 3), person(21, 3), deleted, row("bad", 1, json!({"email": "n/a"}))]);
    for full in [false, true] {
        let mut plans: Vec<PlannedChange> = Vec::new();
        let told = shop.desk.dry_run(full, &mut |plan| plans.push(plan)).await.unwrap();
        let mut of = |action| plans.iter().filter(|plan| plan.action == action).count();
        let counts =
            [PlannedAction::Create, PlannedAction::Update, PlannedAction::Reject, PlannedAction::Gone].map(&mut of);
        // The roster names rows that became contacts: a pass tells of the others once more.
        assert_eq!((counts, told.due), ([2, 1, usize::from(full), 0], 1), "full: {full}");
    }
    let ran = shop.sync().await;
    assert_eq!((ran.created, ran.updated, ran.gone), (2, 1, 0));
}

#[tokio::test]
async fn a_dry_run_tells_news_that_only_concern_the_table_from_changes() {
    let shop = Shop::with([person(1, 1)]).await;
    shop.sync().await;
    shop.source.put([person(1, 9)]);
    let mut plans: Vec<PlannedChange> = Vec::new();
    shop.desk.dry_run(true, &mut |plan| plans.push(plan)).await.unwrap();
    let actions: Vec<PlannedAction> = plans.iter().map(|plan| plan.action).collect();
    let ran = shop.sync().await;
    let expected = if ran.taken == 1 { PlannedAction::Store } else { PlannedAction::Unchanged };
    assert_eq!((actions, ran.updated), (vec![expected], 0));
}

#[tokio::test]
async fn the_counts_of_a_run_add_up() {
    let twins = ["a", "b"].map(|id| row(id, 1, json!({"email": "same@example.com", "first_name": "Same"})));
    let others = [row("bad", 1, json!({"email": "n/a"})), SourceRow { deleted: true, ..person(999, 1) }];
    let shop = Shop::with((0..20).map(|n| person(n, 1)).chain(twins).chain(others)).await;
    let adds_up = |log: &RunLog| {
        log.rows == log.unchanged + log.stale + log.taken + log.rejected + log.skipped + log.deleted + log.put_off
    };
    let first = shop.sync().await;
    assert!(adds_up(&first), "{first:?}");
    assert_eq!((first.rows, first.taken, first.shared, first.created), (24, 22, 1, 21));
    let again = shop.full().await.log;
    // Of two rows of one moment, the one with the greater id is newer.
    assert!(adds_up(&again) && (again.unchanged, again.stale) == (22, 1), "{again:?}");
}

#[tokio::test]
async fn a_run_that_would_blank_more_than_a_tenth_stops_before_it_sends_anything() {
    let shop = Shop::with((0..40).map(|n| person(n, 1))).await;
    shop.sync().await;
    shop.source.put((0..40).map(|n| {
        let mut row = person(n, 2);
        row.fields.insert("first_name".to_owned(), Value::Null);
        row
    }));
    for _ in 0..12 {
        let ran = shop.run(SyncOptions::default()).await;
        assert!(matches!(ran.stopped, Some(Stopped::Halted(_))), "{:?}", ran.stopped);
    }
    assert_eq!(shop.system.contact("p9@example.com").fields["firstname"], "Name9");
    let accepted = shop.run(SyncOptions { accept_losses: true, ..SyncOptions::default() }).await;
    assert_eq!((accepted.stopped, accepted.log.updated), (None, 40));
    assert!(!shop.system.contact("p9@example.com").fields.contains_key("firstname"));
}

#[tokio::test]
async fn a_run_that_halted_goes_on_when_the_source_is_mended() {
    let shop = Shop::with((0..40).map(|n| person(n, 1))).await;
    shop.sync().await;
    let blanked = (0..40).map(|n| {
        let mut row = person(n, 2);
        row.fields.insert("first_name".to_owned(), Value::Null);
        row
    });
    shop.source.put(blanked);
    assert!(matches!(shop.run(SyncOptions::default()).await.stopped, Some(Stopped::Halted(_))));
    shop.source.put((0..40).map(|n| person(n, 3)));
    assert_eq!(shop.sync().await.end, RunEnd::Finished);
    assert_eq!(shop.system.contact("p9@example.com").fields["firstname"], "Name9");
}

#[tokio::test]
async fn rows_that_are_back_after_a_run_halted_are_not_gone() {
    let mut shop = Shop::with((0..40).map(|n| person(n, 1))).await;
    shop.desk.integration.vanished = Vanished::Delete;
    shop.sync().await;
    shop.source.lose(&(0..30).map(|n| format!("id-{n:04}")).collect());
    assert!(matches!(shop.full().await.stopped, Some(Stopped::Halted(_))));
    shop.source.put((0..40).map(|n| person(n, 1)));
    let accepted = shop.run(SyncOptions { accept_losses: true, ..SyncOptions::default() }).await;
    assert_eq!((accepted.stopped, accepted.log.end), (None, RunEnd::Finished));
    assert_eq!(shop.system.mautic.contacts().len(), 40);
    shop.source.lose(&BTreeSet::from(["id-0000".to_owned()]));
    assert_eq!(shop.full().await.stopped, None);
    assert_eq!(shop.system.mautic.contacts().len(), 39);
}

#[tokio::test]
async fn rows_that_share_a_contact_and_vanish_together_take_it_with_them() {
    let twins = ["one", "other"].map(|id| row(id, 1, json!({"email": "same@example.com", "first_name": "Same"})));
    let mut shop = Shop::with((0..20).map(|n| person(n, 1)).chain(twins)).await;
    shop.desk.integration.vanished = Vanished::Delete;
    assert_eq!(shop.sync().await.created, 21);
    shop.source.lose(&BTreeSet::from(["one".to_owned(), "other".to_owned()]));
    let ran = shop.full().await;
    assert_eq!((ran.stopped, ran.log.gone), (None, 1));
    assert!(shop.system.contacts_with("same@example.com").is_empty());
}

#[tokio::test]
async fn a_source_that_does_not_tell_changes_is_compared_by_content() {
    let shop = Shop::with((0..30).map(|n| person(n, 1))).await;
    shop.source.without_updated_at();
    assert_eq!(shop.sync().await.created, 30);
    let calls = shop.system.calls();
    let second = shop.sync().await;
    assert_eq!((second.rows, second.unchanged, shop.system.calls() - calls), (30, 30, 0));
    let mut other = person(8, 0);
    other.updated_at = None;
    other.fields.insert("first_name".to_owned(), json!("Other"));
    shop.source.put([other]);
    assert_eq!(shop.sync().await.updated, 1);
    assert_eq!(shop.system.contact("p8@example.com").fields["firstname"], "Other");
}

#[tokio::test]
async fn two_runs_at_once_are_one_run() {
    let shop = Shop::with((0..50).map(|n| person(n, 1))).await;
    let (one, other) = tokio::join!(shop.desk.sync(SyncOptions::default()), shop.desk.sync(SyncOptions::default()));
    let refused = [one, other].into_iter().filter_map(Result::err).map(|failure| failure.kind).collect::<Vec<_>>();
    assert_eq!(refused, [FailureKind::Conflict]);
    assert_eq!(shop.system.mautic.contacts().len(), 50);
}

#[tokio::test]
async fn a_reply_that_is_lost_makes_nobody_twice() {
    let shop = Shop::with((0..60).map(|n| person(n, 1))).await;
    let lost = FaultRule::new(FaultKind::LostReply).how(LostReply::Close).path("/api/contacts/batch").times(1);
    shop.system.mautic.inject_faults(vec![lost]);
    let ran = shop.run(SyncOptions::default()).await;
    assert_eq!((ran.stopped, ran.log.created), (None, 60));
    assert_eq!(shop.system.mautic.contacts().len(), 60);
}

#[tokio::test]
async fn contacts_that_are_in_mautic_already_are_taken_over() {
    let shop = Shop::with((0..10).map(|n| person(n, 1))).await;
    for n in 0..10 {
        let there = json!({"email": format!("P{n}@example.com"), "lastname": "Marketing"});
        shop.system.in_mautic(Method::POST, "/api/contacts/new", Some(there)).await;
    }
    let log = shop.sync().await;
    assert_eq!((log.created, log.updated), (0, 10));
    let held = shop.system.contact("p6@example.com").fields;
    assert_eq!((&held["firstname"], &held["lastname"]), (&json!("Name6"), &json!("Marketing")));
    assert_eq!(held["total_orders"].as_f64(), Some(0.0));
}

#[tokio::test]
async fn an_opt_out_of_the_row_forbids_mail_and_is_never_undone_by_a_later_row() {
    let out = |minute, yes: bool| row("1", minute, json!({"email": "a@example.com", "marketing_opt_in": yes}));
    let shop = Shop::with([out(1, false)]).await;
    shop.sync().await;
    assert_eq!(shop.system.contact("a@example.com").dnc.len(), 1);
    shop.source.put([out(2, true)]);
    shop.sync().await;
    let held = shop.system.contact("a@example.com");
    assert_eq!((held.dnc.len(), held.fields["marketing_opt_in"].as_f64()), (1, Some(0.0)));
}

#[tokio::test]
async fn an_opt_out_that_mautic_knows_is_learnt_and_kept() {
    let shop = Shop::with([row("1", 1, json!({"email": "a@example.com", "marketing_opt_in": true}))]).await;
    shop.sync().await;
    let contact = shop.system.contact("a@example.com").id;
    shop.system
        .in_mautic(Method::POST, &format!("/api/contacts/{contact}/dnc/email/add"), Some(json!({"reason": 1})))
        .await;
    shop.source.put([row("1", 2, json!({"email": "a@example.com", "marketing_opt_in": true, "first_name": "A"}))]);
    shop.sync().await;
    shop.sync().await;
    let held = shop.system.contact("a@example.com");
    assert_eq!((held.dnc.len(), held.fields["marketing_opt_in"].as_f64()), (1, Some(0.0)));
}

#[tokio::test]
async fn segments_follow_the_record_both_ways() {
    let of =
        |minute, segments: Value| row("1", minute, json!({"email": "a@example.com", "customer_segments": segments}));
    let shop = Shop::with([of(1, json!("{vip,new}"))]).await;
    assert_eq!(shop.sync().await.memberships, 2);
    shop.source.put([of(2, json!(["vip", "regular"]))]);
    shop.sync().await;
    let names = shop.system.in_mautic(Method::GET, "/api/segments", None).await;
    let held: BTreeSet<String> =
        shop.system.contact("a@example.com").segments.iter().map(ToString::to_string).collect();
    let held: BTreeSet<&str> = held.iter().filter_map(|id| names["lists"][id]["name"].as_str()).collect();
    assert_eq!(held, BTreeSet::from(["VIP Customers", "Regular Customers"]));
}

#[tokio::test]
async fn a_contact_that_is_made_anew_by_a_call_is_put_into_its_segments_by_the_next_run() {
    let shop = Shop::with([person(1, 1)]).await;
    assert_eq!(shop.sync().await.memberships, 1);
    let first = shop.system.contact("p1@example.com").id;
    shop.system.in_mautic(Method::DELETE, &format!("/api/contacts/{first}/delete"), None).await;
    let call = json!({"contact": {"email": "p1@example.com", "last_name": "Other"}});
    let answer = shop.system.caller.upsert(call).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let anew = shop.system.contact("p1@example.com");
    assert_ne!((anew.id, anew.segments.len()), (first, 1));
    shop.sync().await;
    assert_eq!(shop.system.contact("p1@example.com").segments.len(), 1);
}

#[tokio::test]
async fn an_address_that_one_row_gives_up_can_be_another_rows() {
    let shop = Shop::with([row("1", 1, json!({"email": "old@example.com", "first_name": "One"}))]).await;
    shop.sync().await;
    shop.source.put([
        row("1", 2, json!({"email": "new@example.com", "first_name": "One"})),
        row("2", 3, json!({"email": "old@example.com", "first_name": "Two"})),
    ]);
    shop.sync().await;
    assert_eq!(shop.system.contact("new@example.com").fields["firstname"], "One");
    assert_eq!(shop.system.contact("old@example.com").fields["firstname"], "Two");
}

#[tokio::test]
async fn the_source_is_told_what_became_of_each_row() {
    let shop = Shop::with([person(1, 1), row("2", 1, json!({"email": "n/a"}))]).await;
    shop.sync().await;
    let (good, bad) = (shop.source.status("id-0001").unwrap(), shop.source.status("2").unwrap());
    assert!(good.contact.is_some() && good.hash.is_some() && good.error.is_none());
    assert!(bad.contact.is_none() && bad.error.is_some());
    assert_eq!(shop.source.runs().len(), 1);
}

#[tokio::test]
async fn a_source_that_fails_on_the_way_loses_nothing() {
    let shop = Shop::with((0..40).map(|n| person(n, 1))).await;
    for failures in [1, 0, 1, 2, 0] {
        shop.source.fail_next(failures);
        shop.run(SyncOptions::default()).await;
    }
    assert_eq!(shop.sync().await.end, RunEnd::Finished);
    assert_eq!(shop.system.mautic.contacts().len(), 40);
    assert!((0..40).all(|n| shop.source.status(&format!("id-{n:04}")).is_some_and(|status| status.contact.is_some())));
}

#[tokio::test]
async fn a_dry_run_tells_each_field_and_changes_nothing() {
    let shop = Shop::with([person(1, 1), row("2", 1, json!({"email": "n/a"}))]).await;
    shop.sync().await;
    let mut changed = person(1, 2);
    changed.fields.insert("first_name".to_owned(), json!("Other"));
    shop.source.put([changed, person(2, 3)]);
    let before = (shop.system.calls(), shop.system.table.meter().writes());
    let mut plans: Vec<PlannedChange> = Vec::new();
    shop.desk.dry_run(false, &mut |plan| plans.push(plan)).await.unwrap();
    assert_eq!((shop.system.calls(), shop.system.table.meter().writes()), before);
    let update = plans.iter().find(|plan| plan.action == PlannedAction::Update).unwrap();
    let field = update.fields.iter().find(|field| field.field == "firstname").unwrap();
    assert_eq!((&field.before, &field.after), (&json!("Name1"), &json!("Other")));
    assert_eq!(plans.iter().filter(|plan| plan.action == PlannedAction::Create).count(), 1);
}

#[tokio::test]
async fn chosen_rows_are_synced_at_once_and_each_is_answered() {
    let shop = Shop::with([person(1, 1), row("2", 1, json!({"email": "n/a"}))]).await;
    let ids = ["id-0001", "2", "nobody", "id-0001"].map(str::to_owned);
    let chosen = shop.desk.sync_chosen(&ids, "test").await.unwrap();
    let names: Vec<&str> = chosen
        .iter()
        .map(|one| match &one.outcome {
            ChosenOutcome::Done { .. } => "done",
            ChosenOutcome::Queued => "queued",
            ChosenOutcome::Missing => "missing",
            ChosenOutcome::Rejected(_) => "rejected",
        })
        .collect();
    assert_eq!(names, ["done", "rejected", "missing", "done"]);
    assert_eq!(shop.system.contact("p1@example.com").fields["firstname"], "Name1");
    let again = shop.desk.sync_chosen(&ids[..1], "test").await.unwrap();
    assert!(matches!(again[0].outcome, ChosenOutcome::Done { action: PushAction::Unchanged, .. }));
    // The membership waits for a run, which sets many in one call.
    assert_eq!(shop.sync().await.memberships, 1);
}

#[tokio::test]
async fn many_chosen_rows_are_stored_and_sent_by_a_run() {
    let shop = Shop::with((0..60).map(|n| person(n, 1))).await;
    let ids: Vec<String> = (0..60).map(|n| format!("id-{n:04}")).collect();
    let chosen = shop.desk.sync_chosen(&ids, "test").await.unwrap();
    assert!(chosen.iter().all(|one| one.outcome == ChosenOutcome::Queued));
    shop.desk.continue_sync("test").await.unwrap();
    assert_eq!(shop.system.mautic.contacts().len(), 60);
    let again = shop.desk.sync_chosen(&ids, "test").await.unwrap();
    assert!(again.iter().all(|one| matches!(one.outcome, ChosenOutcome::Done { action: PushAction::Unchanged, .. })));
}

#[tokio::test]
async fn a_source_that_can_not_be_told_of_a_batch_is_told_by_the_next_run() {
    let shop = Shop::with((0..10).map(|n| person(n, 1))).await;
    // The page is read, and then the source is away for the report.
    shop.source.fail_after(1, 1);
    assert!(shop.run(SyncOptions::default()).await.stopped.is_some());
    shop.sync().await;
    assert!((0..10).all(|n| shop.source.status(&format!("id-{n:04}")).is_some_and(|status| status.contact.is_some())));
}

#[tokio::test]
async fn rows_that_are_taken_while_a_run_is_paused_do_not_end_it() {
    let shop = Shop::with((0..10).map(|n| person(n, 1))).await;
    let taking = SyncOptions { take_only: true, ..SyncOptions::default() };
    let taken = shop.run(taking).await;
    assert_eq!((taken.stopped, taken.log.end, shop.system.mautic.contacts().len()), (None, RunEnd::Paused, 0));
    shop.source.put([person(10, 2)]);
    shop.run(taking).await;
    let sent = shop.sync().await;
    assert_eq!((sent.id, sent.rows, sent.created), (taken.log.id, 11, 11));
}
