//! What `tandem connect mautic` finds, makes and mends.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use support::mautic_with_basic;
use support::ports::World;
use support::stub::{Reply, Seen, Stub};
use tandem_connectors::mautic::Mautic;
use tandem_connectors::mautic::setup::{FieldState, HookState, create_missing, ensure_webhook, examine};
use tandem_core::error::FailureKind;
use tandem_core::mapping::RuleSet;

const RULES: &str = r#"
[[rule]]
local = "first_name"
remote = "firstname"

[[rule]]
local = "total_orders"
remote = "total_orders"
transform = "number"
remote_field = { label = "Total Orders", type = "number" }

[[rule]]
local = "plan"
remote = "plan"
transform = "select"
remote_field = { label = "Plan", type = "select", options = ["free", "pro"] }

[[rule]]
local = "since"
remote = "since"
transform = "date"
remote_field = { label = "Since", type = "date" }

[[rule]]
local = "nickname"
remote = "nickname"
"#;

/// A Mautic with some fields and hooks, which remembers what is made.
#[derive(Default)]
struct Installation {
    fields: Mutex<Vec<Value>>,
    hooks: Mutex<Vec<Value>>,
}

impl Installation {
    fn answer(&self, seen: &Seen) -> Reply {
        let last = seen.path().rsplit('/').nth(1).unwrap_or_default().to_owned();
        let body = match (seen.method.as_str(), seen.path()) {
            ("GET", "/api/users/self") => {
                json!({"username": "hub [1]", "role": {"name": "Administrator", "isAdmin": true}})
            }
            ("GET", "/api/fields/contact") => json!({"total": 3, "fields": *self.fields.lock().unwrap()}),
            ("POST", "/api/fields/contact/new") => json!({"field": self.made(&self.fields, &seen.body)}),
            ("GET", "/api/hooks/triggers") => json!({"triggers": {
                "mautic.lead_post_delete": {}, "mautic.lead_post_save_new": {}, "mautic.email_on_send": {}}}),
            ("GET", "/api/hooks") => json!({"total": 1, "hooks": *self.hooks.lock().unwrap()}),
            ("POST", "/api/hooks/new") => json!({"hook": self.made(&self.hooks, &seen.body)}),
            ("PATCH", _) => json!({"hook": self.changed(&last, &seen.body)}),
            ("DELETE", _) => json!({"hook": self.removed(&last)}),
            _ => return Reply::json(404, &json!({"errors": [{"code": 404, "message": "x", "type": null}]})),
        };
        Reply::json(200, &body).with("Mautic-Version", "5.1.0")
    }

    fn made(&self, list: &Mutex<Vec<Value>>, body: &Value) -> Value {
        let mut list = list.lock().unwrap();
        let mut thing = body.clone();
        thing["id"] = json!(list.len() + 1);
        list.push(thing.clone());
        thing
    }

    fn changed(&self, id: &str, body: &Value) -> Value {
        let mut hooks = self.hooks.lock().unwrap();
        let hook = hooks.iter_mut().find(|hook| hook["id"] == number(id)).unwrap();
        hook.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        hook.clone()
    }

    fn removed(&self, id: &str) -> Value {
        let mut hooks = self.hooks.lock().unwrap();
        let index = hooks.iter().position(|hook| hook["id"] == number(id)).unwrap();
        hooks.remove(index)
    }
}

fn number(id: &str) -> u64 {
    id.parse().unwrap()
}

async fn installation(fields: Value) -> (Arc<Installation>, Stub, Arc<Mautic>) {
    let installation = Arc::new(Installation::default());
    *installation.fields.lock().unwrap() = serde_json::from_value(fields).unwrap();
    let answering = Arc::clone(&installation);
    let stub = Stub::start(move |seen| answering.answer(seen)).await;
    let client = mautic_with_basic(&stub.url, &World::default().ports());
    (installation, stub, client)
}

