//! Tenants see nothing of each other, by any route, id or guess; and keys are good for what they were made for. Every route is
//! called: one that is not named in `sample` fails these tests.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use tandem_app::http::{Access, ROUTES, Route, Verb};
use tandem_core::domain::role::Role;
use tandem_core::domain::scope::TenantId;
use tandem_core::error::{Failure, FailureKind};
use tandem_core::jobs::message::{Job, ParkedJob, Task};
use tandem_core::sync::issues::issue_of;
use tandem_core::sync::run::SyncOptions;
use tandem_simulators::{MauticOptions, MauticSimulator, RunningMautic};
use tandem_tests::client::{Answer, Caller};
use tandem_tests::system::{KEY, Options, System};

/// What the default tenant has, and nobody else may be told of.
const EMAIL: &str = "mine@example.com";
const EVENT: &str = "evt-of-mine";
const KEY_NAME: &str = "key-of-mine";
/// Of which no call says anything; another tenant may well have a person with the address above.
const HIDDEN_EMAIL: &str = "hidden@example.com";
const CITY: &str = "city-of-mine";
const SECRETS: [&str; 4] = [HIDDEN_EMAIL, CITY, EVENT, KEY_NAME];

/// Ids in the paths of a call.
struct Ids<'a> {
    event: &'a str,
    key: &'a str,
    tenant: &'a str,
    integration: &'a str,
    record: &'a str,
    run: &'a str,
    job: &'a str,
    issue: &'a str,
    delivery: &'a str,
}

/// Of a tenant that has nothing.
const NOTHING: Ids<'static> = Ids {
    event: "evt-of-nobody",
    key: "0000000000000000000000000000000000000000000000000000000000000000",
    tenant: "nobody",
    integration: "nobody",
    record: "x00000000000000000000000000000000",
    run: "r0",
    job: "j0",
    issue: "00000000000000000000000000000000",
    delivery: "0000000000000000000000000000000000000000000000000000000000000000",
};

