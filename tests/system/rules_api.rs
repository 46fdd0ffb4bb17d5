//! Lifecycle rules that are checked and explained, and mapping sets that are tried, over the admin API: the same as at a terminal,
//! without a change of anything, and of nobody else's.

use reqwest::Method;
use serde_json::{Value, json};
use tandem_core::domain::role::Role;
use tandem_core::domain::scope::TenantId;
use tandem_simulators::{MauticOptions, MauticSimulator};
use tandem_tests::client::{Answer, Caller};
use tandem_tests::system::{Options, System};

const EMAIL: &str = "ada@example.com";

async fn post(caller: &Caller, path: &str, body: &Value) -> Answer {
    caller.send(caller.keyed(Method::POST, &format!("/api/v1{path}")).json(body)).await.unwrap()
}

fn change(tier: &str, day: u8) -> Value {
    json!({"id": format!("e{day}"), "name": "plan_change", "time": format!("2026-01-{day:02}T10:00:00Z"), "user": {"id": 1},
           "properties": {"new_tier": tier}})
}

#[tokio::test]
async fn rules_are_checked_with_all_that_is_wrong_and_in_words() {
    let system = System::with(Options::default().without_worker()).await;
    let calls = system.calls();
    let counting = post(&system.caller, "/rules/check", &json!({})).await;
    assert_eq!((counting.status, &counting.data()["sound"]), (200, &json!(true)), "{}", counting.body);
    assert!(counting.data()["says"]["rules"].as_array().is_some_and(|rules| rules.len() > 5));
    assert_eq!((&counting.data()["live"], system.calls()), (&Value::Null, calls));
    let wrong = "[segments]\nvip = { name = \"VIP\" }\n[[rule]]\non = \"a\"\nset = { no_such_field = 1 }\ninto = [\"segment.other\"]\n";
    let refused = post(&system.caller, "/rules/check", &json!({"rules": wrong})).await;
    let data = refused.data();
    assert_eq!((refused.status, &data["sound"], &data["says"]), (200, &json!(false), &Value::Null));
    let problems = data["problems"].to_string();
    assert!(problems.contains("no_such_field") && problems.contains("segment.other"), "{problems}");
    let misspelt = post(&system.caller, "/rules/check", &json!({"ruels": ""})).await;
    assert_eq!((misspelt.status, misspelt.complaints()), (422, vec!["ruels:unknown_field".to_owned()]));
    assert_eq!(post(&system.caller, "/rules/check", &json!({"live": "yes"})).await.status, 422);
}

#[tokio::test]
async fn the_platform_is_asked_whether_it_has_what_rules_need_and_is_not_changed() {
    let system = System::with(Options::default().without_worker()).await;
    let rules = "[segments]\nvip = { name = \"VIP\" }\n[[rule]]\non = \"bought\"\nset = { last_login = \"$time\" }\ninto = [\"segment.vip\"]\n";
    let body = json!({"rules": rules, "live": true});
    let before = system.calls();
    let live = post(&system.caller, "/rules/check", &body).await.data()["live"].clone();
    assert_eq!(live["lists"][0]["found"], json!({"state": "missing", "canBeMade": true}), "{live}");
    assert_eq!(live["fields"]["last_login"]["state"], "right", "{live}");
    assert!(system.calls() - before <= 4);
    system.in_mautic(Method::POST, "/api/segments/new", Some(json!({"name": "VIP"}))).await;
    let live = post(&system.caller, "/rules/check", &body).await.data()["live"].clone();
    assert_eq!((&live["lists"][0]["found"]["state"], &live["neverCame"]), (&json!("there"), &json!([])), "{live}");
    system.mautic_answers(503);
    assert_eq!(post(&system.caller, "/rules/check", &body).await.status, 503);
}

#[tokio::test]
async fn events_are_explained_with_what_came_before_and_nothing_is_done() {
    let system = System::with(Options::default().without_worker()).await;
    let calls = system.calls();
    let body = json!({"events": [change("pro", 2)], "history": [change("enterprise", 1)]});
    let told = post(&system.caller, "/rules/explain", &body).await;
    let retention = json!({"effect": "list", "target": "campaign.retention", "member": true, "says": [{"rule": 4}]});
    let event = &told.data()["events"][0];
    assert_eq!((told.status, &event["id"]), (200, &json!("e2")), "{}", told.body);
    assert!(event["effects"].as_array().unwrap().contains(&retention), "{event}");
    assert!(told.data()["lists"].as_array().unwrap().iter().any(|list| list["list"] == "campaign.retention"));
    let alone = post(&system.caller, "/rules/explain", &json!({"events": [change("pro", 2)]})).await;
    assert!(!alone.data()["events"][0]["effects"].as_array().unwrap().contains(&retention));
    let unfit = json!({"events": [change("pro", 2)], "history": [change("enterprise", 1), change("platinum", 2)]});
    let unfit = post(&system.caller, "/rules/explain", &unfit).await;
    assert_eq!(
        (unfit.status, unfit.complaints()),
        (422, vec!["history[1].properties.new_tier:not_in_list".to_owned()])
    );
    let many: Vec<Value> = (0..101).map(|_| change("pro", 2)).collect();
    assert_eq!(post(&system.caller, "/rules/explain", &json!({"events": many})).await.status, 422);
    assert_eq!(post(&system.caller, "/rules/explain", &json!({"events": []})).await.status, 422);
    assert_eq!(
        post(&system.caller, "/rules/explain", &json!({"rules": "[[", "events": [change("pro", 2)]})).await.status,
        422
    );
    assert_eq!((system.get_events("").await.data()["events"].clone(), system.calls()), (json!([]), calls));
}

