//! Who must win, worked out with plain maps: one person as the application, Tandem's record and Mautic have to hold it.

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tandem_core::sync::conflict::Side;

/// The application's names of the fields, and Mautic's.
pub const FIELDS: &[(&str, &str)] =
    &[("first_name", "firstname"), ("last_name", "lastname"), ("city", "city"), ("mobile", "mobile")];

/// Texts by the application's names; `None` for blank.
pub type Texts = BTreeMap<&'static str, Option<String>>;

/// What one side changes of a person.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    pub fields: Texts,
    pub add: Option<String>,
    pub remove: Option<String>,
    pub opt_out: bool,
    /// Points that are given; by Mautic only.
    pub points: u64,
}

/// A person, as each side has to hold it.
pub struct Person {
    pub number: usize,
    pub row: Texts,
    pub record: Texts,
    pub there: Texts,
    pub row_tags: BTreeSet<String>,
    pub tags: BTreeSet<String>,
    pub points: u64,
    pub opted_out: bool,
    pub contested: BTreeSet<&'static str>,
    /// What the source has to be handed, in this order.
    pub handed: Vec<(String, Value)>,
}

impl Person {
    pub fn new(number: usize) -> Self {
        let text = |name: &str| (name != "mobile").then(|| format!("{name} {number}"));
        let row: Texts = FIELDS.iter().map(|(name, _)| (*name, text(name))).collect();
        let tags = BTreeSet::from(["app".to_owned(), format!("own-{number}")]);
        let (record, there, row_tags) = (row.clone(), row.clone(), tags.clone());
        Self {
            number,
            row,
            record,
            there,
            row_tags,
            tags,
            points: 0,
            opted_out: false,
            contested: BTreeSet::new(),
            handed: Vec::new(),
        }
    }

    pub fn id(&self) -> String {
        format!("person-{:04}", self.number)
    }

    pub fn email(&self) -> String {
        format!("person{}@example.com", self.number)
    }

    /// An edit of this person; `serial` makes its values differ from all others.
    pub fn edit(&self, chance: &mut StdRng, serial: &mut u32, tags: &BTreeSet<String>) -> Edit {
        let mut edit = Edit::default();
        for (name, _) in FIELDS {
            if chance.random_bool(0.5) {
                *serial += 1;
                let blank = *name != "first_name" && chance.random_bool(0.15);
                edit.fields.insert(name, (!blank).then(|| value_of(name, *serial)));
            }
        }
        *serial += 1;
        edit.add = chance.random_bool(0.4).then(|| format!("tag-{serial}"));
        edit.remove = tags.iter().find(|tag| *tag != "app" && chance.random_bool(0.3)).cloned();
        edit.opt_out = chance.random_bool(0.1);
        edit
    }

    /// The application takes over what it was handed.
    pub fn take_over(&mut self) {
        let settled = self.record.iter().filter(|(name, _)| !self.contested.contains(*name));
        self.row.extend(settled.map(|(name, value)| (*name, value.clone())));
        self.row_tags.clone_from(&self.tags);
    }

    /// What comes of both sides' edits. The application's row holds its edit already.
    pub fn settle(&mut self, before: &Texts, ours: &Edit, theirs: &Edit, later: bool, strategy: &str) {
        for (name, _) in FIELDS {
            let said = ours.fields.get(name).filter(|said| **said != before[name] && **said != self.record[name]);
            let shown = theirs.fields.get(name).filter(|shown| **shown != self.there[name]);
            self.settle_field(name, said.cloned(), shown.cloned(), later, strategy);
        }
        self.tags.extend(ours.add.iter().chain(&theirs.add).cloned());
        self.tags.retain(|tag| Some(tag) != ours.remove.as_ref() && Some(tag) != theirs.remove.as_ref());
        self.points += theirs.points;
        self.opted_out |= ours.opt_out || theirs.opt_out;
    }

    fn settle_field(
        &mut self,
        name: &'static str,
        said: Option<Option<String>>,
        shown: Option<Option<String>>,
        later: bool,
        strategy: &str,
    ) {
        if self.contested.contains(name) || strategy == "manual" && said.is_some() && shown.is_some() && said != shown {
            self.record.extend(said.map(|said| (name, said)));
            self.there.extend(shown.map(|shown| (name, shown)));
            if self.record[name] == self.there[name] {
                self.contested.remove(name)
            } else {
                self.contested.insert(name)
            };
            return;
        }
        let winner = match (said, shown) {
            (None, None) => return,
            (Some(said), None) => said,
            (None, Some(shown)) => self.handed_over(name, shown),
            (Some(said), Some(shown)) if said == shown => said,
            (Some(said), Some(_)) if strategy == "last_write_wins" && later => said,
            (Some(Some(said)), Some(_)) if strategy == "field_merge" => Some(said),
            (Some(_), Some(shown)) => self.handed_over(name, shown),
        };
        self.record.insert(name, winner.clone());
        self.there.insert(name, winner);
    }

    /// A person decides.
    pub fn decide(&mut self, name: &'static str, side: Side) {
        self.contested.remove(name);
        match side {
            Side::Application => drop(self.there.insert(name, self.record[name].clone())),
            Side::Platform => {
                let shown = self.handed_over(name, self.there[name].clone());
                self.record.insert(name, shown);
            }
        }
    }

    fn handed_over(&mut self, name: &str, shown: Option<String>) -> Option<String> {
        self.handed.push((name.to_owned(), json!(shown)));
        shown
    }
}

fn value_of(name: &str, serial: u32) -> String {
    if name == "mobile" { format!("+61412{serial:06}") } else { format!("{name} {serial}") }
}
