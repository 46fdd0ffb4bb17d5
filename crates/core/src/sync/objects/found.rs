//! What follows from what a look-up by name shows. Pure.

use std::collections::{BTreeMap, BTreeSet};

use unicode_normalization::UnicodeNormalization;

use crate::domain::identity::RecordKey;
use crate::domain::issue::{FieldIssue, IssueCode};
use crate::domain::kind::Kind;
use crate::domain::link::RemoteId;
use crate::domain::situation::Situation;
use crate::error::{Failure, FailureKind};
use crate::ports::Stored;
use crate::ports::objects::{RemoteObject, Unseen};

/// A record that a thing of the platform belongs to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Owner {
    pub(super) key: RecordKey,
    /// The record as people know it: `organisation 7`.
    pub(super) named: String,
}

impl Owner {
    /// The owner of a thing, if the record that its pointer leads to has it still: a pointer may be older than the link, of a
    /// thing that was deleted there.
    pub(super) fn of(thing: &RemoteId, key: RecordKey, stored: &Stored) -> Option<Self> {
        let has_it = stored.link.as_ref()?.remote_id.as_ref() == Some(thing);
        let id = stored.record.as_ref().and_then(|record| record.external_id.as_ref());
        let named = named(key.kind(), id.map_or("", |id| id.as_str()));
        has_it.then_some(Self { key, named })
    }
}

/// A record as people know it.
pub(super) fn named(kind: Kind, id: &str) -> String {
    kind.named(id).into_owned()
}

/// The record that each thing belongs to.
pub(super) type Owners = BTreeMap<RemoteId, Owner>;

/// A record that has no thing on the platform.
pub(super) struct Seeker<'a> {
    pub(super) key: &'a RecordKey,
    /// The record as people know it.
    pub(super) named: &'a str,
    /// What it is called; `None` when nothing of it can be sent.
    pub(super) name: Option<&'a str>,
    /// By which name a create was sent for it of which nobody knows how it ended.
    pub(super) tried: Option<&'a str>,
}

/// What follows for a record that has no thing on the platform.
#[derive(Debug, PartialEq)]
pub(super) enum Follow<'a> {
    /// There is none of its name: make it.
    Make,
    /// This is it: it is the record's from now on.
    Adopt(&'a RemoteObject),
    /// An earlier create of this record made it.
    Own(&'a RemoteObject),
    /// It can't be told which it is, or it is another record's.
    Refuse(Failure),
}

/// A name as it is compared with others: as MySQL's general rules for Unicode do, with which Mautic tells its companies apart.
/// Letter case and accents make no difference, nor does blank space at the ends.
pub(super) fn plain(name: &str) -> String {
    let lower = name.trim().to_lowercase();
    let mut plain = String::with_capacity(lower.len());
    for letter in lower.nfd() {
        match letter {
            // Accents, and the voicing marks of Japanese; vowel signs of other scripts are letters there.
            '\u{300}'..='\u{36f}' | '\u{3099}' | '\u{309a}' => {}
            'ß' => plain.push_str("ss"),
            'æ' => plain.push_str("ae"),
            'œ' => plain.push_str("oe"),
            'ς' => plain.push('σ'),
            other => plain.push(other),
        }
    }
    plain
}

/// Keeps the things that bear one of these names. `known_by` is the field that holds the name.
pub(super) fn keep_bearers(found: &mut Vec<RemoteObject>, names: &[String], known_by: &str) {
    let names: BTreeSet<String> = names.iter().map(|name| plain(name)).collect();
    found.retain(|one| shown_name(one, known_by).is_some_and(|shown| names.contains(&plain(shown))));
}

fn shown_name<'a>(thing: &'a RemoteObject, known_by: &str) -> Option<&'a str> {
    thing.fields.get(known_by).and_then(serde_json::Value::as_str)
}

/// `known_by` is the field that holds the name, `path` what callers call it. With what follows comes the record whose thing an
/// earlier create of this one may have overwritten.
pub(super) fn after_look_up<'a, 'o>(
    seeker: &Seeker<'_>,
    found: &'a [RemoteObject],
    owners: &'o Owners,
    (known_by, path): (&str, &str),
) -> (Follow<'a>, Option<&'o Owner>) {
    let owner = |one: &RemoteObject| owners.get(&one.id).filter(|owner| owner.key != *seeker.key);
    let bearers = |name: &str| bearers_of(name, found, known_by);
    let mut overwritten = None;
    // What was sent before may be there, whatever the record is called by now.
    if let Some(tried) = seeker.tried {
        match bearers(tried).as_slice() {
            [] => {}
            [one] => match owner(one) {
                None => return (Follow::Own(one), None),
                Some(owner) => overwritten = Some(owner),
            },
            several => return (Follow::Refuse(ambiguous(path, several)), None),
        }
    }
    let Some(name) = seeker.name else { return (Follow::Refuse(nameless(path)), overwritten) };
    let follow = match bearers(name).as_slice() {
        [] => Follow::Make,
        [one] => match owner(one) {
            Some(owner) => Follow::Refuse(anothers(path, seeker.named, owner, &one.id)),
            None => Follow::Adopt(one),
        },
        several => Follow::Refuse(ambiguous(path, several)),
    };
    (follow, overwritten)
}

