//! The command over HTTP: against an installation that it has neither folder nor table of, only an address and a key.

use serde_json::{Value, json};
use tandem_core::domain::role::Role;
use tandem_core::domain::scope::TenantId;
use tandem_tests::command::{Printed, tandem};
use tandem_tests::system::{KEY, Options, System};
use tempfile::TempDir;

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
    let post = system.caller.keyed(reqwest::Method::POST, "/events?wait=true").json(&event);
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
    for local in [&["doctor", "duplicates"][..], &["import", "x.csv"], &["mappings", "list"], &["connect", "mautic"]] {
        let refused = told(url, KEY, local).await;
        assert!(refused.contains("TANDEM_URL") && refused.contains(local[0]), "{refused}");
    }
}
