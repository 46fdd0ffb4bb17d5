//! The `tandem` command as a newcomer meets it: beside a server, without one, without a Mautic, and when something waits.

use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tandem_tests::client::Caller;
use tandem_tests::command::{Printed, serving, tandem};
use tandem_tests::system::KEY;
use tempfile::TempDir;
use tokio::process::Child;

/// A data folder, and the command over it.
struct Home {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

impl Home {
    fn new(variables: &[(&str, &str)]) -> Self {
        let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self { folder: tempfile::tempdir().unwrap(), environment: environment.collect() }
    }

    /// The same folder, seen from a shell that knows nothing.
    async fn run(&self, arguments: &[&str]) -> Printed {
        tandem(self.path(), &[], arguments).await
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let printed = self.run(&[&["--json"], arguments].concat()).await;
        assert!(printed.success, "{printed:?}");
        printed.json()
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a server with the home's variables.
    async fn serve(&self, arguments: &[&str]) -> (Child, Caller) {
        let arguments = [&["dev", "--port", "0", "--no-schedule"], arguments].concat();
        let server = serving(self.path(), &self.environment, &arguments);
        for _ in 0..400 {
            let text = std::fs::read_to_string(self.path().join("running.json")).unwrap_or_default();
            let running: Value = serde_json::from_str(&text).unwrap_or_default();
            // A server that was killed before leaves its note.
            let is_mine = running["pid"] == json!(server.id());
            if let Some(url) = running["url"].as_str().filter(|_| is_mine) {
                let caller = Caller::new(url, KEY);
                assert!(caller.until_ready().await, "it gets ready");
                return (server, caller);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("tandem dev did not start");
    }
}

#[tokio::test]
async fn a_simulated_mautic_has_all_that_a_first_contact_needs() {
    let home = Home::new(&[("TANDEM_API_KEY", KEY)]);
    let (_server, caller) = home.serve(&["--simulate"]).await;
    let payload = json!({"id": "1", "contact": {"email": "a@example.com"}, "fields": {"total_orders": 3}});
    let answer = caller.upsert(payload).await.unwrap();
    assert_eq!((answer.status, &answer.data()["fieldIssues"]), (200, &json!([])), "{:?}", answer.body);
    let connected = home.json(&["connect", "mautic"]).await;
    assert_eq!(connected["complete"], json!(true), "{connected}");
}

#[tokio::test]
async fn a_folder_that_is_in_use_is_refused_and_the_server_in_it_keeps_its_note() {
    let home = Home::new(&[("TANDEM_API_KEY", KEY)]);
    let (mut server, _) = home.serve(&[]).await;
    let second = home.run(&["dev", "--port", "0"]).await;
    let pid = server.id().unwrap().to_string();
    assert!(!second.success && second.err.contains("in use") && second.err.contains(&pid), "{second:?}");
    assert!(home.path().join("running.json").exists(), "the other one's note stands");
    assert!(home.run(&["keys", "list"]).await.success, "commands work beside it");
    server.kill().await.unwrap();
    assert!(home.run(&["keys", "list"]).await.success, "and without it, though it was killed");
    let (_again, _) = home.serve(&[]).await;
}

#[tokio::test]
async fn commands_beside_a_server_take_its_configuration() {
    let home = Home::new(&[("TANDEM_API_KEY", KEY)]);
    let (_mautic, _) = home.serve(&["--simulate"]).await;
    let running: Value =
        serde_json::from_str(&std::fs::read_to_string(home.path().join("running.json")).unwrap()).unwrap();
    let other = Home::new(&[
        ("TANDEM_API_KEY", KEY),
        ("MAUTIC_BASE_URL", running["simulator"].as_str().unwrap()),
        ("MAUTIC_CLIENT_ID", "1_demo"),
        ("MAUTIC_CLIENT_SECRET", "demo-secret"),
    ]);
    let (_server, _) = other.serve(&[]).await;
    let connected = other.run(&["connect", "mautic"]).await;
    assert!(connected.out.contains("version"), "{connected:?}");
    let noted: Vec<String> = std::fs::read_dir(other.path())
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok())
        .collect();
    assert!(noted.iter().all(|text| !text.contains("demo-secret")), "the secret is in no file");
}

#[tokio::test]
async fn what_needs_only_the_table_needs_no_mautic() {
    let home = Home::new(&[]);
    for arguments in [
        &["events", "list"][..],
        &["jobs", "list"],
        &["jobs", "replay", "all"],
        &["events", "replay", "all"],
        &["conflicts", "list"],
        &["keys", "create", "shop"],
        &["runs"],
        &["status"],
    ] {
        let printed = home.run(arguments).await;
        assert!(printed.success, "{arguments:?}: {printed:?}");
    }
    let nobody = home.run(&["contact", "show", "nobody@example.com"]).await;
    assert!(nobody.err.contains("nobody has this address"), "{nobody:?}");
    let sync = home.run(&["sync"]).await;
    assert!(!sync.success && sync.err.contains("MAUTIC_BASE_URL"), "{sync:?}");
}

#[tokio::test]
async fn the_status_tells_what_waits_and_the_health_check_tells_it_to_callers_with_a_key() {
    let home = Home::new(&[("TANDEM_API_KEY", KEY)]);
    let (_server, caller) = home.serve(&["--simulate"]).await;
    let before = home.json(&["status"]).await;
    let own = &before["integrations"][0];
    assert_eq!((&own["runs"]["lastSuccess"], &own["outbox"]["waiting"]), (&Value::Null, &json!(0)), "{before}");
    let file = home.path().join("people.csv");
    std::fs::write(&file, "id,email\n1,a@example.com\n2,b@example.com\n").unwrap();
    assert!(home.run(&["import", file.to_str().unwrap()]).await.success);
    let synced = home.run(&["sync"]).await;
    assert!(synced.success && synced.out.contains("2 = 2 taken"), "{synced:?}");
    let after = home.json(&["status"]).await;
    let own = &after["integrations"][0];
    assert!(own["runs"]["lastSuccess"].is_string() && after["queue"]["waiting"].is_u64(), "{after}");
    let open = caller.send(caller.bare(Method::GET, "/health")).await.unwrap();
    assert_eq!(open.data()["waiting"], Value::Null, "nobody else learns it");
    let told = caller.send(caller.bare(Method::GET, "/health").bearer_auth(KEY)).await.unwrap();
    assert_eq!(told.data()["waiting"]["outbox"]["waiting"], json!(0), "{:?}", told.body);
    assert!(told.data()["waiting"]["runs"]["lastSuccess"].is_string(), "{:?}", told.body);
}

#[tokio::test]
async fn a_runs_issues_are_named_with_address_and_value() {
    let home = Home::new(&[("TANDEM_API_KEY", KEY)]);
    let (_server, _) = home.serve(&["--simulate"]).await;
    let file = home.path().join("people.csv");
    std::fs::write(&file, "id,email,mobile\n1,a@example.com,\"12, nonsense\"\n2,b@example.com,\n3,n/a,\n").unwrap();
    assert!(home.run(&["import", file.to_str().unwrap()]).await.success);
    let planned = home.run(&["sync", "--dry-run", "--limit", "1"]).await;
    assert!(
        planned.out.starts_with("create    2\nreject    1\nsituations: absent 2\nNothing was changed."),
        "{planned:?}"
    );
    assert_eq!(planned.out.matches("create  ").count() + planned.out.matches("reject  ").count(), 3, "{planned:?}");
    home.run(&["sync"]).await;
    let runs = home.json(&["runs"]).await;
    let id = runs[0]["id"].as_str().unwrap();
    let csv = home.run(&["runs", id, "--issue", "mobile", "--csv"]).await;
    assert_eq!(
        csv.out, "id,email,field,code,value\n1,a@example.com,contact.mobile,invalid,\"12, nonsense\"\n",
        "{csv:?}"
    );
    let rejected = home.json(&["runs", id, "--issue", "email"]).await;
    assert_eq!((&rejected[0]["id"], &rejected[0]["value"]), (&json!("3"), &json!("n/a")), "{rejected}");
}

#[tokio::test]
async fn a_misspelt_setting_is_told() {
    let home = Home::new(&[]);
    let variables = [("TANDEM_VANISHD".to_owned(), "delete".to_owned())];
    let printed = tandem(home.path(), &variables, &["runs"]).await;
    assert!(printed.success && printed.err.contains("TANDEM_VANISHED"), "{printed:?}");
}

#[tokio::test]
async fn a_shell_is_given_what_it_completes_by() {
    let home = Home::new(&[]);
    for shell in ["bash", "zsh", "fish"] {
        let printed = home.run(&["completions", shell]).await;
        assert!(printed.success && printed.out.contains("conflicts"), "{shell}");
    }
}

#[tokio::test]
async fn events_are_listed_with_the_person_and_jobs_with_their_kind() {
    let home = Home::new(&[("TANDEM_API_KEY", KEY), ("MAUTIC_WELCOME_CAMPAIGN_ID", "4711")]);
    let (_server, caller) = home.serve(&["--simulate"]).await;
    let event = json!({"id": "evt_1", "name": "user_signup", "user": {"id": 1, "email": "jane@example.com"}});
    caller.send(caller.bare(Method::POST, "/events").bearer_auth(KEY).json(&event)).await.unwrap();
    let listed = home.run(&["events", "list"]).await;
    assert!(listed.out.contains("jane@example.com") && listed.out.contains("user_signup"), "{listed:?}");
    let mut jobs = home.run(&["jobs", "list"]).await;
    for _ in 0..600 {
        if jobs.out.contains("event") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        jobs = home.run(&["jobs", "list"]).await;
    }
    assert!(jobs.out.contains("event") && jobs.out.contains("jane@example.com"), "{jobs:?}");
    assert_eq!(home.json(&["jobs", "replay", "--all"]).await["replayed"].as_array().map(Vec::len), Some(1));
}
