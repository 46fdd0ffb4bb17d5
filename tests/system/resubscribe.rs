//! Somebody allows mail again in Mautic, while an opt-out stands. The person's own click counts, by whatever way it is learnt;
//! an administrator's does not, unless the operator says so. It is told whose it was.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tandem_app::system::SystemClock;
use tandem_core::domain::consent::{ConsentEntry, ConsentSource, ConsentStatus};
use tandem_core::domain::kind::Kind;
use tandem_core::domain::scope::Scope;
use tandem_core::ports::runs::SendState;
use tandem_core::ports::source::SourceRow;
use tandem_core::ports::{Clock, ContactStore};
use tandem_core::sync::run::SyncOptions;
use tandem_core::sync::services::Desk;
use tandem_simulators::MauticVersion;
use tandem_simulators::mautic::{FaultKind, FaultRule};
use tandem_tests::list_source::ListSource;
use tandem_tests::system::{Options, System};

const EMAIL: &str = "ada@example.com";

/// Mautic's dates have whole seconds: what happens from now on is later than what happened until now.
async fn a_second_later() {
    tokio::time::sleep(Duration::from_millis(1_100)).await;
}

fn on(version: MauticVersion) -> Options {
    Options::default().mautic_version(version)
}

async fn said(system: &System, consent: Value) -> Vec<String> {
    let payload = json!({"id": "u1", "contact": {"email": EMAIL}, "consent": consent});
    let answer = system.caller.upsert(payload).await.unwrap();
    assert!(answer.is_taken(), "{}", answer.body);
    answer.complaints()
}

async fn unsubscribed(system: &System) {
    said(system, json!({"marketing_opt_in": true})).await;
    a_second_later().await;
    system.engage("unsubscribe", json!({"address": EMAIL})).await;
}

/// Tandem writes the contact, and learns of the opt-out by that.
async fn noticed(system: &System) {
    let payload =
        json!({"id": "u1", "contact": {"email": EMAIL, "first_name": "Eve"}, "consent": {"marketing_opt_in": true}});
    let answer = system.caller.upsert(payload).await.unwrap();
    assert_eq!(answer.complaints(), ["consent.marketing_opt_in:opt_out_kept"]);
    assert_eq!(field(system), json!(0));
}

async fn lifted_by_admin(system: &System) {
    a_second_later().await;
    let path = format!("/api/contacts/{}/dnc/email/remove", system.contact(EMAIL).id);
    system.in_mautic(Method::POST, &path, None).await;
}

async fn clicked(system: &System) {
    a_second_later().await;
    system.engage("resubscribe", json!({"address": EMAIL})).await;
}

/// What stands in the ledger.
async fn standing(system: &System) -> ConsentEntry {
    let identity = EMAIL.parse::<tandem_core::domain::identity::Email>().unwrap().identity();
    let resolved = system.contact_store().resolve(&Scope::default_mautic(), None, Some(&identity)).await.unwrap();
    resolved.consent.standing().cloned().unwrap()
}

fn comments(system: &System) -> Vec<String> {
    let entries = system.contact(EMAIL).dnc;
    entries.iter().map(|entry| entry["comments"].as_str().unwrap().to_owned()).collect()
}

/// What people see of it in the contact's timeline: that an entry was put back, and who had taken it away.
async fn told_in_timeline(system: &System) -> Vec<String> {
    let path = format!("/api/v1/records/{}/timeline", system.record_of(EMAIL).await.as_str());
    let shown = system.caller.send(system.caller.keyed(Method::GET, &path)).await.unwrap();
    let entries = shown.data()["entries"].as_array().unwrap();
    let said = entries.iter().filter_map(|entry| entry["what"]["subject"].as_str());
    said.filter(|said| said.contains("was put back")).map(str::to_owned).collect()
}

fn field(system: &System) -> Value {
    system.contact(EMAIL).fields["marketing_opt_in"].clone()
}

/// The system over a source of rows: what a sync run does.
fn desk_over(system: &System) -> (Desk, ListSource) {
    let source = ListSource::default();
    let mut desk = system.desk();
    desk.services.source = Arc::new(source.clone());
    (desk, source)
}

