//! What a mapping set chooses for situations, and records that its condition leaves out.

use std::sync::Arc;

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use tandem_app::mappings::{Setting, Taken};
use tandem_app::queue::local_worker::LocalWorker;
use tandem_app::store::Act;
use tandem_core::automation::stored::{EventStatus, StepStatus};
use tandem_core::domain::link::RemoteId;
use tandem_core::domain::situation::Situation;
use tandem_core::error::Failure;
use tandem_core::mapping::{MappingSet, Response, Vanished};
use tandem_core::ports::ContactStore;
use tandem_core::ports::source::SourceRow;
use tandem_core::sync::change::{ContactChange, Outcome, PushAction, Pushed};
use tandem_core::sync::push::For;
use tandem_core::sync::run::SyncOptions;
use tandem_core::sync::run::chosen::ChosenOutcome;
use tandem_core::sync::run::dry_run::{PlannedAction, PlannedChange};
use tandem_simulators::MauticVersion;
use tandem_simulators::mautic::{FaultKind, FaultRule};
use tandem_tests::system::{Options, System};

use super::hub::{Hub, run};
use super::situations::{EMAIL, LEFT_OUT, ODD, all_but_nobody, choose, named};
use super::sync_run::{Shop, row};

async fn shop(version: MauticVersion, when: Value, situations: Value) -> Shop {
    let mut shop = Shop::of([named("other", 1, "Ada")], Options::default().mautic_version(version)).await;
    choose(&mut shop.desk, when, situations);
    shop
}

async fn made_by_hand(system: &System, name: &str) -> String {
    let body = json!({"email": EMAIL, "firstname": name});
    system.in_mautic(Method::POST, "/api/contacts/new", Some(body)).await["contact"]["id"].to_string()
}

async fn delete(system: &System) -> RemoteId {
    let contact = system.contact(EMAIL).id.to_string();
    system.in_mautic(Method::DELETE, &format!("/api/contacts/{contact}/delete"), None).await;
    RemoteId(contact)
}

/// Writes the odd record alone.
async fn push(shop: &Shop) -> Result<Pushed, Failure> {
    let change = ContactChange::refresh(shop.system.record_of(EMAIL).await);
    match shop.desk.push(&change, "test", For::Caller).await? {
        Outcome::Done(pushed) => Ok(pushed),
        Outcome::Queued(queued) => panic!("it was queued: {queued:?}"),
    }
}

/// Stores the row without sending anything.
async fn store(shop: &Shop, row: SourceRow) {
    shop.source.put([row]);
    shop.run(SyncOptions { take_only: true, ..SyncOptions::default() }).await;
}

/// Has queued jobs done by a desk with the shop's own rules.
async fn finish(shop: &Shop) {
    let worker = LocalWorker::new(shop.system.queue.clone(), Arc::new(shop.desk.clone()), 4);
    let working = tokio::spawn(async move { worker.run(std::future::pending()).await });
    shop.system.finish().await;
    working.abort();
}

fn told(result: Result<Pushed, Failure>) -> (Option<Situation>, Option<PushAction>) {
    match result {
        Ok(pushed) => (Some(pushed.situation), Some(pushed.action)),
        Err(failure) => (failure.situation, None),
    }
}

#[tokio::test]
async fn a_contact_that_is_found_is_left_to_a_person_where_that_is_chosen() {
    for version in MauticVersion::ALL {
        for in_bulk in [false, true] {
            let shop = shop(version, json!("always"), json!({"found": "issue"})).await;
            made_by_hand(&shop.system, "Hand").await;
            store(&shop, named(ODD, 2, "Eve")).await;
            // However often it is tried, the contact is not taken for one that Tandem made.
            for _ in 0..2 {
                if in_bulk {
                    shop.run(SyncOptions { full: true, ..SyncOptions::default() }).await;
                } else {
                    assert_eq!(told(push(&shop).await), (Some(Situation::Found), None), "{version}");
                }
            }
            let parked = shop.system.parked().await;
            assert_eq!((parked.len(), parked[0].reason.situation), (1, Some(Situation::Found)), "{version}");
            assert!(parked[0].advice.contains("situations.found"), "{}", parked[0].advice);
            assert_eq!(shop.system.contact(EMAIL).fields["firstname"], "Hand", "{version}");
            assert_eq!(shop.system.contacts_with("other@example.com").len(), usize::from(in_bulk), "{version}");
            assert_eq!(shop.system.link(EMAIL).await.remote_id, None, "{version}");
        }
    }
}

