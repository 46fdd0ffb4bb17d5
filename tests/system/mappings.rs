//! Mapping sets: stored by version, never over somebody else's, taken up by warm functions, and handled by `tandem mappings`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tandem_app::mappings::{Setting, StoredMappings, Taken};
use tandem_app::store::Act;
use tandem_app::system::SystemClock;
use tandem_core::domain::scope::{Scope, TenantId};
use tandem_core::mapping::{FieldRule, MappingSet};
use tandem_core::ports::Clock;
use tandem_tests::command::{Printed, tandem};
use tandem_tests::function::environment;
use tandem_tests::sqs_stub::SqsStub;
use tandem_tests::system::{KEY, Options, System};
use tempfile::TempDir;

/// A clock that a test moves.
#[derive(Default)]
struct MovedClock(AtomicI64);

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        SystemClock.now() + SignedDuration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

fn scope() -> Scope {
    Scope::default_mautic()
}

fn setting(seen: Option<u64>) -> Setting {
    let at = SystemClock.now();
    let id = format!("{}", at.as_nanosecond());
    Setting { act: Act { by: "a test".to_owned(), at, id: id.clone(), correlation_id: id }, note: None, seen }
}

/// The built-in set with a further name of the first name.
fn with_alias(set: &MappingSet, alias: &str) -> MappingSet {
    let mut set = set.clone();
    let named = |rule: &&mut FieldRule| rule.local == "first_name";
    set.mappings[0].rules.iter_mut().find(named).unwrap().aliases.push(alias.to_owned());
    set
}

fn version(taken: &Taken<StoredMappings>) -> Option<u64> {
    match taken {
        Taken::Set { version, .. } => Some(version.version),
        _ => None,
    }
}

async fn quiet() -> System {
    System::with(Options::default().without_worker()).await
}

#[tokio::test]
async fn every_version_is_kept_as_it_was_and_going_back_is_a_version_too() {
    let system = quiet().await;
    let mappings = system.foundation.mappings();
    let built_in = mappings.active(&scope()).await.unwrap();
    assert_eq!((built_in.version, built_in.set_by.as_str()), (0, "Tandem"));
    let first = with_alias(&built_in.content.set, "vorname");
    assert_eq!(version(&mappings.set(&scope(), first.clone(), None, setting(Some(0))).await.unwrap()), Some(1));
    assert_eq!(mappings.set(&scope(), first.clone(), None, setting(None)).await.unwrap(), Taken::Same(1));
    let second = with_alias(&first, "prenom");
    assert_eq!(version(&mappings.set(&scope(), second, None, setting(Some(1))).await.unwrap()), Some(2));
    assert_eq!(mappings.set(&scope(), first.clone(), None, setting(Some(1))).await.unwrap(), Taken::Changed(2));
    assert_eq!(version(&mappings.roll_back(&scope(), 1, None, setting(None)).await.unwrap()), Some(3));
    let active = mappings.active(&scope()).await.unwrap();
    assert_eq!((active.content.set, active.note.as_deref()), (first, Some("as version 1")));
    let numbers: Vec<u64> = mappings.list(&scope()).await.unwrap().iter().map(|version| version.version).collect();
    assert_eq!(numbers, [3, 2, 1, 0]);
    assert_eq!(mappings.roll_back(&scope(), 9, None, setting(None)).await.unwrap(), Taken::Unknown);
}

#[tokio::test]
async fn of_two_who_set_at_once_one_is_told_that_it_came_too_late() {
    let system = quiet().await;
    let mappings = system.foundation.mappings();
    let built_in = mappings.active(&scope()).await.unwrap().content.set;
    let (one, other, scope) = (with_alias(&built_in, "a_name"), with_alias(&built_in, "b_name"), scope());
    let (one, other) =
        tokio::join!(mappings.set(&scope, one, None, setting(None)), mappings.set(&scope, other, None, setting(None)),);
    let taken = [one.unwrap(), other.unwrap()];
    let set = taken.iter().filter_map(version).count();
    let latest = mappings.active(&scope).await.unwrap().version;
    // Who looked after the other had set comes second, and says so by its number.
    assert!(set == 1 && taken.contains(&Taken::Changed(1)) || set == 2 && latest == 2, "{taken:?}");
}

