//! Field rules: which of the application's fields goes to which field of the platform, and how. Data, read from TOML.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::domain::catalog::RemoteFieldKind;
use crate::error::{Failure, FailureKind, Result};

/// One rule. The keys of its TOML table are the fields below; any other key is an error.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldRule {
    /// The application's name of the field.
    pub local: String,
    /// Other names under which callers send it.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Another local field that gives the value when the record holds none under the rule's own names.
    pub from: Option<String>,
    /// Where the field stands in a request, when that is not just its name: `contact.first_name`.
    pub path: Option<String>,
    /// What of a contact the rule writes.
    #[serde(default)]
    pub target: Target,
    /// The platform's field name; there exactly when the target is a field.
    pub remote: Option<String>,
    /// Which way values flow.
    #[serde(default)]
    pub direction: Direction,
    /// How a value gets the platform's form.
    #[serde(default)]
    pub transform: Transform,
    /// Whether a record without a value is worth an issue.
    #[serde(default)]
    pub required: bool,
    /// Stands in for a value that is absent or blank.
    pub default: Option<Value>,
    /// What an explicit `null` does.
    #[serde(default)]
    pub blank: Blank,
    /// The first value stays: a field that is absent or `null` here is never cleared there.
    #[serde(default)]
    pub preserve_if_absent: bool,
    /// What happens when both sides changed the field; `None` leaves it to the integration.
    pub conflict: Option<Strategy>,
    /// Whether the platform lists this field among its contact fields.
    #[serde(default = "listed")]
    pub catalog: bool,
    /// How the field is made on a platform that lacks it; `None` for what the platform brings along.
    pub remote_field: Option<NewField>,
}

fn listed() -> bool {
    true
}

impl FieldRule {
    /// All names that the rule answers to, the local one first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.local.as_str()).chain(self.aliases.iter().map(String::as_str))
    }

    /// Whether the rule writes a value of the contact to the platform.
    #[must_use]
    pub fn pushes(&self) -> bool {
        match self.direction {
            Direction::Push | Direction::Both => match self.target {
                Target::Field | Target::Tags | Target::Stage => true,
                // Segments are memberships, set apart from the contact's values.
                Target::Segments | Target::None => false,
            },
            Direction::Pull => false,
        }
    }

    /// Whether values come back from the platform. Who somebody is and what was said about being mailed never do: an
    /// address is an identity, and consent has rules of its own.
    #[must_use]
    pub fn pulls(&self) -> bool {
        let comes_back = matches!(self.direction, Direction::Pull | Direction::Both)
            && matches!(self.target, Target::Field | Target::Tags | Target::Stage);
        let is_value = !matches!(self.transform, Transform::Constant(_) | Transform::Email);
        comes_back && is_value && !NEVER_PULLED.contains(&self.local.as_str())
    }
}

/// Local fields that no platform may change.
const NEVER_PULLED: &[&str] = &["id", "email", "marketing_opt_in", "updated_at"];

/// What happens to a field that both sides changed since they last agreed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The side that changed later stands; the application, when neither did.
    #[default]
    LastWriteWins,
    /// Sets are merged; of other fields the application's value stands, unless it is blank.
    FieldMerge,
    /// Neither is overwritten: a person chooses.
    Manual,
}

impl std::str::FromStr for Strategy {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        match text.trim().to_lowercase().as_str() {
            "last_write_wins" => Ok(Self::LastWriteWins),
            "field_merge" => Ok(Self::FieldMerge),
            "manual" => Ok(Self::Manual),
            _ => Err("must be last_write_wins, field_merge or manual"),
        }
    }
}

/// What of a contact a rule writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The field named by `remote`.
    #[default]
    Field,
    /// The contact's tags.
    Tags,
    /// The contact's stage.
    Stage,
    /// The segments that the contact is in: each name goes through the rule's lookup.
    Segments,
    /// Nothing: the field is known and on purpose not sent.
    None,
}

