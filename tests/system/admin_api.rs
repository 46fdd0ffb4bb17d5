//! The admin API over runs, records, conflicts, issues, jobs, events, deliveries and status: looked at page by page, and acted on.

use reqwest::Method;
use serde_json::{Value, json};
use tandem_core::error::{Failure, FailureKind};
use tandem_core::jobs::message::{Job, ParkedJob, RunOrder, Task};
use tandem_core::ports::runs::RunEnd;
use tandem_core::sync::run::SyncOptions;
use tandem_tests::client::Answer;
use tandem_tests::system::{Options, System};

pub(super) async fn quiet() -> System {
    System::with(Options::default().without_worker()).await
}

pub(super) async fn ask(system: &System, method: Method, path: &str, body: Value) -> Answer {
    let request = system.caller.keyed(method, &format!("/api/v1{path}"));
    let request = if body.is_null() { request } else { request.json(&body) };
    system.caller.send(request).await.unwrap()
}

pub(super) async fn get(system: &System, path: &str) -> Value {
    let answer = ask(system, Method::GET, path, Value::Null).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.data().clone()
}

/// All entries of a list by pages of this size; each page but the last has a `next`. Between them, `meanwhile` is done.
pub(super) async fn pages(
    system: &System,
    path: &str,
    name: &str,
    size: usize,
    mut meanwhile: impl AsyncFnMut(usize),
) -> Vec<Value> {
    let (mut all, mut after, mut number) = (Vec::new(), String::new(), 0);
    loop {
        let sign = if path.contains('?') { '&' } else { '?' };
        let page = get(system, &format!("{path}{sign}limit={size}&after={after}")).await;
        let entries = page[name].as_array().unwrap().clone();
        assert!(entries.len() <= size);
        all.extend(entries);
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => return all,
        }
        meanwhile(number).await;
        number += 1;
        assert!(number < 200, "{path} does not end");
    }
}

pub(super) async fn upsert(system: &System, id: &str) {
    let payload = json!({"id": id, "contact": {"email": format!("p{id}@example.com"), "first_name": "P"}});
    assert!(system.caller.upsert(payload).await.unwrap().is_taken());
}

pub(super) async fn park(system: &System, id: &str, kind: FailureKind) {
    let desk = system.desk();
    let job = Job {
        id: id.to_owned(),
        scope: desk.integration.scope.clone(),
        correlation_id: "c".to_owned(),
        queued_at: system.now(),
        task: Task::Sync,
    };
    let reason = Failure::new(kind, "it does not go");
    let parked = ParkedJob { job, reason, advice: "Mend it.".to_owned(), attempts: 3, parked_at: system.now() };
    desk.services.parked.park(&parked).await.unwrap();
}

#[tokio::test]
async fn runs_are_listed_by_pages_that_are_whole_and_stay_while_runs_are_added() {
    let system = quiet().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(system.desk().sync(SyncOptions::default()).await.unwrap().log.id);
    }
    let add = async |_| drop(system.desk().sync(SyncOptions::default()).await.unwrap());
    let listed = pages(&system, "/runs", "runs", 2, add).await;
    let listed: Vec<&str> = listed.iter().filter_map(|run| run["id"].as_str()).collect();
    ids.reverse();
    assert_eq!(listed, ids, "the newest first, each once, and none that came since");
    let one = get(&system, &format!("/runs/{}", ids[0])).await;
    assert_eq!((&one["run"]["end"], &one["underWay"]), (&json!("finished"), &json!(false)));
    assert_eq!(ask(&system, Method::GET, "/runs/none", Value::Null).await.status, 404);
}

#[tokio::test]
async fn a_limit_a_cursor_or_a_parameter_that_can_be_none_is_refused_and_named() {
    let system = quiet().await;
    for (path, complaint) in [
        ("/runs?limit=0", "limit:invalid"),
        ("/jobs?limit=201", "limit:invalid"),
        ("/records?after=%7B", "after:invalid"),
        ("/records?after=abc", "after:invalid"),
        ("/conflicts?after=abc", "after:invalid"),
        ("/issues?state=open_", "state:not_in_list"),
        ("/records?stat=pending", "stat:unknown_field"),
        ("/events?day=yesterday", "day:invalid"),
        ("/status?most=x", "most:invalid"),
    ] {
        let answer = ask(&system, Method::GET, path, Value::Null).await;
        assert_eq!((answer.status, answer.complaints()), (422, vec![complaint.to_owned()]), "{path}");
    }
}