fn row(fields: Value) -> SourceRow {
    let fields = fields.as_object().unwrap().clone().into_iter().collect();
    SourceRow { kind: Kind::Person, id: "u1".to_owned(), updated_at: Some(SystemClock.now()), fields, deleted: false }
}

/// How somebody learns what was done in Mautic.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Webhook,
    Feed,
    Look,
    Upsert,
    Run,
}

/// Tandem learns what there is to learn, by a repair or a look; webhooks come by themselves.
async fn learnt(system: &System, way: Way) {
    match way {
        Way::Feed => drop(system.desk().repair_gaps("test").await.unwrap()),
        Way::Look => {
            let until = system.now().checked_add(jiff::SignedDuration::from_mins(1)).unwrap();
            system.desk().pull(&mut SendState::default(), until, "test").await.unwrap();
        }
        Way::Webhook | Way::Upsert | Way::Run => {}
    }
}

async fn is_resubscribed(system: &System, how: &str) {
    let standing = standing(system).await;
    assert_eq!((standing.status, standing.source), (ConsentStatus::OptedIn, ConsentSource::Person), "{how}");
    assert!(standing.proof.is_some_and(|proof| proof.contains("allowed mail again")), "{how}");
    assert!(comments(system).is_empty(), "{how}");
}

#[tokio::test]
async fn the_persons_own_click_is_a_later_opt_in_with_proof_by_webhook_by_repair_and_by_a_look() {
    for version in MauticVersion::ALL {
        for way in [Way::Webhook, Way::Feed, Way::Look] {
            let how = format!("{version}, {way:?}");
            let system = System::with(on(version)).await;
            if way == Way::Webhook {
                system.guard().await;
            }
            unsubscribed(&system).await;
            learnt(&system, way).await;
            system.finish().await;
            assert_eq!(system.consent(EMAIL).await.unwrap(), Some(ConsentStatus::OptedOut), "{how}");
            clicked(&system).await;
            learnt(&system, way).await;
            system.finish().await;
            is_resubscribed(&system, &how).await;
            // Neither a run nor an upsert undoes it; the field follows.
            system.desk().sync(SyncOptions::default()).await.unwrap();
            system.finish().await;
            assert!(said(&system, json!({"marketing_opt_in": true})).await.is_empty(), "{how}");
            is_resubscribed(&system, &how).await;
            assert_eq!(field(&system), json!(1), "{how}");
        }
    }
}

#[tokio::test]
async fn an_upsert_and_a_run_that_meet_a_lifted_entry_ask_the_log_who_lifted_it() {
    for version in MauticVersion::ALL {
        for by_run in [false, true] {
            let how = format!("{version}, by a run: {by_run}");
            let system = System::with(on(version)).await;
            let (desk, source) = desk_over(&system);
            unsubscribed(&system).await;
            noticed(&system).await;
            clicked(&system).await;
            if by_run {
                source.put([row(json!({"email": EMAIL, "first_name": "Ada"}))]);
                for _ in 0..2 {
                    desk.sync(SyncOptions::default()).await.unwrap();
                }
                system.finish().await;
            } else {
                let payload = json!({"id": "u1", "contact": {"email": EMAIL, "first_name": "Ada"}});
                system.caller.upsert(payload).await.unwrap();
            }
            is_resubscribed(&system, &how).await;
            assert_eq!((field(&system), system.contact(EMAIL).fields["firstname"].clone()), (json!(1), json!("Ada")));
        }
    }
}

