//! Addresses that people correct on a platform: taken back, or left to a person.

use std::sync::Arc;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use tandem_app::local_table::LocalTable;
use tandem_core::domain::issue::IssueCode;
use tandem_core::domain::record::Record;
use tandem_core::domain::whom::Whom;
use tandem_core::error::FailureKind;
use tandem_core::mapping::rules::Direction;
use tandem_core::mapping::{Condition, RuleSet};
use tandem_core::sync::conflict::Side;
use tandem_core::sync::run::SyncOptions;
use tandem_core::sync::services::Desk;
use tandem_simulators::MauticVersion;
use tandem_tests::faulty_table::FaultyTable;
use tandem_tests::hands::Hands;
use tandem_tests::system::{KEY, Options, System};

use super::hub::{Hub, address, addresses, edit, people, person, run};

const TYPO: &str = "p1@gmial.com";
const RIGHT: &str = "p1@gmail.com";
/// More than all leases last.
const LEASES: SignedDuration = SignedDuration::from_mins(10);

fn typed(name: &str) -> Value {
    json!({"id": "u1", "email": TYPO, "first_name": name})
}

/// The record that an address leads to.
async fn record(system: &System, email: &str) -> Option<Record> {
    let whom = Whom { email: Some(email.parse().unwrap()), ..Whom::default() };
    system.desk().remember(&whom).await.unwrap().record.and_then(|(_, stored)| stored.record)
}

async fn held(system: &System, email: &str) -> Option<String> {
    record(system, email).await.and_then(|record| Some(record.email?.as_str().to_owned()))
}

async fn upsert(system: &System, contact: Value) -> u16 {
    system.caller.upsert(json!({"id": "u1", "contact": contact})).await.unwrap().status
}

/// One Mautic with one person, whose address has a typing error.
async fn open(options: Options) -> (System, Hands) {
    let hands = Hands::default();
    let system = System::with(options.by_hand(&hands).without_worker()).await;
    assert_eq!(upsert(&system, json!({"email": TYPO, "first_name": "Ada"})).await, 200);
    system.desk().sync(SyncOptions { pull: true, ..SyncOptions::default() }).await.unwrap();
    // Mautic's dates have whole seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    (system, hands)
}

#[tokio::test]
async fn a_corrected_address_reaches_the_record_the_other_mautic_and_the_application_and_stays() {
    let hub = Hub::open().await;
    hub.rows(json!([typed("Ada"), person(2)])).await;
    hub.settle().await;
    edit(&hub.one, TYPO, json!({"email": "P1@Gmail.com"})).await;
    hub.settle().await;
    assert_eq!(addresses(&hub.other), [RIGHT.to_owned(), address(2)]);
    assert_eq!(held(&hub.one, RIGHT).await.as_deref(), Some(RIGHT));
    // The application says its old word again, by a row, a call and an event.
    hub.rows(json!([typed("Adah")])).await;
    hub.settle().await;
    assert_eq!(upsert(&hub.one, json!({"email": TYPO, "last_name": "Byron"})).await, 200);
    let event = json!({"id": "e1", "name": "user_signed_up", "user": {"email": TYPO}});
    assert_eq!(hub.one.send_events("", &event).await.unwrap().status, 202);
    hub.settle().await;
    for system in [&hub.one, &hub.other] {
        let contact = system.mautic.contacts().into_iter().find(|one| one.fields["firstname"] == "Adah").unwrap();
        assert_eq!(contact.email.unwrap().to_lowercase(), RIGHT);
        assert_eq!(contact.fields["lastname"], "Byron");
        assert_eq!(system.mautic.contacts().len(), 2);
    }
    hub.is_quiet().await;
}

