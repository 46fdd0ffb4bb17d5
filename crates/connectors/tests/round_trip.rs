//! What Mautic holds becomes the application's value, and that is no change when it is mapped again.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on has failed")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use tandem_connectors::mautic::FIELDS;
use tandem_connectors::mautic::vocabulary::MauticVocabulary;
use tandem_core::domain::record::Record;
use tandem_core::mapping::reverse::{self, ReadBack};
use tandem_core::mapping::{Reader, RuleSet, map};

const OTHERS: &str = r#"
[[rule]]
local = "country"
remote = "country"
transform = "country"
[[rule]]
local = "number"
remote = "number"
transform = "number"
[[rule]]
local = "flag"
remote = "flag"
transform = "bool"
[[rule]]
local = "day"
remote = "day"
transform = "date"
[[rule]]
local = "moment"
remote = "moment"
transform = "datetime"
[[rule]]
local = "choice"
remote = "choice"
transform = "select"
[rule.remote_field]
label = "Choice"
type = "select"
options = ["VIP", "regular"]
[[rule]]
local = "table"
remote = "table"
transform = { lookup = { gold = "vip", tin = 7 } }
[[rule]]
local = "any"
remote = "any"
"#;

fn record(fields: BTreeMap<String, Value>) -> Record {
    Record {
        external_id: None,
        email: None,
        fields,
        updated_at: Timestamp::UNIX_EPOCH,
        version: 1,
        gone_since: None,
        awaited: None,
        corrected: None,
        overlaid: BTreeMap::new(),
        older: BTreeMap::new(),
        dated: Default::default(),
        said: Default::default(),
    }
}

/// What the application is given for what Mautic shows, and what would be sent of that.
fn there_and_back(rules: &str, shown: &Value) -> (BTreeMap<String, Value>, BTreeMap<String, Value>) {
    let rules = RuleSet::parse(rules).unwrap();
    let shown: BTreeMap<_, _> = shown.as_object().unwrap().clone().into_iter().collect();
    let nothing = BTreeMap::new();
    let reader = Reader::new(&shown, &nothing, &rules, &MauticVocabulary, None);
    let mut local = BTreeMap::new();
    let mut read = BTreeMap::new();
    for rule in rules.rules().iter().filter(|rule| rule.pulls()) {
        let Some(remote) = &rule.remote else { continue };
        match reader.read(rule, shown.get(remote)) {
            ReadBack::Value(value) => {
                local.insert(rule.local.clone(), reverse::local(rule, &value));
                read.insert(remote.clone(), value);
            }
            ReadBack::Blank => {}
            ReadBack::Unreadable(value) => panic!("{} can't be read: {value}", rule.local),
        }
    }
    let mapped = map(&record(local.clone()), &rules, &MauticVocabulary, None);
    assert!(mapped.issues.is_empty(), "{:?}", mapped.issues);
    read.retain(|name, _| name != "points");
    assert_eq!(mapped.fields, read);
    (local, read)
}

#[test]
fn every_field_that_comes_back_is_no_change_when_it_is_mapped_again() {
    let (local, _) = there_and_back(
        FIELDS,
        &json!({
            "firstname": "Zoë  Ann", "lastname": "O'Brien", "company": "R&D \"Ltd\"", "position": "CTO",
            "mobile": "0412 345 678", "phone": "(02) 9876 5432", "website": "https://shop.example/a?b=c",
            "address1": "1 George St", "address2": "Unit 7", "city": "Sydney", "state": "New South Wales",
            "zipcode": "0800", "country": "Australia", "preferred_locale": "en_AU", "timezone": "Australia/Sydney",
            "points": 12, "marketing_opt_in": "1", "email": "somebody@else.example", "supabase_id": "x",
        }),
    );
    assert_eq!((&local["mobile"], &local["postcode"]), (&json!("+61412345678"), &json!("0800")));
    assert_eq!((&local["first_name"], &local["points"]), (&json!("Zoë Ann"), &json!(12)));
    for never in ["email", "id", "marketing_opt_in", "lead_score"] {
        assert!(!local.contains_key(never), "{never}");
    }
}

#[test]
fn every_kind_of_value_survives_the_way_back() {
    for (shown, local) in [
        (json!({"number": "1234.57"}), json!({"number": 1234.57})),
        (json!({"number": 0}), json!({"number": 0})),
        (json!({"flag": "1"}), json!({"flag": true})),
        (json!({"flag": 0}), json!({"flag": false})),
        (json!({"day": "2024-05-06"}), json!({"day": "2024-05-06"})),
        (json!({"moment": "2026-11-01 10:20:00"}), json!({"moment": "2026-11-01T10:20:00Z"})),
        (json!({"moment": "2026-11-01T10:20:00+00:00"}), json!({"moment": "2026-11-01T10:20:00Z"})),
        (json!({"choice": "vip"}), json!({"choice": "VIP"})),
        (json!({"table": "vip"}), json!({"table": "gold"})),
        (json!({"table": "7"}), json!({"table": "tin"})),
        (json!({"any": "as is"}), json!({"any": "as is"})),
        (json!({"country": "New Zealand"}), json!({"country": "New Zealand"})),
        (json!({"country": ""}), json!({})),
    ] {
        assert_eq!(json!(there_and_back(OTHERS, &shown).0), local, "{shown}");
    }
}