#[tokio::test]
async fn an_administrators_lift_is_put_back_once_with_the_statement_that_stands() {
    for version in MauticVersion::ALL {
        for way in [Way::Webhook, Way::Feed, Way::Look, Way::Upsert, Way::Run] {
            let how = format!("{version}, {way:?}");
            let system = System::with(on(version)).await;
            let (desk, source) = desk_over(&system);
            if way == Way::Webhook {
                system.guard().await;
            }
            unsubscribed(&system).await;
            if way == Way::Webhook {
                system.finish().await;
            } else {
                noticed(&system).await;
            }
            lifted_by_admin(&system).await;
            let payload = json!({"id": "u1", "contact": {"email": EMAIL, "first_name": "Ada"}});
            let mut told = String::new();
            match way {
                Way::Webhook | Way::Feed | Way::Look => learnt(&system, way).await,
                Way::Upsert => {
                    let answer = system.caller.upsert(payload).await.unwrap();
                    assert_eq!(answer.complaints(), ["consent.marketing_opt_in:opt_out_kept"], "{how}");
                    told = answer.body.to_string();
                }
                Way::Run => {
                    source.put([row(json!({"email": EMAIL, "first_name": "Ada"}))]);
                    let ran = desk.sync(SyncOptions::default()).await.unwrap();
                    told = json!(ran.log.problems).to_string();
                }
            }
            system.finish().await;
            let kept = comments(&system);
            assert_eq!(kept.len(), 1, "{how}");
            assert!(kept[0].starts_with("kept by Tandem: the opt-out on the platform of 20"), "{how}: {}", kept[0]);
            let answered = matches!(way, Way::Upsert | Way::Run);
            assert_eq!(told.contains("Admin User (user 1)"), answered, "{how}: {told}");
            let shown = told_in_timeline(&system).await;
            assert_eq!(shown.len(), usize::from(!answered), "{how}: {shown:?}");
            assert!(shown.iter().all(|said| said.contains("user 1 allowed mail")), "{how}: {shown:?}");
            assert_eq!(system.consent(EMAIL).await.unwrap(), Some(ConsentStatus::OptedOut), "{how}");
            // Once: what Tandem put back is nothing that it learns from, or puts back again.
            let before = system.contact(EMAIL).dnc;
            desk.repair_gaps("test").await.unwrap();
            desk.sync(SyncOptions { pull: true, ..SyncOptions::default() }).await.unwrap();
            system.finish().await;
            assert_eq!(system.contact(EMAIL).dnc, before, "{how}");
            assert_eq!(told_in_timeline(&system).await, shown, "{how}");
        }
    }
}

#[tokio::test]
async fn an_administrators_lift_counts_where_the_operator_says_so() {
    for version in MauticVersion::ALL {
        let system = System::with(on(version).with("TANDEM_ADMIN_OPT_IN", "accept")).await;
        system.guard().await;
        unsubscribed(&system).await;
        lifted_by_admin(&system).await;
        system.finish().await;
        let standing = standing(&system).await;
        assert_eq!((standing.status, standing.source), (ConsentStatus::OptedIn, ConsentSource::Administrator));
        assert!(comments(&system).is_empty());
    }
}

/// The role may not read Mautic's log.
fn without_the_log(system: &System) {
    let mut rule = FaultRule::new(FaultKind::Status).status(200).path("/api/stats/audit_log");
    rule.body = Some(json!({"errors": [{"message": "You do not have the view permission", "code": 403}]}).to_string());
    system.mautic.inject_faults(vec![rule]);
}

#[tokio::test]
async fn a_lift_that_nobody_can_name_is_put_back_and_the_caller_is_told_that_it_is_not_known_whose_it_was() {
    let system = System::start().await;
    unsubscribed(&system).await;
    noticed(&system).await;
    clicked(&system).await;
    without_the_log(&system);
    let payload = json!({"id": "u1", "contact": {"email": EMAIL, "first_name": "Ada"}});
    let answer = system.caller.upsert(payload.clone()).await.unwrap();
    assert_eq!((answer.status, comments(&system).len()), (200, 1));
    assert_eq!(answer.complaints(), ["consent.marketing_opt_in:opt_out_kept"]);
    assert!(answer.body.to_string().contains("it is not known by whom"), "{}", answer.body);
    assert!(system.caller.upsert(payload).await.unwrap().complaints().is_empty(), "once is enough");
}

