//! Stored integrations: made, tried, sealed, worked with, changed and removed, each for its own tenant.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::Method;
use serde_json::{Value, json};
use tandem_app::admin::TenantChange;
use tandem_app::data_key::DataKeys;
use tandem_core::domain::identity::Email;
use tandem_core::domain::role::Role;
use tandem_core::domain::scope::Scope;
use tandem_core::error::FailureKind;
use tandem_core::ports::source::{SourceCursor, SourceOrder};
use tandem_core::sync::services::Desk;
use tandem_simulators::{MauticOptions, MauticSimulator, RunningMautic};
use tandem_tests::client::{Answer, Caller};
use tandem_tests::system::{DATA_KEY, Options, System};
use tokio::net::TcpListener;

fn scope(tenant: &str, integration: &str) -> Scope {
    Scope { tenant: tenant.to_owned().try_into().unwrap(), integration: integration.to_owned().try_into().unwrap() }
}

/// A system with a tenant of its own Mautic, and an operator of the tenant.
struct Acme {
    system: System,
    mautic: RunningMautic,
    operator: Caller,
}

async fn acme() -> Acme {
    let system = System::with(Options::default().without_worker()).await;
    let mautic = MauticSimulator::start(MauticOptions::default(), (Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    let operator = system.caller_of(&system.tenant("acme").await, Role::Operator).await;
    Acme { system, mautic, operator }
}

impl Acme {
    fn body(&self) -> Value {
        json!({
            "platform": "mautic", "name": "Acme", "baseUrl": self.mautic.base_url(),
            "credentials": {"clientId": "1_demo", "clientSecret": "demo-secret"}, "webhookSecret": "a secret of acme's",
        })
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = self.operator.keyed(method, &format!("/api/v1/integrations{path}"));
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        self.operator.send(request).await.unwrap()
    }

    /// The operator at an instance that has read nothing yet: others may remember what they read for half a minute.
    async fn fresh(&self) -> Caller {
        self.operator.at(self.system.passing_instance().await.url())
    }

    /// Makes the integration; its id and the path of its webhooks.
    async fn make(&self) -> (String, String) {
        let made = self.call(Method::POST, "", Some(self.body())).await;
        assert_eq!(made.status, 200, "{}", made.body);
        let text = |name: &str| made.data()["integration"][name].as_str().unwrap().to_owned();
        (text("id"), text("webhookPath"))
    }
}

#[tokio::test]
async fn an_integration_is_stored_when_the_platform_takes_its_credentials_and_they_never_come_out() {
    let acme = acme().await;
    let mut wrong = acme.body();
    wrong["credentials"]["clientSecret"] = json!("not-the-secret");
    let refused = acme.call(Method::POST, "", Some(wrong.clone())).await;
    assert_eq!((refused.status, refused.error_code()), (422, "connection_failed"), "{}", refused.body);
    assert_eq!(refused.complaints(), ["credentials:refused_by_platform"]);
    assert_eq!(acme.call(Method::GET, "", None).await.data()["integrations"], json!([]), "nothing is stored");
    wrong["force"] = json!(true);
    let forced = acme.call(Method::POST, "", Some(wrong)).await;
    assert_eq!(
        (&forced.data()["connection"]["ok"], &forced.data()["integration"]["status"]),
        (&json!(false), &json!("error"))
    );
    let mut right = acme.body();
    right["name"] = json!("acme");
    assert_eq!(acme.call(Method::POST, "", Some(right)).await.error_code(), "name_taken", "in whatever letter case");
    let mut right = acme.body();
    right["name"] = json!("Second");
    let made = acme.call(Method::POST, "", Some(right)).await;
    assert_eq!(
        (&made.data()["connection"]["ok"], &made.data()["integration"]["status"]),
        (&json!(true), &json!("active"))
    );
    let listed = acme.call(Method::GET, "", None).await;
    assert_eq!(listed.data()["integrations"].as_array().unwrap().len(), 2);
    for answer in [&refused, &forced, &made, &listed] {
        let text = answer.body.to_string();
        for secret in ["demo-secret", "not-the-secret", "a secret of acme", "1_demo"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[tokio::test]
async fn a_bad_setting_is_refused_with_its_field_and_all_at_once() {
    let acme = acme().await;
    let with = |name: &str, value: Value| {
        let mut body = acme.body();
        body[name] = value;
        body
    };
    for (body, complaint) in [
        (with("platform", json!("oracle")), "platform:not_in_list"),
        (with("baseUrl", json!("ftp://m.example")), "baseUrl:invalid"),
        (with("baseUrl", json!("https://u:p@m.example")), "baseUrl:invalid"),
        (with("credentials", json!({"clientId": "x"})), "credentials:missing"),
        (with("credentials", json!({"token": "x"})), "credentials.token:unknown_field"),
        (with("settings", json!({"conflictStrategy": "mine"})), "settings.conflictStrategy:invalid"),
        (with("settings", json!({"pullIntervalMinutes": "often"})), "settings.pullIntervalMinutes:wrong_type"),
        (with("settings", json!({"pull": 1})), "settings.pull:unknown_field"),
        (with("settings", json!({"enrolment": {"campaign": "x"}})), "settings.enrolment.campaign:invalid"),
        (with("webhookSecret", json!("short")), "webhookSecret:invalid"),
        (with("surprise", json!(1)), "surprise:unknown_field"),
    ] {
        let answer = acme.call(Method::POST, "", Some(body)).await;
        assert_eq!((answer.status, answer.complaints()), (422, vec![complaint.to_owned()]), "{}", answer.body);
    }
    let two = with("settings", json!({"vanished": "burn", "adminOptIn": "maybe"}));
    let answer = acme.call(Method::POST, "", Some(two)).await;
    assert_eq!(answer.complaints(), ["settings.vanished:invalid", "settings.adminOptIn:invalid"]);
    assert_eq!(acme.mautic.contacts().len(), 0);
}

#[tokio::test]
async fn calls_of_a_tenant_go_to_its_own_platform_and_to_no_other() {
    let acme = acme().await;
    let before = acme.operator.upsert(json!({"contact": {"email": "jane@example.com"}})).await.unwrap();
    assert_eq!((before.status, before.error_code()), (403, "no_integration"));
    acme.make().await;
    let fresh = acme.fresh().await;
    let made = fresh.upsert(json!({"id": "7", "contact": {"email": "jane@example.com"}})).await.unwrap();
    assert_eq!(made.data()["action"], "created", "{}", made.body);
    assert_eq!((acme.mautic.contacts().len(), acme.system.mautic.contacts().len()), (1, 0));
    let own = acme.system.caller.upsert(json!({"id": "7", "contact": {"email": "jane@example.com"}})).await.unwrap();
    assert_eq!(own.data()["action"], "created", "the default tenant knows nobody of that id");
    assert_eq!((acme.mautic.contacts().len(), acme.system.mautic.contacts().len()), (1, 1));
    let records = fresh.keyed(Method::POST, "/records").json(&json!([{"id": "8", "email": "joe@example.com"}]));
    assert_eq!(fresh.send(records).await.unwrap().data()["stored"], 1);
    let other = fresh.request().header("Tandem-Integration", "mautic").json(&json!({"action": "ping"}));
    let other = fresh.send(other).await.unwrap();
    assert_eq!((other.status, other.error_code()), (404, "unknown_integration"), "another tenant's is nobody's");
    let named = fresh.request().header("Tandem-Integration", "Acme").json(&json!({"action": "ping"}));
    assert_eq!(fresh.send(named).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_webhook_leads_to_its_integration_by_a_public_id_and_another_id_tells_nothing() {
    let acme = acme().await;
    let (id, path) = acme.make().await;
    let fresh = acme.fresh().await;
    let body = json!({"mautic.contact_post_save_update": []}).to_string();
    let deliver = async |path: &str, secret: &str| {
        let request = fresh.bare(Method::POST, path).header("X-Webhook-Secret", secret).body(body.clone());
        fresh.send(request).await.unwrap()
    };
    assert_eq!(deliver(&path, "a secret of acme's").await.status, 200);
    let wrong = deliver(&path, tandem_tests::system::WEBHOOK_SECRET).await;
    assert_eq!((wrong.status, wrong.error_code()), (401, "unproved"), "the default one's secret is not good here");
    for guess in [id.as_str(), "Acme", "00000000000000000000000000000000", "acme"] {
        let answer = deliver(&format!("/mautic-webhook/{guess}"), "a secret of acme's").await;
        assert_eq!((answer.status, answer.error_code()), (404, "unknown_integration"), "{guess}");
    }
    let good = async |secret: &str| {
        let fresh = acme.fresh().await;
        let request = fresh.bare(Method::POST, &path).header("X-Webhook-Secret", secret).body(body.clone());
        fresh.send(request).await.unwrap().status == 200
    };
    let change = async |change: Value| acme.call(Method::PATCH, &format!("/{id}"), Some(change)).await.status;
    assert_eq!(change(json!({"webhookSecret": "another secret of acme's"})).await, 200);
    assert!(good("a secret of acme's").await && good("another secret of acme's").await, "both, while one is changed");
    let credentials = json!({"clientId": "1_demo", "clientSecret": "demo-secret"});
    assert_eq!(change(json!({"webhookSecret": "a third secret of acme's", "credentials": credentials})).await, 200);
    assert!(good("another secret of acme's").await && good("a third secret of acme's").await, "with credentials, too");
    assert!(!good("a secret of acme's").await, "the one before the last is over");
}

#[tokio::test]
async fn an_integration_is_changed_at_the_revision_that_was_seen_paused_resumed_and_removed_by_its_name() {
    let acme = acme().await;
    let (id, hook) = acme.make().await;
    let path = format!("/{id}");
    let stale = acme.operator.keyed(Method::PATCH, &format!("/api/v1/integrations{path}")).header("If-Match", "\"9\"");
    assert_eq!(acme.operator.send(stale.json(&json!({"name": "New"}))).await.unwrap().status, 412);
    let change = async |body: Value| acme.call(Method::PATCH, &path, Some(body)).await;
    let set = change(json!({"settings": {"conflictStrategy": "manual", "pullIntervalMinutes": 5}})).await;
    assert_eq!(set.data()["integration"]["settings"], json!({"conflictStrategy": "manual", "pullIntervalMinutes": 5}));
    let unset = change(json!({"settings": {"conflictStrategy": null}})).await;
    assert_eq!(unset.data()["integration"]["settings"], json!({"pullIntervalMinutes": 5}));
    let moved = change(json!({"baseUrl": "https://eve.example"})).await;
    assert_eq!(moved.complaints(), ["credentials:missing"], "stored credentials are sent nowhere else");
    let wrong = change(json!({"credentials": {"clientId": "1_demo", "clientSecret": "wrong"}})).await;
    assert_eq!(wrong.error_code(), "connection_failed");
    assert_eq!(change(json!({"status": "paused"})).await.data()["integration"]["status"], "paused");
    let fresh = acme.fresh().await;
    assert_eq!(fresh.call(&json!({"action": "ping"})).await.unwrap().error_code(), "no_integration");
    assert_eq!(change(json!({"status": "active"})).await.data()["integration"]["status"], "active");
    let fresh = acme.fresh().await;
    assert_eq!(fresh.call(&json!({"action": "ping"})).await.unwrap().status, 200);

    let unnamed = acme.call(Method::DELETE, &format!("{path}?name=Other"), None).await;
    assert_eq!(unnamed.complaints(), ["name:invalid"]);
    let removed = acme.call(Method::DELETE, &format!("{path}?name=Acme"), None).await;
    assert_eq!((removed.status, &removed.data()["deleted"]), (200, &json!(true)), "{}", removed.body);
    assert_eq!(acme.call(Method::GET, &path, None).await.status, 404);
    let fresh = acme.fresh().await;
    let delivery = fresh.bare(Method::POST, &hook).header("X-Webhook-Secret", "a secret of acme's").body("{}");
    assert_eq!(fresh.send(delivery).await.unwrap().status, 404);
    acme.make().await;
}

#[tokio::test]
async fn the_integration_of_the_environment_is_shown_and_changed_nowhere_else() {
    let system = System::with(Options::default().without_worker()).await;
    let call = async |method: Method, path: &str, body: Value| {
        let request = system.caller.keyed(method, &format!("/api/v1/integrations{path}"));
        system.caller.send(request.json(&body)).await.unwrap()
    };
    let listed = call(Method::GET, "", Value::Null).await;
    let own = &listed.data()["integrations"][0];
    assert_eq!((&own["id"], &own["origin"]), (&json!("mautic"), &json!("environment")));
    let changed = call(Method::PATCH, "/mautic", json!({"status": "paused"})).await;
    assert_eq!(changed.complaints(), ["integration:invalid"]);
    let removed = call(Method::DELETE, "/mautic?name=mautic", Value::Null).await;
    assert_eq!(removed.complaints(), ["integration:invalid"]);
}

#[tokio::test]
async fn an_address_inside_is_refused_before_anything_connects_to_it() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (port, came) = (listener.local_addr().unwrap().port(), Arc::new(AtomicU64::new(0)));
    let counted = Arc::clone(&came);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let options = Options::default().without_worker().with("TANDEM_ALLOW_PRIVATE_TARGETS", "false");
    let system = System::with(options).await;
    let operator = system.caller_of(&system.tenant("acme").await, Role::Operator).await;
    for host in ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"] {
        for force in [false, true] {
            let body = json!({
                "platform": "mautic", "name": format!("{host} {force}"), "baseUrl": format!("http://{host}:{port}"),
                "credentials": {"username": "eve", "password": "eves"}, "force": force,
            });
            let answer = operator.send(operator.keyed(Method::POST, "/api/v1/integrations").json(&body)).await.unwrap();
            if force {
                assert_eq!(answer.data()["connection"]["ok"], json!(false), "{host}: {}", answer.body);
            } else {
                assert_eq!((answer.status, answer.complaints()), (422, vec!["baseUrl:refused_by_platform".to_owned()]));
            }
        }
    }
    assert_eq!(came.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn work_of_an_integration_waits_while_it_is_paused_or_its_tenant_suspended_and_is_nobodys_when_it_is_gone() {
    let acme = acme().await;
    let (id, _) = acme.make().await;
    let scope = scope("acme", &id);
    // Each look by a process that has read nothing yet.
    let look = async || {
        let desks = acme.system.foundation.desks().unwrap();
        desks.of(&scope).await.map(|desk| desk.map(|desk| desk.integration.scope)).map_err(|failure| failure.kind)
    };
    assert_eq!(look().await, Ok(Some(scope.clone())));
    let set = async |body: Value| acme.call(Method::PATCH, &format!("/{id}"), Some(body)).await.status;
    assert_eq!(set(json!({"status": "paused"})).await, 200);
    assert_eq!(look().await, Err(FailureKind::Unavailable), "it comes back");
    assert_eq!(set(json!({"status": "active"})).await, 200);
    let suspend = async |suspended| {
        let change = TenantChange { suspended: Some(suspended), ..TenantChange::default() };
        acme.system.admin().change_tenant(&scope.tenant, change, None, &acme.system.actor()).await.unwrap()
    };
    suspend(true).await;
    assert_eq!(look().await, Err(FailureKind::Unavailable), "it comes back");
    assert!(!acme.system.foundation.desks().unwrap().all().await.unwrap().contains(&scope), "no schedule looks at it");
    suspend(false).await;
    assert_eq!(look().await, Ok(Some(scope.clone())));
    acme.system.admin().delete_tenant(&scope.tenant, "acme", &acme.system.actor(), &|| true).await.unwrap();
    assert_eq!(look().await, Ok(None));
}

#[tokio::test]
async fn settings_of_one_tenant_that_can_not_be_used_stop_no_other() {
    let acme = acme().await;
    let (id, _) = acme.make().await;
    let mut foundation = acme.system.foundation.clone();
    foundation.config.data_keys = DataKeys::new(["another key than the one that sealed it"]).unwrap();
    let desks = foundation.desks().unwrap();
    assert_eq!(desks.all().await.unwrap().len(), 2, "both are looked after");
    let broken = desks.of(&scope("acme", &id)).await.map(drop).unwrap_err();
    assert_eq!(broken.kind, FailureKind::Misconfigured);
    assert!(broken.message.contains("TANDEM_DATA_KEY"), "{broken}");
    assert!(desks.of(&Scope::default_mautic()).await.unwrap().is_some());
    foundation.config.data_keys = DataKeys::new(["another key than the one that sealed it", DATA_KEY]).unwrap();
    assert!(
        foundation.desks().unwrap().of(&scope("acme", &id)).await.unwrap().is_some(),
        "the key before it still opens"
    );
}

#[tokio::test]
async fn a_tenant_is_deleted_with_its_people_rows_and_integrations() {
    let acme = acme().await;
    let (id, _) = acme.make().await;
    let fresh = acme.fresh().await;
    fresh.upsert(json!({"id": "7", "contact": {"email": "jane@example.com"}})).await.unwrap();
    let rows = fresh.keyed(Method::POST, "/records").json(&json!([{"id": "8", "email": "joe@example.com"}]));
    assert_eq!(fresh.send(rows).await.unwrap().status, 200);
    let scope = scope("acme", &id);
    let desk = acme.system.foundation.desks().unwrap().of(&scope).await.unwrap().unwrap();
    let known = async |desk: &Desk| {
        let identity = "jane@example.com".parse::<Email>().unwrap().identity();
        let resolved = desk.services.contacts.resolve(&scope, None, Some(&identity)).await.unwrap();
        let page = desk.services.source.page(&scope, SourceOrder::Id, &SourceCursor::default(), 10).await.unwrap();
        (resolved.by_email.is_some(), page.rows.len())
    };
    assert_eq!(known(&desk).await, (true, 1));
    let done = acme.system.admin().delete_tenant(&scope.tenant, "acme", &acme.system.actor(), &|| true).await.unwrap();
    assert!(done);
    assert_eq!(known(&desk).await, (false, 0));
    assert_eq!(acme.mautic.contacts().len(), 1, "contacts on the platform are the tenant's own");
}
