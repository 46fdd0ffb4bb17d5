//! What rows and files of real applications hold: several rows of one person, clocks that are wrong, lists and consent in
//! everybody's own words.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Map, Value, json};
use tandem_app::system::SystemClock;
use tandem_core::ports::Clock;
use tandem_core::ports::runs::RunLog;
use tandem_core::sync::run::SyncOptions;
use tandem_tests::client::Answer;
use tandem_tests::system::{KEY, Options, System};

const EMAIL: &str = "ada@example.com";

async fn system() -> System {
    System::with(Options::default().without_worker()).await
}

async fn hand_over(system: &System, records: Value) -> Answer {
    let request = system.caller.bare(Method::POST, "/records").bearer_auth(KEY);
    system.caller.send(request.json(&json!({"records": records}))).await.unwrap()
}

async fn sync(system: &System) -> RunLog {
    let ran = system.desk().sync(SyncOptions::default()).await.unwrap();
    assert_eq!(ran.stopped, None);
    ran.log
}

/// So many minutes from now, as text.
fn minutes(minutes: i64) -> String {
    (SystemClock.now() + SignedDuration::from_mins(minutes)).to_string()
}

/// A row of the person, changed so many minutes from now.
fn row(id: &str, changed: i64, columns: Value) -> Value {
    let Value::Object(columns) = columns else { panic!("columns are an object") };
    let own = [("id", json!(id)), ("email", json!(EMAIL)), ("updated_at", json!(minutes(changed)))];
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
    Value::Object(own.chain(columns).collect::<Map<_, _>>())
}

fn orders(rows: [Value; 3]) -> Vec<[Value; 3]> {
    let [a, b, c] = rows;
    let order = |one: &Value, two: &Value, three: &Value| [one.clone(), two.clone(), three.clone()];
    vec![
        order(&a, &b, &c),
        order(&a, &c, &b),
        order(&b, &a, &c),
        order(&b, &c, &a),
        order(&c, &a, &b),
        order(&c, &b, &a),
    ]
}

#[tokio::test]
async fn of_three_rows_with_one_address_the_newest_stands_whole_in_every_order() {
    let rows = [
        row("1", -30, json!({"country": "AU", "state": "TAS", "first_name": "Old", "company": "Old Ltd"})),
        row("2", -20, json!({"country": "AU", "state": "VIC", "first_name": "Mid"})),
        row("3", -10, json!({"country": "NZ", "state": null, "first_name": "New"})),
    ];
    for (together, order) in orders(rows).into_iter().enumerate() {
        let system = system().await;
        // In one run, or in a run each.
        if together % 2 == 0 {
            hand_over(&system, json!(order)).await;
        } else {
            for row in &order {
                hand_over(&system, json!([row])).await;
                sync(&system).await;
            }
        }
        sync(&system).await;
        let held = system.contact(EMAIL).fields;
        let shown = ["country", "state", "firstname", "company", "supabase_id"].map(|name| held.get(name).cloned());
        let wanted = [json!("New Zealand"), Value::Null, json!("New"), json!("Old Ltd"), json!("3")];
        assert_eq!(shown.map(Option::unwrap_or_default), wanted, "{order:?}");
    }
}

#[tokio::test]
async fn a_state_that_was_not_taken_is_told_as_stale_by_the_run() {
    let system = system().await;
    hand_over(&system, json!([row("new", -1, json!({"first_name": "New"}))])).await;
    sync(&system).await;
    hand_over(&system, json!([row("old", -9, json!({"first_name": "Old"}))])).await;
    let log = sync(&system).await;
    assert_eq!(log.stale, 1, "{log:?}");
    assert_eq!(log.issues.get("updated_at: stale"), Some(&1));
    assert_eq!(system.contact(EMAIL).fields["firstname"], "New");
}

#[tokio::test]
async fn a_row_from_the_future_counts_as_now_and_the_next_state_is_taken() {
    let system = system().await;
    let from_the_future = row("1", 60 * 24 * 365, json!({"first_name": "Early"}));
    hand_over(&system, json!([from_the_future])).await;
    sync(&system).await;
    let again = hand_over(&system, json!([from_the_future])).await;
    assert_eq!(again.data()["unchanged"], 1, "{}", again.body);
    let next = hand_over(&system, json!([row("1", 0, json!({"first_name": "Next"}))])).await;
    assert_eq!(next.data()["stored"], 1, "{}", next.body);
    sync(&system).await;
    assert_eq!(system.contact(EMAIL).fields["firstname"], "Next");
}

#[tokio::test]
async fn an_upsert_from_the_future_does_not_freeze_the_record() {
    let system = system().await;
    let upsert = |name: &str, at: i64| json!({"id": "1", "contact": {"email": EMAIL, "first_name": name}, "fields": {"updated_at": minutes(at)}});
    system.caller.upsert(upsert("Early", 60 * 24 * 365)).await.unwrap();
    let next = system.caller.upsert(upsert("Next", 0)).await.unwrap();
    assert_eq!(next.data()["action"], "updated", "{}", next.body);
    assert_eq!(system.contact(EMAIL).fields["firstname"], "Next");
}

#[tokio::test]
async fn lists_as_text_are_lists_for_tags_as_for_segments() {
    for (text, tags) in [
        ("{vip,\"early bird\"}", vec!["early bird", "vip"]),
        ("[\"vip\", \"early bird\"]", vec!["early bird", "vip"]),
        ("vip;early bird", vec!["early bird", "vip"]),
        ("[]", vec![]),
    ] {
        let system = system().await;
        hand_over(&system, json!([row("1", -1, json!({"tags": text, "customer_segments": "{vip,\"new\"}"}))])).await;
        sync(&system).await;
        let contact = system.contact(EMAIL);
        let mut held = contact.tags.clone();
        held.sort();
        assert_eq!((held, contact.segments.len()), (tags.into_iter().map(str::to_owned).collect(), 2), "{text}");
    }
}

#[tokio::test]
async fn a_list_that_becomes_empty_takes_its_tags_away() {
    let system = system().await;
    hand_over(&system, json!([row("1", -9, json!({"tags": "{vip,beta}"}))])).await;
    sync(&system).await;
    hand_over(&system, json!([row("1", -1, json!({"tags": "[]"}))])).await;
    sync(&system).await;
    assert!(system.contact(EMAIL).tags.is_empty());
}

#[tokio::test]
async fn what_spreadsheets_and_copying_add_to_values_is_no_part_of_them() {
    let system = system().await;
    let columns =
        json!({"mobile": "'+61 412 345 678", "phone": "0061 3 9999 8888", "postcode": "'0800", "total_orders": "'7"});
    let mut row = row("1", -1, columns);
    row["email"] = json!("\u{feff}Ada@Example.com\u{200b}");
    hand_over(&system, json!([row])).await;
    sync(&system).await;
    let held = system.contact(EMAIL).fields;
    assert_eq!(
        (&held["mobile"], &held["phone"], &held["zipcode"]),
        (&json!("+61412345678"), &json!("+61399998888"), &json!("0800"))
    );
    assert_eq!(held["total_orders"].as_f64(), Some(7.0));
}

#[tokio::test]
async fn the_words_of_newsletter_tools_for_no_forbid_mail() {
    for word in ["unsubscribed", "cleaned", "off", "non"] {
        let system = system().await;
        hand_over(&system, json!([row("1", -1, json!({"marketing_opt_in": word}))])).await;
        sync(&system).await;
        assert!(!system.contact(EMAIL).dnc.is_empty(), "{word}");
    }
}