#[tokio::test]
async fn a_contact_that_is_found_is_nobodys_own_though_the_look_up_failed_after_the_create_was_refused() {
    for in_bulk in [false, true] {
        let shop = shop(MauticVersion::default(), json!("always"), json!({"found": "issue"})).await;
        made_by_hand(&shop.system, "Hand").await;
        store(&shop, named(ODD, 2, "Eve")).await;
        let away = FaultRule::new(FaultKind::Status).status(503).method("GET").path("/api/contacts").times(1);
        shop.system.mautic.inject_faults(vec![away]);
        if in_bulk {
            shop.run(SyncOptions::default()).await;
            shop.full().await;
        } else {
            let change = ContactChange::refresh(shop.system.record_of(EMAIL).await);
            let first = shop.desk.push(&change, "test", For::Caller).await.unwrap();
            assert!(matches!(first, Outcome::Queued(_)), "{first:?}");
            assert_eq!(told(push(&shop).await), (Some(Situation::Found), None));
        }
        assert_eq!(shop.system.contact(EMAIL).fields["firstname"], "Hand", "in bulk: {in_bulk}");
        assert_eq!(shop.system.link(EMAIL).await.remote_id, None, "in bulk: {in_bulk}");
    }
}

#[tokio::test]
async fn an_event_of_somebody_who_is_left_out_ends_with_its_steps_skipped() {
    let shop = shop(MauticVersion::default(), json!({"present": "city"}), json!({})).await;
    let event = json!({"id": "e1", "name": "user_signup", "user": {"id": ODD, "email": EMAIL}});
    assert_eq!(shop.system.send_events("", &json!([event])).await.unwrap().status, 202);
    finish(&shop).await;
    let scope = &shop.desk.integration.scope;
    let event = shop.desk.services.lifecycle.event(scope, "e1").await.unwrap().unwrap();
    assert_eq!(event.status, EventStatus::Completed, "{event:?}");
    assert!(!event.steps.is_empty() && event.steps.iter().all(|step| step.status == StepStatus::Skipped), "{event:?}");
    assert!(shop.system.contacts_with(EMAIL).is_empty() && shop.system.parked().await.is_empty());
}

#[tokio::test]
async fn a_contact_that_was_deleted_there_stays_deleted_where_that_is_chosen() {
    for version in MauticVersion::ALL {
        for hooked in [false, true] {
            let shop = shop(version, json!("always"), json!({"missing": "ignore"})).await;
            shop.source.put([named(ODD, 1, "Ada")]);
            shop.sync().await;
            let deleted = delete(&shop.system).await;
            if hooked {
                shop.desk.check_gone(&deleted).await.unwrap();
            }
            store(&shop, named(ODD, 2, "Eve")).await;
            let expected = (Some(Situation::Missing), Some(PushAction::NotSent));
            assert_eq!(told(push(&shop).await), expected, "{version}");
            shop.source.put([named(ODD, 3, "Fay"), named("other", 3, "Fay")]);
            let (log, calls) = (shop.sync().await, shop.system.calls());
            finish(&shop).await;
            assert_eq!((log.updated, log.created, log.failed), (1, 0, 0), "{version}");
            assert_eq!(shop.sync().await.waiting, 0, "nothing is left to be done");
            assert_eq!(shop.system.calls() - calls, 0, "{version}: nobody is asked for it any more");
            assert!(shop.system.contacts_with(EMAIL).is_empty() && shop.system.parked().await.is_empty(), "{version}");
        }
    }
}

#[tokio::test]
async fn a_contact_that_is_missing_in_a_batch_is_left_alone_where_that_is_chosen() {
    for version in MauticVersion::ALL {
        let shop = shop(version, json!("always"), json!({"missing": "ignore"})).await;
        shop.source.put([named(ODD, 1, "Ada")]);
        shop.sync().await;
        delete(&shop.system).await;
        shop.source.put([named(ODD, 3, "Fay"), named("other", 3, "Fay")]);
        shop.run(SyncOptions::default()).await;
        finish(&shop).await;
        assert!(shop.system.contacts_with(EMAIL).is_empty() && shop.system.parked().await.is_empty(), "{version}");
        assert_eq!(shop.system.contact("other@example.com").fields["firstname"], "Fay", "{version}");
        assert!(shop.system.link(EMAIL).await.missing_since.is_some(), "{version}");
    }
}

