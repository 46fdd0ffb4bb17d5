use super::super::rules::{Blank, Direction};
use super::*;

const FIRST_NAME: &str = "[[rule]]\nlocal = \"first_name\"\naliases = [\"given\"]\nremote = \"firstname\"\n";

fn failure(toml: &str) -> String {
    let failure = RuleSet::parse(toml).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Misconfigured);
    failure.message
}

#[test]
fn a_rule_says_little_when_little_is_special() {
    let rules = RuleSet::parse(FIRST_NAME).unwrap();
    let rule = rules.rule_of("given").unwrap();
    assert_eq!((rule.local.as_str(), rule.remote.as_deref()), ("first_name", Some("firstname")));
    assert_eq!((rule.direction, rule.target, rule.blank), (Direction::Both, Target::Field, Blank::Keep));
    assert_eq!(rule.transform, Transform::Direct);
    assert!(rule.catalog && !rule.required && !rule.preserve_if_absent);
}

#[test]
fn transforms_may_carry_a_constant_or_a_table() {
    let rules = RuleSet::parse(
        "[[rule]]\nlocal = \"a\"\nremote = \"a\"\ntransform = { constant = 7 }\n\
         [[rule]]\nlocal = \"b\"\nremote = \"b\"\ntransform = { lookup = { gold = \"vip\" } }\n",
    )
    .unwrap();
    assert_eq!(rules.rules()[0].transform, Transform::Constant(7.into()));
    assert_eq!(rules.rules()[1].transform, Transform::Lookup([("gold".to_owned(), "vip".into())].into()));
}

#[test]
fn what_is_wrong_is_said_with_the_rule_and_the_key() {
    let rest = "local = \"a\"\nremote = \"a\"\n";
    for (toml, rule, what) in [
        ("remotes = 1".to_owned(), "`a`", "remotes"),
        ("aliases = 3".to_owned(), "`a`", "aliases"),
        ("direction = \"up\"".to_owned(), "`a`", "direction"),
        ("transform = \"magic\"".to_owned(), "`a`", "magic"),
        ("target = \"stage\"".to_owned(), "`a`", "remote"),
        ("transform = \"tags\"".to_owned(), "`a`", "target"),
        ("default = [1]".to_owned(), "`a`", "default"),
        ("from = \"z\"".to_owned(), "`a`", "from"),
        ("remote_field = { label = \"A\", type = \"select\" }".to_owned(), "`a`", "options"),
        ("remote_field = { label = \"A\", type = \"text\", size = 3 }".to_owned(), "`a`", "size"),
    ] {
        let message = failure(&format!("[[rule]]\n{rest}{toml}\n"));
        assert!(message.contains(rule) && message.contains(what), "{toml}: {message}");
    }
    assert!(failure("[[rule]]\nlocal = \"a\"\n").contains("remote"));
    assert!(failure("[[rule]]\nremote = \"a\"\n").contains("rules[0]"));
    assert!(failure("[[rules]]\nlocal = \"a\"\n").contains("`rules`"));
    assert!(failure("rule = 3").contains("`rule`"));
    assert!(failure("[[rule]").contains("TOML"));
}

#[test]
fn a_name_or_a_remote_field_has_one_rule() {
    let again = |local: &str, remote: &str| {
        failure(&format!("{FIRST_NAME}[[rule]]\nlocal = \"{local}\"\nremote = \"{remote}\"\n"))
    };
    assert!(again("first_name", "x").contains("`first_name` belongs to rule `first_name`"));
    assert!(again("given", "x").contains("`given` belongs to rule `first_name`"));
    assert!(again("x", "firstname").contains("`remote` is written by rule `first_name`"));
}

#[test]
fn an_alias_stands_where_its_field_stands() {
    let rules = RuleSet::parse(&format!("{FIRST_NAME}path = \"contact.first_name\"\n")).unwrap();
    assert_eq!(rules.path_of("first_name"), "contact.first_name");
    assert_eq!(rules.path_of("given"), "contact.given");
    assert_eq!(rules.path_of("unheard_of"), "unheard_of");
    assert_eq!(rules.path_of_remote("firstname"), "contact.first_name");
    assert_eq!(rules.path_of_remote("fax"), "fax");
}