#[tokio::test]
async fn no_more_than_fifty_versions_are_kept() {
    let system = quiet().await;
    let mappings = system.foundation.mappings();
    let built_in = mappings.active(&scope()).await.unwrap().content.set;
    for number in 1..=52 {
        let set = with_alias(&built_in, &format!("name_{number}"));
        assert_eq!(version(&mappings.set(&scope(), set, None, setting(None)).await.unwrap()), Some(number));
    }
    let kept = mappings.list(&scope()).await.unwrap();
    assert_eq!((kept.len(), kept[0].version, kept[49].version), (51, 52, 3));
}

#[tokio::test]
async fn a_set_that_the_platform_or_the_lifecycle_rules_can_not_go_with_is_refused_as_a_whole() {
    let system = quiet().await;
    let (mappings, desk) = (system.foundation.mappings(), system.desk());
    let catalog = desk.integration.platform.fields().await.unwrap();
    let mut set = mappings.active(&scope()).await.unwrap().content.set;
    assert_eq!(mappings.check(&scope(), &set, Some(&catalog)).await.unwrap(), [], "the built-in set is sound");
    let rules = &mut set.mappings[0].rules;
    rules.retain(|rule| rule.local != "lifetime_value");
    let place = rules.iter().position(|rule| rule.local == "points").unwrap();
    rules[place].remote = Some("no_such_field".to_owned());
    let Taken::Refused(problems) = mappings.set(&scope(), set, Some(&catalog), setting(None)).await.unwrap() else {
        panic!("it was taken");
    };
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].starts_with(&format!("mappings[0].rules[{place}].remote:")), "{told:?}");
    assert!(
        told[1..].iter().all(|what| what.contains("lifecycle rules") && what.contains("lifetime_value")),
        "{told:?}"
    );
    assert_eq!(mappings.active(&scope()).await.unwrap().version, 0);
}

#[tokio::test]
async fn a_warm_function_takes_a_new_version_up_within_half_a_minute_and_looks_no_oftener() {
    let clock = Arc::new(MovedClock::default());
    let options = Options { clock: clock.clone(), ..Options::default() };
    let system = System::with(options.without_worker()).await;
    let (in_use, mappings) = (system.foundation.rules_in_use(), system.foundation.mappings());
    let knows = async |name: &str| in_use.of(&scope()).await.unwrap().rules.rule_of(name).is_some();
    assert!(!knows("vorname").await);
    let set = with_alias(&mappings.active(&scope()).await.unwrap().content.set, "vorname");
    mappings.set(&scope(), set, None, setting(None)).await.unwrap();
    let reads = system.table.meter().reads();
    clock.0.fetch_add(29, Ordering::Relaxed);
    assert!(!knows("vorname").await);
    assert_eq!(system.table.meter().reads(), reads, "the copy is trusted");
    clock.0.fetch_add(1, Ordering::Relaxed);
    assert!(knows("vorname").await);
    let reads = system.table.meter().reads();
    clock.0.fetch_add(30, Ordering::Relaxed);
    assert!(knows("vorname").await);
    assert_eq!(system.table.meter().reads() - reads, 1, "the set itself is read once");
}

#[tokio::test]
async fn an_integration_without_a_set_of_its_own_works_by_the_built_in_one() {
    let system = System::with(Options::default().without_worker()).await;
    let mappings = system.foundation.mappings();
    let set = with_alias(&mappings.active(&scope()).await.unwrap().content.set, "vorname");
    mappings.set(&scope(), set, None, setting(None)).await.unwrap();
    let in_use = system.foundation.clone().with_rules_in_use().await.unwrap().rules_in_use();
    let other = Scope { integration: "other".to_owned().try_into().unwrap(), ..scope() };
    let knows = async |scope: &Scope| in_use.of(scope).await.unwrap().rules.rule_of("vorname").is_some();
    assert!(knows(&scope()).await);
    assert!(!knows(&other).await, "the set is another integration's");
}