#[tokio::test]
async fn a_run_is_ordered_once_refused_while_one_is_under_way_and_done_by_a_job() {
    let system = System::start().await;
    upsert(&system, "1").await;
    let ordered = ask(&system, Method::POST, "/runs", json!({"full": true})).await;
    assert_eq!((ordered.status, &ordered.data()["queued"]), (202, &json!(true)), "{}", ordered.body);
    let id = ordered.data()["run"].as_str().unwrap().to_owned();
    system.finish().await;
    let run = get(&system, &format!("/runs/{id}")).await;
    assert_eq!(run["run"]["end"], "finished", "{run}");
    let desk = system.desk();
    let (runs, scope) = (&desk.services.runs, &desk.integration.scope);
    let until = system.now() + jiff::SignedDuration::from_secs(20);
    let (lease, state) = runs.begin(scope, "other", until, system.now()).await.unwrap().unwrap();
    let refused = ask(&system, Method::POST, "/runs", json!({})).await;
    assert_eq!((refused.status, refused.error_code()), (409, "run_under_way"));
    runs.end(scope, &lease, &state).await.unwrap();
    let actions: Vec<Value> = get(&system, "/audit").await["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["action"].clone())
        .collect();
    assert_eq!(actions, [json!("run.start")], "what was refused was not done");
    let wrong = ask(&system, Method::POST, "/runs", json!({"full": "perhaps"})).await;
    assert_eq!(wrong.complaints(), ["full:invalid"]);
}

#[tokio::test]
async fn an_order_that_is_carried_out_is_not_carried_out_again() {
    let system = quiet().await;
    let desk = system.desk();
    let order = RunOrder { full: true, ..RunOrder::default() };
    let id = desk.order_run(order.clone(), "c").await.unwrap();
    let job = |order: RunOrder| Job {
        id: "j".to_owned(),
        scope: desk.integration.scope.clone(),
        correlation_id: "c".to_owned(),
        queued_at: system.now(),
        task: Task::StartRun(order),
    };
    let order = RunOrder { run: id.clone(), ..order };
    desk.run(&job(order.clone()), 1).await;
    let logs = desk.services.runs.runs(&desk.integration.scope, None, 10).await.unwrap();
    desk.run(&job(order), 2).await;
    assert_eq!(desk.services.runs.runs(&desk.integration.scope, None, 10).await.unwrap(), logs);
    assert_eq!((logs.len(), logs[0].id.as_str(), logs[0].end), (1, id.as_str(), RunEnd::Finished));
}

#[tokio::test]
async fn a_dry_run_is_kept_and_read_by_pages_and_changes_nothing() {
    let system = System::start().await;
    let rows: Vec<Value> =
        (0..7).map(|id| json!({"id": format!("r{id}"), "email": format!("r{id}@example.com")})).collect();
    let post = system.caller.keyed(Method::POST, "/records").json(&json!(rows));
    assert!(system.caller.send(post).await.unwrap().is_taken());
    let ordered = ask(&system, Method::POST, "/runs", json!({"dryRun": true})).await;
    let id = ordered.data()["run"].as_str().unwrap().to_owned();
    system.finish().await;
    let run = get(&system, &format!("/runs/{id}")).await;
    let plan = &run["run"]["plan"];
    assert_eq!(
        (&run["run"]["end"], &plan["counts"]["create"], &plan["complete"]),
        (&json!("planned"), &json!(7), &json!(true))
    );
    let changes = pages(&system, &format!("/runs/{id}/plan"), "changes", 3, async |_| {}).await;
    assert_eq!(changes.len(), 7);
    assert!(changes.iter().all(|change| change["action"] == "create" && change["fields"].is_array()));
    assert!(system.mautic.contacts().is_empty(), "nothing was sent");
}

#[tokio::test]
async fn a_run_that_paused_is_stopped_and_the_next_one_is_another() {
    let system = quiet().await;
    let desk = system.desk();
    let (runs, scope, now) = (&desk.services.runs, &desk.integration.scope, system.now());
    let until = now + jiff::SignedDuration::from_secs(20);
    let (lease, mut state) = runs.begin(scope, "o", until, now).await.unwrap().unwrap();
    let log = tandem_core::ports::runs::RunLog { id: "paused-1".to_owned(), started_at: now, ..Default::default() };
    state.run = Some(log.clone());
    runs.save(scope, &lease, &state).await.unwrap();
    let asked = ask(&system, Method::POST, "/runs/paused-1/stop", Value::Null).await;
    assert_eq!((asked.status, &asked.data()["stopped"]), (202, &json!(false)), "{}", asked.body);
    assert_eq!(runs.asked_to_stop(scope).await.unwrap().as_deref(), Some("paused-1"));
    runs.end(scope, &lease, &state).await.unwrap();
    let stopped = ask(&system, Method::POST, "/runs/paused-1/stop", Value::Null).await;
    assert_eq!((stopped.status, &stopped.data()["stopped"]), (200, &json!(true)), "{}", stopped.body);
    assert_eq!(get(&system, "/runs/paused-1").await["run"]["end"], "stopped");
    let over = ask(&system, Method::POST, "/runs/paused-1/stop", Value::Null).await;
    assert_eq!((over.status, over.error_code()), (409, "run_is_over"));
    assert_ne!(desk.sync(SyncOptions::default()).await.unwrap().log.id, "paused-1");
}

#[tokio::test]
async fn rows_that_something_is_wrong_with_are_told_by_problem_with_what_the_source_holds() {
    let system = quiet().await;
    let rows: Vec<Value> = (0..5)
        .map(|id| json!({"id": format!("r{id}"), "email": format!("r{id}@example.com"), "mobile": "12, nonsense"}))
        .collect();
    let post = system.caller.keyed(Method::POST, "/records").json(&json!(rows));
    assert!(system.caller.send(post).await.unwrap().is_taken());
    let run = system.desk().sync(SyncOptions::default()).await.unwrap().log.id;
    let path = format!("/runs/{run}/rows?issue=contact.mobile:invalid");
    let found = pages(&system, &path, "rows", 2, async |_| {}).await;
    assert_eq!(found.len(), 5, "{found:?}");
    assert_eq!((&found[0]["email"], &found[0]["value"]), (&json!("r0@example.com"), &json!("12, nonsense")));
    let none = get(&system, &format!("/runs/{run}/rows?issue=mobile:too_long")).await;
    assert_eq!(none["rows"], json!([]));
}

#[tokio::test]
async fn records_are_listed_once_each_while_others_are_added_and_one_is_shown_whole() {
    let system = quiet().await;
    for id in 0..9 {
        upsert(&system, &id.to_string()).await;
    }
    let add = async |page: usize| upsert(&system, &format!("new{page}")).await;
    let listed = pages(&system, "/records", "records", 4, add).await;
    let mut ids: Vec<&str> = listed.iter().filter_map(|record| record["id"].as_str()).collect();
    ids.sort_unstable();
    let distinct = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), distinct, "none twice");
    assert!((0..9).all(|id| ids.contains(&id.to_string().as_str())), "{ids:?}");
    for search in [json!({"email": "p3@example.com"}), json!({"externalId": "3"}), json!({"name": "3"})] {
        let found = ask(&system, Method::POST, "/records/find", search.clone()).await;
        assert_eq!((found.status, &found.data()["record"]["id"]), (200, &json!("3")), "{search}");
    }
    let found = ask(&system, Method::POST, "/records/find", json!({"email": "p3@example.com"})).await;
    let key = found.data()["record"]["key"].as_str().unwrap().to_owned();
    let shown = get(&system, &format!("/records/{key}")).await;
    let record = &shown["record"];
    assert_eq!((&record["fields"]["first_name"], &record["links"][0]["state"]), (&json!("P"), &json!("synced")));
    let nobody = ask(&system, Method::POST, "/records/find", json!({"email": "nobody@example.com"})).await;
    assert_eq!(nobody.status, 404);
    let unsaid = ask(&system, Method::POST, "/records/find", json!({})).await;
    assert_eq!(unsaid.complaints(), ["email:missing"]);
}

