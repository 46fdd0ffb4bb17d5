//! What follows from what a look-up by name shows. Pure.

use std::collections::BTreeMap;

use crate::domain::identity::RecordKey;
use crate::domain::issue::{FieldIssue, IssueCode};
use crate::domain::link::RemoteId;
use crate::domain::situation::Situation;
use crate::error::{Failure, FailureKind};
use crate::ports::objects::RemoteObject;

/// The record that each thing belongs to.
pub(super) type Owners = BTreeMap<RemoteId, RecordKey>;

/// What follows for a record that has no thing on the platform.
#[derive(Debug, PartialEq)]
pub(super) enum Follow<'a> {
    /// There is none of its name: make it.
    Make,
    /// This is it: it is the record's from now on.
    Adopt(&'a RemoteObject),
    /// It can't be told which it is, or it is another record's.
    Refuse(Failure),
}

/// A name as it is compared with others.
pub(super) fn plain(name: &str) -> String {
    name.trim().to_lowercase()
}

/// `known_by` is the field that holds the name, `path` what callers call it.
pub(super) fn after_look_up<'a>(
    key: &RecordKey,
    name: &str,
    found: &'a [RemoteObject],
    owners: &Owners,
    (known_by, path): (&str, &str),
) -> Follow<'a> {
    let is_called_so = |one: &&RemoteObject| {
        let shown = one.fields.get(known_by).and_then(serde_json::Value::as_str);
        shown.is_some_and(|shown| plain(shown) == plain(name))
    };
    let mut bearers: Vec<&RemoteObject> = found.iter().filter(is_called_so).collect();
    bearers.sort_by(|one, other| (one.id.0.len(), &one.id.0).cmp(&(other.id.0.len(), &other.id.0)));
    let of_others = |one: &RemoteObject| owners.get(&one.id).is_some_and(|owner| owner != key);
    match bearers.as_slice() {
        [] => Follow::Make,
        [one] if of_others(one) => Follow::Refuse(anothers(path)),
        [one] => Follow::Adopt(one),
        several => Follow::Refuse(ambiguous(path, several)),
    }
}

/// The thing was deleted there, and the mapping says that a person decides.
pub(super) fn missing(path: &str) -> Failure {
    let message =
        "What the record was on the platform was deleted there: say by the mapping that it is made anew, or ignored.";
    let issue = FieldIssue::new(path, IssueCode::RefusedByPlatform, message);
    Failure::new(FailureKind::Taken, message).with_fields(vec![issue]).because(Situation::Missing)
}

/// One thing of the name is there, and the mapping says that a person decides whether it is the record's.
pub(super) fn undecided(path: &str) -> Failure {
    let message = "The platform has a thing of this name that no record has: say by the mapping that it is linked, or rename it there.";
    let issue = FieldIssue::new(path, IssueCode::SharedIdentity, message);
    Failure::new(FailureKind::Taken, message).with_fields(vec![issue]).because(Situation::Found)
}

fn ambiguous(path: &str, several: &[&RemoteObject]) -> Failure {
    let ids: Vec<&str> = several.iter().map(|one| one.id.0.as_str()).collect();
    let message = format!(
        "The platform has {} things of this name ({}), and nothing tells which is meant: merge or rename them there.",
        ids.len(),
        ids.join(", ")
    );
    let issue = FieldIssue::new(path, IssueCode::SharedIdentity, message.clone());
    Failure::new(FailureKind::Taken, message).with_fields(vec![issue]).because(Situation::Ambiguous)
}

/// What is found by the name, or what a create answered with, belongs to another record.
pub(super) fn anothers(path: &str) -> Failure {
    let message = "What the platform has by this name belongs to another record: give one of the two another name.";
    let issue = FieldIssue::new(path, IssueCode::Taken, message);
    Failure::new(FailureKind::Taken, message).with_fields(vec![issue]).because(Situation::Taken)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn company(id: &str, name: &str) -> RemoteObject {
        RemoteObject { id: RemoteId::of_object("company", id), fields: [("name".to_owned(), json!(name))].into() }
    }

    fn key(name: &str) -> RecordKey {
        RecordKey::from_stored(name.to_owned())
    }

    #[test]
    fn one_of_the_name_is_adopted_unless_it_is_another_records_and_several_are_told_the_oldest_first() {
        let found =
            [company("12", "ACME"), company("7", "acme "), company("3", "Acme Holding"), company("9", "Globex")];
        let owners: Owners = [(RemoteId::of_object("company", "9"), key("o2"))].into();
        let follow = |own: &str, name: &str| after_look_up(&key(own), name, &found, &owners, ("name", "name"));
        assert_eq!(follow("o1", "Initech"), Follow::Make);
        assert_eq!(follow("o1", " acme holding"), Follow::Adopt(&found[2]));
        assert_eq!(follow("o2", "GLOBEX"), Follow::Adopt(&found[3]));
        assert_eq!(follow("o1", "Globex"), Follow::Refuse(anothers("name")));
        let Follow::Refuse(failure) = follow("o1", "Acme") else { panic!("two are there") };
        assert!(failure.message.contains("(company/7, company/12)"), "{failure}");
    }
}