#[tokio::test]
async fn another_address_of_the_applications_goes_over_the_corrected_one_and_the_old_one_is_anybodys() {
    let hub = Hub::open().await;
    hub.rows(json!([typed("Ada")])).await;
    hub.settle().await;
    edit(&hub.one, TYPO, json!({"email": RIGHT})).await;
    hub.settle().await;
    hub.rows(json!([{"id": "u1", "email": "ada@new.example", "first_name": "Ada"}])).await;
    hub.settle().await;
    assert_eq!(
        (addresses(&hub.one), addresses(&hub.other)),
        (vec!["ada@new.example".to_owned()], vec!["ada@new.example".to_owned()])
    );
    assert_eq!((held(&hub.one, TYPO).await, held(&hub.one, RIGHT).await), (None, None));
    hub.rows(
        json!([{"id": "u7", "email": TYPO, "first_name": "Tom"}, {"id": "u8", "email": RIGHT, "first_name": "Eve"}]),
    )
    .await;
    hub.settle().await;
    assert_eq!(addresses(&hub.one).len(), 3);
    assert_eq!(
        (addresses(&hub.one), hub.both(RIGHT, "firstname")),
        (addresses(&hub.other), [json!("Eve"), json!("Eve")])
    );
    hub.is_quiet().await;
}

#[tokio::test]
async fn the_application_that_takes_the_correction_up_has_the_last_word_again() {
    let hub = Hub::open().await;
    hub.rows(json!([typed("Ada")])).await;
    hub.settle().await;
    edit(&hub.other, TYPO, json!({"email": RIGHT})).await;
    hub.settle().await;
    assert_eq!(record(&hub.one, RIGHT).await.unwrap().corrected.unwrap().application.as_str(), TYPO);
    hub.rows(json!([{"id": "u1", "email": RIGHT, "first_name": "Ada"}])).await;
    hub.settle().await;
    assert_eq!(record(&hub.one, RIGHT).await.unwrap().corrected, None);
    assert_eq!(held(&hub.one, TYPO).await, None);
    hub.rows(json!([typed("Ada")])).await;
    hub.settle().await;
    assert_eq!((addresses(&hub.one), addresses(&hub.other)), (vec![TYPO.to_owned()], vec![TYPO.to_owned()]));
    hub.is_quiet().await;
}

#[tokio::test]
async fn an_address_that_is_changed_back_leaves_nothing_behind() {
    let hub = Hub::open().await;
    hub.rows(json!([typed("Ada")])).await;
    hub.settle().await;
    for email in [RIGHT, TYPO] {
        let contact = hub.one.mautic.contacts()[0].email.clone().unwrap();
        edit(&hub.one, &contact, json!({"email": email})).await;
        hub.settle().await;
    }
    assert_eq!(addresses(&hub.other), [TYPO]);
    assert_eq!(record(&hub.one, TYPO).await.unwrap().corrected, None);
    assert_eq!(held(&hub.one, RIGHT).await, None);
    hub.is_quiet().await;
}

#[tokio::test]
async fn an_address_of_another_record_is_left_to_a_person_once() {
    let hub = Hub::open().await;
    hub.rows(people(1..3)).await;
    hub.settle().await;
    // The application goes on saying the address that was there.
    edit(&hub.one, &address(2), json!({"email": RIGHT})).await;
    hub.settle().await;
    edit(&hub.one, &address(1), json!({"email": address(2)})).await;
    hub.settle().await;
    let parked = hub.one.parked().await;
    let told: Vec<IssueCode> = parked.iter().map(|job| job.reason.fields[0].code).collect();
    assert_eq!(told, [IssueCode::Taken]);
    assert_eq!(held(&hub.one, &address(1)).await, Some(address(1)));
    assert_eq!(addresses(&hub.other), [address(1), RIGHT.to_owned()]);
    // Nothing of it is told or done once more, whatever else is written of the person.
    hub.rows(json!([{"id": "u1", "email": address(1), "first_name": "Other"}])).await;
    hub.settle().await;
    assert_eq!(hub.one.parked().await.len(), 1);
    assert_eq!(hub.other.contact(&address(1)).fields["firstname"], "Other");
    hub.is_quiet().await;
}