#[tokio::test]
async fn what_happened_to_a_person_is_told_from_all_logs_in_order_of_time() {
    let system = System::start().await;
    let signup = json!({"id": "e1", "name": "user_signup", "user": {"id": "1", "email": "p1@example.com"}});
    let post = system.caller.keyed(Method::POST, "/events").json(&signup);
    assert!(system.caller.send(post).await.unwrap().is_taken());
    system.finish().await;
    let payload = json!({"id": "1", "contact": {"email": "p1@example.com", "city": "Perth"}, "consent": {"marketing_opt_in": true}});
    assert!(system.caller.upsert(payload).await.unwrap().is_taken());
    let found = ask(&system, Method::POST, "/records/find", json!({"externalId": "1"})).await;
    let path = format!("/records/{}/timeline", found.data()["record"]["key"].as_str().unwrap());
    let whole = get(&system, &format!("{path}?limit=200")).await;
    let entries = whole["entries"].as_array().unwrap();
    let kinds: std::collections::BTreeSet<&str> = entries.iter().filter_map(|entry| entry["kind"].as_str()).collect();
    assert_eq!(kinds, ["consent", "event", "operation"].into(), "{whole}");
    let times: Vec<&str> = entries.iter().filter_map(|entry| entry["at"].as_str()).collect();
    assert!(
        times.is_sorted_by(|one, other| one.parse::<jiff::Timestamp>().unwrap() >= other.parse().unwrap()),
        "{times:?}"
    );
    assert_eq!(pages(&system, &path, "entries", 2, async |_| {}).await, *entries);
}

