//! Lists that lifecycle events decide, in all integrations of a tenant: what one Mautic gets by the event's own steps reaches the
//! others through their outboxes, once, whatever was away meanwhile.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use tandem_core::automation::target::Target;
use tandem_core::jobs::message::Task;
use tandem_core::jobs::runner::Verdict;
use tandem_core::ports::Attempt;
use tandem_core::ports::lists::OpenLists;
use tandem_tests::lifecycle::Seen;
use tandem_tests::system::System;

use super::hub::{Hub, run};

const EMAIL: &str = "ada@example.com";

/// Both Mautics have the campaigns of the default rules, and both had their first run.
async fn open() -> Hub {
    let hub = Hub::open().await;
    hub.one.make_campaigns().await;
    hub.other.make_campaigns().await;
    hub.settle().await;
    hub
}

fn signup(tier: &str, at: &str) -> Value {
    let user = json!({"id": "u1", "email": EMAIL, "first_name": "Ada"});
    json!({"id": format!("signup-{at}"), "name": "user_signup", "time": at, "user": user, "properties": {"tier": tier}})
}

fn change(tier: &str, at: &str) -> Value {
    let user = json!({"id": "u1", "email": EMAIL});
    let properties = json!({"new_tier": tier});
    json!({"id": format!("change-{at}"), "name": "plan_change", "time": at, "user": user, "properties": properties})
}

async fn send(hub: &Hub, event: &Value) {
    let answer = hub.one.send_events("", event).await.unwrap();
    assert!([200, 202].contains(&answer.status), "{}", answer.body);
    hub.one.finish().await;
}

async fn seen(system: &System) -> Seen {
    system.seen(EMAIL, &system.names().await).await
}