#[tokio::test]
async fn a_contact_that_was_deleted_there_is_an_issue_until_somebody_sees_to_it_where_that_is_chosen() {
    for version in MauticVersion::ALL {
        for in_bulk in [false, true] {
            let shop = shop(version, json!("always"), json!({"missing": "issue"})).await;
            shop.source.put([named(ODD, 1, "Ada")]);
            shop.sync().await;
            let deleted = delete(&shop.system).await;
            if in_bulk {
                // A webhook tells of it, and the next run tells the person.
                shop.desk.check_gone(&deleted).await.unwrap();
                assert_eq!(shop.sync().await.failed, 1, "{version}");
            } else {
                store(&shop, named(ODD, 2, "Eve")).await;
                assert_eq!(told(push(&shop).await), (Some(Situation::Missing), None), "{version}");
            }
            let parked = shop.system.parked().await;
            assert_eq!((parked.len(), parked[0].reason.situation), (1, Some(Situation::Missing)), "{version}");
            assert!(shop.system.contacts_with(EMAIL).is_empty(), "{version}");
            let again = made_by_hand(&shop.system, "Hand").await;
            let pushed = push(&shop).await.unwrap();
            assert_eq!((pushed.situation, pushed.contact), (Situation::Found, Some(RemoteId(again))), "{version}");
            assert!(shop.system.parked().await.is_empty(), "{version}");
        }
    }
}

#[tokio::test]
async fn the_mappings_rule_for_records_that_are_gone_goes_before_the_integrations() {
    let mut shop = shop(MauticVersion::default(), json!("always"), json!({"gone": "delete"})).await;
    shop.desk.integration.vanished = Vanished::Keep;
    shop.source.put([named(ODD, 1, "Ada")]);
    shop.sync().await;
    shop.source.put([SourceRow { deleted: true, ..named(ODD, 2, "Ada") }]);
    assert_eq!(shop.sync().await.gone, 1);
    assert!(shop.system.contacts_with(EMAIL).is_empty());
    assert_eq!(shop.system.contacts_with("other@example.com").len(), 1);
}

#[tokio::test]
async fn a_record_that_the_condition_leaves_out_is_sent_as_soon_as_it_holds() {
    for version in MauticVersion::ALL {
        for alone in [false, true] {
            let shop = shop(version, all_but_nobody(), json!({})).await;
            shop.source.put([named(ODD, 1, LEFT_OUT)]);
            let log = shop.sync().await;
            assert_eq!((log.taken, log.created), (2, 1), "{version}");
            assert!(shop.system.contacts_with(EMAIL).is_empty(), "{version}");
            assert_eq!(told(push(&shop).await), (Some(Situation::NotMapped), Some(PushAction::NotSent)), "{version}");
            let mut plans: Vec<PlannedChange> = Vec::new();
            let told_of = shop.desk.dry_run(true, &mut |plan| plans.push(plan)).await.unwrap();
            let plan = plans.iter().find(|plan| plan.id == ODD).unwrap();
            let planned = (plan.action, plan.situation, plan.follows, plan.fields.len());
            let expected = (PlannedAction::LeaveOut, Some(Situation::NotMapped), Some(Response::Ignore), 0);
            assert_eq!((planned, told_of.situations[&Situation::NotMapped]), (expected, 1), "{version}");
            if alone {
                store(&shop, named(ODD, 2, "Eve")).await;
                assert_eq!(told(push(&shop).await), (Some(Situation::Absent), Some(PushAction::Created)), "{version}");
            } else {
                shop.source.put([named(ODD, 2, "Eve")]);
                assert_eq!(shop.sync().await.created, 1, "{version}");
            }
            assert_eq!(shop.system.contact(EMAIL).fields["firstname"], "Eve", "{version}");
        }
    }
}

#[tokio::test]
async fn a_condition_that_is_new_or_goes_concerns_exactly_the_records_that_it_speaks_of() {
    let mut shop = shop(MauticVersion::default(), all_but_nobody(), json!({})).await;
    shop.source.put([named(ODD, 1, LEFT_OUT)]);
    shop.sync().await;
    choose(&mut shop.desk, json!("always"), json!({}));
    let log = shop.full().await.log;
    assert_eq!((log.created, log.updated), (1, 0));
    choose(&mut shop.desk, all_but_nobody(), json!({}));
    let calls = shop.system.calls();
    let log = shop.full().await.log;
    assert_eq!((log.created, log.updated, shop.system.calls() - calls), (0, 0, 0));
}

fn opted_out(name: &str, minute: i64) -> SourceRow {
    row(ODD, minute, json!({"email": EMAIL, "first_name": name, "marketing_opt_in": false}))
}