#[tokio::test]
async fn parked_jobs_of_one_cause_are_one_issue_that_is_decided_and_replayed() {
    let system = quiet().await;
    for id in 0..3 {
        park(&system, &format!("job-{id}"), FailureKind::NotFound).await;
    }
    park(&system, "job-9", FailureKind::Refused).await;
    let listed = pages(&system, "/issues", "issues", 1, async |_| {}).await;
    let counts: Vec<&Value> = listed.iter().map(|issue| &issue["count"]).collect();
    assert!(counts.len() == 2 && counts.contains(&&json!(3)) && counts.contains(&&json!(1)), "{listed:?}");
    let id = listed.iter().find(|issue| issue["count"] == 3).unwrap()["id"].as_str().unwrap().to_owned();
    let path = format!("/issues/{id}");
    let stale = system.caller.keyed(Method::PATCH, &format!("/api/v1{path}")).header("If-Match", "\"7\"");
    let stale = system.caller.send(stale.json(&json!({"state": "ignored"}))).await.unwrap();
    assert_eq!(stale.status, 412);
    let ignored = ask(&system, Method::PATCH, &path, json!({"state": "ignored", "note": "known"})).await;
    let issue = &ignored.data()["issue"];
    assert_eq!((&issue["state"], &issue["note"], &issue["revision"]), (&json!("ignored"), &json!("known"), &json!(1)));
    assert_eq!(get(&system, "/issues").await["issues"].as_array().unwrap().len(), 1);
    let resolved = ask(&system, Method::PATCH, &path, json!({"state": "resolved"})).await;
    assert_eq!(resolved.data()["issue"]["state"], "resolved");
    park(&system, "job-3", FailureKind::NotFound).await;
    assert_eq!(get(&system, &path).await["issue"]["state"], "open", "it was seen again");
    let wrong = ask(&system, Method::PATCH, &path, json!({"state": "gone"})).await;
    assert_eq!(wrong.complaints(), ["state:not_in_list"]);
    let replayed = ask(&system, Method::POST, &format!("{path}/replay"), Value::Null).await;
    assert_eq!((replayed.status, replayed.data()["replayed"].as_array().map(Vec::len)), (200, Some(4)));
    assert_eq!(system.parked().await.len(), 1);
    let jobs = pages(&system, "/jobs", "jobs", 1, async |_| {}).await;
    assert_eq!((jobs.len(), &jobs[0]["id"], &jobs[0]["task"]), (1, &json!("job-9"), &json!("sync")));
    let one = ask(&system, Method::POST, "/jobs/job-9/replay", Value::Null).await;
    assert_eq!((one.status, system.parked().await.len()), (200, 0));
    assert_eq!(ask(&system, Method::GET, "/jobs/job-9", Value::Null).await.status, 404);
}

#[tokio::test]
async fn events_are_listed_by_day_and_by_user_and_done_again() {
    let system = quiet().await;
    for number in 0..5 {
        let event = json!({"id": format!("e{number}"), "name": "user_signup",
                           "user": {"id": format!("u{number}"), "email": format!("u{number}@example.com")}});
        let post = system.caller.keyed(Method::POST, "/events?wait=true").json(&event);
        assert!(system.caller.send(post).await.unwrap().is_taken());
    }
    let today = system.now().strftime("%Y-%m-%d").to_string();
    let listed = pages(&system, &format!("/events?day={today}"), "events", 2, async |_| {}).await;
    let ids: Vec<&str> = listed.iter().filter_map(|event| event["id"].as_str()).collect();
    assert_eq!(ids, ["e4", "e3", "e2", "e1", "e0"]);
    assert_eq!(get(&system, "/events?day=2020-01-01").await["events"], json!([]));
    for of in ["userId=u3", "email=u3@example.com"] {
        let found = get(&system, &format!("/events?{of}")).await;
        assert_eq!(
            (found["events"].as_array().map(Vec::len), &found["events"][0]["person"]),
            (Some(1), &json!("u3@example.com"))
        );
    }
    assert_eq!(get(&system, "/events/e1").await["event"]["id"], "e1");
    let done = ask(&system, Method::POST, "/events/e1/replay", Value::Null).await;
    assert_eq!((done.status, done.error_code()), (409, "event_is_completed"));
    assert_eq!(ask(&system, Method::POST, "/events/none/replay", Value::Null).await.status, 404);
}

