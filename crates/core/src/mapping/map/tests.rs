//! Whole records through rules, Mautic's own and the rows of a real shop among them.

use std::path::Path;

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::mapping::transforms::tests::SmallVocabulary;

fn record(fields: Value) -> Record {
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    Record {
        external_id: None,
        email: None,
        fields: fields.into_iter().collect(),
        updated_at: Timestamp::UNIX_EPOCH,
        version: 1,
        gone_since: None,
        awaited: None,
        corrected: None,
        overlaid: Default::default(),
        older: Default::default(),
        dated: Default::default(),
        said: Default::default(),
    }
}

fn mapped(rules: &str, fields: Value) -> Mapped {
    map(&record(fields), &RuleSet::parse(rules).unwrap(), &SmallVocabulary, None)
}

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn mautic_rules() -> RuleSet {
    RuleSet::parse(&file("../connectors/src/mautic/fields.toml")).unwrap()
}

fn fields(pairs: &[(&str, Value)]) -> BTreeMap<String, Value> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn issues(mapped: &Mapped) -> Vec<(&str, IssueCode)> {
    mapped.issues.iter().map(|issue| (issue.field.as_str(), issue.code)).collect()
}

/// A catalog that has text fields of these names, and one select.
fn catalog(texts: &[&str], select: Option<(&str, &[&str])>) -> FieldCatalog {
    let field = |kind, options: &[&str]| RemoteField {
        options: options.iter().map(|option| (*option).to_owned()).collect(),
        ..RemoteField::of_kind(kind)
    };
    let texts = texts.iter().map(|name| ((*name).to_owned(), field(RemoteFieldKind::Text, &[])));
    let select = select.map(|(name, options)| (name.to_owned(), field(RemoteFieldKind::Select, options)));
    FieldCatalog { fields: texts.chain(select).collect(), read_at: Timestamp::UNIX_EPOCH }
}

#[test]
fn address_and_external_id_are_fields_like_others() {
    let mut record = record(json!({"first_name": " John "}));
    record.email = Some("JOHN@example.com".parse().unwrap());
    record.external_id = Some("0d3e".to_owned().try_into().unwrap());
    let mapped = map(&record, &mautic_rules(), &SmallVocabulary, None);
    let expected = [("email", json!("john@example.com")), ("firstname", json!("John")), ("supabase_id", json!("0d3e"))];
    assert_eq!(mapped.fields, fields(&expected));
    assert!(mapped.issues.is_empty());
}

#[test]
fn a_bad_value_holds_back_no_other() {
    let given = json!({
        "first_name": "John", "last_name": ["Doe"], "country": "Atlantis", "mobile": "0412 345 678", "total_orders": "many",
        "customer_segment": "platinum", "postcode": "x".repeat(200), "marketing_opt_in": "true",
    });
    let mapped = map(&record(given), &mautic_rules(), &SmallVocabulary, None);
    assert_eq!(mapped.fields, fields(&[("firstname", json!("John")), ("marketing_opt_in", json!(true))]));
    let expected = [
        ("contact.last_name", IssueCode::WrongType),
        ("contact.mobile", IssueCode::Invalid),
        ("contact.postcode", IssueCode::TooLong),
        ("contact.country", IssueCode::NotInList),
        ("customer_segment", IssueCode::NotInList),
        ("total_orders", IssueCode::Invalid),
    ];
    assert_eq!(issues(&mapped), expected);
}

#[test]
fn the_country_says_how_telephone_and_state_are_read() {
    let place = |country: &str| {
        let given = json!({"state": "WA", "country": country, "mobile": "0412 345 678"});
        let mut mapped = map(&record(given), &mautic_rules(), &SmallVocabulary, None);
        (mapped.fields.remove("state"), mapped.fields.remove("mobile"))
    };
    assert_eq!(place("au"), (Some(json!("Western Australia")), Some(json!("+61412345678"))));
    assert_eq!(place("US"), (Some(json!("Washington")), None));
    assert_eq!(place(""), (None, None));
}

#[test]
fn an_alias_stands_in_for_a_name_that_is_absent_or_blank() {
    let rules = "[[rule]]\nlocal = \"city\"\naliases = [\"suburb\", \"town\"]\nremote = \"city\"\ntransform = \"text\"\n\
                 path = \"contact.city\"\n";
    let city = |given: Value| mapped(rules, given).fields.remove("city");
    assert_eq!(city(json!({"suburb": "Perth"})), Some(json!("Perth")));
    assert_eq!(city(json!({"city": " ", "suburb": null, "town": "Perth"})), Some(json!("Perth")));
    assert_eq!(city(json!({"city": "Perth", "suburb": "Hobart"})), Some(json!("Perth")));
    assert_eq!(issues(&mapped(rules, json!({"suburb": []}))), [("contact.suburb", IssueCode::WrongType)]);
}

