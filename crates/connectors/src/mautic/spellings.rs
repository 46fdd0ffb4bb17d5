//! Countries and states that one version of Mautic spells otherwise than another, and refuses in the other's spelling
//! (recordings `201-country-turkey` to `204-region-fukushima` of 7.0.0). Tandem itself knows one name of each, that of 5.1; what
//! is sent is spelt as this installation takes it. Which that is, its version tells at first, and a refusal from then on. What
//! refusals taught is kept for other processes, as far as that goes without failing a write.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};
use tandem_core::domain::issue::IssueCode;
use tandem_core::domain::scope::Scope;
use tandem_core::error::{Failure, FailureKind};
use tandem_core::ports::spellings::{LearntSpellings, SpellingStore};

use crate::Ports;

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

impl Place {
    /// Tandem's own name of it, in what is kept.
    fn key(&self) -> String {
        format!("{} {}", self.field, self.spellings.first().unwrap_or(&""))
    }
}

/// What is known of an installation's spellings.
pub(super) struct Spellings {
    known: Mutex<Known>,
    recalled: AtomicBool,
    scope: Scope,
    store: Arc<dyn SpellingStore>,
}

#[derive(Default)]
struct Known {
    /// Mautic's major version, when an answer has told it.
    major: Option<u32>,
    /// Of a place, by its number in the list: the spelling that comes after a refused one, and how many were refused in a row.
    learned: BTreeMap<usize, (usize, usize)>,
    /// What is in the store, as far as this process knows.
    kept: LearntSpellings,
}

impl Known {
    fn choice(&self, number: usize, place: &Place) -> usize {
        let by_version = usize::from(place.changed_in_7 && self.major.is_some_and(|major| major >= 7));
        self.learned.get(&number).map_or(by_version, |(choice, _)| *choice)
    }

    /// How places are spelt that are spelt otherwise than a process expects that knows nothing, be it by a refusal or by the
    /// version; by name, because another release may know other places.
    fn learnt(&self) -> LearntSpellings {
        let spelling = |(number, place): (usize, &Place)| {
            let choice = Some(self.choice(number, place)).filter(|choice| *choice > 0)?;
            Some((place.key(), (*place.spellings.get(choice)?).to_owned()))
        };
        PLACES.iter().enumerate().filter_map(spelling).collect()
    }

    fn recall(&mut self, kept: LearntSpellings) {
        for (number, place) in PLACES.iter().enumerate() {
            let choice = kept.get(&place.key()).and_then(|kept| place.spellings.iter().position(|own| own == kept));
            if let Some(choice) = choice {
                self.learned.entry(number).or_insert((choice, 0));
            }
        }
        self.kept = kept;
    }
}

impl Spellings {
    pub(super) fn new(scope: Scope, ports: &Ports) -> Self {
        let (known, recalled) = (Mutex::default(), AtomicBool::default());
        Self { known, recalled, scope, store: Arc::clone(&ports.spellings) }
    }

    /// Recalls what other processes learnt, once in a process's life. Without it a refusal teaches it anew.
    pub(super) async fn recall(&self) {
        if self.recalled.swap(true, Ordering::SeqCst) {
            return;
        }
        match self.store.read(&self.scope).await {
            Ok(kept) => self.known().recall(kept),
            Err(failure) => {
                self.recalled.store(false, Ordering::SeqCst);
                tracing::warn!(kind = ?failure.kind, "what was learnt of spellings could not be read: {failure}");
            }
        }
    }

    /// Keeps what was learnt for other processes, if that is news.
    pub(super) async fn keep(&self) {
        let learnt = {
            let mut known = self.known();
            let learnt = known.learnt();
            if learnt == known.kept {
                return;
            }
            known.kept = learnt.clone();
            learnt
        };
        if let Err(failure) = self.store.save(&self.scope, &learnt).await {
            tracing::warn!(kind = ?failure.kind, "what was learnt of spellings could not be kept: {failure}");
        }
    }

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

    /// Keeps nothing.
    struct NoStore;

    #[async_trait::async_trait]
    impl SpellingStore for NoStore {
        async fn read(&self, _: &Scope) -> tandem_core::error::Result<LearntSpellings> {
            Ok(LearntSpellings::new())
        }

        async fn save(&self, _: &Scope, _: &LearntSpellings) -> tandem_core::error::Result<()> {
            Ok(())
        }
    }

    fn fresh() -> Spellings {
        let (known, recalled, scope) = (Mutex::default(), AtomicBool::default(), Scope::default_mautic());
        Spellings { known, recalled, scope, store: Arc::new(NoStore) }
    }

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
        let spellings = fresh();
        assert_eq!(spelt(&spellings, "Turkey"), "Turkey");
        spellings.note_version("7.0.0");
        assert_eq!(spelt(&spellings, "Turkey"), "Türkiye");
        assert!(refused(&spellings, "Türkiye"));
        assert_eq!(spelt(&spellings, "Turkey"), "Turkey");
        assert!(!refused(&spellings, "Turkey"), "both were refused: the installation has no such country");
        assert_eq!(spelt(&spellings, "Turkey"), "Türkiye");
    }

    #[test]
    fn what_was_kept_is_a_guess_like_any_other_and_a_place_that_nobody_knows_is_passed_over() {
        let spellings = fresh();
        let kept = [("country Turkey", "Türkiye"), ("country Atlantis", "Atlantide"), ("state Orissa", "Kalinga")];
        spellings.known().recall(kept.map(|(place, name)| (place.to_owned(), name.to_owned())).into());
        assert_eq!(spelt(&spellings, "Turkey"), "Türkiye");
        assert_eq!(spellings.known().learnt().len(), 1);
        assert!(refused(&spellings, "Türkiye"), "an upgrade may have changed it");
        assert_eq!(spelt(&spellings, "Turkey"), "Turkey");
    }

    #[test]
    fn a_refusal_that_another_caller_has_learned_from_is_tried_again_and_turns_nothing_back() {
        let spellings = fresh();
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
