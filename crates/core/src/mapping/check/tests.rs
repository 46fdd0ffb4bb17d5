use serde_json::{Value, json};

use super::*;
use crate::domain::catalog::RemoteFieldKind as Holds;
use crate::mapping::problem::Severity;

const PLATFORM: Platform = Platform {
    name: "Mautic",
    objects: &[(Kind::Person, "contact")],
    address: "email",
    reserved: &["utm_source"],
    changes_duplicates: false,
};

fn catalog() -> FieldCatalog {
    let kinds = [
        ("email", Holds::Email),
        ("firstname", Holds::Text),
        ("points", Holds::Number),
        ("optin", Holds::Boolean),
        ("plan", Holds::Select),
        ("since", Holds::Date),
        ("website", Holds::Url),
    ];
    let mut catalog = FieldCatalog::default();
    for (name, kind) in kinds {
        let options = if kind == Holds::Select { vec!["free".to_owned(), "pro".to_owned()] } else { Vec::new() };
        catalog.fields.insert(name.to_owned(), RemoteField { options, ..RemoteField::of_kind(kind) });
    }
    catalog
}

fn address() -> Value {
    json!({"local": "email", "role": "address", "remote": "email", "direction": "push", "transform": "email"})
}

/// What is wrong with rules beside that of the address, but for the roles that are missing.
fn found(rules: &[Value]) -> Vec<(String, Severity)> {
    let rules: Vec<Value> = std::iter::once(address()).chain(rules.iter().cloned()).collect();
    let document = json!({"mappings": [{"kind": "person", "object": "contact", "rules": rules}]});
    let set = MappingSet::of_value(&document).unwrap();
    let problems = check(&set, &PLATFORM, Some(&catalog())).into_iter();
    let told = problems.map(|problem| (problem.place.replace("mappings[0].", ""), problem.severity));
    told.filter(|(place, _)| place != "rules").collect()
}

fn error(place: &str) -> Vec<(String, Severity)> {
    vec![(place.to_owned(), Severity::Error)]
}

fn warning(place: &str) -> Vec<(String, Severity)> {
    vec![(place.to_owned(), Severity::Warning)]
}

#[test]
fn a_sound_set_has_nothing_wrong_with_it() {
    let rules = [
        json!({"local": "first_name", "remote": "firstname", "transform": "text"}),
        json!({"local": "points", "remote": "points", "direction": "pull", "transform": "number"}),
        json!({"local": "ip", "remote": "ipAddress", "catalog": false, "transform": "text"}),
        json!({"local": "tags", "target": "tags", "transform": "tags"}),
    ];
    assert_eq!(found(&rules), []);
}

#[test]
fn a_field_that_the_platform_lacks_is_an_error_unless_it_can_be_made() {
    assert_eq!(found(&[json!({"local": "a", "remote": "fax"})]), error("rules[1].remote"));
    let made = |remote: &str| json!({"local": "a", "remote": remote, "remote_field": {"label": "A", "type": "text"}});
    assert_eq!(found(&[made("fax")]), warning("rules[1].remote"));
    assert_eq!(found(&[made("utm_source")]), error("rules[1].remote"));
}

#[test]
fn what_a_field_does_not_take_is_told_before_anything_is_sent() {
    let rule =
        |remote: &str, transform: Value| found(&[json!({"local": "a", "remote": remote, "transform": transform})]);
    assert_eq!(rule("points", json!("text")), error("rules[1].transform"));
    assert_eq!(rule("points", json!("direct")), warning("rules[1].transform"));
    assert_eq!(rule("points", json!("number")), []);
    assert_eq!(rule("points", json!({"constant": "many"})), error("rules[1].transform"));
    assert_eq!(rule("optin", json!("date")), error("rules[1].transform"));
    assert_eq!(rule("since", json!("bool")), error("rules[1].transform"));
    assert_eq!(rule("website", json!("text")), warning("rules[1].transform"));
    assert_eq!(rule("plan", json!({"lookup": {"a": "Pro", "b": "free"}})), []);
    assert_eq!(rule("plan", json!({"lookup": {"a": "gold"}})), error("rules[1].transform"));
    let options = json!({"label": "Plan", "type": "select", "options": ["free", "gold"]});
    let select = json!({"local": "a", "remote": "plan", "transform": "select", "remote_field": options});
    assert_eq!(found(&[select]), warning("rules[1].remote_field.options"));
    let default = json!({"local": "a", "remote": "points", "transform": "number", "default": "none"});
    assert_eq!(found(&[default]), error("rules[1].default"));
}