/// How a route is called so that it would do something: its path, and its body.
fn sample(route: &Route, ids: &Ids<'_>) -> (String, Value) {
    let upsert = json!({"action": "upsert_contact", "payload": {"contact": {"email": EMAIL, "first_name": "Eve"}}});
    let event = json!({"id": "e-new", "name": "user_signup", "user": {"id": "eve", "email": EMAIL}});
    let track = json!({"type": "track", "event": "user_signup", "userId": "eve", "messageId": "m-new"});
    let (path, body) = match (route.verb, route.path) {
        (Verb::Post, "/mautic-sync") => (route.path.to_owned(), upsert),
        (Verb::Post, "/mautic-sync/contacts") => (route.path.to_owned(), json!({"ids": ["1"]})),
        (Verb::Post, "/records") => (route.path.to_owned(), json!([{"id": "1", "email": EMAIL}])),
        (Verb::Post, "/events") => (route.path.to_owned(), event),
        (Verb::Get, "/events/{id}") => (format!("/events/{}", ids.event), Value::Null),
        (Verb::Post, "/v1/{call}") => ("/v1/track".to_owned(), track),
        (Verb::Post, "/api/v1/tenants") => (route.path.to_owned(), json!({"id": "eves", "name": "Eve's"})),
        (Verb::Patch, "/api/v1/tenants/{tenant}") => {
            (format!("/api/v1/tenants/{}", ids.tenant), json!({"status": "suspended"}))
        }
        (Verb::Get, "/api/v1/tenants/{tenant}") => (format!("/api/v1/tenants/{}", ids.tenant), Value::Null),
        (Verb::Delete, "/api/v1/tenants/{tenant}") => {
            (format!("/api/v1/tenants/{0}?name={0}", ids.tenant), Value::Null)
        }
        (Verb::Post, "/api/v1/tenants/{tenant}/keys") => {
            (format!("/api/v1/tenants/{}/keys", ids.tenant), json!({"name": "eve", "role": "operator"}))
        }
        (Verb::Post, "/api/v1/integrations") => {
            let credentials = json!({"username": "eve", "password": "eves"});
            let body = json!({"platform": "mautic", "name": "eve", "baseUrl": "https://eve.invalid", "credentials": credentials});
            (route.path.to_owned(), body)
        }
        (Verb::Get, "/api/v1/integrations/{id}") => (format!("/api/v1/integrations/{}", ids.integration), Value::Null),
        (Verb::Patch, "/api/v1/integrations/{id}") => {
            (format!("/api/v1/integrations/{}", ids.integration), json!({"status": "paused"}))
        }
        (Verb::Delete, "/api/v1/integrations/{id}") => {
            (format!("/api/v1/integrations/{0}?name={0}", ids.integration), Value::Null)
        }
        (Verb::Post, "/api/v1/keys") => (route.path.to_owned(), json!({"name": "eve", "role": "ingest"})),
        (Verb::Get | Verb::Delete, "/api/v1/keys/{digest}") => (format!("/api/v1/keys/{}", ids.key), Value::Null),
        (_, path) if path.starts_with("/api/v1/integrations/{id}/mappings") => {
            let body = match route.verb {
                Verb::Get => Value::Null,
                _ if path.ends_with("/try") => json!({"mappings": [], "records": ["1"]}),
                _ => json!({"mappings": [], "version": 1}),
            };
            (path.replace("{id}", "mautic"), body)
        }
        (Verb::Put, "/api/v1/rules") => (route.path.to_owned(), json!({"rules": ""})),
        (Verb::Post, "/api/v1/rules/check") => (route.path.to_owned(), json!({"live": true})),
        (Verb::Post, "/api/v1/rules/explain") => (route.path.to_owned(), json!({"events": [event]})),
        (Verb::Post, "/api/v1/rules/rollback") => (route.path.to_owned(), json!({"version": 0})),
        (Verb::Post, "/api/v1/records/find") => (route.path.to_owned(), json!({"email": EMAIL})),
        (Verb::Post, "/api/v1/conflicts/resolve") => {
            (route.path.to_owned(), json!({"record": ids.record, "field": "city", "side": "platform"}))
        }
        (Verb::Patch, "/api/v1/issues/{issue}") => {
            (format!("/api/v1/issues/{}", ids.issue), json!({"state": "ignored"}))
        }
        (Verb::Post, "/api/v1/runs") => (route.path.to_owned(), json!({"dryRun": true})),
        (
            _,
            "/api/v1/status"
            | "/api/v1/status/tenants"
            | "/api/v1/runs"
            | "/api/v1/records"
            | "/api/v1/conflicts"
            | "/api/v1/issues"
            | "/api/v1/jobs"
            | "/api/v1/events"
            | "/api/v1/deliveries"
            | "/api/v1/rules"
            | "/api/v1/rules/versions",
        ) => (route.path.to_owned(), Value::Null),
        (verb, path)
            if [
                "/api/v1/runs/",
                "/api/v1/records/",
                "/api/v1/issues/",
                "/api/v1/jobs/",
                "/api/v1/events/",
                "/api/v1/deliveries/",
            ]
            .iter()
            .any(|part| path.starts_with(part)) =>
        {
            let path = path.replace("{run}", ids.run).replace("{record}", ids.record).replace("{issue}", ids.issue);
            let path = path.replace("{job}", ids.job).replace("{id}", ids.event).replace("{digest}", ids.delivery);
            (path, if verb == Verb::Get { Value::Null } else { json!({}) })
        }
        (Verb::Post, "/mautic-sync/campaigns")
        | (
            Verb::Get,
            "/events" | "/health" | "/api/v1/tenants" | "/api/v1/keys" | "/api/v1/integrations" | "/api/v1/audit",
        )
        | (Verb::Get, "/api/v1/changes" | "/api/v1/operations") => (route.path.to_owned(), Value::Null),
        (Verb::Post, "/mautic-webhook") => (route.path.to_owned(), json!({})),
        (Verb::Post, "/mautic-webhook/{integration}") => ("/mautic-webhook/mautic".to_owned(), json!({})),
        (Verb::Post, "/billing/stripe/{integration}") => ("/billing/stripe/mautic".to_owned(), json!({})),
        (Verb::Post, "/billing/lemonsqueezy/{integration}") => ("/billing/lemonsqueezy/mautic".to_owned(), json!({})),
        (verb, path) => panic!("say how {verb:?} {path} is called"),
    };
    (path, body)
}

async fn call(caller: &Caller, key: &str, route: &Route, ids: &Ids<'_>) -> Answer {
    let (path, body) = sample(route, ids);
    let method = Method::from_bytes(route.verb.name().as_bytes()).unwrap();
    let request = caller.bare(method, &path).bearer_auth(key);
    let request = if body.is_null() { request } else { request.json(&body) };
    caller.send(request).await.unwrap()
}

