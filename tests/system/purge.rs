//! A tenant that is deleted leaves nothing behind but what has an end of its own.

use std::net::Ipv4Addr;

use reqwest::Method;
use serde_json::{Value, json};
use tandem_core::domain::role::Role;
use tandem_core::domain::scope::{Scope, TenantId};
use tandem_core::sync::run::SyncOptions;
use tandem_core::sync::services::Desk;
use tandem_simulators::{MauticOptions, MauticSimulator, RunningMautic};
use tandem_tests::client::{Answer, Caller};
use tandem_tests::system::{Options, System};

/// A tenant with a Mautic of its own.
struct Acme {
    system: System,
    mautic: RunningMautic,
    tenant: TenantId,
    caller: Caller,
}

impl Acme {
    async fn open() -> Self {
        let system = System::with(Options::default().without_worker()).await;
        let mautic = MauticSimulator::start(MauticOptions::default(), (Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let tenant = system.tenant("acme").await;
        let caller = system.caller_of(&tenant, Role::Operator).await;
        Self { system, mautic, tenant, caller }
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> Answer {
        let request = self.caller.keyed(method, path).json(&body);
        let answer = self.caller.send(request).await.unwrap();
        assert!(answer.status < 300, "{path}: {}", answer.body);
        answer
    }

    /// Makes the integration, and what works for it.
    async fn connect(&self) -> Desk {
        let body = json!({
            "platform": "mautic", "name": "Acme", "baseUrl": self.mautic.base_url(), "webhookSecret": "a secret of acme's",
            "credentials": {"clientId": "1_demo", "clientSecret": "demo-secret"},
        });
        let made = self.call(Method::POST, "/api/v1/integrations", body).await;
        let integration = made.data()["integration"]["id"].as_str().unwrap().to_owned().try_into().unwrap();
        let scope = Scope { tenant: self.tenant.clone(), integration };
        self.system.foundation.desks().unwrap().of(&scope).await.unwrap().expect("it was made")
    }

    async fn rows(&self, records: Value) {
        let path = "/records";
        let answer = self.call(Method::POST, path, json!({"records": records})).await;
        assert_eq!(answer.data()["rejected"], 0, "{}", answer.body);
    }

    /// The keys of what is stored under the tenant's name.
    fn left(&self) -> Vec<(String, String)> {
        let keys = self.system.table.keys().unwrap();
        let is_theirs = |(pk, _): &(String, String)| pk.starts_with("T#acme#") || pk.starts_with("I#acme#");
        keys.into_iter().filter(is_theirs).collect()
    }
}

async fn run(desk: &Desk, full: bool) {
    let ran = desk.sync(SyncOptions { full, ..SyncOptions::default() }).await.unwrap();
    assert_eq!(ran.stopped, None, "{:?}", ran.log);
}

/// A person, with an organisation, as the shop hands them over.
fn person(id: &str, organisation: &str) -> Value {
    json!({"id": id, "email": format!("{id}@example.com"), "first_name": "Ada", "marketing_opt_in": true,
        "organisation_id": organisation})
}

#[tokio::test]
async fn of_a_tenant_that_is_deleted_nothing_is_left_but_what_has_an_end_of_its_own() {
    let acme = Acme::open().await;
    let desk = acme.connect().await;
    let organisations = json!([
        {"kind": "organisation", "id": "o1", "name": "Globex"}, {"kind": "organisation", "id": "o2", "name": "Initech"},
    ]);
    acme.rows(organisations).await;
    acme.rows(json!([person("u1", "o1"), person("u2", "o2"), person("u3", "o3")])).await;
    run(&desk, false).await;
    // Somebody moves, somebody has another address, somebody is deleted; all rows are read twice.
    let mut moved = person("u2", "o1");
    moved["email"] = json!("another@example.com");
    acme.rows(json!([person("u1", "o2"), moved])).await;
    run(&desk, true).await;
    run(&desk, true).await;
    let deletion = json!({"action": "delete_contact", "email": "u1@example.com"});
    assert_eq!(acme.caller.call(&deletion).await.unwrap().status, 200);
    let event = json!({"id": "e1", "name": "user_signup", "user": {"id": "u9", "email": "u9@example.com"}});
    acme.call(Method::POST, "/events", event).await;
    let before: std::collections::BTreeSet<String> = acme
        .left()
        .into_iter()
        .map(|(pk, _)| pk.split('#').nth(if pk.starts_with('T') { 2 } else { 3 }).unwrap_or_default().to_owned())
        .collect();
    for kind in [
        "roster",
        "gone",
        "operations",
        "inventory",
        "record",
        "related",
        "relations",
        "event",
        "event-log",
        "run-logs",
        "consent",
    ] {
        assert!(before.contains(kind), "{kind} is among {before:?}");
    }
    let (admin, actor) = (acme.system.admin(), acme.system.actor());
    assert!(admin.delete_tenant(&acme.tenant, "acme", &actor, &|| true).await.unwrap());
    // Answers to idempotent calls are kept for a day, deliveries for 35: no list leads to them.
    let left: Vec<(String, String)> =
        acme.left().into_iter().filter(|(pk, _)| !pk.starts_with("T#acme#idempotency#")).collect();
    assert_eq!(left, []);
    let named: Vec<(String, String)> =
        acme.system.table.keys().unwrap().into_iter().filter(|(pk, sk)| sk == "acme" && pk != "tenants-gone").collect();
    assert_eq!(named, [], "but for the note that the id is not given to another");
}