/// Which way values flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To the platform only.
    Push,
    /// From the platform only.
    Pull,
    /// Both ways.
    #[default]
    Both,
}

/// What an explicit `null` does to the platform's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blank {
    /// Nothing.
    #[default]
    Keep,
    /// Takes it away.
    Clear,
}

/// How a value gets the platform's form. In TOML a name (`"phone"`), or `{ constant = … }`, `{ lookup = { … } }`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// Any text, number or boolean, as it is.
    #[default]
    Direct,
    /// This value, whatever the record says.
    Constant(Value),
    /// The value that the table gives for the text, compared without regard to letter case.
    Lookup(BTreeMap<String, Value>),
    /// One line of text.
    Text,
    /// An email address.
    Email,
    /// A telephone number in E.164.
    Phone,
    /// The platform's name of a country.
    Country,
    /// The platform's name of a state or region.
    State,
    /// The platform's name of a locale.
    Locale,
    /// An IANA time zone.
    Timezone,
    /// A number.
    Number,
    /// Yes or no.
    Bool,
    /// A day, `YYYY-MM-DD`.
    Date,
    /// A moment, `YYYY-MM-DDTHH:MM:SSZ`.
    #[serde(rename = "datetime")]
    DateTime,
    /// One of the field's options.
    Select,
    /// A web address.
    Url,
    /// A list of tag names.
    Tags,
}

/// How a field is made on the platform.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewField {
    /// What people read beside it.
    pub label: String,
    /// What it holds.
    #[serde(rename = "type")]
    pub kind: RemoteFieldKind,
    /// The values that a select takes.
    #[serde(default)]
    pub options: Vec<String>,
    /// Decimal places of a number.
    pub scale: Option<u8>,
}

/// The rules of one platform, checked: names lead to one rule each, and every remote field has one writer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleSet {
    rules: Vec<FieldRule>,
    by_name: BTreeMap<String, usize>,
}

impl RuleSet {
    /// Reads rules from TOML: an array of tables named `rule`.
    ///
    /// # Errors
    /// [`FailureKind::Misconfigured`], naming the rule and the key: unknown or missing keys, values of a wrong type, a
    /// name or a remote field that two rules claim, a target that contradicts the rest of its rule.
    pub fn parse(text: &str) -> Result<Self> {
        let table: toml::Table =
            toml::from_str(text).map_err(|error| misconfigured(format!("the field rules are no TOML: {error}")))?;
        let mut set = Self::default();
        for (key, value) in table {
            let toml::Value::Array(entries) = value else {
                return Err(misconfigured(format!("key `{key}` of the field rules must be an array of tables")));
            };
            if key != "rule" {
                return Err(misconfigured(format!(
                    "unknown key `{key}` in the field rules; rules stand in `[[rule]]`"
                )));
            }
            for (index, entry) in entries.into_iter().enumerate() {
                set.add(read(entry, index)?)?;
            }
        }
        set.check_sources()?;
        Ok(set)
    }

    fn add(&mut self, rule: FieldRule) -> Result<()> {
        check(&rule)?;
        for name in rule.names() {
            if let Some(other) = self.by_name.insert(name.to_owned(), self.rules.len()) {
                let other = self.rules.get(other).map_or(rule.local.as_str(), |taken| taken.local.as_str());
                return Err(wrong(&rule.local, &format!("name `{name}` belongs to rule `{other}` already")));
            }
        }
        if let Some(other) = self.rules.iter().find(|other| rule.remote.is_some() && other.remote == rule.remote) {
            return Err(wrong(&rule.local, &format!("`remote` is written by rule `{}` already", other.local)));
        }
        self.rules.push(rule);
        Ok(())
    }

    fn check_sources(&self) -> Result<()> {
        for rule in &self.rules {
            if rule.from.as_ref().is_some_and(|name| !self.by_name.contains_key(name)) {
                return Err(wrong(&rule.local, "`from` names no field that a rule knows"));
            }
        }
        Ok(())
    }