fn some_fields() -> Value {
    json!([
        {"alias": "firstname", "type": "text", "isPublished": true, "properties": []},
        {"alias": "plan", "type": "select", "isPublished": true, "properties": {"list": [{"label": "Pro", "value": "pro"}]}},
        {"alias": "since", "type": "number", "isPublished": true, "properties": {}},
    ])
}

#[tokio::test]
async fn an_examination_says_of_each_field_what_is_right_missing_or_wrong() {
    let (_, stub, client) = installation(some_fields()).await;
    let report = examine(&client, &RuleSet::parse(RULES).unwrap()).await.unwrap();
    assert_eq!(report.platform.version.as_deref(), Some("5.1.0"));
    assert!(report.user.admin);
    assert_eq!(report.fields["firstname"], FieldState::Right);
    assert_eq!(report.fields["total_orders"], FieldState::Missing { can_be_made: true });
    assert_eq!(report.fields["nickname"], FieldState::Missing { can_be_made: false });
    assert_eq!(report.fields["plan"], FieldState::LacksOptions { missing: BTreeSet::from(["free".to_owned()]) });
    assert!(matches!(report.fields["since"], FieldState::WrongKind { .. }));
    assert_eq!(stub.calls().len(), 2);
}

#[tokio::test]
async fn missing_fields_are_made_once() {
    let (installation, _stub, client) = installation(some_fields()).await;
    let rules = RuleSet::parse(RULES).unwrap();
    let mut report = examine(&client, &rules).await.unwrap();
    create_missing(&client, &rules, &mut report).await.unwrap();
    assert_eq!(report.fields["total_orders"], FieldState::Made);
    let made = installation.fields.lock().unwrap().last().unwrap().clone();
    assert_eq!((&made["alias"], &made["type"]), (&json!("total_orders"), &json!("number")));
    assert_eq!(examine(&client, &rules).await.unwrap().fields["total_orders"], FieldState::Right);
}

#[tokio::test]
async fn a_webhook_is_made_then_found_right_and_mended_when_it_is_not() {
    let (installation, stub, client) = installation(json!([])).await;
    let url = "https://tandem.example/mautic-webhook/mautic";
    assert_eq!(ensure_webhook(&client, url, "s1").await.unwrap(), HookState::Made);
    let made = installation.hooks.lock().unwrap()[0].clone();
    assert_eq!(
        made["triggers"],
        json!(["mautic.lead_post_delete", "mautic.lead_post_save_new"]),
        "only what is offered"
    );
    assert_eq!((&made["eventsOrderbyDir"], &made["isPublished"]), (&json!("ASC"), &json!(true)));
    assert_eq!(ensure_webhook(&client, url, "s1").await.unwrap(), HookState::Right);
    assert_eq!(ensure_webhook(&client, url, "s2").await.unwrap(), HookState::Repaired);
    installation.hooks.lock().unwrap()[0]["isPublished"] = json!(false);
    assert_eq!(ensure_webhook(&client, url, "s2").await.unwrap(), HookState::Repaired);
    assert_eq!(installation.hooks.lock().unwrap().len(), 1);
    assert_eq!(stub.calls().iter().filter(|seen| seen.method == "PATCH").count(), 2);
}

#[tokio::test]
async fn a_second_webhook_to_the_same_address_is_taken_away() {
    let (installation, _stub, client) = installation(json!([])).await;
    let url = "https://tandem.example/mautic-webhook?secret=s1";
    ensure_webhook(&client, url, "s1").await.unwrap();
    let mut double = installation.hooks.lock().unwrap()[0].clone();
    double["id"] = json!(2);
    installation.hooks.lock().unwrap().push(double);
    assert_eq!(ensure_webhook(&client, url, "s1").await.unwrap(), HookState::Repaired);
    assert_eq!(installation.hooks.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_base_url_without_a_mautic_is_called_misconfigured() {
    let stub =
        Stub::start(|_| Reply::json(404, &json!({"errors": [{"code": 404, "message": "x", "type": null}]}))).await;
    let client = mautic_with_basic(&stub.url, &World::default().ports());
    let failure = examine(&client, &RuleSet::parse(RULES).unwrap()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Misconfigured);
}
