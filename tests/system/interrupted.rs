//! A write of a known contact that is interrupted, and what people change there before the next one: it is taken back, and
//! what arrived of the interrupted write is no edit of theirs.

use reqwest::Method;
use serde_json::{Value, json};
use tandem_core::ports::ContactStore;
use tandem_core::sync::run::SyncOptions;
use tandem_simulators::MauticVersion;
use tandem_simulators::mautic::{FaultKind, FaultRule};
use tandem_tests::hands::Hands;
use tandem_tests::system::{KEY, Options, System};

const ADDRESS: &str = "p1@example.com";

/// One person who is in Mautic, and nothing else under way.
async fn open(version: MauticVersion) -> (System, Hands) {
    opened(Options::default().mautic_version(version)).await
}

async fn opened(options: Options) -> (System, Hands) {
    let hands = Hands::default();
    let system = System::with(options.by_hand(&hands).without_worker()).await;
    let contact = json!({"email": ADDRESS, "first_name": "Ada", "city": "Perth", "state": "Western Australia"});
    let answer = system.caller.upsert(json!({"id": "u1", "contact": contact})).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    // Mautic's dates have whole seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    (system, hands)
}

/// How a write ends that nobody learns the end of.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// Mautic did it, and its answer got lost.
    Done,
    /// The connection broke before.
    Undone,
}

async fn say(system: &System, fields: Value) -> u16 {
    let mut contact = fields;
    contact["email"] = json!(ADDRESS);
    system.caller.upsert(json!({"id": "u1", "contact": contact})).await.unwrap().status
}

/// Changes of contacts are cut off from now on.
fn broken(system: &System, cut: Cut) {
    let kind = match cut {
        Cut::Done => FaultKind::LostReply,
        Cut::Undone => FaultKind::Close,
    };
    let broken = ["PATCH", "PUT"].map(|method| FaultRule::new(kind).method(method).path("/api/contacts"));
    system.mautic.inject_faults(broken.to_vec());
}

/// The application says a last name, and the write is cut off.
async fn cut_off(system: &System, cut: Cut) {
    broken(system, cut);
    assert_eq!(say(system, json!({"last_name": "Byron"})).await, 202);
    system.mautic.clear_faults();
}

async fn edit(system: &System, fields: Value) {
    let contact = system.contact(ADDRESS).id;
    system.in_mautic(Method::PATCH, &format!("/api/contacts/{contact}/edit"), Some(fields)).await;
}

/// By whom the next write is made.
#[derive(Clone, Copy, Debug)]
enum Next {
    Call,
    Job,
    JobTogether,
}

async fn write_again(system: &System, hands: &Hands, next: Next) {
    match next {
        Next::Call => assert_eq!(say(system, json!({"state": "Victoria"})).await, 200),
        Next::Job => system.settle(&system.desk(), hands).await.unwrap(),
        Next::JobTogether => system.settle_together(&system.desk(), hands).await.unwrap(),
    }
}

fn field(system: &System, name: &str) -> Value {
    system.contact(ADDRESS).fields.get(name).cloned().unwrap_or_default()
}

#[tokio::test]
async fn an_edit_after_a_write_that_was_cut_off_is_taken_back_by_whatever_writes_next() {
    for version in [MauticVersion::V5_1, MauticVersion::V7_0] {
        for cut in [Cut::Done, Cut::Undone] {
            for next in [Next::Call, Next::Job, Next::JobTogether] {
                let (system, hands) = open(version).await;
                cut_off(&system, cut).await;
                edit(&system, json!({"city": "Sydney"})).await;
                write_again(&system, &hands, next).await;
                let held = ["city", "lastname"].map(|name| field(&system, name));
                assert_eq!(held, [json!("Sydney"), json!("Byron")], "{version:?} {cut:?} {next:?}");
                let key = system.record_of(ADDRESS).await;
                let stored = system.contact_store().load(&system.foundation.scope, &key).await.unwrap();
                let record = stored.record.unwrap();
                assert_eq!(record.fields["city"], "Sydney", "{version:?} {cut:?} {next:?}");
            }
        }
    }
}