/// The things of a name, the oldest first.
fn bearers_of<'a>(name: &str, found: &'a [RemoteObject], known_by: &str) -> Vec<&'a RemoteObject> {
    let name = plain(name);
    let is_called_so = |one: &&RemoteObject| shown_name(one, known_by).is_some_and(|shown| plain(shown) == name);
    let mut bearers: Vec<&RemoteObject> = found.iter().filter(is_called_so).collect();
    bearers.sort_by(|one, other| (one.id.0.len(), &one.id.0).cmp(&(other.id.0.len(), &other.id.0)));
    bearers.dedup_by(|one, other| one.id == other.id);
    bearers
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
pub(super) fn anothers(path: &str, named: &str, owner: &Owner, thing: &RemoteId) -> Failure {
    let message = format!(
        "By this name the platform has what belongs to {} ({thing}), and takes no other one beside it: give that or {named} \
         another name. Letter case and accents make no difference there.",
        owner.named
    );
    let issue = FieldIssue::new(path, IssueCode::Taken, message.clone());
    Failure::new(FailureKind::Taken, message).with_fields(vec![issue]).because(Situation::Taken)
}

/// The record says nothing by which the platform could know it.
fn nameless(path: &str) -> Failure {
    let message = "The platform knows such things by their name, and the record has none.";
    let issue = FieldIssue::new(path, IssueCode::Missing, message);
    Failure::new(FailureKind::Invalid, issue.message.clone()).with_fields(vec![issue])
}

/// It was not seen whether the platform has a thing of the name.
pub(super) fn unseen(path: &str, why: Unseen) -> Failure {
    let (kind, message) = match why {
        Unseen::TooMany => (
            FailureKind::Taken,
            "The platform has too many things with these words in their names to tell whether this one is among them: give the record a name with a word of its own.",
        ),
        Unseen::TooSlow => (
            FailureKind::Timeout,
            "The platform took too long to show its things of this name: it is looked for later.",
        ),
    };
    let issue = FieldIssue::new(path, IssueCode::SharedIdentity, message);
    Failure::new(kind, message).with_fields(vec![issue]).because(Situation::Ambiguous)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn company(id: &str, name: &str) -> RemoteObject {
        RemoteObject { id: RemoteId::of_object("company", id), fields: [("name".to_owned(), json!(name))].into() }
    }

    fn owner(key: &str) -> Owner {
        Owner { key: RecordKey::from_stored(key.to_owned()), named: format!("organisation {key}") }
    }

    fn seeker<'a>(owner: &'a Owner, name: Option<&'a str>, tried: Option<&'a str>) -> Seeker<'a> {
        Seeker { key: &owner.key, named: &owner.named, name, tried }
    }

    const NAME: (&str, &str) = ("name", "name");

    #[test]
    fn one_of_the_name_is_adopted_unless_it_is_another_records_and_several_are_told_the_oldest_first() {
        let found =
            [company("12", "ACME"), company("7", "acme "), company("3", "Acme Holding"), company("9", "Globex")];
        let owners: Owners = [(found[3].id.clone(), owner("o2"))].into();
        let (one, two) = (owner("o1"), owner("o2"));
        let follow = |own: &Owner, name: &str| after_look_up(&seeker(own, Some(name), None), &found, &owners, NAME).0;
        assert_eq!(follow(&one, "Initech"), Follow::Make);
        assert_eq!(follow(&one, " acme holding"), Follow::Adopt(&found[2]));
        assert_eq!(follow(&two, "GLOBEX"), Follow::Adopt(&found[3]));
        let Follow::Refuse(failure) = follow(&one, "Globex") else { panic!("it is another's") };
        assert!(failure.message.contains("organisation o2 (company/9)"), "{failure}");
        assert!(failure.message.contains("organisation o1"), "both are named: {failure}");
        let Follow::Refuse(failure) = follow(&one, "Acme") else { panic!("two are there") };
        assert!(failure.message.contains("(company/7, company/12)"), "{failure}");
    }

    #[test]
    fn what_an_earlier_create_made_is_the_records_own_whatever_it_is_called_by_now() {
        let found = [company("7", "Globex"), company("8", "Initech")];
        let (own, nobodys) = (owner("o1"), Owners::new());
        let follow = |name, tried| after_look_up(&seeker(&own, name, tried), &found, &nobodys, NAME);
        for name in [Some("Globex"), Some("Globex Ltd"), Some("Initech"), None] {
            assert_eq!(follow(name, Some("globex")), (Follow::Own(&found[0]), None), "{name:?}");
        }
        assert_eq!(follow(Some("Hooli"), Some("Pied Piper")), (Follow::Make, None), "it was never made");
        let owners: Owners = [(found[0].id.clone(), owner("o2"))].into();
        let renamed = after_look_up(&seeker(&own, Some("Initech"), Some("Globex")), &found, &owners, NAME);
        assert_eq!(renamed, (Follow::Adopt(&found[1]), Some(&owner("o2"))), "the create may have hit the other one's");
    }

    #[test]
    fn letter_case_accents_and_ligatures_make_no_other_name() {
        for (one, other) in [
            (" Café de la Gare", "CAFE DE LA GARE "),
            ("Müller & Söhne", "muller & sohne"),
            ("Großhandel", "GROSSHANDEL"),
            ("Ægir", "aegir"),
            ("Škoda", "skoda"),
            ("Ünlü", "u\u{308}nlu\u{308}"),
        ] {
            assert_eq!(plain(one), plain(other));
        }
        assert_ne!(plain("Globex"), plain("Globex Ltd"));
        assert_ne!(plain("A B"), plain("AB"));
        assert_ne!(plain("कि"), plain("का"));
    }
}