#[tokio::test]
async fn rules_of_a_tenant_see_nothing_of_the_environment() {
    let system = System::with(Options::default().without_worker().with("MAUTIC_WELCOME_CAMPAIGN_ID", "17")).await;
    let (rules, tenant) = (system.foundation.lifecycle_rules(), TenantId::default());
    let fields = &system.foundation.rules;
    let own = "[campaigns]\nwelcome = { name = \"Hello\", optional = true }\n[[rule]]\non = \"user_signup\"\ninto = [\"campaign.welcome\"]\n";
    let spying = own.replace("name = \"Hello\"", "name = \"Hello\", env = \"MAUTIC_CLIENT_SECRET\"");
    let Taken::Refused(problems) = rules.set(&tenant, Some(&spying), fields, setting(None)).await.unwrap() else {
        panic!("it was taken");
    };
    assert!(problems.len() == 1 && problems[0].message.contains("campaign.welcome"), "{problems:?}");
    assert!(matches!(rules.set(&tenant, Some(own), fields, setting(Some(0))).await.unwrap(), Taken::Set { .. }));
    let in_use = system.foundation.rules_in_use().of(&scope()).await.unwrap();
    let welcome = in_use.lifecycle.list(&"campaign.welcome".parse().unwrap()).unwrap().clone();
    assert_eq!((welcome.id, welcome.name.as_deref()), (None, Some("Hello")));
    assert!(matches!(rules.roll_back(&tenant, 0, fields, setting(Some(1))).await.unwrap(), Taken::Set { .. }));
    let in_use = system.foundation.rules_in_use().of(&scope()).await.unwrap();
    let welcome = in_use.lifecycle.list(&"campaign.welcome".parse().unwrap()).unwrap().clone();
    assert_eq!(welcome.id.as_deref(), Some("17"), "the operator's own rules read it");
}

/// The command over a system's table and Mautic.
struct Terminal {
    folder: TempDir,
    environment: Vec<(String, String)>,
    _sqs: SqsStub,
}