/// The operator's own rules name a variable; those of a call do not, and those of another tenant are others.
#[tokio::test]
async fn rules_of_a_call_read_no_variable_and_another_tenant_sees_neither_rules_nor_records() {
    let rules = "[segments]\nsecret = { env = \"THE_SECRET_SEGMENT\" }\n[[rule]]\non = \"hidden_event\"\ninto = [\"segment.secret\"]\n";
    let options = Options::default().with("TANDEM_RULES", rules).with("THE_SECRET_SEGMENT", "s3same");
    let system = System::with(options.without_worker()).await;
    let upsert = json!({"id": "1", "contact": {"email": EMAIL, "city": "Perth"}});
    assert!(system.caller.upsert(upsert).await.unwrap().is_taken());
    let own = post(&system.caller, "/rules/check", &json!({})).await;
    assert_eq!(own.data()["says"]["lists"][0]["name"], "s3same", "the operator's rules are the default tenant's");
    let given = post(&system.caller, "/rules/check", &json!({"rules": rules})).await;
    assert_eq!(given.data()["sound"], json!(false), "{}", given.body);
    assert!(!given.body.to_string().contains("s3same"));

    let tenant = TenantId::try_from("another".to_owned()).unwrap();
    system.tenant("another").await;
    let caller = system.caller_of(&tenant, Role::Operator).await;
    let mautic =
        MauticSimulator::start(MauticOptions::default(), (std::net::Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    let credentials = json!({"clientId": "1_demo", "clientSecret": "demo-secret"});
    let body =
        json!({"platform": "mautic", "name": "theirs", "baseUrl": mautic.base_url(), "credentials": credentials});
    assert_eq!(post(&caller, "/integrations", &body).await.status, 200);
    let caller = caller.at(system.passing_instance().await.url());
    for (path, body) in [
        ("/rules/check", json!({})),
        ("/rules/check", json!({"rules": rules, "live": true})),
        ("/rules/explain", json!({"events": [{"name": "hidden_event", "user": {"id": "1"}}]})),
        ("/rules/explain", json!({"rules": rules, "events": [{"name": "hidden_event", "user": {"id": "1"}}]})),
    ] {
        let answer = post(&caller, path, &body).await;
        let told = answer.body.to_string();
        assert!([200, 422].contains(&answer.status) && !told.contains("s3same"), "{path}: {told}");
    }
    let shown = caller.send(caller.keyed(Method::GET, "/api/v1/integrations/theirs/mappings")).await.unwrap();
    let body = json!({"mappings": shown.data()["mappings"], "records": ["1"]});
    let tried = post(&caller, "/integrations/theirs/mappings/try", &body).await;
    assert_eq!(tried.data()["records"], json!([{"id": "1", "action": "unknown"}]), "{}", tried.body);
    assert_eq!(post(&caller, "/integrations/mautic/mappings/try", &body).await.status, 404);
}

#[tokio::test]
async fn a_mapping_set_is_tried_on_records_and_nothing_is_set_or_written() {
    let system = System::with(Options::default().without_worker()).await;
    let upsert = json!({"id": "7", "contact": {"email": EMAIL, "city": "perth"}});
    assert!(system.caller.upsert(upsert).await.unwrap().is_taken());
    let path = "/integrations/mautic/mappings";
    let shown = system.caller.send(system.caller.keyed(Method::GET, &format!("/api/v1{path}"))).await.unwrap();
    let mut mappings = shown.data()["mappings"].clone();
    let rules = mappings[0]["rules"].as_array_mut().unwrap();
    rules.iter_mut().find(|rule| rule["local"] == "city").unwrap()["transform"] =
        json!({"lookup": {"perth": "Perth WA"}});
    let body = json!({"mappings": mappings, "records": [7, "8"]});
    let tried = post(&system.caller, &format!("{path}/try"), &body).await;
    let data = tried.data();
    assert_eq!((tried.status, &data["sound"]), (200, &json!(true)), "{}", tried.body);
    assert_eq!(data["differences"][0]["local"], "city");
    assert_eq!(data["records"][0]["fields"], json!([{"field": "city", "before": "perth", "after": "Perth WA"}]));
    assert_eq!(data["records"][1], json!({"id": "8", "action": "unknown"}));
    mappings[0]["rules"][0]["remote"] = json!("no_such_field");
    let wrong = post(&system.caller, &format!("{path}/try"), &json!({"mappings": mappings, "records": ["7"]})).await;
    assert_eq!((&wrong.data()["sound"], &wrong.data()["records"]), (&json!(false), &json!([])), "{}", wrong.body);
    let unfit = post(&system.caller, &format!("{path}/try"), &json!({"mappings": [], "records": "7"})).await;
    assert_eq!((unfit.status, unfit.complaints()), (422, vec!["records:wrong_type".to_owned()]));
    let after = system.caller.send(system.caller.keyed(Method::GET, &format!("/api/v1{path}"))).await.unwrap();
    assert_eq!(after.data()["version"], 0);
    assert_eq!(system.contact(EMAIL).fields["city"], "perth");
}
