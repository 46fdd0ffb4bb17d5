//! Countries and states that one version of Mautic spells otherwise than another, and refuses in the other's spelling
//! (recordings `201-country-turkey` to `204-region-fukushima` of 7.0.0). Tandem itself knows one name of each, that of 5.1; what
//! is sent is spelt as this installation takes it. Which that is, its version tells at first, and a refusal from then on.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};
use tandem_core::domain::issue::IssueCode;
use tandem_core::error::{Failure, FailureKind};

/// The contact fields whose values come from Mautic's lists of places.
const FIELDS: [&str; 2] = ["country", "state"];

/// A place that has several spellings, the first of them Tandem's own.
struct Place {
    field: &'static str,
    /// Whether Mautic 7 is known to take the second one.
    changed_in_7: bool,
    spellings: &'static [&'static str],
}

const fn changed(field: &'static str, spellings: &'static [&'static str]) -> Place {
    Place { field, changed_in_7: true, spellings }
}

/// A spelling that is only tried when the first one is refused.
const fn perhaps(field: &'static str, spellings: &'static [&'static str]) -> Place {
    Place { field, changed_in_7: false, spellings }
}

/// Those that are recorded, and names in 5.1's list that places have given up since.
const PLACES: [Place; 12] = [
    changed("country", &["Turkey", "Türkiye"]),
    changed("state", &["Fukusima", "Fukushima"]),
    perhaps("country", &["Macedonia", "North Macedonia"]),
    perhaps("country", &["Czech Republic", "Czechia"]),
    perhaps("country", &["Cape Verde", "Cabo Verde"]),
    perhaps("country", &["East Timor", "Timor-Leste"]),
    perhaps("country", &["Ivory Coast", "Côte d'Ivoire"]),
    perhaps("country", &["Eswatini", "Swaziland"]),
    perhaps("country", &["Macao", "Macau"]),
    perhaps("state", &["Orissa", "Odisha"]),
    perhaps("state", &["Pondicherry", "Puducherry"]),
    perhaps("state", &["Yukon Territory", "Yukon"]),
];

/// What is known of an installation's spellings.
#[derive(Default)]
pub(super) struct Spellings {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Mautic's major version, when an answer has told it.
    major: Option<u32>,
    /// Of a place, by its number in the list: the spelling that comes after a refused one, and how many were refused in a row.
    learned: BTreeMap<usize, (usize, usize)>,
}

impl Known {
    fn choice(&self, number: usize, place: &Place) -> usize {
        let by_version = usize::from(place.changed_in_7 && self.major.is_some_and(|major| major >= 7));
        self.learned.get(&number).map_or(by_version, |(choice, _)| *choice)
    }
}

impl Spellings {
    /// Notes the version that an answer tells, `7.0.0`.
    pub(super) fn note_version(&self, version: &str) {
        let major = version.split('.').next().and_then(|major| major.parse().ok());
        if major.is_some() {
            self.known().major = major;
        }
    }

    /// Spells the places of a contact's fields as the installation takes them.
    pub(super) fn spell(&self, fields: &mut Map<String, Value>) {
        for field in FIELDS {
            let spelt = fields.get(field).and_then(Value::as_str).and_then(|name| self.spelling(field, name));
            if let Some(spelt) = spelt {
                fields.insert(field.to_owned(), spelt.into());
            }
        }
    }

    fn spelling(&self, field: &str, name: &str) -> Option<&'static str> {
        let (number, place) = place(field, name)?;
        place.spellings.get(self.known().choice(number, place)).copied()
    }

    /// Learns from a refused write whether a place shall be spelt otherwise; `true` when trying again makes sense. Once all
    /// spellings of a place were refused, it stays with the first guess: the value is what is wrong.
    pub(super) fn learn(&self, failure: &Failure, sent: &Map<String, Value>) -> bool {
        if failure.kind != FailureKind::Refused {
            return false;
        }
        let refused = failure.fields.iter().filter(|issue| issue.code == IssueCode::RefusedByPlatform);
        let mut again = false;
        for issue in refused {
            let name = sent.get(&issue.field).and_then(Value::as_str);
            if let Some((number, place)) = name.and_then(|name| place(&issue.field, name)) {
                again |= self.turn(number, place, name.unwrap_or_default());
            }
        }
        again
    }

    /// Goes on to the spelling after the refused one, unless somebody else has done so meanwhile.
    fn turn(&self, number: usize, place: &Place, refused: &str) -> bool {
        let mut known = self.known();
        let choice = known.choice(number, place);
        if place.spellings.get(choice) != Some(&refused) {
            return true;
        }
        let tried = known.learned.get(&number).map_or(0, |(_, tried)| *tried) + 1;
        if tried >= place.spellings.len() {
            known.learned.remove(&number);
            return false;
        }
        known.learned.insert(number, ((choice + 1) % place.spellings.len(), tried));
        true
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a name, in whichever spelling.
fn place(field: &str, name: &str) -> Option<(usize, &'static Place)> {
    PLACES.iter().enumerate().find(|(_, place)| place.field == field && place.spellings.contains(&name))
}

/// Whether a place among these fields has several spellings.
pub(super) fn has_several(fields: &Map<String, Value>) -> bool {
    FIELDS
        .iter()
        .any(|field| fields.get(*field).and_then(Value::as_str).is_some_and(|name| place(field, name).is_some()))
}

/// Tandem's own name of each place, for fields that were read.
pub(super) fn own(fields: &mut BTreeMap<String, Value>) {
    for field in FIELDS {
        let found = fields.get(field).and_then(Value::as_str).and_then(|name| place(field, name));
        if let Some(name) = found.and_then(|(_, place)| place.spellings.first()) {
            fields.insert(field.to_owned(), (*name).into());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tandem_core::domain::issue::FieldIssue;
    use tandem_core::mapping::Vocabulary;

    use super::super::vocabulary::MauticVocabulary;
    use super::*;

    fn spelt(spellings: &Spellings, name: &str) -> String {
        let mut fields = Map::from_iter([("country".to_owned(), json!(name))]);
        spellings.spell(&mut fields);
        fields["country"].as_str().unwrap().to_owned()
    }

    fn refused(spellings: &Spellings, name: &str) -> bool {
        let issue = FieldIssue::new("country", IssueCode::RefusedByPlatform, "x");
        let failure = Failure::new(FailureKind::Refused, "x").with_fields(vec![issue]);
        spellings.learn(&failure, &Map::from_iter([("country".to_owned(), json!(name))]))
    }

    #[test]
    fn the_version_tells_the_spelling_and_a_refusal_tells_it_better() {
        let spellings = Spellings::default();
        assert_eq!(spelt(&spellings, "Turkey"), "Turkey");
        spellings.note_version("7.0.0");
        assert_eq!(spelt(&spellings, "Turkey"), "Türkiye");
        assert!(refused(&spellings, "Türkiye"));
        assert_eq!(spelt(&spellings, "Turkey"), "Turkey");
        assert!(!refused(&spellings, "Turkey"), "both were refused: the installation has no such country");
        assert_eq!(spelt(&spellings, "Turkey"), "Türkiye");
    }

    #[test]
    fn a_refusal_that_another_caller_has_learned_from_is_tried_again_and_turns_nothing_back() {
        let spellings = Spellings::default();
        assert!(refused(&spellings, "Turkey") && refused(&spellings, "Turkey"));
        assert_eq!(spelt(&spellings, "Turkey"), "Türkiye");
        assert!(!refused(&spellings, "Atlantis"));
    }

    #[test]
    fn tandems_own_name_of_each_place_is_the_one_that_its_vocabulary_gives() {
        for place in &PLACES {
            let own_name = place.spellings[0];
            for name in place.spellings {
                let given = match place.field {
                    "country" => MauticVocabulary.country(name).map(|country| country.name),
                    _ => MauticVocabulary.state(name, None),
                };
                assert_eq!(given.as_deref(), Some(own_name), "{name}");
            }
        }
        let mut fields =
            BTreeMap::from([("country".to_owned(), json!("Türkiye")), ("city".to_owned(), json!("Türkiye"))]);
        own(&mut fields);
        assert_eq!((&fields["country"], &fields["city"]), (&json!("Turkey"), &json!("Türkiye")));
    }
}