#[tokio::test]
async fn a_lift_that_nobody_can_name_is_put_back_by_a_run_and_told_once() {
    for version in MauticVersion::ALL {
        let system = System::with(on(version)).await;
        let (desk, source) = desk_over(&system);
        unsubscribed(&system).await;
        noticed(&system).await;
        clicked(&system).await;
        without_the_log(&system);
        source.put([row(json!({"email": EMAIL, "first_name": "Ada"}))]);
        let ran = desk.sync(SyncOptions::default()).await.unwrap();
        assert_eq!((ran.stopped, comments(&system).len()), (None, 1), "{version}");
        let told = json!(ran.log.problems).to_string();
        assert!(told.contains("it is not known by whom"), "{version}: {told}");
        let again = desk.sync(SyncOptions { full: true, ..SyncOptions::default() }).await.unwrap();
        assert_eq!((again.log.updated, comments(&system).len()), (0, 1), "{version}: once is enough");
    }
}

#[tokio::test]
async fn a_lift_that_nobody_can_name_is_told_in_the_timeline_when_a_webhook_brings_it() {
    for version in MauticVersion::ALL {
        let system = System::with(on(version)).await;
        system.guard().await;
        unsubscribed(&system).await;
        system.finish().await;
        without_the_log(&system);
        lifted_by_admin(&system).await;
        system.finish().await;
        assert_eq!(comments(&system).len(), 1, "{version}");
        let shown = told_in_timeline(&system).await;
        assert!(shown.len() == 1 && shown[0].contains("it is not known by whom"), "{version}: {shown:?}");
    }
}

#[tokio::test]
async fn an_opt_in_that_lifts_nothing_because_of_a_bounce_is_told() {
    let system = System::start().await;
    said(&system, json!({"marketing_opt_in": true})).await;
    system.engage("bounce", json!({"address": EMAIL})).await;
    let complaints = said(&system, json!({"marketing_opt_in": true, "explicit": true})).await;
    assert_eq!(complaints, ["consent.marketing_opt_in:opt_out_kept"]);
    assert_eq!(system.contact(EMAIL).dnc[0]["reason"], json!(2));
}

#[tokio::test]
async fn an_opt_in_that_is_older_than_an_unsubscription_that_nobody_told_of_does_not_lift_it() {
    for version in MauticVersion::ALL {
        let system = System::with(on(version)).await;
        said(&system, json!({"marketing_opt_in": true})).await;
        system.engage("unsubscribe", json!({"address": EMAIL})).await;
        let at = system.now().checked_sub(jiff::SignedDuration::from_mins(10)).unwrap().to_string();
        let complaints = said(&system, json!({"marketing_opt_in": true, "explicit": true, "at": at})).await;
        assert_eq!(complaints, ["consent.marketing_opt_in:opt_out_kept"], "{version}");
        assert_eq!(system.contact(EMAIL).dnc[0]["reason"], json!(1), "{version}");
        assert_eq!(system.consent(EMAIL).await.unwrap(), Some(ConsentStatus::OptedOut), "{version}");
    }
}

#[tokio::test]
async fn an_opt_in_after_a_lost_reply_does_not_learn_tandems_own_entry_as_a_new_opt_out() {
    for version in MauticVersion::ALL {
        let system = System::with(on(version)).await;
        // The opt-out was written, its reply was lost; nothing is known of the entry.
        let lost = FaultRule::new(FaultKind::LostReply).method("POST").path("/api/contacts/new").times(1);
        let down = FaultRule::new(FaultKind::Status).status(503).method("GET").path("/api/contacts").times(1);
        system.mautic.inject_faults(vec![lost, down]);
        said(&system, json!({"marketing_opt_in": false})).await;
        assert_eq!(comments(&system), ["opted out in the application"], "{version}");
        system.mautic.clear_faults();
        let complaints = said(&system, json!({"marketing_opt_in": true, "explicit": true})).await;
        assert!(complaints.is_empty(), "{version}: {complaints:?}");
        system.end_lease(EMAIL).await;
        system.finish().await;
        assert_eq!(system.consent(EMAIL).await.unwrap(), Some(ConsentStatus::OptedIn), "{version}");
        assert!(comments(&system).is_empty(), "{version}");
    }
}