#[tokio::test]
async fn deliveries_that_are_not_done_with_are_listed_and_applied_again_and_none_is_shown() {
    let system = quiet().await;
    let desk = system.desk();
    let (events, scope) = (&desk.services.events, &desk.integration.scope);
    let digests: Vec<String> = (0..3).map(|number| format!("{number}").repeat(64)).collect();
    for digest in &digests {
        events.keep(scope, digest, b"{\"mautic.secret\":[]}", system.now()).await.unwrap();
    }
    events.finish(scope, &digests[1]).await.unwrap();
    let listed = pages(&system, "/deliveries", "deliveries", 1, async |_| {}).await;
    let found: Vec<&str> = listed.iter().filter_map(|one| one["digest"].as_str()).collect();
    assert_eq!(found, [&digests[0], &digests[2]]);
    let finished = get(&system, &format!("/deliveries/{}", digests[1])).await;
    assert_eq!(finished["delivery"]["finished"], true);
    assert!(!finished.to_string().contains("secret"));
    let replayed = ask(&system, Method::POST, &format!("/deliveries/{}/replay", digests[0]), Value::Null).await;
    assert!(replayed.status == 202 && replayed.data()["jobId"].is_string(), "{}", replayed.body);
    assert_eq!(ask(&system, Method::GET, "/deliveries/none", Value::Null).await.status, 404);
}

#[tokio::test]
async fn the_status_tells_of_each_integration_and_an_administrator_of_each_tenant() {
    let system = quiet().await;
    system.tenant("acme").await;
    park(&system, "job-1", FailureKind::NotFound).await;
    let status = get(&system, "/status").await;
    let own = &status["integrations"][0];
    assert_eq!(
        (&status["parked"], &own["id"], &own["status"]),
        (&json!(1), &json!("mautic"), &json!("active")),
        "{status}"
    );
    assert_eq!((&own["outbox"]["waiting"], &own["runs"]["lastSuccess"]), (&json!(0), &Value::Null));
    let tenants = pages(&system, "/status/tenants", "tenants", 1, async |_| {}).await;
    let names: Vec<&Value> = tenants.iter().map(|tenant| &tenant["tenant"]).collect();
    assert_eq!(names, [&json!("default"), &json!("acme")]);
    assert_eq!((&tenants[0]["parked"], &tenants[1]["integrations"]), (&json!(1), &json!(0)));
}

#[tokio::test]
async fn a_name_that_no_key_of_the_table_can_hold_names_nothing_and_is_no_fault() {
    let system = quiet().await;
    let long = "x".repeat(1_500);
    for (method, path) in [
        (Method::GET, format!("/runs/{long}")),
        (Method::GET, format!("/runs/{long}/rows?issue=rejected")),
        (Method::GET, format!("/runs/{long}/plan")),
        (Method::POST, format!("/runs/{long}/stop")),
        (Method::GET, format!("/records/{long}")),
        (Method::GET, format!("/records/{long}/timeline")),
        (Method::GET, format!("/issues/{long}")),
        (Method::POST, format!("/issues/{long}/replay")),
        (Method::GET, format!("/jobs/{long}")),
        (Method::POST, format!("/jobs/{long}/replay")),
        (Method::GET, format!("/events/{long}")),
        (Method::POST, format!("/events/{long}/replay")),
        (Method::GET, format!("/deliveries/{long}")),
        (Method::POST, format!("/deliveries/{long}/replay")),
    ] {
        let answer = ask(&system, method.clone(), &path, Value::Null).await;
        let told = path.replace(&long, "x…");
        assert!(matches!(answer.status, 404 | 422), "{method} {told}: {} {}", answer.status, answer.body);
    }
    for path in ["/operations?run=".to_owned(), format!("/operations?run={long}"), "/operations?record=".to_owned()] {
        let answer = ask(&system, Method::GET, &path, Value::Null).await;
        assert_eq!((answer.status, &answer.data()["operations"]), (200, &json!([])), "{}", answer.body);
    }
    for path in [format!("/operations?record={long}"), format!("/events?userId={long}"), format!("/runs?after={long}")]
    {
        let answer = ask(&system, Method::GET, &path, Value::Null).await;
        assert!(answer.status < 500, "{}: {}", answer.status, answer.body);
    }
}