#[tokio::test]
async fn an_opt_out_of_a_record_that_is_left_out_reaches_the_contact_that_it_has_and_nothing_else_does() {
    for version in MauticVersion::ALL {
        for in_bulk in [false, true] {
            let shop = shop(version, all_but_nobody(), json!({})).await;
            shop.source.put([named(ODD, 1, "Ada")]);
            shop.sync().await;
            if in_bulk {
                shop.source.put([opted_out(LEFT_OUT, 2)]);
                assert_eq!(shop.sync().await.updated, 1, "{version}");
            } else {
                store(&shop, opted_out(LEFT_OUT, 2)).await;
                push(&shop).await.unwrap();
            }
            let held = shop.system.contact(EMAIL);
            assert_eq!((held.dnc.len(), &held.fields["firstname"]), (1, &json!("Ada")), "{version}");
            let calls = shop.system.calls();
            shop.full().await;
            assert_eq!(shop.system.calls(), calls, "{version}: that is all");
            // It comes back: what was known of the contact is known still, and what differs is sent.
            // A pass over all rows has been there: only what is younger is news.
            shop.source.put([SourceRow { updated_at: Some(shop.system.now()), ..opted_out("Eve", 4) }]);
            assert_eq!(shop.sync().await.updated, 1, "{version}");
            let held = shop.system.contact(EMAIL);
            assert_eq!((held.dnc.len(), &held.fields["firstname"]), (1, &json!("Eve")), "{version}");
        }
    }
}

#[tokio::test]
async fn a_record_that_is_left_out_gives_its_contact_up_where_that_is_chosen_and_finds_it_again() {
    for version in MauticVersion::ALL {
        for in_bulk in [false, true] {
            let shop = shop(version, all_but_nobody(), json!({"not_mapped": "unlink"})).await;
            shop.source.put([named(ODD, 1, "Ada")]);
            shop.sync().await;
            let (contact, key) = (shop.system.contact(EMAIL).id, shop.system.record_of(EMAIL).await);
            // The opt-out is told before the link goes.
            shop.source.put([opted_out(LEFT_OUT, 2)]);
            if in_bulk {
                shop.sync().await;
                shop.sync().await;
            } else {
                shop.run(SyncOptions { take_only: true, ..SyncOptions::default() }).await;
                push(&shop).await.unwrap();
                let again = push(&shop).await;
                assert_eq!(told(again), (Some(Situation::NotMapped), Some(PushAction::NotSent)), "{version}");
            }
            let store = shop.system.contact_store();
            let scope = &shop.desk.integration.scope;
            assert_eq!(store.load(scope, &key).await.unwrap().link, None, "{version}");
            let held = shop.system.contact(EMAIL);
            assert_eq!((held.dnc.len(), &held.fields["firstname"]), (1, &json!("Ada")), "{version}");
            shop.source.put([opted_out("Eve", 4)]);
            shop.sync().await;
            let held = shop.system.contact(EMAIL);
            assert_eq!((held.id, &held.fields["firstname"]), (contact, &json!("Eve")), "{version}");
        }
    }
}

