//! The `tandem` command as a newcomer meets it: beside a server, without one, without a Mautic, and when something waits.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tandem_simulators::mautic::{FaultKind, FaultRule};
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

    /// Puts people into Tandem's table.
    async fn import(&self, csv: &str) {
        let file = self.path().join("people.csv");
        std::fs::write(&file, csv).unwrap();
        let imported = self.run(&["import", file.to_str().unwrap()]).await;
        assert!(imported.success, "{imported:?}");
    }

    /// Has the simulated Mautic of the server fail in these ways and no others.
    async fn faults(&self, rules: &[FaultRule]) {
        let running: Value =
            serde_json::from_str(&std::fs::read_to_string(self.path().join("running.json")).unwrap()).unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/_control/faults", running["simulator"].as_str().unwrap());
        assert!(client.post(url).json(rules).send().await.unwrap().status().is_success());
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

/// A table of forty people, in which the first names are as many as are asked for.
fn forty_people(named: usize) -> String {
    let name = |number| if number < named { "Ada" } else { "" };
    let lines = (0..40).map(|number| format!("{number},p{number}@example.com,{}\n", name(number)));
    ["id,email,first_name\n".to_owned()].into_iter().chain(lines).collect()
}

#[tokio::test]
async fn a_run_that_would_lose_too_much_is_told_by_the_dry_run_the_run_the_status_and_the_health_check() {
    let home = Home::new(&[("TANDEM_API_KEY", KEY)]);
    let (_server, caller) = home.serve(&["--simulate"]).await;
    home.import(&forty_people(40)).await;
    assert!(home.run(&["sync"]).await.success);
    home.import(&forty_people(20)).await;
    let planned = home.run(&["sync", "--dry-run"]).await;
    assert!(planned.success && planned.out.starts_with("WOULD HALT: "), "{planned:?}");
    let halted = home.run(&["sync"]).await;
    assert_eq!(halted.status, Some(1), "{halted:?}");
    let told = home.run(&["status"]).await;
    assert!(told.out.contains("HALTED") && told.out.contains(" ago)"), "{told:?}");
    let runs = &home.json(&["status"]).await["integrations"][0]["runs"];
    assert!(runs["haltedSince"].is_string() && runs["error"].is_string(), "{runs}");
    let health = caller.send(caller.bare(Method::GET, "/health").bearer_auth(KEY)).await.unwrap();
    assert!(health.data()["waiting"]["runs"]["haltedSince"].is_string(), "{:?}", health.body);
    assert!(home.run(&["sync", "--accept-losses"]).await.success);
    assert!(!home.run(&["status"]).await.out.contains("HALTED"));
}

#[tokio::test]
async fn a_run_with_contacts_that_failed_ends_the_command_with_status_1_and_they_are_told_as_waiting() {
    let home = Home::new(&[("TANDEM_API_KEY", KEY)]);
    let (_server, caller) = home.serve(&["--simulate"]).await;
    home.import("id,email\n1,a@example.com\n").await;
    let error = json!({"errors": [{"code": 400, "message": "refused", "details": {"email": ["not valid"]}}]});
    let refused = FaultRule::new(FaultKind::Status).status(400).method("PUT").path("/api/contacts/batch/edit");
    home.faults(&[FaultRule { body: Some(error.to_string()), ..refused }]).await;
    let synced = home.run(&["sync"]).await;
    assert_eq!(synced.status, Some(1), "{synced:?}");
    assert!(synced.err.contains("1 contacts could not be written"), "{synced:?}");
    let told = home.run(&["status"]).await;
    assert!(told.out.contains("1 contacts, 0 due, 1 failing"), "{told:?}");
    let health = caller.send(caller.bare(Method::GET, "/health").bearer_auth(KEY)).await.unwrap();
    assert_eq!(health.data()["waiting"]["outbox"]["failing"], json!(1), "{:?}", health.body);
    assert_eq!(home.run(&["sync"]).await.status, Some(1), "as long as they fail");
}

#[tokio::test]
async fn a_budget_that_is_used_up_is_told_with_what_waits_and_a_person_clears_it() {
    let home = Home::new(&[("TANDEM_API_KEY", KEY)]);
    let (_server, caller) = home.serve(&["--simulate"]).await;
    let mut used_up = FaultRule::new(FaultKind::Status).status(429);
    used_up.retry_after = Some(3_000);
    home.faults(&[used_up]).await;
    let answer = caller.upsert(json!({"contact": {"email": "a@example.com"}})).await.unwrap();
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    let told = home.run(&["status"]).await;
    assert!(told.out.contains("Mautic takes no more calls until"), "{told:?}");
    assert!(told.out.contains("1 jobs wait, 0 under way, the oldest from"), "{told:?}");
    let status = home.json(&["status"]).await;
    assert!(status["queue"]["oldestQueuedAt"].is_string(), "{status}");
    assert!(status["integrations"][0]["budgetExhaustedUntil"].is_string(), "{status}");
    let health = caller.send(caller.bare(Method::GET, "/health").bearer_auth(KEY)).await.unwrap();
    let waiting = &health.data()["waiting"];
    assert!(waiting["budgetExhaustedUntil"].is_string() && waiting["queue"]["oldestQueuedAt"].is_string(), "{waiting}");
    home.faults(&[]).await;
    assert!(!home.run(&["connect", "mautic"]).await.success, "nobody calls before the time that Mautic named");
    assert!(home.run(&["budget", "show"]).await.out.contains("used up until"));
    assert_eq!(home.json(&["budget", "clear"]).await["cleared"], json!(true));
    assert!(home.run(&["connect", "mautic"]).await.success);
    assert!(!home.run(&["status"]).await.out.contains("takes no more calls"));
}

/// What is not for its owner alone, of a folder and all that is in it.
fn open_to_others(path: &Path) -> Vec<String> {
    let known = path.symlink_metadata().unwrap();
    let (mode, wanted) = (known.permissions().mode() & 0o777, if known.is_dir() { 0o700 } else { 0o600 });
    let mut open: Vec<String> =
        (mode != wanted).then(|| format!("{} is {mode:o}", path.display())).into_iter().collect();
    if known.is_dir() {
        let inside = std::fs::read_dir(path).unwrap();
        open.extend(inside.flat_map(|entry| open_to_others(&entry.unwrap().path())));
    }
    open
}

#[tokio::test]
async fn the_data_folder_of_a_running_server_and_all_in_it_are_for_their_owner_alone() {
    let home = Home::new(&[("TANDEM_API_KEY", KEY)]);
    set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
    // The second server finds what the first one left.
    for _ in 0..2 {
        let (mut server, caller) = home.serve(&["--simulate"]).await;
        let answer = caller.upsert(json!({"contact": {"email": "a@example.com"}})).await.unwrap();
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        assert!(home.run(&["sync"]).await.success);
        let files = std::fs::read_dir(home.path()).unwrap().count();
        assert!(files >= 4, "{files} files: table, queue, the simulated Mautic's, the note of the server");
        assert_eq!(open_to_others(home.path()), Vec::<String>::new());
        server.kill().await.unwrap();
    }
}

#[tokio::test]
async fn the_demo_works_from_any_folder() {
    let (data, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let arguments = ["--json", "demo", "--once", "--port", "0", "--rows", "5"];
    let ended = tokio::process::Command::new(tandem_tests::paths::program("tandem"))
        .env_clear()
        .current_dir(elsewhere.path())
        .arg("--data-dir")
        .arg(data.path())
        .args(arguments)
        .output()
        .await
        .unwrap();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0, "nothing is left there");
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