fn named(route: &Route) -> String {
    format!("{} {}", route.verb.name(), route.path)
}

fn with_keys() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| route.access.right().is_some())
}

/// What the default tenant has.
struct Mine {
    key: String,
    record: String,
    run: String,
    job: String,
    issue: String,
    delivery: String,
}

impl Mine {
    fn ids<'a>(&'a self, tenant: &'a str) -> Ids<'a> {
        Ids {
            event: EVENT,
            key: &self.key,
            tenant,
            integration: "mautic",
            record: &self.record,
            run: &self.run,
            job: &self.job,
            issue: &self.issue,
            delivery: &self.delivery,
        }
    }

    /// The default tenant's record, run, parked job with its issue, and delivery.
    async fn of(system: &System, key: String) -> Self {
        let desk = system.desk();
        let (services, scope) = (&desk.services, &desk.integration.scope);
        let run = desk.sync(SyncOptions::default()).await.unwrap().log.id;
        let record = services.record_named(scope, "1").await.unwrap().unwrap();
        let job = Job {
            id: "job-of-mine".to_owned(),
            scope: scope.clone(),
            correlation_id: "c".to_owned(),
            queued_at: system.now(),
            task: Task::PushContact { record: record.clone() },
        };
        let reason = Failure::new(FailureKind::NotFound, "it is not there");
        let parked = ParkedJob { job, reason, advice: "Mend it.".to_owned(), attempts: 1, parked_at: system.now() };
        services.parked.park(&parked).await.unwrap();
        let delivery = "d".repeat(64);
        services.events.keep(scope, &delivery, b"{}", system.now()).await.unwrap();
        let (record, issue) = (record.as_str().to_owned(), issue_of(&parked));
        Self { key, record, run, job: parked.job.id, issue, delivery }
    }
}

/// A system whose default tenant has a contact, an event, a key, a run, a parked job and a delivery.
async fn inhabited() -> (System, Mine) {
    let system = System::with(Options::default().without_worker()).await;
    for (id, email) in [("1", EMAIL), ("2", HIDDEN_EMAIL)] {
        let upsert = json!({"id": id, "contact": {"email": email, "city": CITY}});
        assert!(system.caller.upsert(upsert).await.unwrap().is_taken());
    }
    let signup = json!({"id": EVENT, "name": "user_signup", "user": {"id": "1", "email": EMAIL}});
    let post = system.caller.bare(Method::POST, "/events").bearer_auth(KEY).json(&signup);
    assert!(system.caller.send(post).await.unwrap().is_taken());
    let (key, _) = system.make_key(&TenantId::default(), KEY_NAME, Role::Operator, None).await;
    let mine = Mine::of(&system, key.hash).await;
    (system, mine)
}

/// Another tenant, whose integration works and whose people are its own: what leaks to it would be seen, and not end before it comes
/// to the table.
struct Neighbour {
    operator: Caller,
    key: String,
    mautic: RunningMautic,
}

