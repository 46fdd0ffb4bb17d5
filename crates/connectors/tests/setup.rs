//! What `tandem connect mautic` finds, makes and mends.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use support::mautic_with_basic;
use support::ports::World;
use support::stub::{Reply, Seen, Stub};
use tandem_connectors::http::Http;
use tandem_connectors::mautic::Mautic;
use tandem_connectors::mautic::setup::{
    FieldState, Knock, catalog, create_missing, ensure_webhook, examine, knock, newest_delivery, raise_limits,
    try_webhook,
};
use tandem_core::error::FailureKind;
use tandem_core::mapping::RuleSet;
use tandem_core::ports::{HookCheck, HookDelivery};

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
    /// What its webhooks' log gets when a company is made or deleted: status and note.
    delivers: Mutex<Option<(&'static str, &'static str)>>,
    log: Mutex<Vec<Value>>,
    /// Whether it tells the limits of its fields.
    tells_limits: bool,
    /// The beginnings of the paths that Tandem's role may not call.
    forbidden: Vec<&'static str>,
}

impl Installation {
    fn answer(&self, seen: &Seen) -> Reply {
        let last = seen.path().rsplit('/').nth(1).unwrap_or_default().to_owned();
        if self.forbidden.iter().any(|path| seen.path().starts_with(path)) {
            return forbidden(seen.path());
        }
        if let Some(refusal) = refusal(seen) {
            return refusal;
        }
        let body = match (seen.method.as_str(), seen.path()) {
            ("GET", "/api/users/self") => {
                let admin = self.forbidden.is_empty();
                json!({"username": "hub [1]", "role": {"name": "Some role", "isAdmin": admin}})
            }
            ("GET", "/api/fields/contact") => json!({"total": 3, "fields": self.shown()}),
            ("GET", "/api/fields/company") => {
                json!({"total": 1, "fields": [{"id": 90, "alias": "of_companies", "type": "text", "isPublished": true}]})
            }
            ("POST", "/api/fields/contact/new") => json!({"field": self.made(&self.fields, &seen.body)}),
            ("PATCH", path) if path.starts_with("/api/fields") => json!({"field": self.raised(&last, &seen.body)}),
            ("POST", "/api/companies/new") | ("DELETE", "/api/companies/7/delete") => {
                self.deliver();
                json!({"company": {"id": 7, "fields": {"all": {"companyname": "Tandem webhook test"}}}})
            }
            ("GET", "/api/stats/webhook_logs") => {
                let rows: Vec<Value> = self.log.lock().unwrap().iter().rev().cloned().collect();
                json!({"total": rows.len().to_string(), "stats": rows})
            }
            ("GET", path) if path.starts_with("/api/stats") => json!({"total": "0", "stats": []}),
            ("GET", "/api/contacts" | "/api/segments" | "/api/campaigns" | "/api/stages") => json!({"total": 0}),
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

    /// Mautic 5.1 keeps limits and does not show them.
    fn shown(&self) -> Value {
        let mut fields = self.fields.lock().unwrap().clone();
        if !self.tells_limits {
            fields.iter_mut().for_each(|field| {
                field.as_object_mut().unwrap().remove("charLengthLimit");
            });
        }
        json!(fields)
    }

    fn raised(&self, id: &str, body: &Value) -> Value {
        let mut fields = self.fields.lock().unwrap();
        let field = fields.iter_mut().find(|field| field["id"] == number(id)).unwrap();
        field.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        let mut shown = field.clone();
        if !self.tells_limits {
            shown.as_object_mut().unwrap().remove("charLengthLimit");
        }
        shown
    }

    fn deliver(&self) {
        if let Some((status, note)) = *self.delivers.lock().unwrap() {
            let mut log = self.log.lock().unwrap();
            let id = (log.len() + 1).to_string();
            log.push(json!({"id": id, "webhook_id": "1", "status_code": status, "note": note, "runtime": "0"}));
        }
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

/// How both versions refuse a name of their own (recordings `211-field-create-utm-source-reserved`,
/// `209-field-create-reserved-alias-7` of 7.0.0).
fn refusal(seen: &Seen) -> Option<Reply> {
    let alias = seen.body["alias"].as_str()?;
    let message = match alias {
        "utm_source" => {
            format!("The '{alias}' keyword is reserved for segment filters. Please choose different alias.")
        }
        "owner" => format!("The alias '{alias}' is a restricted field. Please choose another one."),
        _ => return None,
    };
    let details = json!({"alias": [message.clone()]});
    Some(Reply::json(
        400,
        &json!({"errors": [{"code": 400, "message": format!("alias: {message}"), "details": details}]}),
    ))
}

/// Mautic answers 403, for its statistics 200 with the error inside.
fn forbidden(path: &str) -> Reply {
    let status = if path.starts_with("/api/stats") { 200 } else { 403 };
    let error = json!({"message": "You do not have access to the requested area/action.", "code": 403, "type": null});
    Reply::json(status, &json!({"errors": [error]}))
}

fn number(id: &str) -> u64 {
    id.parse().unwrap()
}

async fn installation(fields: Value) -> (Arc<Installation>, Stub, Arc<Mautic>) {
    installed(Installation::default(), fields).await
}

async fn installed(installation: Installation, fields: Value) -> (Arc<Installation>, Stub, Arc<Mautic>) {
    let installation = Arc::new(installation);
    *installation.fields.lock().unwrap() = serde_json::from_value(fields).unwrap();
    let answering = Arc::clone(&installation);
    let stub = Stub::start(move |seen| answering.answer(seen)).await;
    let client = mautic_with_basic(&stub.url, &World::default().ports());
    (installation, stub, client)
}

fn some_fields() -> Value {
    json!([
        {"id": 11, "alias": "firstname", "type": "text", "isPublished": true, "properties": []},
        {"id": 12, "alias": "plan", "type": "select", "isPublished": true, "properties": {"list": [{"label": "Pro", "value": "pro"}]}},
        {"id": 13, "alias": "since", "type": "number", "isPublished": true, "properties": {}},
    ])
}

#[tokio::test]
async fn an_examination_says_of_each_field_what_is_right_missing_or_wrong() {
    let (_, stub, client) = installation(some_fields()).await;
    let report = examine(&client, &RuleSet::parse(RULES).unwrap(), None).await.unwrap();
    assert_eq!(report.platform.version.as_deref(), Some("5.1.0"));
    assert!(report.user.admin);
    assert_eq!(report.fields["firstname"], FieldState::Right);
    assert_eq!(report.fields["total_orders"], FieldState::Missing { can_be_made: true });
    assert_eq!(report.fields["nickname"], FieldState::Missing { can_be_made: false });
    assert_eq!(report.fields["plan"], FieldState::LacksOptions { missing: BTreeSet::from(["free".to_owned()]) });
    assert!(matches!(report.fields["since"], FieldState::WrongKind { .. }));
    assert_eq!(stub.calls().len(), 3);
}

#[tokio::test]
async fn missing_fields_are_made_once() {
    let (installation, _stub, client) = installation(some_fields()).await;
    let rules = RuleSet::parse(RULES).unwrap();
    let mut report = examine(&client, &rules, None).await.unwrap();
    create_missing(&client, &rules, &mut report.fields).await;
    assert_eq!(report.fields["total_orders"], FieldState::Made);
    let made = installation.fields.lock().unwrap().last().unwrap().clone();
    assert_eq!((&made["alias"], &made["type"]), (&json!("total_orders"), &json!("number")));
    assert_eq!(examine(&client, &rules, None).await.unwrap().fields["total_orders"], FieldState::Right);
}

#[tokio::test]
async fn a_webhook_is_made_then_found_right_and_mended_when_it_is_not() {
    let (installation, stub, client) = installation(json!([])).await;
    let url = "https://tandem.example/mautic-webhook/mautic";
    assert_eq!(ensure_webhook(&client, url, "s1").await.unwrap().check, HookCheck::Made);
    let made = installation.hooks.lock().unwrap()[0].clone();
    assert_eq!(
        made["triggers"],
        json!(["mautic.lead_post_delete", "mautic.lead_post_save_new"]),
        "only what is offered"
    );
    assert_eq!((&made["eventsOrderbyDir"], &made["isPublished"]), (&json!("ASC"), &json!(true)));
    assert_eq!(ensure_webhook(&client, url, "s1").await.unwrap().check, HookCheck::Right);
    assert_eq!(ensure_webhook(&client, url, "s2").await.unwrap().check, HookCheck::Repaired);
    installation.hooks.lock().unwrap()[0]["isPublished"] = json!(false);
    assert_eq!(ensure_webhook(&client, url, "s2").await.unwrap().check, HookCheck::Repaired);
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
    assert_eq!(ensure_webhook(&client, url, "s1").await.unwrap().check, HookCheck::Repaired);
    assert_eq!(installation.hooks.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_base_url_without_a_mautic_is_called_misconfigured() {
    let stub =
        Stub::start(|_| Reply::json(404, &json!({"errors": [{"code": 404, "message": "x", "type": null}]}))).await;
    let client = mautic_with_basic(&stub.url, &World::default().ports());
    let failure = examine(&client, &RuleSet::parse(RULES).unwrap(), None).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Misconfigured);
}

/// Rules of which some ask for what Mautic keeps for itself.
const REFUSED: &str = r#"
[[rule]]
local = "source"
remote = "utm_source"
transform = "text"
remote_field = { label = "Source", type = "text" }

[[rule]]
local = "owner"
remote = "owner"
transform = "text"
remote_field = { label = "Owner", type = "text" }

[[rule]]
local = "of_companies"
remote = "of_companies"
transform = "text"
remote_field = { label = "Of companies", type = "text" }

[[rule]]
local = "venue"
remote = "venue"
transform = "text"
remote_field = { label = "Venue", type = "text" }
"#;

#[tokio::test]
async fn a_refused_field_is_told_with_its_reason_and_stops_no_other() {
    let (installation, stub, client) = installation(some_fields()).await;
    let rules = RuleSet::parse(REFUSED).unwrap();
    let mut report = examine(&client, &rules, None).await.unwrap();
    let made = create_missing(&client, &rules, &mut report.fields).await;
    assert_eq!(made.iter().map(|field| field.alias.as_str()).collect::<Vec<_>>(), ["venue"]);
    assert_eq!(report.fields["venue"], FieldState::Made);
    for (name, why) in [("utm_source", "segments"), ("owner", "itself"), ("of_companies", "company field")] {
        let FieldState::NotMade(refusal) = &report.fields[name] else { panic!("{name} {:?}", report.fields[name]) };
        assert!(refusal.reason.contains(why) && !refusal.cure.is_empty(), "{name} {refusal:?}");
    }
    let tried: Vec<Value> = stub.calls().iter().map(|seen| seen.body["alias"].clone()).collect();
    assert!(!tried.contains(&json!("of_companies")), "a name that is taken is not even tried");
    assert_eq!(installation.fields.lock().unwrap().last().unwrap()["charLengthLimit"], 191);
}

#[tokio::test]
async fn the_rules_that_tandem_comes_with_ask_for_no_name_that_mautic_keeps_for_itself() {
    let rules = RuleSet::parse(tandem_connectors::mautic::FIELDS).unwrap();
    let reserved =
        ["utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "owner", "notes", "tags", "ip"];
    for rule in rules.rules().iter().filter(|rule| rule.remote_field.is_some()) {
        let remote = rule.remote.as_deref().unwrap();
        assert!(!reserved.contains(&remote), "{remote}");
    }
}

#[tokio::test]
async fn what_hinders_every_field_is_not_asked_for_each_of_them() {
    let forbidden = vec!["/api/fields/contact/new"];
    let (_, stub, client) = installed(Installation { forbidden, ..Installation::default() }, some_fields()).await;
    let rules = RuleSet::parse(REFUSED).unwrap();
    let mut report = examine(&client, &rules, None).await.unwrap();
    assert!(create_missing(&client, &rules, &mut report.fields).await.is_empty());
    let FieldState::NotMade(refusal) = &report.fields["utm_source"] else { panic!("{:?}", report.fields) };
    assert!(refusal.reason.contains("Custom Fields, Full"), "{refusal:?}");
    assert_eq!(stub.calls().iter().filter(|seen| seen.method == "POST").count(), 1);
}

const TEXTS: &str = "[[rule]]\nlocal = \"first_name\"\nremote = \"firstname\"\ntransform = \"text\"\n";

#[tokio::test]
async fn a_field_that_takes_64_characters_is_told_and_raised_when_that_is_asked_for() {
    for tells_limits in [false, true] {
        let mut fields = some_fields();
        fields[0]["charLengthLimit"] = json!(64);
        let (installation, _stub, client) =
            installed(Installation { tells_limits, ..Installation::default() }, fields).await;
        let rules = RuleSet::parse(TEXTS).unwrap();
        let mut report = examine(&client, &rules, None).await.unwrap();
        assert_eq!(report.fields["firstname"], FieldState::Short { limit: 64, told: tells_limits });
        assert!(report.fields["firstname"].is_fine(), "it takes what is not longer");
        let raised = raise_limits(&client, &mut report.fields).await.unwrap();
        assert_eq!(report.fields["firstname"], FieldState::Raised);
        assert_eq!(installation.fields.lock().unwrap()[0]["charLengthLimit"], 191);
        let known = catalog(&client, None, &raised).await.unwrap();
        assert_eq!(known.fields["firstname"].limit, Some(191), "{tells_limits}");
        let again = examine(&client, &rules, Some(&known)).await.unwrap();
        assert_eq!(again.fields["firstname"], FieldState::Right, "Tandem knows what it has set: {tells_limits}");
        assert_eq!(catalog(&client, Some(&known), &[]).await.unwrap().fields["firstname"].limit, Some(191));
    }
}

#[tokio::test]
async fn rights_that_the_role_lacks_are_named_with_what_is_lost_without_them() {
    let forbidden = vec!["/api/hooks", "/api/stats/audit_log"];
    let (_, _stub, client) = installed(Installation { forbidden, ..Installation::default() }, some_fields()).await;
    let report = examine(&client, &RuleSet::parse(RULES).unwrap(), None).await.unwrap();
    let lacking: Vec<(&str, &str)> = report.rights.iter().map(|right| (right.what, right.right)).collect();
    assert_eq!(lacking.len(), 2, "{lacking:?}");
    assert!(lacking[0].0 == "webhooks" && lacking[0].1.contains("Webhook Permissions"), "{lacking:?}");
    assert!(lacking[1].0 == "the audit log" && lacking[1].1.contains("Full System Access"), "{lacking:?}");
    assert!(report.rights.iter().all(|right| !right.lost.is_empty()));
}

/// A client of something that answers every call alike.
async fn answering(reply: Reply) -> (Stub, Arc<Mautic>) {
    let stub = Stub::start(move |_| reply.clone()).await;
    let client = mautic_with_basic(&stub.url, &World::default().ports());
    (stub, client)
}

#[tokio::test]
async fn what_is_wrong_with_the_address_or_the_switches_is_said_with_what_helps() {
    let error = |message: &str, kind: &str| {
        Reply::json(403, &json!({"errors": [{"code": 403, "message": message, "type": kind}]}))
    };
    let html = |status: u16| Reply::text(status, "text/html; charset=UTF-8", "<html>");
    let rules = RuleSet::parse(RULES).unwrap();
    for (name, reply, says) in [
        ("a website", html(200), vec!["status 200", "text/html", "MAUTIC_BASE_URL"]),
        ("another server", html(404), vec!["status 404", "text/html", "MAUTIC_BASE_URL"]),
        (
            "a redirect",
            html(301).with("Location", "https://www.m.example:8443/login?token=x"),
            vec!["https://www.m.example:8443:", "301"],
        ),
        ("a firewall", html(403), vec!["front of Mautic", "403"]),
        (
            "API off",
            error("API disabled. You need to enable the API in the API settings.", "api_disabled"),
            vec!["API Settings"],
        ),
        (
            "Basic off",
            error("Basic Auth disabled. You need to enable HTTP basic auth.", "access_denied"),
            vec!["HTTP basic auth", "MAUTIC_CLIENT_ID"],
        ),
        ("no right", error("You do not have access to the requested area/action.", "x"), vec!["API Access"]),
    ] {
        let (_stub, client) = answering(reply).await;
        let failure = examine(&client, &rules, None).await.unwrap_err();
        assert!(says.iter().all(|part| failure.message.contains(part)), "{name}: {failure}");
        assert!(!failure.message.contains("token=x"), "{name}: {failure}");
    }
}

#[tokio::test]
async fn a_host_that_nobody_knows_is_called_that() {
    let client = mautic_with_basic("http://no-such-host.invalid", &World::default().ports());
    let failure = examine(&client, &RuleSet::parse(RULES).unwrap(), None).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(failure.message.contains("knows the host"), "{failure}");
}

#[tokio::test]
async fn a_webhook_is_proved_by_a_delivery_and_its_failure_told_with_the_setting() {
    let (installation, stub, client) = installation(json!([])).await;
    let hook = ensure_webhook(&client, "https://tandem.example/mautic-webhook/mautic", "s1").await.unwrap();
    assert_eq!(newest_delivery(&client, &hook.id).await, HookDelivery::NothingSent);
    assert_eq!(try_webhook(&client, &hook.id).await, HookDelivery::NothingSent, "queue mode: it is sent later");
    *installation.delivers.lock().unwrap() = Some(("200", "ok"));
    let calls = stub.calls().len();
    assert_eq!(try_webhook(&client, &hook.id).await, HookDelivery::Arrives);
    assert_eq!(stub.calls().len() - calls, 4);
    *installation.delivers.lock().unwrap() = Some(("N/A", "Access to private addresses is not allowed."));
    for delivery in [try_webhook(&client, &hook.id).await, newest_delivery(&client, &hook.id).await] {
        let HookDelivery::Fails { cure, .. } = &delivery else { panic!("{delivery:?}") };
        assert!(cure.contains("webhook_allowed_private_addresses"), "{cure}");
    }
}

#[tokio::test]
async fn a_webhook_whose_log_may_not_be_read_is_unseen_and_names_the_right() {
    let forbidden = vec!["/api/stats/webhook_logs"];
    let (_, _stub, client) = installed(Installation { forbidden, ..Installation::default() }, json!([])).await;
    let HookDelivery::Unseen { reason } = try_webhook(&client, "1").await else { panic!("it can't be seen") };
    assert!(reason.contains("Webhook Permissions"), "{reason}");
}

#[tokio::test]
async fn a_test_delivery_of_tandems_own_tells_whether_a_tandem_answers_that_knows_the_secret() {
    let stub = Stub::start(|seen| {
        let signed = !seen.signature.is_empty();
        Reply::json(if signed && seen.path() == "/mautic-webhook/mautic" { 200 } else { 401 }, &json!({}))
    })
    .await;
    let http = Http::default();
    assert_eq!(knock(&http, &format!("{}/mautic-webhook/mautic", stub.url), "s3cret").await, Knock::Taken);
    let Knock::Refused { reason, cure } = knock(&http, &format!("{}/elsewhere", stub.url), "s3cret").await else {
        panic!("it is refused")
    };
    assert!(reason.contains("401") && cure.contains("MAUTIC_WEBHOOK_SECRET"), "{reason} {cure}");
    assert!(matches!(knock(&http, "http://127.0.0.1:9/x", "s3cret").await, Knock::Refused { .. }));
}
