//! A mapping set held against the platform: does it take what the rules would send? Pure; what the platform has is given.

use super::problem::Problem;
use super::rules::{FieldRole, FieldRule, Target, Transform};
use super::set::{Mapping, MappingSet};
use super::situations::WhenAmbiguous;
use crate::domain::catalog::{FieldCatalog, RemoteField};
use crate::domain::kind::Kind;

mod fit;

use fit::{Fit, fit, refused_options};

/// What a connector says of its platform.
#[derive(Clone, Copy, Debug)]
pub struct Platform {
    /// How people call it.
    pub name: &'static str,
    /// Its objects by the kinds of records that they are for.
    pub objects: &'static [(Kind, &'static str)],
    /// The field that it knows people by, and mails them at.
    pub address: &'static str,
    /// Names that it gives no new field.
    pub reserved: &'static [&'static str],
    /// Whether it takes changes of an object though others have the same address.
    pub changes_duplicates: bool,
}

/// Names by which payloads carry something else than a field.
const NAMES_OF_REQUESTS: &[&str] = &[
    "contact",
    "fields",
    "custom",
    "custom_fields",
    "utm",
    "ml",
    "consent",
    "deleted",
    "mtc_id",
    "mtc_signature",
    "mauticContactId",
];
/// The longest name of a field, in bytes.
const LONGEST_NAME: usize = 100;
/// The most other names of a field.
const MOST_ALIASES: usize = 30;
/// The most entries of a look-up table.
const MOST_ENTRIES: usize = 1_000;

/// All that is wrong with a set, errors and warnings, in the order of the document. Without a catalog nothing is held against
/// the platform's fields.
#[must_use]
pub fn check(set: &MappingSet, platform: &Platform, catalog: Option<&FieldCatalog>) -> Vec<Problem> {
    let mut problems = set.people().err().unwrap_or_default();
    for (index, mapping) in set.mappings.iter().enumerate() {
        let found = check_mapping(mapping, platform, catalog);
        problems.extend(found.into_iter().map(|problem| problem.within(&format!("mappings[{index}]"))));
    }
    problems
}

fn check_mapping(mapping: &Mapping, platform: &Platform, catalog: Option<&FieldCatalog>) -> Vec<Problem> {
    let mut problems = Vec::new();
    match platform.objects.iter().find(|(kind, _)| *kind == mapping.kind) {
        None => {
            let message = format!("Tandem sends no records of the kind `{}` to {} yet", mapping.kind, platform.name);
            return vec![Problem::error("kind", message)];
        }
        Some((_, object)) if *object != mapping.object => {
            let message =
                format!("records of the kind `{}` are of {} the object `{object}`", mapping.kind, platform.name);
            problems.push(Problem::error("object", message));
        }
        Some(_) => {}
    }
    problems.extend(impossible_choice(mapping, platform));
    if !mapping.kind.is_person() {
        problems.extend(of_other_kind(mapping));
        return problems;
    }
    problems.extend(lacking_roles(mapping));
    let addresses = AddressNames::of(mapping);
    for (index, rule) in mapping.rules.iter().enumerate() {
        let checking = Checking { rule, platform, catalog, addresses: &addresses };
        problems.extend(checking.all().into_iter().map(|problem| problem.within(&format!("rules[{index}]"))));
    }
    problems
}

/// What is chosen for a situation, and the platform does not go along with.
fn impossible_choice(mapping: &Mapping, platform: &Platform) -> Option<Problem> {
    let links = mapping.situations.ambiguous == WhenAmbiguous::Link && !platform.changes_duplicates;
    let message = || {
        format!("{} takes no change of any of several `{}`s with one address: `issue`", platform.name, mapping.object)
    };
    links.then(|| Problem::error("situations.ambiguous", message()))
}

