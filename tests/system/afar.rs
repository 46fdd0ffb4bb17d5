//! The command over HTTP: against an installation that it has neither folder nor table of, only an address and a key.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};
use tandem_core::domain::role::Role;
use tandem_core::domain::scope::TenantId;
use tandem_tests::command::{Printed, tandem};
use tandem_tests::system::{KEY, Options, System};
use tempfile::TempDir;
use tokio::time::Instant;

/// A terminal with an address, a key, and nothing else.
struct Terminal {
    folder: TempDir,
    url: String,
    key: String,
}

impl Terminal {
    fn at(system: &System, key: &str) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), url: system.url().to_owned(), key: key.to_owned() }
    }

    async fn run(&self, arguments: &[&str]) -> Printed {
        let variables = [("TANDEM_URL", &self.url), ("TANDEM_API_KEY", &self.key)];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.clone()));
        let printed = tandem(self.folder.path(), &variables, arguments).await;
        let key = if self.key.trim().is_empty() { "no key" } else { &self.key };
        assert!(!printed.out.contains(key) && !printed.err.contains(key), "the key is shown nowhere");
        printed
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let printed = self.run(&[&["--json"], arguments].concat()).await;
        assert!(printed.success, "{arguments:?}: {printed:?}");
        printed.json()
    }
}

#[tokio::test]
async fn what_an_operator_does_is_done_over_http_too() {
    let system = System::start().await;
    let terminal = Terminal::at(&system, KEY);
    let payload = json!({"id": "1", "contact": {"email": "jane@example.com", "first_name": "Jane"}});
    assert!(system.caller.upsert(payload).await.unwrap().is_taken());
    let event = json!({"id": "e1", "name": "user_signup", "user": {"id": "1", "email": "jane@example.com"}});
    let post = system.caller.keyed(Method::POST, "/events?wait=true").json(&event);
    assert!(system.caller.send(post).await.unwrap().is_taken());
    let synced = terminal.json(&["sync", "--full"]).await;
    assert_eq!(synced["end"], "finished", "{synced}");
    let run = synced["id"].as_str().unwrap();
    assert_eq!(terminal.json(&["runs"]).await[0]["id"], json!(run));
    assert_eq!(terminal.json(&["runs", run]).await["id"], json!(run));
    assert_eq!(terminal.json(&["status"]).await["integrations"][0]["id"], "mautic");
    let shown = terminal.json(&["contact", "show", "jane@example.com"]).await;
    assert_eq!((&shown["id"], &shown["links"][0]["state"]), (&json!("1"), &json!("synced")), "{shown}");
    assert!(!terminal.json(&["contact", "timeline", "jane@example.com"]).await.as_array().unwrap().is_empty());
    assert!(terminal.json(&["contact", "export", "jane@example.com"]).await["platform"].is_array());
    assert_eq!(terminal.json(&["events", "list"]).await[0]["person"], "jane@example.com");
    assert!(!terminal.json(&["operations", "list", "--record", "1"]).await.as_array().unwrap().is_empty());
    for arguments in [&["issues", "list"][..], &["jobs", "list"], &["conflicts", "list"], &["changes"], &["audit"]] {
        terminal.json(arguments).await;
    }
    let made = terminal.json(&["keys", "create", "shop", "--role", "ingest"]).await;
    assert!(made["key"].as_str().unwrap().starts_with("tdm_"), "the new one is shown once");
    terminal.json(&["keys", "revoke", "shop"]).await;
    terminal.json(&["tenants", "create", "acme"]).await;
    terminal.json(&["keys", "create", "theirs", "--tenant", "acme"]).await;
    assert_eq!(terminal.json(&["tenants", "status"]).await.as_array().map(Vec::len), Some(2));
    let deleted = terminal.run(&["contact", "delete", "jane@example.com", "--yes"]).await;
    assert!(deleted.success, "{deleted:?}");
    assert!(!terminal.run(&["contact", "show", "jane@example.com"]).await.success);
    let planned = terminal.run(&["sync", "--dry-run"]).await;
    assert!(planned.success && planned.out.contains("Nothing was changed."), "{planned:?}");
}