#[test]
fn a_stage_is_taken_from_the_crm_status_unless_the_record_names_one() {
    let stage = |given: Value| {
        let mapped = map(&record(given), &mautic_rules(), &SmallVocabulary, None);
        (mapped.stage, mapped.fields.get("crm_status").cloned())
    };
    assert_eq!(stage(json!({"crm_status": "qualified"})), (Some("qualified".to_owned()), Some(json!("qualified"))));
    let both = json!({"crm_status": "qualified", "stage": "customer"});
    assert_eq!(stage(both), (Some("customer".to_owned()), Some(json!("qualified"))));
    assert_eq!(stage(json!({})), (None, None));
}

#[test]
fn an_explicit_null_clears_where_the_rule_says_so() {
    let rules = "[[rule]]\nlocal = \"a\"\nremote = \"a\"\nblank = \"clear\"\n\
                 [[rule]]\nlocal = \"b\"\nremote = \"b\"\n\
                 [[rule]]\nlocal = \"c\"\nremote = \"c\"\nblank = \"clear\"\npreserve_if_absent = true\n\
                 [[rule]]\nlocal = \"d\"\nremote = \"d\"\nblank = \"clear\"\ndefault = 1\n";
    let nulls = mapped(rules, json!({"a": null, "b": null, "c": null, "d": null}));
    assert_eq!(nulls.cleared, ["a".to_owned(), "d".to_owned()].into());
    assert!(nulls.fields.is_empty() && nulls.issues.is_empty());
    let blanks = mapped(rules, json!({"a": "", "b": " "}));
    assert!(blanks.cleared.is_empty());
    assert_eq!(blanks.fields, fields(&[("d", json!(1))]));
}

#[test]
fn defaults_constants_and_required_fields_answer_for_what_is_absent() {
    let rules = "[[rule]]\nlocal = \"a\"\nremote = \"a\"\ndefault = \"x\"\nrequired = true\n\
                 [[rule]]\nlocal = \"b\"\nremote = \"b\"\ntransform = { constant = \"shop\" }\n\
                 [[rule]]\nlocal = \"c\"\nremote = \"c\"\nrequired = true\n\
                 [[rule]]\nlocal = \"d\"\nremote = \"d\"\ndirection = \"pull\"\nrequired = true\n";
    let mapped = mapped(rules, json!({"a": "", "d": "kept here"}));
    assert_eq!(mapped.fields, fields(&[("a", json!("x")), ("b", json!("shop"))]));
    assert_eq!(issues(&mapped), [("c", IssueCode::Missing)]);
}

#[test]
fn a_default_country_tells_how_to_read_numbers() {
    let rules = "[[rule]]\nlocal = \"country\"\nremote = \"country\"\ntransform = \"country\"\ndefault = \"Australia\"\n\
                 [[rule]]\nlocal = \"phone\"\nremote = \"phone\"\ntransform = \"phone\"\n";
    let mapped = mapped(rules, json!({"phone": "0412 345 678"}));
    assert_eq!(mapped.fields, fields(&[("country", json!("Australia")), ("phone", json!("+61412345678"))]));
}

#[test]
fn what_no_rule_knows_is_reported_and_what_is_meant_for_nobody_is_not() {
    let given = json!({"favourite_colour": "red", "customer_segments": ["vip"], "updated_at": "2026-11-01"});
    let mapped = map(&record(given), &mautic_rules(), &SmallVocabulary, None);
    assert_eq!(issues(&mapped), [("favourite_colour", IssueCode::UnknownField)]);
    assert!(mapped.fields.is_empty());
}

#[test]
fn what_the_platform_lacks_is_reported_and_left_out() {
    let given = json!({"first_name": "John", "total_orders": 3, "last_name": null, "ip": "203.0.113.9"});
    let catalog = catalog(&["firstname"], None);
    let mapped = map(&record(given), &mautic_rules(), &SmallVocabulary, Some(&catalog));
    let expected = [("firstname", json!("John")), ("ipAddress", json!("203.0.113.9"))];
    assert_eq!(mapped.fields, fields(&expected));
    assert!(mapped.cleared.is_empty());
    let expected =
        [("contact.last_name", IssueCode::MissingOnPlatform), ("total_orders", IssueCode::MissingOnPlatform)];
    assert_eq!(issues(&mapped), expected);
}

#[test]
fn the_options_that_the_platform_lists_win() {
    let segment = |given: &str| {
        let catalog = catalog(&[], Some(("customer_segment", &["Platinum"])));
        let given = json!({"customer_segment": given});
        map(&record(given), &mautic_rules(), &SmallVocabulary, Some(&catalog)).fields.remove("customer_segment")
    };
    assert_eq!(segment("platinum"), Some(json!("Platinum")));
    assert_eq!(segment("vip"), None);
}