#[tokio::test]
async fn an_application_that_reads_what_changed_is_told_the_corrected_address() {
    let (system, hands) = open(Options::default()).await;
    edit(&system, TYPO, json!({"email": RIGHT})).await;
    run(&system.desk()).await;
    hands.move_on(SignedDuration::from_secs(20));
    let request = system.caller.bare(Method::GET, "/api/v1/changes").bearer_auth(KEY);
    let told = system.caller.send(request).await.unwrap();
    let changes: Vec<(&Value, &Value)> =
        told.data()["changes"].as_array().unwrap().iter().map(|one| (&one["email"], &one["fields"])).collect();
    assert_eq!(changes, [(&json!(RIGHT), &json!({"email": RIGHT}))], "{}", told.body);
    let key = system.record_of(TYPO).await;
    let request = system.caller.bare(Method::GET, &format!("/api/v1/records/{}", key.as_str())).bearer_auth(KEY);
    let shown = system.caller.send(request).await.unwrap();
    let of_record = &shown.data()["record"];
    assert_eq!(
        json!([of_record["email"], of_record["applicationEmail"], of_record["said"]["email"]["by"]]),
        json!([RIGHT, TYPO, "mautic"]),
        "{}",
        shown.body
    );
}

#[tokio::test]
async fn a_mapping_that_takes_no_corrections_back_leaves_each_to_a_person() {
    let (system, _) = open(Options::default()).await;
    let mut desk = system.desk();
    pushing(&mut desk);
    edit(&system, TYPO, json!({"email": RIGHT})).await;
    run(&desk).await;
    assert_eq!((held(&system, TYPO).await.as_deref(), held(&system, RIGHT).await), (Some(TYPO), None));
    let parked = system.parked().await;
    assert_eq!((parked.len(), parked[0].reason.kind), (1, FailureKind::Taken));
}

/// The address goes to Mautic only.
fn pushing(desk: &mut Desk) {
    let mut rules = desk.integration.rules.rules().to_vec();
    rules.iter_mut().filter(|rule| rule.local == "email").for_each(|rule| rule.direction = Direction::Push);
    desk.integration.rules = Arc::new(RuleSet::of(rules, Condition::Always).unwrap());
}

#[tokio::test]
async fn an_opt_out_moves_along_to_the_corrected_address() {
    let hub = Hub::open().await;
    hub.rows(json!([typed("Ada")])).await;
    hub.settle().await;
    let payload = json!({"id": "u1", "contact": {"email": TYPO}, "consent": {"marketing_opt_in": false}});
    assert_eq!(hub.one.caller.upsert(payload).await.unwrap().status, 200);
    hub.settle().await;
    edit(&hub.one, TYPO, json!({"email": RIGHT})).await;
    hub.settle().await;
    for system in [&hub.one, &hub.other] {
        assert_eq!(system.contact(RIGHT).dnc.len(), 1);
    }
    assert_eq!(hub.one.ledger_says(RIGHT).await, Some(false));
    hub.is_quiet().await;
}

#[tokio::test]
async fn both_addresses_of_somebody_who_is_deleted_bring_nobody_back() {
    let hub = Hub::open().await;
    hub.rows(json!([typed("Ada")])).await;
    hub.settle().await;
    edit(&hub.one, TYPO, json!({"email": RIGHT})).await;
    hub.settle().await;
    let answer = hub.one.caller.call(&json!({"action": "delete_contact", "email": RIGHT})).await.unwrap();
    assert!([200, 202].contains(&answer.status), "{}", answer.body);
    hub.settle().await;
    for email in [TYPO, RIGHT] {
        assert!(record(&hub.one, email).await.is_none(), "{email}");
        let event = json!({"id": format!("e-{email}"), "name": "user_logged_in", "user": {"email": email}});
        assert_eq!(hub.one.send_events("", &event).await.unwrap().status, 202);
    }
    hub.settle().await;
    assert_eq!((addresses(&hub.one).len(), addresses(&hub.other).len()), (0, 0));
}