impl Terminal {
    async fn at(system: &System) -> Self {
        let sqs = SqsStub::start().await;
        Self { folder: tempfile::tempdir().unwrap(), environment: environment(system, &sqs), _sqs: sqs }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    async fn run(&self, arguments: &[&str]) -> Printed {
        tandem(self.folder.path(), &self.environment, arguments).await
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let printed = self.run(&[&["--json"], arguments].concat()).await;
        assert!(printed.success, "{printed:?}");
        printed.json()
    }
}

#[tokio::test]
async fn an_operator_shows_checks_tries_sets_and_takes_back_a_set() {
    let system = quiet().await;
    let upsert = json!({"id": "7", "contact": {"email": "a@example.com", "city": "Perth"}});
    assert!(system.caller.upsert(upsert).await.unwrap().is_taken());
    let terminal = Terminal::at(&system).await;
    let shown = terminal.run(&["mappings", "show"]).await;
    assert!(shown.success && shown.out.contains("role = \"address\""), "{shown:?}");

    let wrong = shown
        .out
        .replace("remote = \"city\"", "remote = \"zipcode\"")
        .replace("transform = \"url\"", "transform = \"number\"");
    let wrong = terminal.file("wrong.toml", &wrong);
    let refused = terminal.run(&["mappings", "check", wrong.to_str().unwrap()]).await;
    assert!(!refused.success && refused.out.matches("error: mappings[0].rules[").count() == 2, "{refused:?}");
    assert!(!terminal.run(&["mappings", "set", wrong.to_str().unwrap()]).await.success);

    let own = shown.out.replace(
        "remote = \"city\"\ntransform = \"text\"",
        "remote = \"city\"\ntransform = { lookup = { perth = \"Perth WA\" } }",
    );
    let own = terminal.file("own.toml", &own);
    let own = own.to_str().unwrap();
    let diff = terminal.run(&["mappings", "diff", own]).await;
    assert!(diff.success && diff.out.starts_with("~ city: transform \"text\" → {\"lookup\""), "{diff:?}");
    let tried = terminal.json(&["mappings", "set", own, "--dry-run", "--record", "7", "--record", "8"]).await;
    let planned = &tried["records"][0];
    assert_eq!((&planned["action"], &planned["fields"][0]["after"]), (&json!("update"), &json!("Perth WA")), "{tried}");
    assert_eq!(planned["fields"].as_array().map(Vec::len), Some(1), "{tried}");
    assert_eq!(tried["records"][1], json!({"id": "8", "action": "unknown"}));

    let set = terminal.json(&["mappings", "set", own, "--note", "in words"]).await;
    assert_eq!(set["version"], 1);
    let late = terminal.run(&["mappings", "set", wrong.to_str().unwrap(), "--if-version", "0"]).await;
    assert!(!late.success && late.err.contains("version 1"), "{late:?}");
    let as_json = terminal.file("own.json", &terminal.run(&["mappings", "show", "--format", "json"]).await.out);
    assert_eq!(terminal.json(&["mappings", "set", as_json.to_str().unwrap()]).await["version"], 1, "it says the same");
    assert_eq!(terminal.json(&["mappings", "rollback", "0"]).await["version"], 2);
    let list = terminal.json(&["mappings", "list"]).await;
    assert_eq!((&list["active"], &list["versions"][1]["note"]), (&json!(2), &json!("in words")));
    assert!(terminal.run(&["mappings", "diff", "0", "2"]).await.out.starts_with("both say the same"));
    let odd = terminal.file("own.yaml", "");
    assert!(terminal.run(&["mappings", "check", odd.to_str().unwrap()]).await.err.contains("--format"));
}

fn api(system: &System, method: Method, path: &str) -> RequestBuilder {
    system.caller.bare(method, &format!("/api/v1/integrations/mautic/mappings{path}")).bearer_auth(KEY)
}

#[tokio::test]
async fn the_api_shows_checks_sets_and_takes_back_a_set_and_its_etag_is_the_version() {
    let system = quiet().await;
    let send = async |request: RequestBuilder| system.caller.send(request).await.unwrap();
    let shown = send(api(&system, Method::GET, "")).await;
    assert_eq!((shown.status, &shown.data()["version"]), (200, &json!(0)));
    let set = MappingSet::of_value(&json!({"mappings": shown.data()["mappings"]})).unwrap();
    let own = json!({"mappings": with_alias(&set, "vorname").mappings, "note": "German forms"});
    let unknown = json!({"contact": {"email": "a@example.com", "vorname": "Ada"}});
    assert_eq!(system.caller.upsert(unknown.clone()).await.unwrap().complaints(), ["contact.vorname:unknown_field"]);

    let mut wrong = own.clone();
    wrong["mappings"][0]["rules"][2]["remote"] = json!("lastname");
    wrong["mappings"][0]["rules"][4]["remote"] = json!("nowhere");
    let checked = send(api(&system, Method::POST, "/check").json(&json!({"mappings": wrong["mappings"]}))).await;
    assert_eq!((checked.status, &checked.data()["sound"]), (200, &json!(false)));
    let refused = send(api(&system, Method::PUT, "").json(&wrong)).await;
    assert_eq!(refused.status, 422);
    let mut complaints = refused.complaints();
    complaints.sort();
    assert_eq!(complaints, ["mappings[0].rules[3].remote:invalid", "mappings[0].rules[4].remote:invalid"]);
    let misread = send(api(&system, Method::PUT, "").json(&json!({"mappings": [{"kind": "robot"}]}))).await;
    assert_eq!((misread.status, misread.complaints().len()), (422, 3), "kind, object, rules");

    let stale = send(api(&system, Method::PUT, "").header("If-Match", "\"7\"").json(&own)).await;
    assert_eq!((stale.status, stale.error_code()), (412, "precondition_failed"));
    let set = send(api(&system, Method::PUT, "").header("If-Match", "\"0\"").json(&own)).await;
    assert_eq!((set.status, &set.data()["version"], &set.data()["note"]), (200, &json!(1), &json!("German forms")));
    let audit = system.caller.bare(Method::GET, "/api/v1/audit").bearer_auth(KEY);
    assert_eq!(send(audit).await.data()["entries"][0]["action"], "mappings.set");
    let fresh = send(api(&system, Method::POST, "/rollback").json(&json!({"version": 0}))).await;
    assert_eq!((fresh.status, &fresh.data()["version"]), (200, &json!(2)));
    assert_eq!(send(api(&system, Method::GET, "?version=1")).await.data()["note"], "German forms");
    assert_eq!(send(api(&system, Method::GET, "?version=9")).await.status, 404);
    assert_eq!(send(api(&system, Method::GET, "?version=x")).await.status, 422);
    let elsewhere = system.caller.bare(Method::GET, "/api/v1/integrations/other/mappings").bearer_auth(KEY);
    assert_eq!(send(elsewhere).await.status, 404);
}

#[tokio::test]
async fn a_call_that_comes_after_the_change_is_read_and_sent_by_the_new_set() {
    let mut system = quiet().await;
    let mappings = system.foundation.mappings();
    let set = with_alias(&mappings.active(&scope()).await.unwrap().content.set, "vorname");
    mappings.set(&scope(), set, None, setting(None)).await.unwrap();
    let fresh = system.another_instance().await;
    let upsert = json!({"contact": {"email": "a@example.com", "vorname": "Ada"}});
    assert_eq!(fresh.upsert(upsert).await.unwrap().complaints(), Vec::<String>::new());
    assert_eq!(system.contact("a@example.com").fields["firstname"], "Ada");
}