#[test]
fn a_text_that_an_administrator_made_a_select_takes_its_options_only() {
    let catalog = catalog(&[], Some(("subscription_tier", &["Pro"])));
    let tier = |given: &str| {
        let given = json!({"subscription_tier": given});
        map(&record(given), &mautic_rules(), &SmallVocabulary, Some(&catalog))
    };
    assert_eq!(tier("pro").fields, fields(&[("subscription_tier", json!("Pro"))]));
    assert_eq!(issues(&tier("gold")), [("subscription_tier", IssueCode::NotInList)]);
}

#[test]
fn tags_are_a_target_of_their_own() {
    let mapped = map(&record(json!({"tags": "vip, -old"})), &mautic_rules(), &SmallVocabulary, None);
    assert_eq!(mapped.tags, ["vip", "-old"]);
    assert!(mapped.fields.is_empty());
}

#[test]
fn neither_messages_nor_debug_output_repeat_a_value() {
    let given = json!({"first_name": "Secret-1", "mobile": "Secret-2", "postcode": ["Secret-3"], "odd": "Secret-4"});
    let mapped = map(&record(given), &mautic_rules(), &SmallVocabulary, None);
    assert_eq!(mapped.issues.len(), 3);
    assert!(!format!("{mapped:?}").contains("Secret"));
}

/// Rows as an application would send them: blank cells left out, the address taken when it is sound.
fn shop_rows() -> Vec<Record> {
    let text = file("../../tests/data/customers-500.csv");
    let rows: Vec<BTreeMap<String, String>> =
        csv::Reader::from_reader(text.as_bytes()).deserialize().map(Result::unwrap).collect();
    let as_record = |row: BTreeMap<String, String>| {
        let filled = row.into_iter().filter(|(_, cell)| !cell.is_empty());
        record(filled.map(|(name, cell)| (name, Value::String(cell))).collect::<serde_json::Map<_, _>>().into())
    };
    rows.into_iter().map(as_record).collect()
}

#[test]
fn the_rows_of_a_real_shop_are_mapped_with_all_their_flaws() {
    let rules = mautic_rules();
    let mut found: BTreeMap<(String, String), usize> = BTreeMap::new();
    let rows = shop_rows();
    assert_eq!(rows.len(), 500);
    for row in &rows {
        let mapped = map(row, &rules, &SmallVocabulary, None);
        assert_eq!(mapped, map(row, &rules, &SmallVocabulary, None), "the same row gives the same result");
        for issue in mapped.issues {
            *found.entry((issue.field, format!("{:?}", issue.code))).or_default() += 1;
        }
    }
    let found: Vec<(String, usize)> =
        found.into_iter().map(|((field, code), count)| (format!("{field} {code}"), count)).collect();
    let expected = [
        ("contact.email Invalid", 3),
        ("contact.landline Invalid", 13),
        ("contact.last_name TooLong", 2),
        ("contact.mobile Invalid", 58),
        ("contact.state NotInList", 10),
    ];
    let expected = expected.map(|(issue, count)| (issue.to_owned(), count));
    assert_eq!(found, expected);
}

/// Values of every JSON type, and texts of characters that parsers trip over, the same on every run.
fn odd_values() -> Vec<Value> {
    let mut values = vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1.5e300),
        json!(u64::MAX),
        json!(i64::MIN),
        json!([]),
        json!({}),
        json!([[null, {"a": []}], "x", 1]),
        json!({"a": {"b": "c"}}),
        json!("\u{0}"),
        json!("\u{feff}+\u{200b}1"),
        json!("+".repeat(500)),
        json!("9".repeat(500)),
        json!("٠٤١٢٣٤٥٦٧٨"),
        json!("+٦١٤١٢٣٤٥٦٧٨"),
        json!("-"),
        json!("tel:+61;phone-context=x"),
        json!(";ext=99999999999999"),
        json!("0000-00-00T00:00:00Z"),
        json!("+262143-12-31"),
        json!("9999-12-31T23:59:60-23:59"),
        json!("İstanbul"),
        json!("ß".repeat(192)),
    ];
    let alphabet: Vec<char> = "0123456789+-()./ xX#;=T:Z,@[]eéß日🎸\u{0}\n\u{202e}".chars().collect();
    let mut state: u64 = 7;
    let mut next = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    for _ in 0..300 {
        let length = next(24);
        values.push(Value::String((0..length).map(|_| alphabet[next(alphabet.len())]).collect()));
    }
    values
}

#[test]
fn no_value_in_any_field_makes_it_panic() {
    let rules = mautic_rules();
    for value in odd_values() {
        for country in ["AU", "DE", "US"] {
            let mut fields: Fields = rules.rules().iter().map(|rule| (rule.local.clone(), value.clone())).collect();
            let all = map(&Record { fields: fields.clone(), ..record(json!({})) }, &rules, &SmallVocabulary, None);
            fields.insert("country".to_owned(), json!(country));
            let here = map(&Record { fields, ..record(json!({})) }, &rules, &SmallVocabulary, None);
            assert!(all.issues.len() + here.issues.len() < 200);
        }
    }
}