#[test]
fn an_address_goes_where_the_platform_takes_one_and_nowhere_else() {
    let rule = |rule: Value| found(&[rule]);
    assert_eq!(rule(json!({"local": "a", "target": "stage", "from": "email"})), error("rules[1].target"));
    assert_eq!(
        rule(json!({"local": "a", "remote": "plan", "from": "email", "transform": "select"})),
        error("rules[1].remote")
    );
    assert_eq!(
        rule(json!({"local": "a", "remote": "points", "transform": "email"})),
        [error("rules[1].remote"), error("rules[1].transform")].concat()
    );
    assert_eq!(rule(json!({"local": "second", "remote": "firstname", "transform": "email"})), []);
    let disputed = rule(json!({"local": "a", "remote": "email", "transform": "email"}));
    assert_eq!(disputed, [error("rules[1].remote"), error("rules[1].remote")].concat());
}

#[test]
fn a_role_has_one_form() {
    let of = |rules: Value| {
        let set = MappingSet::of_value(&json!({"mappings": [{"kind": "person", "object": "contact", "rules": rules}]}));
        let errors = check(&set.unwrap(), &PLATFORM, Some(&catalog())).into_iter().filter(Problem::is_error);
        errors.map(|problem| problem.place.replace("mappings[0].", "")).collect::<Vec<_>>()
    };
    assert_eq!(of(json!([])), ["rules"]);
    assert_eq!(of(json!([address()])), Vec::<String>::new());
    assert_eq!(
        of(json!([{"local": "mail", "role": "address", "remote": "firstname", "transform": "email"}])),
        ["rules[0].role"]
    );
    assert_eq!(
        of(json!([{"local": "mail", "role": "address", "remote": "email", "transform": "text"}])),
        ["rules[0].role"]
    );
    let consent = |extra: Value| {
        let mut rule = json!({"local": "yes", "role": "consent", "remote": "optin"});
        rule.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        of(json!([address(), rule]))
    };
    assert_eq!(consent(json!({"transform": "bool"})), Vec::<String>::new());
    assert_eq!(consent(json!({"transform": "bool", "default": true})), ["rules[1].role"]);
    assert_eq!(consent(json!({})), ["rules[1].role"]);
}

#[test]
fn kinds_and_objects_that_the_connector_has_not_are_refused() {
    let document = json!({"mappings": [
        {"kind": "person", "object": "lead", "rules": [address()]},
        {"kind": "deal", "object": "opportunity", "rules": []},
    ]});
    let problems = check(&MappingSet::of_value(&document).unwrap(), &PLATFORM, None);
    let errors: Vec<_> = problems.iter().filter(|problem| problem.is_error()).collect();
    assert_eq!(
        errors.iter().map(|problem| problem.place.as_str()).collect::<Vec<_>>(),
        ["mappings[0].object", "mappings[1].kind"]
    );
    assert!(errors[1].message.contains("`deal`") && errors[1].message.contains("Mautic"), "{}", errors[1]);
}

#[test]
fn names_have_limits_and_some_are_reserved() {
    let rule = json!({"local": "consent", "aliases": ["x", "utm", "@stage"], "remote": "firstname"});
    let places: Vec<String> = found(&[rule]).into_iter().map(|(place, _)| place).collect();
    assert_eq!(places, ["rules[1].local", "rules[1].aliases[1]", "rules[1].aliases[2]"]);
    assert_eq!(found(&[json!({"local": "x".repeat(101), "remote": "firstname"})]), error("rules[1].local"));
    let many: Vec<String> = (0..31).map(|n| format!("a{n}")).collect();
    assert_eq!(found(&[json!({"local": "a", "aliases": many, "remote": "firstname"})]), error("rules[1].aliases"));
}

#[test]
fn a_condition_is_taken_unless_it_can_never_hold() {
    let of = |when: Value| {
        let mapping = json!({"kind": "person", "object": "contact", "when": when, "rules": [address()]});
        let set = MappingSet::of_value(&json!({"mappings": [mapping]})).unwrap();
        let errors = check(&set, &PLATFORM, None).into_iter().filter(Problem::is_error);
        errors.map(|problem| problem.place).collect::<Vec<_>>()
    };
    assert_eq!(of(json!("always")), Vec::<String>::new());
    assert_eq!(of(json!({"present": "email"})), Vec::<String>::new());
    assert_eq!(of(json!({"present": "fax"})), ["mappings[0].when.present"]);
}

#[test]
fn a_choice_that_the_platform_does_not_go_along_with_is_refused_with_its_place() {
    let situations = json!({"ambiguous": "link", "missing": "issue"});
    let mapping = json!({"kind": "person", "object": "contact", "situations": situations, "rules": [address()]});
    let set = MappingSet::of_value(&json!({"mappings": [mapping]})).unwrap();
    let errors = |platform: &Platform| -> Vec<String> {
        let found = check(&set, platform, None).into_iter().filter(Problem::is_error);
        found.map(|problem| problem.place).collect()
    };
    assert_eq!(errors(&PLATFORM), ["mappings[0].situations.ambiguous"]);
    assert_eq!(errors(&Platform { changes_duplicates: true, ..PLATFORM }), Vec::<String>::new());
}
