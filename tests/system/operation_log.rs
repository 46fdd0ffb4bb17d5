//! The operation log: every write to the platform leaves an entry, with how it ended and without a value.

use std::collections::BTreeSet;

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use tandem_core::domain::operation::{OperationKind, OperationStatus};
use tandem_core::ports::operations::Pack;
use tandem_core::ports::place::TimePlace;
use tandem_core::sync::operations::listing::OperationQuery;
use tandem_core::sync::services::Desk;
use tandem_simulators::mautic::{FaultKind, FaultRule, LostReply};
use tandem_tests::client::Answer;
use tandem_tests::system::{KEY, Options, System};

use super::sync_run::{Shop, person, row};

const CREATES: &str = "/api/contacts/batch";

async fn packs(desk: &Desk) -> Vec<Pack> {
    let newest = TimePlace::behind(desk.services.clock.now());
    let scope = &desk.integration.scope;
    desk.services.operations.packs(scope, &newest, Timestamp::UNIX_EPOCH, 10_000).await.unwrap()
}

async fn listed(system: &System, query: &str) -> Answer {
    let request = system.caller.bare(Method::GET, &format!("/api/v1/operations{query}")).bearer_auth(KEY);
    system.caller.send(request).await.unwrap()
}

/// What an answer lists, as `create done` and the like, the oldest first.
fn told(answer: &Answer) -> Vec<String> {
    let list = answer.data()["operations"].as_array().unwrap();
    let line = |one: &Value| format!("{} {}", one["operation"].as_str().unwrap(), one["status"].as_str().unwrap());
    list.iter().rev().map(line).collect()
}

fn contact(email: &str, name: &str) -> Value {
    json!({"id": email.split('@').next(), "contact": {"email": email, "first_name": name}})
}

#[tokio::test]
async fn a_thousand_creates_of_a_run_cost_a_log_item_for_each_batch() {
    let shop = Shop::with((0..1_000).map(|n| person(n, 1))).await;
    let log = shop.sync().await;
    assert_eq!(log.created, 1_000);
    let packs = packs(&shop.desk).await;
    assert!(packs.len() <= 10, "{} items", packs.len());
    let operations: Vec<_> = packs.iter().flat_map(|pack| &pack.calls).flat_map(|call| call.operations()).collect();
    let created: Vec<_> = operations.iter().filter(|one| one.operation == OperationKind::Create).collect();
    let ids: BTreeSet<_> = created.iter().filter_map(|one| one.remote_id.clone()).collect();
    let records: BTreeSet<_> = created.iter().filter_map(|one| one.record.as_ref().map(|key| key.as_str())).collect();
    assert_eq!((created.len(), ids.len(), records.len()), (1_000, 1_000, 1_000));
    for one in &operations {
        assert_eq!((one.status, one.run.as_deref()), (OperationStatus::Done, Some(log.id.as_str())));
    }
    assert!(created.iter().all(|one| one.fields.contains(&"firstname".to_owned())));
    let joined = operations.iter().filter(|one| one.operation == OperationKind::AddToList);
    assert_eq!(joined.count(), 1_000, "members of the segment");
    let by_run = OperationQuery { run: Some(log.id.clone()), ..OperationQuery::default() };
    let page = shop.desk.operations(&by_run, None, 5_000).await.unwrap();
    assert_eq!((page.operations.len(), page.next), (operations.len(), None));
}

#[tokio::test]
async fn an_upsert_costs_one_table_write_more_and_an_unchanged_one_none() {
    let writes = async |options: Options| {
        let system = System::with(options.without_worker()).await;
        system.caller.upsert(contact("first@example.com", "First")).await.unwrap();
        let mut counted = Vec::new();
        for name in ["Jane", "Joan", "Joan"] {
            let before = system.table.meter().writes();
            system.caller.upsert(contact("jane@example.com", name)).await.unwrap();
            counted.push(system.table.meter().writes() - before);
        }
        (counted, packs(&system.desk()).await.len())
    };
    assert_eq!(writes(Options::default()).await, (vec![3, 3, 0], 3));
    assert_eq!(writes(Options::default().with("TANDEM_OPERATION_LOG", "off")).await, (vec![2, 2, 0], 0));
}