impl Neighbour {
    async fn of(system: &System) -> Self {
        let tenant = system.tenant("another").await;
        let (_, key) = system.make_key(&tenant, "theirs", Role::Operator, None).await;
        let operator = system.caller.with_key(key.reveal());
        let mautic = MauticSimulator::start(MauticOptions::default(), (Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let credentials = json!({"clientId": "1_demo", "clientSecret": "demo-secret"});
        let body =
            json!({"platform": "mautic", "name": "theirs", "baseUrl": mautic.base_url(), "credentials": credentials});
        let made = operator.keyed(Method::POST, "/api/v1/integrations").json(&body);
        assert_eq!(operator.send(made).await.unwrap().status, 200);
        // The process that made it has read since when there was none.
        let operator = operator.at(system.passing_instance().await.url());
        let theirs = json!({"id": "77", "contact": {"email": "theirs@example.com", "city": "Theirs"}});
        assert!(operator.upsert(theirs).await.unwrap().is_taken());
        let listed = operator.send(operator.keyed(Method::GET, "/api/v1/records")).await.unwrap();
        assert_eq!(listed.data()["records"][0]["email"], "theirs@example.com", "{}", listed.body);
        Self { operator, key: key.reveal().to_owned(), mautic }
    }
}

#[tokio::test]
async fn every_route_refuses_keys_that_are_unknown_expired_revoked_of_a_suspended_tenant_or_of_the_wrong_role() {
    let (system, key) = inhabited().await;
    let (admin, tenant) = (system.admin(), system.tenant("another").await);
    let ids = key.ids("another");
    let soon = system.now() + SignedDuration::from_millis(50);
    let (_, expired) = system.make_key(&tenant, "short", Role::Operator, Some(soon)).await;
    let (revoked_key, revoked) = system.make_key(&tenant, "lost", Role::Operator, None).await;
    admin.revoke_key(&tenant, &revoked_key.hash, &system.actor()).await.unwrap();
    let asleep = system.tenant("asleep").await;
    let (_, suspended) = system.make_key(&asleep, "theirs", Role::Operator, None).await;
    let change = tandem_app::admin::TenantChange { suspended: Some(true), ..Default::default() };
    admin.change_tenant(&asleep, change, None, &system.actor()).await.unwrap();
    let mut by_role = Vec::new();
    for role in Role::ALL {
        let (_, secret) = system.make_key(&TenantId::default(), &format!("{role}"), role, None).await;
        by_role.push((role, secret));
    }
    tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    let calls = system.calls();
    let bad = [
        ("tdm_guess", 401, "unauthenticated"),
        (expired.reveal(), 401, "unauthenticated"),
        (revoked.reveal(), 401, "unauthenticated"),
        (suspended.reveal(), 403, "tenant_suspended"),
    ];
    let mut refused = 0;
    for route in with_keys() {
        let wrong = by_role.iter().filter(|(role, _)| !role.has(route.access.right().unwrap()));
        let wrong = wrong.map(|(_, secret)| (secret.reveal(), 403, "forbidden"));
        for (key, status, code) in bad.into_iter().chain(wrong) {
            let answer = call(&system.caller, key, route, &ids).await;
            assert_eq!((answer.status, answer.error_code()), (status, code), "{}", named(route));
            assert!(!SECRETS.iter().any(|secret| answer.body.to_string().contains(secret)), "{}", named(route));
            refused += 1;
        }
    }
    assert!(refused > 5 * with_keys().count(), "{refused}");
    assert_eq!(system.calls(), calls, "nobody was let in");
}

#[tokio::test]
async fn an_ingest_key_hands_over_and_neither_reads_nor_deletes() {
    let (system, _) = inhabited().await;
    let caller = system.caller_of(&TenantId::default(), Role::Ingest).await;
    for (action, status) in [
        ("ping", 200),
        ("upsert_contact", 200),
        ("identify", 200),
        ("export_contact", 403),
        ("delete_contact", 403),
        ("add_to_segment", 403),
        ("remove_from_segment", 403),
        ("add_to_campaign", 403),
        ("remove_from_campaign", 403),
        ("sync_campaigns", 403),
        ("sync_contacts", 403),
    ] {
        let payload = json!({"email": EMAIL, "contact": {"email": EMAIL}});
        let body = json!({"action": action, "payload": payload, "email": EMAIL, "segmentId": 1, "campaignId": 1});
        assert_eq!(caller.call(&body).await.unwrap().status, status, "{action}");
    }
}

#[tokio::test]
async fn a_key_of_another_tenant_is_told_nothing_and_changes_nothing_by_any_route() {
    let (system, key) = inhabited().await;
    let neighbour = Neighbour::of(&system).await;
    let ids = key.ids("default");
    let calls = system.calls();
    for route in ROUTES {
        let answer = call(&neighbour.operator, &neighbour.key, route, &ids).await;
        let body = answer.body.to_string();
        assert!(
            !SECRETS.iter().chain([&key.key.as_str()]).any(|secret| body.contains(secret)),
            "{}: {body}",
            named(route)
        );
        assert!(answer.status < 500, "{}: {body}", named(route));
        assert_eq!(answer.body["data"]["waiting"], Value::Null, "{}", named(route));
    }
    assert!(system.calls() <= calls + 1, "but for the health check, Mautic was not called");
    assert_eq!(system.contact(EMAIL).fields.get("firstname"), None);
    assert_eq!(
        neighbour.mautic.contacts().len(),
        2,
        "their own person, and one whom they made with an address of mine"
    );
    let keys = system.admin().keys.list(&TenantId::default(), None, 10).await.unwrap();
    assert!(keys.iter().all(|key| key.revoked_at.is_none()) && keys.len() == 1, "{keys:?}");
}

#[tokio::test]
async fn an_id_of_another_tenant_is_answered_as_one_that_nobody_has() {
    let (system, key) = inhabited().await;
    let neighbour = Neighbour::of(&system).await;
    let nobody = NOTHING;
    let theirs = key.ids("default");
    let mut compared = BTreeSet::new();
    for route in with_keys().filter(|route| route.path.contains('{')) {
        let one = call(&neighbour.operator, &neighbour.key, route, &nobody).await;
        let other = call(&neighbour.operator, &neighbour.key, route, &theirs).await;
        assert_eq!((one.status, &one.body["error"]), (other.status, &other.body["error"]), "{}", named(route));
        compared.insert(named(route));
    }
    assert!(compared.contains("GET /api/v1/keys/{digest}"), "{compared:?}");
}

fn api(caller: &Caller, method: Method, path: &str) -> reqwest::RequestBuilder {
    caller.bare(method, &format!("/api/v1{path}")).bearer_auth(KEY)
}

#[tokio::test]
async fn a_tenant_is_made_suspended_resumed_and_deleted_with_its_keys_and_its_id_is_not_given_away_again() {
    let mut system = System::with(Options::default().without_worker()).await;
    let caller = system.caller.clone();
    let send = async |request: reqwest::RequestBuilder| caller.send(request).await.unwrap();
    let made = send(api(&caller, Method::POST, "/tenants").json(&json!({"id": "acme", "name": "Acme"}))).await;
    assert_eq!((made.status, &made.data()["tenant"]["status"]), (200, &json!("active")));
    let twice = send(api(&caller, Method::POST, "/tenants").json(&json!({"id": "acme", "name": "Acme"}))).await;
    assert_eq!((twice.status, twice.error_code()), (409, "name_taken"));
    let key = json!({"name": "first", "role": "operator"});
    let key = send(api(&caller, Method::POST, "/tenants/acme/keys").json(&key)).await;
    let secret = key.data()["secret"].as_str().unwrap().to_owned();
    let theirs = |caller: &Caller| caller.bare(Method::GET, "/api/v1/keys").bearer_auth(&secret);
    assert_eq!(send(theirs(&caller)).await.data()["keys"][0]["name"], "first");

    let suspend = |status: &str| api(&caller, Method::PATCH, "/tenants/acme").json(&json!({"status": status}));
    let stale = send(suspend("suspended").header("If-Match", "\"7\"")).await;
    assert_eq!((stale.status, stale.error_code()), (412, "precondition_failed"));
    assert_eq!(send(suspend("suspended").header("If-Match", "\"1\"")).await.status, 200);
    let fresh = system.another_instance().await;
    assert_eq!(fresh.send(theirs(&fresh)).await.unwrap().error_code(), "tenant_suspended");
    assert_eq!(send(suspend("active")).await.data()["tenant"]["status"], "active");
    assert_eq!(fresh.send(theirs(&fresh)).await.unwrap().status, 200);

    let unnamed = send(api(&caller, Method::DELETE, "/tenants/acme?name=other")).await;
    assert_eq!((unnamed.status, unnamed.complaints()), (422, vec!["name:invalid".to_owned()]));
    let deleted = send(api(&caller, Method::DELETE, "/tenants/acme?name=Acme")).await;
    assert_eq!((deleted.status, &deleted.data()["deleted"]), (200, &json!(true)));
    let fresh = system.another_instance().await;
    assert_eq!(fresh.send(theirs(&fresh)).await.unwrap().status, 401);
    assert_eq!(send(api(&caller, Method::GET, "/tenants/acme")).await.status, 404);
    let again = send(api(&caller, Method::POST, "/tenants").json(&json!({"id": "acme", "name": "Acme"}))).await;
    assert_eq!(
        (again.status, again.error_code()),
        (409, "name_taken"),
        "what was not found of the first would be the second's"
    );
    let audit = send(api(&caller, Method::GET, "/audit")).await;
    let actions: Vec<&str> =
        audit.data()["entries"].as_array().unwrap().iter().filter_map(|entry| entry["action"].as_str()).collect();
    assert_eq!(actions, ["tenant.delete", "tenant.resume", "tenant.suspend", "tenant.create"]);
}

#[tokio::test]
async fn a_deletion_that_was_cut_off_is_gone_on_with() {
    let system = System::with(Options::default().without_worker()).await;
    let (admin, tenant) = (system.admin(), system.tenant("acme").await);
    for number in 0..3 {
        system.make_key(&tenant, &format!("key {number}"), Role::Ingest, None).await;
    }
    let cut_off = admin.delete_tenant(&tenant, "acme", &system.actor(), &|| false).await.unwrap();
    assert!(!cut_off && admin.keys.list(&tenant, None, 10).await.unwrap().len() == 3);
    admin.go_on_deleting(&|| true).await.unwrap();
    assert!(admin.keys.list(&tenant, None, 10).await.unwrap().is_empty());
    assert!(admin.tenant(&tenant).await.is_err());
}

#[tokio::test]
async fn the_default_tenant_can_be_neither_suspended_nor_deleted() {
    let system = System::with(Options::default().without_worker()).await;
    let patch = api(&system.caller, Method::PATCH, "/tenants/default").json(&json!({"status": "suspended"}));
    let delete = api(&system.caller, Method::DELETE, "/tenants/default?name=default");
    for request in [patch, delete] {
        assert_eq!(system.caller.send(request).await.unwrap().complaints(), ["tenant:invalid"]);
    }
    let listed = system.caller.send(api(&system.caller, Method::GET, "/tenants?limit=1")).await.unwrap();
    assert_eq!((&listed.data()["tenants"][0]["id"], &listed.data()["next"]), (&json!("default"), &json!("default")));
    system.tenant("zoo").await;
    let next = system.caller.send(api(&system.caller, Method::GET, "/tenants?limit=1&after=default")).await.unwrap();
    assert_eq!(next.data()["tenants"][0]["id"], "zoo");
}

#[tokio::test]
async fn a_key_has_a_name_of_its_own_a_role_and_an_end_and_nobody_gives_away_a_right_that_they_lack() {
    let system = System::with(Options::default().without_worker()).await;
    let operator = system.caller_of(&TenantId::default(), Role::Operator).await;
    let make = async |caller: &Caller, body: Value| {
        caller.send(caller.keyed(Method::POST, "/api/v1/keys").json(&body)).await.unwrap()
    };
    let made = make(&operator, json!({"name": "shop", "role": "ingest", "expiresAt": "2999-01-01T00:00:00Z"})).await;
    let (key, secret) = (&made.data()["key"], made.data()["secret"].as_str().unwrap());
    assert_eq!((made.status, &key["role"], &key["status"]), (200, &json!("ingest"), &json!("active")));
    for (body, status, told) in [
        (json!({"name": "Shop", "role": "ingest"}), 409, "name_taken"),
        (json!({"name": "x", "role": "admin"}), 403, "forbidden"),
        (json!({"name": "x", "role": "king"}), 422, "role:not_in_list"),
        (json!({"name": "x"}), 422, "role:missing"),
        (json!({"name": " ", "role": "ingest"}), 422, "name:invalid"),
        (json!({"name": "x", "role": "ingest", "expiresAt": "2020-01-01T00:00:00Z"}), 422, "expiresAt:invalid"),
        (json!({"name": "x", "role": "ingest", "expires": "90d"}), 422, "expires:unknown_field"),
    ] {
        let answer = make(&operator, body.clone()).await;
        let complaint = answer.complaints().first().cloned().unwrap_or_else(|| answer.error_code().to_owned());
        assert_eq!((answer.status, complaint.as_str()), (status, told), "{body}");
    }
    assert_eq!(make(&system.caller, json!({"name": "x", "role": "admin"})).await.status, 200, "the fixed key may");
    let caller = system.caller.with_key(secret);
    assert_eq!(caller.call(&json!({"action": "ping"})).await.unwrap().status, 200);
    let path = format!("/api/v1/keys/{}", key["digest"].as_str().unwrap());
    let shown = operator.send(operator.keyed(Method::GET, &path)).await.unwrap();
    assert!(shown.data()["key"]["lastUsedAt"].is_string(), "{}", shown.body);
    assert!(!shown.body.to_string().contains(secret));
    let revoked = operator.send(operator.keyed(Method::DELETE, &path)).await.unwrap();
    assert_eq!(revoked.data()["key"]["status"], "revoked");
    assert_eq!(make(&operator, json!({"name": "shop", "role": "ingest"})).await.status, 200, "its name is free again");
}

#[test]
fn only_webhooks_and_the_health_check_are_served_without_a_key() {
    let open: Vec<&str> = ROUTES
        .iter()
        .filter(|route| matches!(route.access, Access::Open | Access::Proof))
        .map(|route| route.path)
        .collect();
    assert_eq!(
        open,
        [
            "/health",
            "/mautic-webhook",
            "/mautic-webhook/{integration}",
            "/billing/stripe/{integration}",
            "/billing/lemonsqueezy/{integration}"
        ]
    );
}
