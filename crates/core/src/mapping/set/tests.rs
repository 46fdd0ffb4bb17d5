use serde_json::json;

use super::*;
use crate::mapping::rules::FieldRole;

fn mautic() -> MappingSet {
    let file = format!("{}/../connectors/src/mautic/fields.toml", env!("CARGO_MANIFEST_DIR"));
    MappingSet::built_in("contact", &std::fs::read_to_string(file).unwrap()).unwrap()
}

fn places(text: &str, format: Format) -> Vec<String> {
    let problems = match MappingSet::read(text, format) {
        Ok(set) => set.people().unwrap_err(),
        Err(problems) => problems,
    };
    problems.into_iter().map(|problem| problem.place).collect()
}

const EVERY_KEY: &str = r#"[[mappings]]
kind = "person"
object = "contact"
when = { not = { in = { field = "plan", values = ["basic", "pro"] } } }

[mappings.situations]
ambiguous = "link"
found = "issue"
gone = "tag:left"
missing = "ignore"
not_mapped = "unlink"

[[mappings.rules]]
local = "email"
role = "address"
remote = "email"
direction = "push"
transform = "email"

[[mappings.rules]]
local = "plan"
aliases = ["tier", "abo \"alt\""]
from = "email"
path = "billing.plan"
remote = "app_plan"
direction = "push"
transform = { lookup = { 1 = 1, basic = 2.5, pro = "Pro\n" } }
required = true
default = "free"
blank = "clear"
preserve_if_absent = true
conflict = "manual"
catalog = false

[mappings.rules.remote_field]
label = "Plan"
type = "select"
options = ["free", "pro"]
scale = 2

[[mappings.rules]]
local = "seal"
remote = "seal"
transform = { constant = true }
"#;

#[test]
fn a_document_is_the_same_in_both_formats_and_word_for_word_what_was_read() {
    let set = MappingSet::read(EVERY_KEY, Format::Toml).unwrap();
    assert_eq!(set.write(Format::Toml), EVERY_KEY);
    let json = set.write(Format::Json);
    assert_eq!(MappingSet::read(&json, Format::Json).unwrap(), set);
    assert_eq!(MappingSet::read(&json, Format::Json).unwrap().write(Format::Toml), EVERY_KEY);
    assert_eq!(MappingSet::read(&json, Format::Json).unwrap().write(Format::Json), json);
    let plan = &serde_json::from_str::<Value>(&json).unwrap()["mappings"][0]["rules"][1];
    assert_eq!(
        *plan,
        json!({
            "local": "plan", "aliases": ["tier", "abo \"alt\""], "from": "email", "path": "billing.plan", "remote": "app_plan",
            "direction": "push", "transform": {"lookup": {"1": 1, "basic": 2.5, "pro": "Pro\n"}}, "required": true,
            "default": "free", "blank": "clear", "preserve_if_absent": true, "conflict": "manual", "catalog": false,
            "remote_field": {"label": "Plan", "type": "select", "options": ["free", "pro"], "scale": 2},
        })
    );
    set.people().unwrap();
}

#[test]
fn the_built_in_set_survives_both_formats() {
    let set = mautic();
    for format in [Format::Json, Format::Toml] {
        assert_eq!(MappingSet::read(&set.write(format), format).unwrap(), set, "{format}");
    }
}

#[test]
fn the_built_in_set_says_which_field_means_what() {
    let rules = mautic().people().unwrap();
    let local = |role| rules.with_role(role).map(|rule| rule.local.as_str());
    let roles = FieldRole::ALL.map(local);
    assert_eq!(roles, [Some("email"), Some("id"), Some("marketing_opt_in"), Some("updated_at")]);
}

#[test]
fn all_that_can_not_be_read_is_told_at_once_with_its_place() {
    let document = json!({
        "mapings": 1,
        "mappings": [
            {"kind": "robot", "object": "contact", "rules": [{"local": "a", "remotes": "a", "transform": "magic", "direction": 3}]},
            {"kind": "person", "when": {"maybe": 1}, "rules": [{"remote": "a"}, 7], "color": "red"},
            "x",
        ],
    });
    let mut found = places(&document.to_string(), Format::Json);
    // Keys of one rule come in the order of the parser.
    found.sort();
    assert_eq!(
        found,
        [
            "mapings",
            "mappings[0].kind",
            "mappings[0].rules[0].direction",
            "mappings[0].rules[0].remotes",
            "mappings[0].rules[0].transform",
            "mappings[1].color",
            "mappings[1].object",
            "mappings[1].rules[0]",
            "mappings[1].rules[1]",
            "mappings[1].when",
            "mappings[2]",
        ]
    );
    for text in ["", "{", "[]", "{}", "null", r#"{"mappings": {}}"#] {
        assert_eq!(places(text, Format::Json).len(), 1, "{text}");
    }
    assert_eq!(places("[[mappings]", Format::Toml), [""]);
    assert_eq!(places(&" ".repeat(LARGEST + 1), Format::Json), [""]);
}

#[test]
fn all_that_contradicts_itself_is_told_at_once_with_its_place() {
    let document = json!({"mappings": [
        {"kind": "person", "object": "contact", "when": "always", "rules": [
            {"local": "a", "remote": "a", "role": "address"},
            {"local": "a", "remote": "b"},
            {"local": "c", "aliases": ["d", "a"], "remote": "a", "role": "address", "from": "z"},
            {"local": "e", "target": "tags", "remote": "e"},
            {"local": "f"},
        ]},
        {"kind": "person", "object": "contact", "rules": []},
    ]});
    let mut found = places(&document.to_string(), Format::Json);
    found.sort();
    assert_eq!(
        found,
        [
            "mappings[0].rules[1].local",
            "mappings[0].rules[2].aliases[1]",
            "mappings[0].rules[2].from",
            "mappings[0].rules[2].remote",
            "mappings[0].rules[2].role",
            "mappings[0].rules[3].remote",
            "mappings[0].rules[3].target",
            "mappings[0].rules[4].remote",
            "mappings[1].kind",
        ]
    );
    assert_eq!(places(r#"{"mappings": []}"#, Format::Json), ["mappings"]);
}

#[test]
fn choices_for_situations_that_can_not_be_are_told_with_their_places() {
    let of = |situations: serde_json::Value| {
        let mapping = json!({"kind": "person", "object": "contact", "situations": situations, "rules": []});
        let text = json!({"mappings": [mapping]}).to_string();
        let problems = MappingSet::read(&text, Format::Json).err().unwrap_or_default();
        problems.into_iter().map(|problem| problem.place).collect::<Vec<_>>()
    };
    assert_eq!(of(json!({"missing": "issue", "gone": "tag:left"})), Vec::<String>::new());
    assert_eq!(
        of(json!({"missing": "burn", "gone": "burn", "taken": "create"})),
        ["mappings[0].situations.taken", "mappings[0].situations.missing", "mappings[0].situations.gone"]
    );
    assert_eq!(of(json!(7)), ["mappings[0].situations"]);
}