#[tokio::test]
async fn each_end_of_a_write_leaves_its_status() {
    let once = |rule: FaultRule| rule.method("PUT").path(CREATES).times(1);
    let lost = FaultRule::new(FaultKind::LostReply).how(LostReply::Close);
    let cases = [
        ("done", None, vec!["create done"], Value::Null),
        ("taken", None, vec!["create refused"], json!("taken")),
        ("busy", Some(FaultRule::new(FaultKind::Status).status(429)), vec!["create failed"], json!("rate_limited")),
        ("lost", Some(lost), vec!["create unknown"], json!("unavailable")),
    ];
    for (name, rule, expected, error) in cases {
        let system = System::with(Options::default().without_worker()).await;
        let there = json!({"email": "taken@example.com"});
        system.in_mautic(Method::POST, "/api/contacts/new", Some(there)).await;
        system.mautic.inject_faults(rule.map(once).into_iter().collect());
        system.caller.upsert(contact(&format!("{name}@example.com"), "Ada")).await.unwrap();
        let answer = listed(&system, &format!("?record={name}")).await;
        assert_eq!(told(&answer)[..1], expected, "{name}: {}", answer.body);
        let first = answer.data()["operations"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(first["error"], error, "{name}: {first}");
        assert!(first["fields"].as_array().unwrap().contains(&json!("firstname")), "{first}");
    }
}

#[tokio::test]
async fn a_write_that_is_given_up_before_its_answer_is_noted_as_unknown() {
    let options = Options::default().with("TANDEM_IDENTIFY_BUDGET_MS", "400").without_worker();
    let system = System::with(options).await;
    let mut slow = FaultRule::new(FaultKind::LostReply).how(LostReply::Stall).method("PUT").path(CREATES).times(1);
    slow.delay_ms = Some(3_000);
    system.mautic.inject_faults(vec![slow]);
    let call =
        json!({"action": "identify", "payload": {"id": "slow", "email": "slow@example.com", "first_name": "Ada"}});
    assert_eq!(system.caller.call(&call).await.unwrap().status, 202);
    let answer = listed(&system, "?record=slow").await;
    assert_eq!(told(&answer), ["create unknown"], "{}", answer.body);
}

#[tokio::test]
async fn operations_are_read_by_record_by_time_and_page_by_page() {
    let system = System::with(Options::default().without_worker()).await;
    let began = system.desk().services.clock.now();
    for name in ["Ada", "Eve", "Zoe"] {
        for email in ["one@example.com", "two@example.com"] {
            let mut request = system.caller.request().json(&json!({
                "action": "upsert_contact", "payload": contact(email, name),
            }));
            request = request.header("X-Correlation-ID", format!("set-{name}"));
            system.caller.send(request).await.unwrap();
        }
    }
    let one = listed(&system, "?record=one").await;
    assert_eq!(told(&one), ["create done", "update done", "update done"]);
    let correlations: Vec<_> =
        one.data()["operations"].as_array().unwrap().iter().map(|op| op["correlationId"].as_str().unwrap()).collect();
    assert_eq!(correlations, ["set-Zoe", "set-Eve", "set-Ada"]);
    assert_eq!(listed(&system, "?record=nobody").await.data()["operations"], json!([]));
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let query = cursor.map_or("?limit=1".to_owned(), |cursor: String| format!("?limit=1&cursor={cursor}"));
        let page = listed(&system, &query).await;
        seen.extend(page.data()["operations"].as_array().unwrap().clone());
        cursor = page.data()["next"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 6);
    assert_eq!(json!(seen), listed(&system, "").await.data()["operations"], "each once, in the same order");
    assert_eq!(told(&listed(&system, &format!("?before={began}")).await), Vec::<String>::new());
    assert_eq!(told(&listed(&system, &format!("?after={began}")).await).len(), 6);
    for wrong in ["?limit=0", "?limit=x", "?after=yesterday", "?cursor=1"] {
        assert_eq!(listed(&system, wrong).await.status, 422, "{wrong}");
    }
}

#[tokio::test]
async fn no_value_and_no_address_stands_in_any_entry() {
    let secret = |seed: usize, field: &str| format!("v{}q{field}q{seed}", seed * 7_919 % 104_729);
    let fields =
        ["first_name", "last_name", "company", "address_line1", "suburb", "customer_segment", "preferred_venue"];
    let rows = (0..120).map(|seed| {
        let mut values: serde_json::Map<String, Value> =
            fields.iter().map(|field| ((*field).to_owned(), json!(secret(seed, field)))).collect();
        values.insert("email".to_owned(), json!(format!("{}@example.com", secret(seed, "mail"))));
        values.insert("customer_segments".to_owned(), json!(format!("{{{}}}", secret(seed % 3, "list"))));
        values.insert("marketing_opt_in".to_owned(), json!(seed % 2 == 0));
        row(&secret(seed, "id"), 1, Value::Object(values))
    });
    let shop = Shop::with(rows).await;
    shop.sync().await;
    let email = format!("{}@example.com", secret(7, "mail"));
    for call in [
        json!({"action": "upsert_contact", "payload": {"contact": {"email": email, "first_name": secret(500, "late")}}}),
        json!({"action": "delete_contact", "payload": {"email": email}}),
    ] {
        assert_eq!(shop.system.caller.call(&call).await.unwrap().status, 200);
    }
    let packs = packs(&shop.desk).await;
    let calls: Vec<_> = packs.iter().map(|pack| &pack.calls).collect();
    let text = serde_json::to_string(&calls).unwrap();
    assert!(text.contains("firstname") && text.contains("delete"), "{text}");
    for forbidden in ["@", "example", "qfirst_name", "qlast", "qmail", "qid", "qlist", "qlate", "qcompany", "qsuburb"] {
        assert!(!text.contains(forbidden), "{forbidden} stands in the log");
    }
}
