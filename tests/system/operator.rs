//! The operator's side of lifecycle events: `tandem rules`, `tandem events`, `tandem connect`, and a newcomer's first event.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tandem_simulators::MauticVersion;
use tandem_simulators::mautic::{FaultKind, FaultRule};
use tandem_tests::client::{Answer, Caller};
use tandem_tests::command::{Printed, serving, tandem};
use tandem_tests::function::{JOBS, environment};
use tandem_tests::sqs_stub::SqsStub;
use tandem_tests::system::{KEY, Options, System, WEBHOOK_SECRET};
use tempfile::TempDir;

/// A folder with files, and the command over it.
struct Desk {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

impl Desk {
    /// Without any configuration.
    fn bare() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), environment: Vec::new() }
    }

    /// On the table and the Mautic of a system, with further variables.
    fn of(system: &System, sqs: &SqsStub, further: &[(&str, &str)]) -> Self {
        let mut environment = environment(system, sqs);
        environment.extend(further.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Self { environment, ..Self::bare() }
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

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

async fn post_event(caller: &Caller, key: &str, event: &Value) -> Answer {
    caller.send(caller.bare(Method::POST, "/events?wait=true").bearer_auth(key).json(event)).await.unwrap()
}

#[tokio::test]
async fn the_built_in_rules_are_shown_and_are_a_beginning_of_ones_own() {
    let desk = Desk::bare();
    let shown = desk.run(&["rules", "check"]).await;
    assert!(shown.success, "{shown:?}");
    for part in ["the built-in rules: sound", "user_signup", "segment.churned", "Win-back Campaign", "enterprise"] {
        assert!(shown.out.contains(part), "{part} in {}", shown.out);
    }
    let own = desk.file("own.toml", &desk.run(&["rules", "check", "--print-default"]).await.out);
    let own = desk.json(&["rules", "check", text(&own)]).await;
    assert_eq!(own["problems"], json!([]));
    let says = |value: &Value| value["says"]["rules"].as_array().map(Vec::len);
    assert_eq!(says(&own), says(&desk.json(&["rules", "check"]).await));
}

#[tokio::test]
async fn all_problems_of_rules_are_told_with_their_places() {
    let desk = Desk::bare();
    let wrong = r#"
        [[rule]]
        on = "a"
        set = { shoe_size = 4 }
        [[rule]]
        on = "b"
        into = ["segment.none"]
        at_most_every = "often"
        [[rule]]
        on = "c"
        when = { direction = "upgrade" }
        at_most_every = "1h"
    "#;
    let rules = desk.file("rules.toml", wrong);
    let refused = desk.run(&["rules", "check", text(&rules)]).await;
    assert!(!refused.success);
    let told = ["rule 1 (a): no field rule knows shoe_size", "rule 2 (b): segment.none", "rule 2 (b): at_most_every"];
    for problem in told.iter().chain(&["rule 3 (c): at_most_every"]) {
        assert!(refused.out.contains(problem), "{problem} in {refused:?}");
    }
    let named = Desk { environment: vec![("TANDEM_RULES_FILE".to_owned(), text(&rules).to_owned())], ..desk };
    let refused = named.run(&["--json", "rules", "check"]).await;
    assert!(!refused.success && refused.json()["problems"].as_array().unwrap().len() == 4, "{refused:?}");
}

#[tokio::test]
async fn rules_that_can_not_be_meant_are_told() {
    let desk = Desk::bare();
    let impossible = desk.file(
        "impossible.toml",
        "[[rule]]\non = \"a\"\nset = { country = \"Nowhereland\", total_orders = \"many\" }\n",
    );
    let refused = desk.run(&["rules", "check", text(&impossible)]).await;
    assert!(!refused.success && refused.out.contains("country can't be that"), "{refused:?}");
    assert!(refused.out.contains("total_orders can't be that"), "{refused:?}");
    let doubtful = "[segments]\na = { name = \"VIP\" }\nb = { name = \"vip \" }\n[[rule]]\non = [\"user_sign_up\", \"my_own_event\"]\ninto = [\"segment.a\"]\n";
    let doubtful = desk.json(&["rules", "check", text(&desk.file("doubtful.toml", doubtful))]).await;
    let notes = doubtful["notes"].as_array().unwrap();
    assert_eq!(notes.len(), 2, "{doubtful}");
    assert!(notes[0].as_str().unwrap().contains("is it user_signup?"), "{doubtful}");
    assert!(notes[1].as_str().unwrap().contains("segment.a and segment.b"), "{doubtful}");
    let twice = desk.file("twice.toml", "[segments]\nvip = { name = \"A\" }\nvip = { name = \"B\" }\n");
    let refused = desk.run(&["rules", "check", text(&twice)]).await;
    assert!(!refused.success && refused.out.contains("line 3: vip is given twice"), "{refused:?}");
}

#[tokio::test]
async fn an_event_is_explained_without_doing_anything() {
    let desk = Desk::bare();
    let event = |name: &str, event: &Value| desk.file(name, &event.to_string());
    let signup =
        event("signup.json", &json!({"name": "user_signup", "user": {"id": 1, "first_name": "Jo", "shoe": 4}}));
    let told = desk.run(&["rules", "explain", text(&signup)]).await;
    assert!(told.success, "{told:?}");
    for part in
        ["set     first_name = \"Jo\"", "into    campaign.welcome (named Welcome Campaign", "[tier free]", "user.shoe"]
    {
        assert!(told.out.contains(part), "{part} in {}", told.out);
    }
    let change = |tier: &str, day: u8| {
        json!({"name": "plan_change", "time": format!("2026-01-{day:02}T10:00:00Z"), "user": {"id": 1},
               "properties": {"new_tier": tier}})
    };
    let history = event("history.json", &json!([change("enterprise", 1)]));
    let down = event("down.json", &change("pro", 2));
    let told = desk.json(&["rules", "explain", text(&down), "--history", text(&history)]).await;
    let retention = json!({"effect": "list", "target": "campaign.retention", "member": true, "says": [{"rule": 4}]});
    assert!(told[0]["effects"].as_array().unwrap().contains(&retention), "{told}");
    let unknown = event("unknown.json", &change("platinum", 3));
    let refused = desk.run(&["rules", "explain", text(&unknown)]).await;
    assert!(!refused.success && refused.err.contains("properties.new_tier"), "{refused:?}");
}

#[tokio::test]
async fn connecting_makes_what_the_rules_need_but_for_campaigns() {
    let system = System::with(Options::default().without_worker().without_fields()).await;
    let sqs = SqsStub::start().await;
    let desk = Desk::of(&system, &sqs, &[]);
    let looked = desk.run(&["connect", "mautic"]).await;
    assert!(!looked.success && looked.out.contains("New Users              MISSING"), "{looked:?}");
    assert!(!desk.run(&["rules", "check", "--live"]).await.success);
    let made = desk.json(&["connect", "mautic", "--create-missing"]).await;
    let lists = made["lists"].as_array().unwrap();
    let of_state = |state: &str| lists.iter().filter(|list| list["found"]["state"] == state).count();
    assert_eq!((of_state("made"), of_state("missing"), &made["complete"]), (5, 5, &json!(true)), "{made}");
    assert_eq!(made["mautic"]["fields"]["subscription_updated_at"]["state"], "made");
    let live = desk.json(&["rules", "check", "--live"]).await;
    assert_eq!(live["live"]["fields"]["subscription_updated_at"]["state"], "right", "{live}");
}

#[tokio::test]
async fn connecting_succeeds_on_each_version_and_raises_limits_when_asked() {
    for version in MauticVersion::ALL {
        let options = Options::default().mautic_version(version);
        let system = System::with(options.without_worker().without_fields()).await;
        let sqs = SqsStub::start().await;
        let desk = Desk::of(&system, &sqs, &[]);
        let made = desk.run(&["connect", "mautic", "--create-missing"]).await;
        assert!(made.success && made.out.contains("app_utm_source"), "{version}: {made:?}");
        let short = made.out.lines().find(|line| line.contains("firstname")).unwrap();
        assert!(short.contains("64 characters") && short.contains("--raise-limits"), "{version}: {short}");
        let raised = desk.json(&["connect", "mautic", "--raise-limits"]).await;
        assert_eq!(raised["mautic"]["fields"]["firstname"]["state"], "raised", "{version}");
        let again = desk.json(&["connect", "mautic"]).await;
        for field in ["firstname", "supabase_id", "app_utm_term"] {
            assert_eq!(again["mautic"]["fields"][field]["state"], "right", "{version}: {field} {again}");
        }
    }
}

#[tokio::test]
async fn a_webhook_is_made_only_where_a_tandem_answers_that_knows_its_secret() {
    let system = System::with(Options::default().without_worker()).await;
    let sqs = SqsStub::start().await;
    let desk = Desk::of(&system, &sqs, &[("MAUTIC_WEBHOOK_SECRET", WEBHOOK_SECRET)]);
    let nowhere = desk.run(&["connect", "mautic", "--webhook-url", "http://127.0.0.1:9/mautic-webhook"]).await;
    assert!(!nowhere.success && nowhere.out.contains("webhook      NOT MADE"), "{nowhere:?}");
    assert_eq!(system.in_mautic(Method::GET, "/api/hooks", None).await["total"], json!(0));
    let url = system.hook().url;
    let made = desk.json(&["connect", "mautic", "--create-missing", "--webhook-url", &url]).await;
    assert_eq!((&made["webhook"]["check"], &made["webhook"]["delivery"]["state"]), (&json!("made"), &json!("arrives")));
    let other = Desk::of(&system, &sqs, &[("MAUTIC_WEBHOOK_SECRET", "another")]);
    let refused = other.run(&["connect", "mautic", "--webhook-url", &url]).await;
    assert!(!refused.success && refused.out.contains("MAUTIC_WEBHOOK_SECRET"), "{refused:?}");
}

#[tokio::test]
async fn an_address_that_is_no_mautic_is_shown_with_what_answers_there() {
    let system = System::with(Options::default().without_worker()).await;
    let sqs = SqsStub::start().await;
    let desk = Desk::of(&system, &sqs, &[("MAUTIC_BASE_URL", "http://127.0.0.1:9/crm")]);
    let failed = desk.run(&["connect", "mautic"]).await;
    assert!(!failed.success && failed.err.contains("http://127.0.0.1:9/crm"), "{failed:?}");
    assert!(failed.err.contains("refused the connection") && failed.err.contains("MAUTIC_BASE_URL"), "{failed:?}");
}

#[tokio::test]
async fn a_website_that_is_no_mautic_is_shown_with_its_status_its_content_type_and_what_helps() {
    let system = System::with(Options::default().without_worker()).await;
    let sqs = SqsStub::start().await;
    let url = format!("{}/shop", system.mautic.base_url());
    let mut website = FaultRule::new(FaultKind::Html).status(404);
    website.matching.path_prefix = Some("/shop".to_owned());
    system.mautic.inject_faults(vec![website]);
    let desk = Desk::of(&system, &sqs, &[("MAUTIC_BASE_URL", &url)]);
    let failed = desk.run(&["connect", "mautic"]).await;
    assert_eq!(failed.status, Some(1), "{failed:?}");
    for part in [url.as_str(), "404", "text/html", "MAUTIC_BASE_URL"] {
        assert!(failed.err.contains(part), "{part} in {failed:?}");
    }
}

#[tokio::test]
async fn connecting_says_what_is_lost_where_the_role_may_not_read_the_audit_log() {
    let system = System::with(Options::default().without_worker()).await;
    let sqs = SqsStub::start().await;
    let desk = Desk::of(&system, &sqs, &[]);
    assert!(!desk.run(&["connect", "mautic", "--create-missing"]).await.out.contains("audit log"));
    let mut rule = FaultRule::new(FaultKind::Status).status(200).path("/api/stats/audit_log");
    rule.body = Some(json!({"errors": [{"message": "You do not have the view permission", "code": 403}]}).to_string());
    system.mautic.inject_faults(vec![rule]);
    let told = desk.run(&["connect", "mautic"]).await;
    let lost = ["can't be read with this role", "come back by webhook only", "is put back", "learnt by webhook"];
    for part in ["audit log"].iter().chain(&lost) {
        assert!(told.out.contains(part), "{part} in {}", told.out);
    }
}

#[tokio::test]
async fn connecting_a_mautic_7_that_delivers_nothing_to_a_private_address_fails_and_names_the_setting() {
    let options = Options::default().mautic_version(MauticVersion::V7_0).without_private_webhooks();
    let system = System::with(options.without_worker()).await;
    let sqs = SqsStub::start().await;
    let desk = Desk::of(&system, &sqs, &[("MAUTIC_WEBHOOK_SECRET", WEBHOOK_SECRET)]);
    let connect = ["connect", "mautic", "--create-missing", "--webhook-url", &system.hook().url];
    let told = desk.run(&connect).await;
    assert_eq!(told.status, Some(1), "{told:?}");
    let hook = told.out.lines().find(|line| line.starts_with("webhook")).unwrap();
    assert!(hook.contains("NOTHING ARRIVES") && hook.contains("webhook_allowed_private_addresses"), "{hook}");
    system.mautic.set_allowed_private_addresses(&["127.0.0.1"]);
    let mended = desk.run(&connect).await;
    assert!(mended.success && mended.out.contains("a test delivery arrived"), "{mended:?}");
}

#[tokio::test]
async fn the_doctor_prints_the_contacts_that_share_an_address_and_what_to_do() {
    let system = System::with(Options::default().without_worker()).await;
    let sqs = SqsStub::start().await;
    let desk = Desk::of(&system, &sqs, &[]);
    let planted = ["twin@example.com", "Twin@example.com", "single@example.com"]
        .map(|email| json!({"email": email}).as_object().unwrap().clone());
    let ids = system.mautic.plant_contacts(&planted);
    let told = desk.run(&["doctor", "duplicates"]).await;
    let line = format!("twin@example.com  contacts {}, {}", ids[0], ids[1]);
    assert!(told.success && told.out.starts_with(&line) && told.out.contains("Merge each set"), "{line}: {told:?}");
    assert!(!told.out.contains("single@example.com"), "{told:?}");
    let listed = desk.json(&["doctor", "duplicates"]).await;
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
}

#[tokio::test]
async fn a_campaign_that_a_variable_names_must_be_there() {
    let system = System::with(Options::default().without_worker()).await;
    let sqs = SqsStub::start().await;
    let desk = Desk::of(&system, &sqs, &[("MAUTIC_WELCOME_CAMPAIGN_ID", "Hello")]);
    let connect = ["connect", "mautic", "--create-missing"];
    let missing = desk.run(&connect).await;
    let told = missing.out.lines().find(|line| line.contains("Hello")).unwrap();
    assert!(!missing.success && told.contains("MISSING") && told.contains("MAUTIC_WELCOME_CAMPAIGN_ID"), "{told}");
    assert!(missing.out.contains("missing (optional"), "{missing:?}");
    system.made_in_mautic("campaigns", "Hello").await;
    let there = desk.run(&connect).await;
    assert!(there.success, "{there:?}");
}

/// The route of a membership's change.
const MEMBERSHIP: &str = "POST /api/segments/{id}/contact/{contact}/{action}";

/// A system whose welcome campaign, number 1, is missing, with two signups that were parked for it.
async fn with_parked_events(sqs: &SqsStub) -> (System, Desk) {
    let (variable, campaign) = ("MAUTIC_WELCOME_CAMPAIGN_ID", "1");
    let system = System::with(Options::default().with(variable, campaign)).await;
    for (id, email) in [(1, "jane@example.com"), (2, "jack@example.com")] {
        let event = json!({"id": format!("evt_{id}"), "name": "user_signup", "user": {"id": id, "email": email}});
        post_event(&system.caller, KEY, &event).await;
    }
    system.finish().await;
    let desk = Desk::of(&system, sqs, &[(variable, campaign)]);
    (system, desk)
}

#[tokio::test]
async fn a_parked_event_is_listed_and_shown_with_what_failed() {
    let sqs = SqsStub::start().await;
    let (_system, desk) = with_parked_events(&sqs).await;
    assert_eq!(desk.json(&["events", "list", "--status", "parked"]).await.as_array().map(Vec::len), Some(2));
    for of_user in ["jane@example.com", "1"] {
        let listed = desk.json(&["events", "list", "--user", of_user]).await;
        assert_eq!((listed.as_array().map(Vec::len), &listed[0]["id"]), (Some(1), &json!("evt_1")), "{listed}");
    }
    assert_eq!(desk.json(&["events", "list", "--user", "nobody"]).await, json!([]));
    assert_eq!(desk.json(&["events", "list", "--status", "completed"]).await, json!([]));
    let shown = desk.run(&["events", "show", "evt_1"]).await;
    assert!(shown.out.contains("failed") && shown.out.contains("campaign.welcome"), "{shown:?}");
    assert!(!desk.run(&["events", "show", "evt_3"]).await.success);
}

#[tokio::test]
async fn a_replayed_event_goes_on_with_the_steps_that_are_left() {
    let sqs = SqsStub::start().await;
    let (system, desk) = with_parked_events(&sqs).await;
    system.made_in_mautic("campaigns", "Welcome").await;
    let segments = system.calls_of(MEMBERSHIP);
    assert_eq!((system.parked().await.len(), segments), (2, 4));
    assert_eq!(desk.json(&["events", "replay", "evt_1"]).await["replayed"], json!(["evt_1"]));
    assert_eq!((system.parked().await.len(), sqs.messages(JOBS).len()), (1, 1), "of its job only");
    assert_eq!(desk.json(&["events", "replay", "--parked"]).await["replayed"], json!(["evt_2"]));
    assert_eq!((system.parked().await.len(), sqs.messages(JOBS).len()), (0, 2));
    for (event, email) in [("evt_1", "jane@example.com"), ("evt_2", "jack@example.com")] {
        assert!(sqs.messages(JOBS).iter().any(|message| message.contains(event)));
        assert_eq!(desk.json(&["events", "show", event]).await["status"], "processing");
        system.desk().apply_event(event).await.unwrap();
        assert_eq!(desk.json(&["events", "show", event]).await["status"], "completed");
        assert_eq!(system.contact(email).campaigns, [1]);
    }
    assert_eq!(system.calls_of(MEMBERSHIP), segments, "what was done stays done");
    let refused = desk.run(&["events", "replay", "evt_1"]).await;
    assert!(!refused.success && refused.err.contains("completed"), "{refused:?}");
}

#[tokio::test]
async fn all_that_is_parked_is_replayed_by_either_command_and_either_word() {
    for (command, all) in [("events", "all"), ("events", "--all"), ("jobs", "all"), ("jobs", "--all")] {
        let sqs = SqsStub::start().await;
        let (system, desk) = with_parked_events(&sqs).await;
        let replayed = desk.json(&[command, "replay", all]).await;
        assert_eq!(replayed["replayed"].as_array().map(Vec::len), Some(2), "{command} {all}: {replayed}");
        assert_eq!((system.parked().await.len(), sqs.messages(JOBS).len()), (0, 2), "{command} {all}");
        for event in ["evt_1", "evt_2"] {
            assert_eq!(desk.json(&["events", "show", event]).await["status"], "processing", "{command} {all}");
        }
    }
}

#[tokio::test]
async fn an_event_of_nobody_known_waits_again_when_it_is_replayed() {
    let system = System::with(Options::default().without_worker()).await;
    let sqs = SqsStub::start().await;
    let desk = Desk::of(&system, &sqs, &[]);
    let event = json!({"id": "evt_1", "name": "user_login", "user": {"id": 7}});
    post_event(&system.caller, KEY, &event).await;
    assert_eq!(desk.json(&["events", "replay", "evt_1"]).await["replayed"], json!(["evt_1"]));
    assert_eq!(desk.json(&["events", "show", "evt_1"]).await["status"], "pending");
    assert_eq!(sqs.messages(JOBS).len(), 1);
    let unknown = desk.run(&["events", "replay", "evt_2"]).await;
    assert!(!unknown.success && unknown.err.contains("evt_2"), "{unknown:?}");
}

#[tokio::test]
async fn a_newcomers_first_event_shows_its_whole_effect() {
    let mut desk = Desk::bare();
    desk.environment.push(("TANDEM_API_KEY".to_owned(), KEY.to_owned()));
    let _server =
        serving(desk.folder.path(), &desk.environment, &["dev", "--port", "0", "--simulate", "--no-schedule"]);
    let caller = started(desk.folder.path()).await;
    let made = desk.run(&["connect", "mautic", "--create-missing"]).await;
    assert!(made.success && !made.out.to_lowercase().contains("missing"), "{made:?}");
    let event = json!({"id": "first", "name": "user_signup", "user": {"email": "jane@example.com"}});
    let answer = post_event(&caller, KEY, &event).await;
    let shown = &answer.data()["events"][0];
    assert_eq!((answer.status, &shown["status"]), (200, &json!("completed")), "{shown}");
    let steps = shown["steps"].as_array().unwrap();
    let welcome = steps.iter().find(|step| step["target"] == "campaign.welcome").unwrap();
    assert_eq!(welcome["status"], "done", "{shown}");
    let listed = desk.run(&["events", "list"]).await;
    assert!(listed.out.contains("completed") && listed.out.contains("first"), "{listed:?}");
}

/// A caller of the server over this folder, once it is ready.
async fn started(folder: &Path) -> Caller {
    for _ in 0..400 {
        if let Ok(text) = std::fs::read_to_string(folder.join("running.json")) {
            let running: Value = serde_json::from_str(&text).unwrap_or_default();
            if let Some(url) = running["url"].as_str() {
                let caller = Caller::new(url, KEY);
                assert!(caller.until_ready().await, "it gets ready");
                return caller;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("tandem dev did not start");
}