/// What rules of records that are no people can't say. Their objects' fields are looked at when they are sent.
fn of_other_kind(mapping: &Mapping) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut wrong = |index: usize, key: &str, what: &str| {
        problems.push(Problem::error(format!("rules[{index}].{key}"), what));
    };
    for (index, rule) in mapping.rules.iter().enumerate() {
        match rule.target {
            Target::Field | Target::None => {}
            Target::Tags | Target::Stage | Target::Segments => {
                wrong(index, "target", "only people have tags, a stage and segments");
            }
        }
        match rule.role {
            None | Some(FieldRole::ExternalId | FieldRole::Moment) => {}
            Some(FieldRole::Address | FieldRole::Consent) => {
                wrong(index, "role", "only people are mailed: records of this kind have no address and no consent");
            }
        }
        if rule.gives_way_to.is_some() {
            wrong(index, "gives_way_to", "only a person's field gives way to a relationship");
        }
    }
    problems
}

fn lacking_roles(mapping: &Mapping) -> Vec<Problem> {
    let has = |role: FieldRole| mapping.rules.iter().any(|rule| rule.role == Some(role));
    let told = |role: FieldRole| match role {
        FieldRole::Address => {
            Problem::error("rules", "no rule has the role `address`: nobody could be found or mailed")
        }
        FieldRole::ExternalId => Problem::warning(
            "rules",
            "no rule has the role `external_id`: the platform does not show whose record a contact is",
        ),
        FieldRole::Consent => {
            Problem::warning("rules", "no rule has the role `consent`: the platform does not show who opted in")
        }
        FieldRole::Moment => Problem::warning(
            "rules",
            "no rule has the role `moment`: rows and calls that say when a record was changed are told that no rule knows it",
        ),
    };
    FieldRole::ALL.into_iter().filter(|role| !has(*role)).map(told).collect()
}

/// The names under which a record's address goes.
struct AddressNames<'a>(Vec<&'a str>);

impl<'a> AddressNames<'a> {
    fn of(mapping: &'a Mapping) -> Self {
        let rules = mapping.rules.iter().filter(|rule| rule.role == Some(FieldRole::Address));
        Self(rules.flat_map(FieldRule::names).collect())
    }

    /// Whether a rule would send the address, or another one.
    fn are_sent_by(&self, rule: &FieldRule) -> bool {
        let is_from_address = rule.from.as_deref().is_some_and(|from| self.0.contains(&from));
        rule.role == Some(FieldRole::Address) || rule.transform == Transform::Email || is_from_address
    }
}

struct Checking<'a> {
    rule: &'a FieldRule,
    platform: &'a Platform,
    catalog: Option<&'a FieldCatalog>,
    addresses: &'a AddressNames<'a>,
}