/// Where a person decides about what both sides changed, nobody is asked about what Tandem itself sent.
#[tokio::test]
async fn what_arrived_of_a_write_that_was_cut_off_gives_way_to_what_the_application_says_since() {
    for next in [Next::Call, Next::Job, Next::JobTogether] {
        let options = Options::default().mautic_version(MauticVersion::V7_0).with("TANDEM_CONFLICT_STRATEGY", "manual");
        let (system, hands) = opened(options).await;
        cut_off(&system, Cut::Done).await;
        assert_eq!(field(&system, "lastname"), "Byron");
        system.mautic_answers(503);
        assert_eq!(say(&system, json!({"last_name": "King"})).await, 202);
        system.mautic.clear_faults();
        write_again(&system, &hands, next).await;
        assert_eq!(field(&system, "lastname"), "King", "{next:?}");
        assert!(system.link(ADDRESS).await.conflicts.is_empty(), "{next:?}");
    }
}

#[tokio::test]
async fn a_contact_that_can_not_be_looked_at_is_not_written_over() {
    let (system, hands) = open(MauticVersion::V5_1).await;
    cut_off(&system, Cut::Undone).await;
    edit(&system, json!({"city": "Sydney"})).await;
    system.mautic.inject_faults(vec![FaultRule::new(FaultKind::Status).method("GET").status(503)]);
    assert_eq!(say(&system, json!({"state": "Victoria"})).await, 202, "it is stored, and a job writes it");
    assert_eq!(["city", "state"].map(|name| field(&system, name)), ["Sydney", "Western Australia"].map(Value::from));
    system.mautic.clear_faults();
    system.settle(&system.desk(), &hands).await.unwrap();
    assert_eq!(["city", "state"].map(|name| field(&system, name)), ["Sydney", "Victoria"].map(Value::from));
}

/// The look is for values alone: or it would learn the older opt-out once more, and undo what the person said since.
#[tokio::test]
async fn an_opt_in_whose_write_was_cut_off_is_carried_out_by_the_next_one() {
    for version in [MauticVersion::V5_1, MauticVersion::V7_0] {
        let (system, hands) = open(version).await;
        system.guard().await;
        system.engage("unsubscribe", json!({"address": ADDRESS})).await;
        system.settle(&system.desk(), &hands).await.unwrap();
        system.mautic_answers(503);
        let consent = json!({"marketing_opt_in": true, "explicit": true});
        let payload = json!({"id": "u1", "contact": {"email": ADDRESS}, "consent": consent});
        assert_eq!(system.caller.upsert(payload).await.unwrap().status, 202, "{version:?}");
        system.mautic.clear_faults();
        system.settle(&system.desk(), &hands).await.unwrap();
        assert!(system.contact(ADDRESS).dnc.is_empty(), "{version:?}");
    }
}

/// How the next holder of an address comes.
#[derive(Clone, Copy, Debug)]
enum Newcomer {
    Call,
    Row,
    /// Somebody who is known, and had another address.
    Known,
}

#[tokio::test]
async fn an_address_that_was_given_up_is_its_next_holders_though_the_write_was_cut_off() {
    for cut in [Cut::Done, Cut::Undone] {
        for newcomer in [Newcomer::Call, Newcomer::Row, Newcomer::Known] {
            let (system, hands) = open(MauticVersion::V7_0).await;
            let tom = |email: &str| json!({"id": "u2", "contact": {"email": email, "first_name": "Tom"}});
            if matches!(newcomer, Newcomer::Known) {
                assert_eq!(system.caller.upsert(tom("tom@example.com")).await.unwrap().status, 200);
            }
            broken(&system, cut);
            let moved = json!({"id": "u1", "contact": {"email": "new@example.com"}});
            assert_eq!(system.caller.upsert(moved).await.unwrap().status, 202);
            system.mautic.clear_faults();
            system.settle(&system.desk(), &hands).await.unwrap();
            match newcomer {
                Newcomer::Call | Newcomer::Known => {
                    assert!([200, 202].contains(&system.caller.upsert(tom(ADDRESS)).await.unwrap().status));
                }
                Newcomer::Row => {
                    let rows = json!({"records": [{"id": "u2", "email": ADDRESS, "first_name": "Tom"}]});
                    let request = system.caller.bare(Method::POST, "/records").bearer_auth(KEY).json(&rows);
                    assert_eq!(system.caller.send(request).await.unwrap().status, 200);
                }
            }
            for _ in 0..2 {
                system.desk().sync(SyncOptions::default()).await.unwrap();
                system.settle(&system.desk(), &hands).await.unwrap();
                hands.move_on(jiff::SignedDuration::from_mins(15));
            }
            let names = ["new@example.com", ADDRESS].map(|email| system.contact(email).fields["firstname"].clone());
            assert_eq!(names, [json!("Ada"), json!("Tom")], "{cut:?} {newcomer:?}");
            assert_eq!(system.mautic.contacts().len(), 2, "{cut:?} {newcomer:?}");
        }
    }
}