#[tokio::test]
async fn chosen_rows_are_answered_with_their_situations() {
    let mut shop = shop(MauticVersion::default(), all_but_nobody(), json!({})).await;
    shop.source.put([named("left", 1, LEFT_OUT), named(ODD, 1, "Eve")]);
    made_by_hand(&shop.system, "Hand").await;
    choose(&mut shop.desk, all_but_nobody(), json!({}));
    let ids = ["other", "left", ODD].map(str::to_owned);
    for actions in [
        [PushAction::Created, PushAction::NotSent, PushAction::Updated],
        [PushAction::Unchanged, PushAction::NotSent, PushAction::Unchanged],
    ] {
        let chosen = shop.desk.sync_chosen(&ids, "test").await.unwrap();
        let done: Vec<_> = chosen
            .iter()
            .map(|one| match &one.outcome {
                ChosenOutcome::Done { action, .. } => *action,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(done, actions);
        let (first, last) = match actions[0] {
            PushAction::Created => (Situation::Absent, Situation::Found),
            _ => (Situation::Linked, Situation::Linked),
        };
        let situations: Vec<_> = chosen.iter().map(|one| one.situation).collect();
        assert_eq!(situations, [Some(first), Some(Situation::NotMapped), Some(last)]);
    }
}

fn setting(at: Timestamp) -> Setting {
    let id = format!("{}", at.as_nanosecond());
    Setting { act: Act { by: "a test".to_owned(), at, id: id.clone(), correlation_id: id }, note: None, seen: None }
}

#[tokio::test]
async fn a_caller_is_told_the_situation_and_that_a_record_that_is_left_out_was_not_sent() {
    let mut system = System::with(Options::default().without_worker()).await;
    let (mappings, scope) = (system.foundation.mappings(), system.foundation.scope.clone());
    let mut document = serde_json::to_value(mappings.active(&scope).await.unwrap().content.set).unwrap();
    document["mappings"][0]["when"] = all_but_nobody();
    document["mappings"][0]["situations"] = json!({"missing": "issue"});
    let set = MappingSet::of_value(&document).unwrap();
    assert!(matches!(mappings.set(&scope, set, None, setting(system.now())).await.unwrap(), Taken::Set { .. }));
    let fresh = system.another_instance().await;
    let person = |name: &str| json!({"id": ODD, "contact": {"email": EMAIL, "first_name": name}});
    let answer = fresh.upsert(person(LEFT_OUT)).await.unwrap();
    let data = answer.data();
    assert_eq!((answer.status, &data["action"], &data["situation"]), (200, &json!("not_sent"), &json!("not_mapped")));
    assert_eq!(data["contactId"], Value::Null);
    let visitor = json!({"action": "identify", "payload": {"email": "v@example.com", "first_name": LEFT_OUT}});
    let answer = fresh.call(&visitor).await.unwrap();
    assert_eq!((answer.status, &answer.data()["situation"]), (200, &json!("not_mapped")), "{}", answer.body);
    assert_eq!((&answer.data()["contactId"], &answer.data()["setCookie"]), (&Value::Null, &Value::Null));
    let answer = fresh.upsert(person("Eve")).await.unwrap();
    assert_eq!((&answer.data()["action"], &answer.data()["situation"]), (&json!("created"), &json!("absent")));
    delete(&system).await;
    let answer = fresh.upsert(person("Fay")).await.unwrap();
    assert_eq!((answer.status, answer.error_code()), (422, "refused_by_platform"), "{}", answer.body);
    assert_eq!(answer.body["error"]["situation"], "missing", "{}", answer.body);
    let listed = system.caller.bare(Method::GET, &format!("/api/v1/operations?record={ODD}"));
    let listed = system.caller.send(listed.bearer_auth(tandem_tests::system::KEY)).await.unwrap();
    assert_eq!(listed.data()["operations"][1]["situation"], "absent", "{}", listed.body);
}

/// The run that takes is the one whose platform is to keep everybody.
#[tokio::test]
async fn whose_row_is_gone_is_gone_for_each_platform_by_its_own_rule_whoever_takes() {
    let hub = Hub::open().await;
    hub.rows(json!([{"id": ODD, "email": EMAIL, "first_name": "Ada"}])).await;
    hub.settle().await;
    let (mut one, mut other) = (hub.one.desk(), hub.other.desk());
    choose(&mut one, json!("always"), json!({"gone": "keep"}));
    choose(&mut other, json!("always"), json!({"gone": "tag:left"}));
    hub.rows(json!([{"id": ODD, "deleted": true}])).await;
    let before = hub.one.calls();
    for desk in [&one, &other] {
        run(desk).await;
    }
    assert_eq!(hub.other.contact(EMAIL).tags, ["left"]);
    assert_eq!(
        (hub.one.contact(EMAIL).tags.len(), hub.one.contact(EMAIL).fields["firstname"].clone()),
        (0, json!("Ada"))
    );
    assert!(hub.one.calls() - before <= 3, "it is looked for changes, and nothing is written");
}

#[tokio::test]
async fn what_one_platforms_rule_deletes_stays_a_record_as_long_as_another_platform_has_it() {
    let hub = Hub::open().await;
    hub.rows(json!([{"id": ODD, "email": EMAIL, "first_name": "Ada"}])).await;
    hub.settle().await;
    let (mut one, mut other) = (hub.one.desk(), hub.other.desk());
    choose(&mut one, json!("always"), json!({"gone": "delete"}));
    choose(&mut other, json!("always"), json!({"gone": "tag:left"}));
    hub.rows(json!([{"id": ODD, "deleted": true}])).await;
    for desk in [&one, &other, &one] {
        run(desk).await;
    }
    assert!(hub.one.contacts_with(EMAIL).is_empty());
    assert_eq!(hub.other.contact(EMAIL).tags, ["left"]);
    // It is there again: both have it.
    hub.rows(json!([{"id": ODD, "email": EMAIL, "first_name": "Eve"}])).await;
    for desk in [&one, &other, &one] {
        run(desk).await;
    }
    assert_eq!(hub.both(EMAIL, "firstname"), [json!("Eve"), json!("Eve")]);
    assert!(hub.other.contact(EMAIL).tags.is_empty());
}