    /// All rules in the order of the file.
    #[must_use]
    pub fn rules(&self) -> &[FieldRule] {
        &self.rules
    }

    /// The rule that a name or alias belongs to.
    #[must_use]
    pub fn rule_of(&self, name: &str) -> Option<&FieldRule> {
        self.by_name.get(name).and_then(|index| self.rules.get(*index))
    }

    /// Whether a rule writes this field of the platform, and the platform lists it among its contact fields.
    #[must_use]
    pub fn is_listed(&self, remote: &str) -> bool {
        self.rules.iter().any(|rule| rule.catalog && rule.remote.as_deref() == Some(remote))
    }

    /// The path under which a caller sends a field: that of its rule, ending in the name used. A field that no rule
    /// gives a path is called by its name.
    #[must_use]
    pub fn path_of(&self, name: &str) -> String {
        let path = self.rule_of(name).and_then(|rule| Some((rule, rule.path.as_ref()?)));
        match path {
            Some((rule, path)) => match path.strip_suffix(rule.local.as_str()) {
                Some(parent) => format!("{parent}{name}"),
                None => path.clone(),
            },
            None => name.to_owned(),
        }
    }

    /// The path under which a caller sends what goes to a field of the platform; that field's name when no rule
    /// writes it.
    #[must_use]
    pub fn path_of_remote(&self, remote: &str) -> String {
        let rule = self.rules.iter().find(|rule| rule.remote.as_deref() == Some(remote));
        rule.map_or_else(|| remote.to_owned(), |rule| self.path_of(&rule.local))
    }
}

fn read(entry: toml::Value, index: usize) -> Result<FieldRule> {
    let name =
        entry.get("local").and_then(toml::Value::as_str).map_or_else(|| format!("#{}", index + 1), str::to_owned);
    FieldRule::deserialize(entry).map_err(|error| wrong(&name, error.to_string().trim_end()))
}

/// What the types can't say about a rule.
fn check(rule: &FieldRule) -> Result<()> {
    let is_field = rule.target == Target::Field;
    if is_field && rule.remote.as_deref().is_none_or(str::is_empty) {
        return Err(wrong(&rule.local, "`remote` must name the platform's field"));
    }
    if !is_field && (rule.remote.is_some() || rule.remote_field.is_some()) {
        return Err(wrong(&rule.local, "`remote` and `remote_field` go with `target = \"field\"` only"));
    }
    if (rule.target == Target::Tags) != (rule.transform == Transform::Tags) {
        return Err(wrong(&rule.local, "`target` and `transform` are both `tags` or neither is"));
    }
    let select = rule.remote_field.as_ref().filter(|field| field.kind == RemoteFieldKind::Select);
    if select.is_some_and(|field| field.options.is_empty()) {
        return Err(wrong(&rule.local, "`options` of a select must not be empty"));
    }
    if rule.names().any(|name| name.trim().is_empty()) {
        return Err(wrong(&rule.local, "`local` and `aliases` must not be empty"));
    }
    if !given_values(rule).all(is_scalar) {
        return Err(wrong(&rule.local, "`default`, `constant` and `lookup` take text, numbers and booleans"));
    }
    Ok(())
}

fn given_values(rule: &FieldRule) -> impl Iterator<Item = &Value> {
    let constant = match &rule.transform {
        Transform::Constant(value) => Some(value),
        _ => None,
    };
    let table = match &rule.transform {
        Transform::Lookup(table) => Some(table.values()),
        _ => None,
    };
    rule.default.iter().chain(constant).chain(table.into_iter().flatten())
}

fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_))
}

fn wrong(rule: &str, what: &str) -> Failure {
    misconfigured(format!("field rule `{rule}`: {what}"))
}

fn misconfigured(message: String) -> Failure {
    Failure::new(FailureKind::Misconfigured, message)
}

#[cfg(test)]
mod tests {
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
        assert!(failure("[[rule]]\nremote = \"a\"\n").contains("`#1`"));
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
}