impl Checking<'_> {
    fn all(&self) -> Vec<Problem> {
        let mut problems = self.names();
        problems.extend(self.role());
        problems.extend(self.address());
        problems.extend(self.field());
        let entries = match &self.rule.transform {
            Transform::Lookup(table) => table.len(),
            _ => 0,
        };
        if entries > MOST_ENTRIES {
            problems
                .push(self.error("transform.lookup", &format!("a look-up table has at most {MOST_ENTRIES} entries")));
        }
        problems
    }

    fn error(&self, key: &str, what: &str) -> Problem {
        Problem::error(key, format!("rule `{}`: {what}", self.rule.local))
    }

    fn warning(&self, key: &str, what: &str) -> Problem {
        Problem::warning(key, format!("rule `{}`: {what}", self.rule.local))
    }

    fn names(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (place, name) in self.rule.names().enumerate() {
            let key = if place == 0 { "local".to_owned() } else { format!("aliases[{}]", place - 1) };
            if NAMES_OF_REQUESTS.contains(&name) || name.starts_with('@') {
                problems.push(
                    self.error(&key, &format!("`{name}` is reserved: requests carry something else by this name")),
                );
            }
            if name.len() > LONGEST_NAME {
                problems.push(self.error(&key, &format!("a name has at most {LONGEST_NAME} bytes")));
            }
        }
        if self.rule.aliases.len() > MOST_ALIASES {
            problems.push(self.error("aliases", &format!("a field has at most {MOST_ALIASES} other names")));
        }
        problems
    }

    /// What a role means is Tandem's own: such a field has one form.
    fn role(&self) -> Option<Problem> {
        let rule = self.rule;
        let wrong = |what: &str| Some(self.error("role", what));
        match rule.role? {
            FieldRole::Address
                if rule.target != Target::Field || rule.remote.as_deref() != Some(self.platform.address) =>
            {
                let known_by = self.platform.address;
                wrong(&format!(
                    "the address goes to the field `{known_by}`, by which {} knows people",
                    self.platform.name
                ))
            }
            FieldRole::Address if rule.transform != Transform::Email => wrong("an address has `transform = \"email\"`"),
            FieldRole::Address if !rule.pushes() => wrong("the address must be sent: `direction` is `push`"),
            FieldRole::Consent if rule.target == Target::Field && rule.transform != Transform::Bool => {
                wrong("what was said about being mailed is yes or no: `transform = \"bool\"`")
            }
            FieldRole::Consent if rule.default.is_some() => wrong("nobody opts in by default: it takes no `default`"),
            FieldRole::ExternalId if matches!(rule.target, Target::Tags | Target::Stage | Target::Segments) => {
                wrong("an id is no tag, stage or segment")
            }
            FieldRole::Address | FieldRole::Consent | FieldRole::ExternalId | FieldRole::Moment => None,
        }
    }

    /// Addresses go where the platform takes addresses, and nowhere else.
    fn address(&self) -> Option<Problem> {
        let rule = self.rule;
        if rule.role != Some(FieldRole::Address) && rule.remote.as_deref() == Some(self.platform.address) {
            let what = format!("only the rule with the role `address` writes `{}`", self.platform.address);
            return Some(self.error("remote", &what));
        }
        if !self.addresses.are_sent_by(rule) || rule.role == Some(FieldRole::Address) {
            return None;
        }
        match rule.target {
            Target::Tags | Target::Stage | Target::Segments => Some(
                self.error("target", "it would send an address where none is taken: a name of a tag, stage or segment"),
            ),
            Target::Field | Target::None => match self.remote_field() {
                Some(found) if !fit::takes_addresses(found.kind) => {
                    Some(self.error("remote", "it would send an address where none is taken"))
                }
                Some(_) | None => None,
            },
        }
    }

    fn remote_field(&self) -> Option<&RemoteField> {
        self.catalog?.fields.get(self.rule.remote.as_deref()?)
    }

    /// The platform's field: is it there, and does it hold what is sent?
    fn field(&self) -> Vec<Problem> {
        let rule = self.rule;
        let (Some(catalog), Some(name)) = (self.catalog, &rule.remote) else { return Vec::new() };
        if !rule.catalog {
            return Vec::new();
        }
        match catalog.fields.get(name) {
            None => vec![self.missing(name)],
            Some(field) if rule.pushes() => self.fits(field),
            Some(_) => Vec::new(),
        }
    }

    fn missing(&self, name: &str) -> Problem {
        let platform = self.platform.name;
        if self.rule.remote_field.is_none() {
            return self.error(
                "remote",
                &format!("{platform} has no field `{name}`, and no `remote_field` says how to make it"),
            );
        }
        if self.platform.reserved.contains(&name) {
            return self
                .error("remote", &format!("{platform} keeps the name `{name}` for itself: no new field can have it"));
        }
        self.warning(
            "remote",
            &format!("{platform} has no field `{name}` yet: `tandem connect mautic --create-missing` makes it"),
        )
    }

    fn fits(&self, field: &RemoteField) -> Vec<Problem> {
        let mut problems = Vec::new();
        match fit(&self.rule.transform, field) {
            Fit::Right => {}
            Fit::Doubtful(what) => problems.push(self.warning("transform", what)),
            Fit::Wrong(what) => problems.push(self.error("transform", what)),
        }
        if let Some(default) = &self.rule.default
            && let Fit::Wrong(what) = fit(&Transform::Constant(default.clone()), field)
            && !matches!(self.rule.transform, Transform::Lookup(_))
        {
            problems.push(self.error("default", what));
        }
        let own = self.rule.remote_field.as_ref().map(|own| own.options.as_slice()).unwrap_or_default();
        let refused = refused_options(own, field);
        if !refused.is_empty() {
            let what = format!("the platform's select lacks the options {}", refused.join(", "));
            problems.push(self.warning("remote_field.options", &what));
        }
        problems
    }
}

#[cfg(test)]
mod tests;