#[tokio::test]
async fn a_webhook_brings_the_corrected_address_at_once() {
    for version in [MauticVersion::V5_1, MauticVersion::V7_0] {
        let system = System::with(Options::default().mautic_version(version)).await;
        system.guard().await;
        assert_eq!(upsert(&system, json!({"email": TYPO, "first_name": "Ada"})).await, 200);
        tokio::time::sleep(std::time::Duration::from_millis(2_100)).await;
        edit(&system, TYPO, json!({"email": RIGHT})).await;
        for _ in 0..100 {
            if held(&system, RIGHT).await.is_some() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert_eq!(held(&system, TYPO).await.as_deref(), Some(RIGHT), "{version:?}");
    }
}

#[tokio::test]
async fn where_both_sides_changed_the_address_the_strategy_decides() {
    for (strategy, sooner, expected) in [
        ("last_write_wins", true, RIGHT),
        ("last_write_wins", false, "ada@new.example"),
        ("field_merge", true, "ada@new.example"),
    ] {
        let (system, hands) = open(Options::default().with("TANDEM_CONFLICT_STRATEGY", strategy)).await;
        let says = async {
            let rows = json!({"records": [{"id": "u1", "email": "ada@new.example", "first_name": "Ada"}]});
            let request = system.caller.bare(Method::POST, "/records").bearer_auth(KEY).json(&rows);
            assert_eq!(system.caller.send(request).await.unwrap().status, 200);
        };
        if sooner {
            says.await;
            tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
            edit(&system, TYPO, json!({"email": RIGHT})).await;
        } else {
            edit(&system, TYPO, json!({"email": RIGHT})).await;
            hands.move_on(SignedDuration::from_secs(5));
            says.await;
        }
        run(&system.desk()).await;
        run(&system.desk()).await;
        assert_eq!(addresses(&system), [expected], "{strategy} {sooner}");
        assert_eq!(held(&system, expected).await.as_deref(), Some(expected), "{strategy} {sooner}");
    }
}

#[tokio::test]
async fn a_person_decides_between_two_new_addresses() {
    for (side, expected) in [(Side::Platform, RIGHT), (Side::Application, "ada@new.example")] {
        let (system, hands) = open(Options::default().with("TANDEM_CONFLICT_STRATEGY", "manual")).await;
        edit(&system, TYPO, json!({"email": RIGHT})).await;
        let rows = json!({"records": [{"id": "u1", "email": "ada@new.example", "first_name": "Ada"}]});
        let request = system.caller.bare(Method::POST, "/records").bearer_auth(KEY).json(&rows);
        assert_eq!(system.caller.send(request).await.unwrap().status, 200);
        run(&system.desk()).await;
        let (contested, _) = system.desk().contested(None, 10).await.unwrap();
        assert_eq!(contested[0].fields["email"].platform, RIGHT, "{side:?}");
        system.desk().decide_record(&contested[0].record, "email", side, "test").await.unwrap();
        system.settle(&system.desk(), &hands).await.unwrap();
        run(&system.desk()).await;
        assert_eq!(addresses(&system), [expected], "{side:?}");
        assert_eq!(held(&system, expected).await.as_deref(), Some(expected), "{side:?}");
        assert_eq!(system.desk().contested(None, 10).await.unwrap().0, []);
    }
}

#[tokio::test]
async fn whenever_the_look_that_finds_a_correction_crashes_the_next_one_takes_it_back() {
    for writes in 1.. {
        let (system, hands) = open(Options::default()).await;
        edit(&system, TYPO, json!({"email": RIGHT})).await;
        let faulty = FaultyTable::start(system.table.access(), 0.0).await.expect("a free port");
        let desk = system.desk_through(LocalTable::attach(faulty.access()));
        faulty.crash_after(writes);
        let ran = desk.sync(SyncOptions { pull: true, ..SyncOptions::default() }).await;
        let finished = ran.is_ok_and(|ran| ran.stopped.is_none());
        hands.move_on(LEASES);
        run(&system.desk()).await;
        assert_eq!(held(&system, TYPO).await.as_deref(), Some(RIGHT), "after {writes} writes");
        assert_eq!(addresses(&system), [RIGHT], "after {writes} writes");
        assert_eq!(system.parked().await.len(), 0, "after {writes} writes");
        if finished {
            assert!(writes > 5, "a run of {writes} writes is none");
            return;
        }
    }
}