async fn lists(system: &System) -> (BTreeSet<String>, BTreeSet<String>) {
    let seen = seen(system).await;
    (seen.segments, seen.campaigns)
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

async fn entries(system: &System, campaign: &str) -> u64 {
    seen(system).await.entries.get(campaign).copied().unwrap_or_default()
}

#[tokio::test]
async fn an_event_puts_the_person_into_the_segments_and_campaigns_of_every_mautic() {
    let hub = open().await;
    send(&hub, &signup("pro", "2026-11-01T10:00:00Z")).await;
    let there = lists(&hub.one).await;
    assert!(there.0.contains("New Users") && there.1.contains("Welcome Campaign"), "{there:?}");
    assert_eq!(lists(&hub.other).await, there);
    send(&hub, &change("enterprise", "2026-11-02T10:00:00Z")).await;
    let there = lists(&hub.one).await;
    assert!(there.1.contains("Enterprise Onboarding") && !there.1.contains("Pro Onboarding"), "{there:?}");
    assert_eq!(lists(&hub.other).await, there);
    hub.is_quiet().await;
    assert!(hub.one.parked().await.is_empty());
}

#[tokio::test]
async fn an_event_that_comes_twice_and_a_replay_enter_nobody_twice() {
    let hub = open().await;
    send(&hub, &signup("pro", "2026-11-01T10:00:00Z")).await;
    send(&hub, &signup("pro", "2026-11-01T10:00:00Z")).await;
    let record = hub.one.record_of(EMAIL).await;
    let task = Task::BringLists { record };
    hub.other.desk().defer(task, "replay", std::time::Duration::ZERO).await.unwrap();
    hub.one.finish().await;
    hub.settle().await;
    for system in [&hub.one, &hub.other] {
        assert_eq!(entries(system, "Welcome Campaign").await, 1);
    }
    hub.is_quiet().await;
}

/// The lists were set, and the process died before it could note that.
#[tokio::test]
async fn who_died_after_a_campaign_was_entered_enters_nobody_twice() {
    let hub = open().await;
    send(&hub, &signup("pro", "2026-11-01T10:00:00Z")).await;
    let (desk, record) = (hub.other.desk(), hub.one.record_of(EMAIL).await);
    let (services, scope) = (&desk.services, &desk.integration.scope);
    let (mut subject, _) = services.lifecycle.subject(scope, &record).await.unwrap();
    let decided: Vec<Target> = subject.lists().map(|(target, ..)| target.clone()).collect();
    decided.iter().for_each(|target| subject.set_open(target, &scope.integration, true));
    subject.version += 1;
    assert_eq!(services.lifecycle.revise(scope, &record, &subject).await.unwrap(), Attempt::Done);
    let begun = OpenLists { attempts: 1, ..OpenLists::new(record.clone(), hub.one.now()) };
    services.lists.put(scope, &[begun]).await.unwrap();
    hub.settle().await;
    assert_eq!(entries(&hub.other, "Welcome Campaign").await, 1);
    let (subject, _) = services.lifecycle.subject(scope, &record).await.unwrap();
    assert!(subject.lists().all(|(_, _, written)| written.open.is_empty()));
    assert_eq!(services.lists.due(scope, hub.one.now(), 10).await.unwrap(), (Vec::new(), false));
}

#[tokio::test]
async fn sign_ups_that_wait_together_are_brought_with_one_call_a_segment() {
    let hub = open().await;
    let event = |number: usize| {
        let user = json!({"id": format!("u{number}"), "email": super::hub::address(number)});
        json!({"id": format!("e{number}"), "name": "user_signup", "user": user, "properties": {"tier": "pro"}})
    };
    let all: Vec<Value> = (0..20).map(event).collect();
    let before = hub.other.calls();
    send(&hub, &json!(all)).await;
    // Whose event came between contacts and lists is looked for again in two seconds, by Tandem's clock.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    hub.settle().await;
    let names = hub.other.names().await;
    let calls = hub.other.calls() - before;
    for number in 0..20 {
        let seen = hub.other.seen(&super::hub::address(number), &names).await;
        assert!(seen.segments.contains("New Users") && seen.entries["Welcome Campaign"] == 1, "{number}: {seen:?}");
    }
    assert!(calls < 75, "{calls} calls for 20 people, of whom each enters two campaigns");
}

#[tokio::test]
async fn one_that_is_away_holds_up_no_other_and_ends_where_the_last_event_left_the_person() {
    let hub = open().await;
    send(&hub, &signup("free", "2026-11-01T10:00:00Z")).await;
    hub.other.mautic_answers(503);
    send(&hub, &change("pro", "2026-11-02T10:00:00Z")).await;
    send(&hub, &change("enterprise", "2026-11-04T10:00:00Z")).await;
    // It happened between the two.
    send(&hub, &change("free", "2026-11-03T10:00:00Z")).await;
    let there = lists(&hub.one).await;
    assert!(there.1.contains("Enterprise Onboarding"), "{there:?}");
    assert!(!lists(&hub.other).await.1.contains("Enterprise Onboarding"));
    hub.other.mautic.clear_faults();
    for _ in 0..4 {
        hub.one.skip_a_minute();
        hub.settle().await;
    }
    assert_eq!(lists(&hub.other).await, lists(&hub.one).await);
    assert_eq!(entries(&hub.other, "Welcome Campaign").await, 1);
    assert_eq!(entries(&hub.other, "Enterprise Onboarding").await, 1);
    hub.is_quiet().await;
}

#[tokio::test]
async fn a_campaign_that_one_mautic_lacks_is_an_issue_there_and_holds_up_nothing() {
    let rules = r#"
        [segments]
        members = { name = "Members" }
        [campaigns]
        hello = { name = "Hello" }
        [[rule]]
        on = "joined"
        into = ["segment.members", "campaign.hello"]
    "#;
    let hub = Hub::obeying(rules).await;
    let campaign = || json!({"name": "Hello", "isPublished": true});
    hub.one.in_mautic(Method::POST, "/api/campaigns/new", Some(campaign())).await;
    hub.settle().await;
    send(&hub, &json!({"id": "e1", "name": "joined", "user": {"id": "u1", "email": EMAIL}})).await;
    assert_eq!(lists(&hub.one).await, (names(&["Members"]), names(&["Hello"])));
    assert_eq!(lists(&hub.other).await, (names(&["Members"]), names(&[])));
    let parked = hub.one.parked().await;
    let [job] = &parked[..] else { panic!("{parked:?}") };
    assert!(matches!(job.job.task, Task::BringLists { .. }), "{job:?}");
    assert_eq!(job.job.scope, hub.other.foundation.scope);
    assert!(job.reason.message.contains("campaign.hello"), "{}", job.reason);
    // Somebody makes it, and replays.
    hub.other.in_mautic(Method::POST, "/api/campaigns/new", Some(campaign())).await;
    let desk = hub.other.desk();
    assert_eq!(desk.run(&job.job, 1).await, Verdict::Done);
    desk.services.parked.remove(&job.job.scope.tenant, &job.job.id).await.unwrap();
    assert_eq!(lists(&hub.other).await, lists(&hub.one).await);
    assert!(hub.one.parked().await.is_empty());
    hub.settle().await;
    assert_eq!(entries(&hub.other, "Hello").await, 1);
    assert!(hub.one.parked().await.is_empty());
}

#[tokio::test]
async fn what_marketing_took_out_by_hand_stays_out_until_an_event_decides_otherwise() {
    let hub = open().await;
    send(&hub, &signup("pro", "2026-11-01T10:00:00Z")).await;
    let segments = hub.other.in_mautic(Method::GET, "/api/segments?search=New+Users", None).await;
    let found = segments["lists"].as_object().unwrap().values().find(|list| list["name"] == "New Users").unwrap();
    let (segment, contact) = (&found["id"], hub.other.contact(EMAIL).id);
    let path = format!("/api/segments/{segment}/contact/{contact}/remove");
    hub.other.in_mautic(Method::POST, &path, None).await;
    send(&hub, &change("enterprise", "2026-11-02T10:00:00Z")).await;
    hub.settle().await;
    assert!(!lists(&hub.other).await.0.contains("New Users"));
    assert!(lists(&hub.one).await.0.contains("New Users"));
}

#[tokio::test]
async fn an_integration_that_comes_later_gets_everybody_into_the_segments_and_nobody_into_a_campaign() {
    let hub = Hub::with_one().await;
    hub.one.make_campaigns().await;
    hub.other.make_campaigns().await;
    run(&hub.one.desk()).await;
    send(&hub, &signup("pro", "2026-11-01T10:00:00Z")).await;
    assert!(lists(&hub.one).await.1.contains("Welcome Campaign"));
    hub.integrations.add("second");
    hub.settle().await;
    assert_eq!(lists(&hub.other).await.0, lists(&hub.one).await.0);
    assert_eq!(lists(&hub.other).await.1, names(&[]), "an old sign-up is welcomed once");
    hub.is_quiet().await;
}

#[tokio::test]
async fn an_event_before_an_integration_left_is_brought_to_the_one_that_stays() {
    let hub = open().await;
    send(&hub, &signup("free", "2026-11-01T10:00:00Z")).await;
    hub.other.mautic_answers(503);
    send(&hub, &change("pro", "2026-11-02T10:00:00Z")).await;
    hub.settle().await;
    let there = lists(&hub.one).await;
    hub.integrations.remove("mautic");
    hub.one.foundation.forget_integration(&hub.one.foundation.scope).await.unwrap();
    hub.other.mautic.clear_faults();
    for _ in 0..4 {
        hub.one.skip_a_minute();
        run(&hub.other.desk()).await;
    }
    assert_eq!(lists(&hub.other).await, there);
}

#[tokio::test]
async fn a_list_that_rules_know_by_its_number_alone_is_set_where_the_event_is_worked_at() {
    let rules = |segment: &Value| {
        format!("[segments]\nmembers = {{ id = {segment} }}\n[[rule]]\non = \"joined\"\ninto = [\"segment.members\"]\n")
    };
    let hub = Hub::obeying(&rules(&json!(1))).await;
    for system in [&hub.one, &hub.other] {
        let made = system.in_mautic(Method::POST, "/api/segments/new", Some(json!({"name": "Members"}))).await;
        assert_eq!(made["list"]["id"], 1);
    }
    hub.settle().await;
    send(&hub, &json!({"id": "e1", "name": "joined", "user": {"id": "u1", "email": EMAIL}})).await;
    hub.settle().await;
    assert_eq!(lists(&hub.one).await.0, names(&["Members"]));
    assert_eq!(lists(&hub.other).await.0, names(&[]), "the number is one of another Mautic's");
    assert!(hub.one.parked().await.is_empty());
}