#[tokio::test]
async fn mapping_sets_and_lifecycle_rules_are_read_checked_and_set_over_http_too() {
    let system = System::with(Options::default().without_worker()).await;
    let terminal = Terminal::at(&system, KEY);
    let file = |name: &str, text: &str| {
        let path = terminal.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let set = terminal.run(&["mappings", "show"]).await.out;
    let own = file("own.toml", &set.replacen("local = \"city\"", "local = \"home_town\"", 1));
    assert!(terminal.run(&["mappings", "check", &own]).await.out.starts_with("sound"));
    let diff = terminal.run(&["mappings", "diff", &own]).await;
    assert!(diff.success && diff.out.contains("home_town"), "{diff:?}");
    let tried = terminal.json(&["mappings", "set", &own, "--dry-run", "--record", "42"]).await;
    assert_eq!(tried["records"], json!([{"id": "42", "action": "unknown"}]), "{tried}");
    assert!(tried["differences"].to_string().contains("home_town"), "{tried}");
    assert_eq!(terminal.json(&["mappings", "set", &own, "--note", "in town", "--if-version", "0"]).await["version"], 1);
    let late = terminal.run(&["mappings", "set", &own, "--if-version", "7"]).await;
    assert!(!late.success && late.err.contains("412"), "{late:?}");
    let wrong = file("wrong.toml", &set.replacen("remote = \"city\"", "remote = \"nowhere\"", 1));
    let refused = terminal.run(&["mappings", "set", &wrong]).await;
    assert!(!refused.success && refused.err.contains("nowhere"), "{refused:?}");
    assert_eq!(terminal.json(&["mappings", "rollback", "0"]).await["version"], 2);
    let versions = terminal.json(&["mappings", "list"]).await;
    let numbers: Vec<&Value> = versions["versions"].as_array().unwrap().iter().map(|one| &one["version"]).collect();
    assert_eq!((&versions["active"], numbers), (&json!(2), vec![&json!(2), &json!(1), &json!(0)]));
    assert_eq!(versions["versions"][1]["note"], "in town");
    assert!(!terminal.run(&["mappings", "show", "--version", "9"]).await.success);

    let rules = terminal.json(&["rules", "show"]).await;
    assert_eq!((&rules["version"], &rules["stored"]), (&json!(0), &json!(false)));
    let simple = file("rules.toml", "[[rule]]\non = \"user_signup\"\nset = { city = \"Perth\" }\n");
    let stored = terminal.run(&["rules", "set", &simple, "--note", "a first one"]).await;
    assert!(stored.success, "{stored:?}");
    assert_eq!(terminal.json(&["rules", "show"]).await["stored"], true);
    let broken = file("broken.toml", "[[rule]]\non = \"user_signup\"\nset = { no_such_field = \"1\" }\n");
    let refused = terminal.run(&["rules", "set", &broken]).await;
    assert!(!refused.success && refused.err.contains("no_such_field"), "{refused:?}");
    assert_eq!(terminal.json(&["rules", "rollback", "0"]).await["version"], 2);
    let versions = terminal.json(&["rules", "list"]).await;
    assert_eq!(
        (&versions["active"], &versions["versions"][1]["note"], &versions["versions"][0]["stored"]),
        (&json!(2), &json!("a first one"), &json!(false))
    );
    assert!(!terminal.run(&["rules", "rollback", "9"]).await.success);
    let audit = terminal.json(&["audit"]).await;
    let deeds: Vec<&str> = audit.as_array().unwrap().iter().filter_map(|entry| entry["action"].as_str()).collect();
    assert_eq!(deeds, ["rules.set", "rules.set", "mappings.set", "mappings.set"]);
}

/// What two terminals print of the same rules: one has the installation beside it, the other one its address.
#[tokio::test]
async fn rules_are_checked_and_events_explained_over_http_as_without_an_installation() {
    let system = System::with(Options::default().without_worker()).await;
    let terminal = Terminal::at(&system, KEY);
    let file = |name: &str, text: &str| {
        let path = terminal.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let rules = "[segments]\nvip = { name = \"VIP\" }\n[[rule]]\non = \"bought\"\ninto = [\"segment.vip\"]\n";
    let rules = file("rules.toml", rules);
    let wrong = file("wrong.toml", "[[rule]]\non = \"bought\"\nset = { no_such_field = 1 }\n");
    let event = file("event.json", r#"{"id": "e1", "name": "bought", "user": {"id": 1}}"#);
    let before =
        file("before.json", r#"[{"id": "e0", "name": "bought", "time": "2026-01-01T10:00:00Z", "user": {"id": 1}}]"#);
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["rules", "check", &rules][..],
        &["--json", "rules", "check", &rules],
        &["rules", "check", &wrong],
        &["rules", "explain", &event, "--file", &rules],
        &["--json", "rules", "explain", &event, "--file", &rules, "--history", &before],
        &["rules", "check", "--print-default"],
    ] {
        let (there, here) = (terminal.run(arguments).await, tandem(folder.path(), &[], arguments).await);
        assert_eq!((there.success, &there.out), (here.success, &here.out), "{arguments:?}: {there:?}");
    }
    let live = terminal.run(&["rules", "check", &rules, "--live"]).await;
    assert!(!live.success && live.out.contains("VIP                    MISSING"), "{live:?}");
    assert!(live.err.contains("connect mautic --create-missing"), "{live:?}");
    let counting = terminal.run(&["rules", "check"]).await;
    assert!(counting.success && counting.out.contains("the rules that count: sound"), "{counting:?}");
}

#[tokio::test]
async fn what_goes_wrong_over_http_is_told_with_address_status_and_cure() {
    let system = System::with(Options::default().without_worker()).await;
    let told = async |url: &str, key: &str, arguments: &[&str]| {
        let terminal = Terminal { url: url.to_owned(), ..Terminal::at(&system, key) };
        let printed = terminal.run(arguments).await;
        assert!(!printed.success, "{printed:?}");
        printed.err
    };
    let url = system.url();
    let unknown = told(url, "tdm_wrong", &["status"]).await;
    assert!(unknown.contains(url) && unknown.contains("401") && unknown.contains("--key"), "{unknown}");
    let (_, ingest) = system.make_key(&TenantId::default(), "shop", Role::Ingest, None).await;
    let role = told(url, ingest.reveal(), &["runs"]).await;
    assert!(role.contains("403") && role.contains("operator"), "{role}");
    let nobody = told("http://127.0.0.1:9", KEY, &["status"]).await;
    assert!(nobody.contains("http://127.0.0.1:9") && nobody.contains("Is the address right"), "{nobody}");
    let mautic = told(&system.mautic.base_url(), KEY, &["status"]).await;
    assert!(mautic.contains("not as a Tandem does"), "{mautic}");
    let clear = told("http://tandem.example.com", KEY, &["status"]).await;
    assert!(clear.contains("https"), "{clear}");
    let keyless = told(url, " ", &["status"]).await;
    assert!(keyless.contains("TANDEM_API_KEY"), "{keyless}");
    let other = told(url, KEY, &["keys", "list", "--tenant", "acme"]).await;
    assert!(other.contains("a key belongs to one tenant"), "{other}");
    for local in [&["doctor", "duplicates"][..], &["import", "x.csv"], &["budget", "show"], &["connect", "mautic"]] {
        let refused = told(url, KEY, local).await;
        assert!(refused.contains("TANDEM_URL") && refused.contains(local[0]), "{refused}");
    }
}

#[tokio::test]
async fn commands_that_work_here_alone_refuse_another_integration_than_their_own() {
    let folder = tempfile::tempdir().unwrap();
    for local in [&["budget", "show"][..], &["mappings", "list"], &["rules", "check"], &["record", "show", "deal", "d"]]
    {
        let refused = tandem(folder.path(), &[], &[&["--integration", "second"], local].concat()).await;
        assert!(!refused.success, "{refused:?}");
        assert!(refused.err.contains("--integration") && refused.err.contains("second"), "{refused:?}");
        assert!(refused.err.contains(local[0]), "{refused:?}");
    }
}

#[tokio::test]
async fn what_an_address_holds_beside_the_address_is_told_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    for url in [
        "https://ada:s3same@127.0.0.1:9/",
        "https://127.0.0.1:9/?key=s3same",
        "https://s3same:pw@",
        "s3same:pw@host",
        "http://ada:s3same@tandem.example.com",
        "ftp://ada:s3same@127.0.0.1",
    ] {
        let variables = [("TANDEM_URL", url), ("TANDEM_API_KEY", KEY)];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        for arguments in [&["status"][..], &["--help"]] {
            let printed = tandem(folder.path(), &variables, arguments).await;
            assert!(!printed.out.contains("s3same") && !printed.err.contains("s3same"), "{url}: {printed:?}");
        }
        let printed = tandem(folder.path(), &variables, &["status"]).await;
        assert!(!printed.success && printed.err.contains("127.0.0.1") || printed.err.contains("--url"), "{printed:?}");
    }
}

/// What stands in front of an installation, and answers some looks at a run itself.
async fn busy(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let looks_at_run = parts.method == Method::GET && parts.uri.path().starts_with("/api/v1/runs/");
    if looks_at_run {
        let number = gate.looks.fetch_add(1, Ordering::SeqCst);
        let gateway = (StatusCode::TOO_MANY_REQUESTS, Json(json!({"message": "Too Many Requests"})));
        let busy = json!({"ok": false, "error": {"code": "storage_unavailable", "message": "busy", "details": []}});
        match number {
            0 => return gateway.into_response(),
            1 => return (StatusCode::SERVICE_UNAVAILABLE, [("Retry-After", "2")], Json(busy)).into_response(),
            2 => return StatusCode::BAD_GATEWAY.into_response(),
            _ => {}
        }
    }
    passed_on(&gate, Request::from_parts(parts, body)).await
}

async fn passed_on(gate: &Gate, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut headers = parts.headers;
    headers.remove("host");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let sent = client.request(parts.method, format!("{}{path}", gate.url)).headers(headers);
    let answer = sent.body(to_bytes(body, 1_000_000).await.unwrap()).send().await.unwrap();
    let status = answer.status();
    (status, [("Content-Type", "application/json")], answer.bytes().await.unwrap()).into_response()
}

struct Gate {
    url: String,
    looks: AtomicU32,
}

/// What stands there, and lists events as they were a moment ago.
async fn late(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    if request.method() == Method::GET && request.uri().path() == "/api/v1/events" {
        let events = json!([{"id": "done"}, {"id": "forgotten"}, {"id": "waits"}]);
        return Json(json!({"ok": true, "data": {"events": events, "next": null}})).into_response();
    }
    passed_on(&gate, request).await
}

#[tokio::test]
async fn events_that_were_done_or_forgotten_meanwhile_keep_no_others_from_being_replayed() {
    let system = System::with(Options::default().without_worker()).await;
    for (id, path) in [("done", "/events?wait=true"), ("waits", "/events")] {
        let user = json!({"id": id, "email": format!("{id}@example.com")});
        let event = json!({"id": id, "name": "user_signup", "user": user});
        let post = system.caller.keyed(Method::POST, path).json(&event);
        assert!(system.caller.send(post).await.unwrap().is_taken());
    }
    let gate = Arc::new(Gate { url: system.url().to_owned(), looks: AtomicU32::new(0) });
    let router = Router::new().fallback(late).with_state(gate);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let terminal = Terminal { url, ..Terminal::at(&system, KEY) };
    assert_eq!(terminal.json(&["events", "replay", "--all"]).await["replayed"], json!(["waits"]));
    server.abort();
}

#[tokio::test]
async fn a_run_is_waited_for_though_some_looks_at_it_are_refused() {
    let system = System::start().await;
    let gate = Arc::new(Gate { url: system.url().to_owned(), looks: AtomicU32::new(0) });
    let router = Router::new().fallback(busy).with_state(gate.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let terminal = Terminal { url, ..Terminal::at(&system, KEY) };
    let began = Instant::now();
    let synced = terminal.json(&["sync"]).await;
    assert_eq!(synced["end"], "finished", "{synced}");
    assert!(gate.looks.load(Ordering::SeqCst) > 3);
    assert!(began.elapsed() >= Duration::from_secs(5), "what Retry-After says is waited for: {:?}", began.elapsed());
    server.abort();
}
