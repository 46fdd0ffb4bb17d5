//! Who must hold what, worked out with plain maps from the promises alone: of each person one truth, which all sides hold.

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::firms::Firms;

/// The application's names of the fields, and Mautic's.
pub const FIELDS: [(&str, &str); 3] = [("first_name", "firstname"), ("last_name", "lastname"), ("city", "city")];

/// Texts by the application's names.
pub type Texts = BTreeMap<&'static str, String>;

/// How an application tells of its people.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By rows that it hands over, and calls.
    Rows,
    /// By views of its database, and calls.
    Views,
    /// By lifecycle events and nothing else.
    Events,
}

/// Something that one side does.
#[derive(Clone, Debug)]
pub enum Deed {
    /// The application hands over the person's row as it now is.
    Row(usize),
    /// The application tells one field by a call.
    Call(usize, &'static str),
    /// The application tells one field by an event.
    Event(usize, &'static str),
    /// Somebody edits the person in a Mautic.
    Edit(usize, usize, &'static str),
    /// The person unsubscribes from a mail of a Mautic.
    OptOut(usize, usize),
    /// Somebody whom nobody knew is made in a Mautic.
    Appear(usize, usize),
    /// The application deletes the person.
    Erase(usize),
    /// Marketing imports somebody who was deleted once more.
    Ghost(usize, usize),
    /// The application hands over the organisation's row as it now is.
    Firm(usize),
    /// Somebody edits the organisation's company in a Mautic.
    EditFirm(usize, usize, &'static str),
    /// The application hands over the deal's row as it now is.
    Deal(usize),
}

/// A person, as every side has to hold it.
#[derive(Clone)]
pub struct Person {
    pub address: String,
    /// The application's id, once it has one.
    pub id: Option<String>,
    /// The organisation that the application says the person works for.
    pub firm: Option<usize>,
    /// What all sides hold.
    pub values: Texts,
    /// What the application's own row says: it does not take over what it is told.
    pub row: Texts,
    /// Fields whose value came from a Mautic: the application has to be told.
    pub told: BTreeSet<&'static str>,
    /// Whether it came by a Mautic.
    pub appeared: bool,
    pub opted_out: bool,
    pub erased: bool,
    /// The Mautics that made a contact of somebody who was deleted.
    pub ghosts: BTreeSet<usize>,
    /// The Mautic that was away when the person appeared, until it has caught up.
    missing_in: Option<usize>,
}

/// One tenant's people, with what they have to do with.
pub struct People {
    pub domain: &'static str,
    pub way: Way,
    pub mautics: usize,
    pub all: Vec<Person>,
    pub firms: Firms,
    /// The Mautic that was away in the round before.
    was_away: Option<usize>,
    serial: u32,
}

impl People {
    pub fn new(domain: &'static str, way: Way, mautics: usize, count: usize, (firms, deals): (usize, usize)) -> Self {
        let firms = Firms::new(domain, firms, deals, count);
        let mut people = Self { domain, way, mautics, all: Vec::new(), firms, was_away: None, serial: 0 };
        for number in 0..count {
            let values: Texts = FIELDS.iter().map(|(name, _)| (*name, format!("{name} of {number}"))).collect();
            let firm = people.firms.first_of(number);
            let person = people.person(Some(people.id(number)), values);
            people.all.push(Person { firm, ..person });
        }
        people
    }

    /// The application's id of the person of this number.
    fn id(&self, number: usize) -> String {
        match self.way {
            Way::Views => format!("00000000-0000-4000-8000-{number:012}"),
            Way::Rows | Way::Events => format!("{}-{number}", self.domain),
        }
    }

    fn person(&self, id: Option<String>, values: Texts) -> Person {
        Person {
            address: format!("p{}@{}", self.all.len(), self.domain),
            appeared: id.is_none(),
            row: values.clone(),
            told: BTreeSet::new(),
            opted_out: false,
            erased: false,
            ghosts: BTreeSet::new(),
            missing_in: None,
            firm: None,
            id,
            values,
        }
    }

    /// What is done in a round, and already counted as done; `away` is a Mautic that can't be reached.
    pub fn plan(&mut self, chance: &mut StdRng, away: Option<usize>) -> Vec<Deed> {
        let there: Vec<usize> = (0..self.mautics).filter(|one| Some(*one) != away).collect();
        if self.was_away.is_none() {
            self.all.iter_mut().for_each(|person| person.missing_in = None);
            self.firms.all.iter_mut().for_each(|firm| firm.missing_in = None);
        }
        self.was_away = away;
        let mut deeds = self.firms.plan(&there, away, chance);
        for person in 0..self.all.len() {
            if self.all[person].erased {
                if away.is_none() && chance.random_bool(0.2) {
                    self.haunt(person, &there, chance, &mut deeds);
                }
            } else if chance.random_bool(0.4) {
                self.deeds_about(person, &there, away.is_none(), chance, &mut deeds);
            }
        }
        if self.way != Way::Events {
            for _ in 0..chance.random_range(0..=1 + self.all.len() / 50) {
                self.appear(&there, away, chance, &mut deeds);
            }
        }
        deeds
    }

    fn deeds_about(
        &mut self,
        person: usize,
        there: &[usize],
        all_there: bool,
        chance: &mut StdRng,
        deeds: &mut Vec<Deed>,
    ) {
        let mut fields: Vec<&'static str> = FIELDS.iter().map(|(name, _)| *name).collect();
        let mut field = |chance: &mut StdRng| fields.swap_remove(chance.random_range(0..fields.len()));
        match self.way {
            Way::Events => deeds.push(self.said(person, field(chance), Deed::Event)),
            Way::Rows | Way::Views if all_there && chance.random_bool(0.02) => {
                self.all[person].erased = true;
                deeds.push(Deed::Erase(person));
            }
            Way::Rows | Way::Views => {
                // Two sides at once, of different fields; but the first row of somebody is the application's word on all of them.
                let joins = self.all[person].id.is_none();
                deeds.push(self.said_by_application(person, field(chance), chance));
                let edits = chance.random_bool(0.6) && !joins;
                // Who came while a Mautic was away is not there yet in the round in which it is back.
                let missing_in = self.all[person].missing_in;
                let there: Vec<usize> = there.iter().copied().filter(|one| Some(*one) != missing_in).collect();
                if let Some(mautic) = there.choose(chance).filter(|_| edits).copied() {
                    deeds.push(self.edited(person, mautic, field(chance)));
                }
                if let Some(mautic) = there.choose(chance).filter(|_| chance.random_bool(0.08)).copied()
                    && !self.all[person].opted_out
                {
                    self.all[person].opted_out = true;
                    deeds.push(Deed::OptOut(person, mautic));
                }
            }
        }
    }

    fn said_by_application(&mut self, person: usize, field: &'static str, chance: &mut StdRng) -> Deed {
        if self.all[person].id.is_none() {
            // It makes a row of somebody it heard of.
            let id = self.id(person);
            let known = &mut self.all[person];
            known.id = Some(id);
            known.row = known.values.clone();
            return self.said(person, field, |person, _| Deed::Row(person));
        }
        if chance.random_bool(0.5) {
            if chance.random_bool(0.4) {
                self.all[person].firm = self.firms.next_of(chance);
            }
            self.said(person, field, |person, _| Deed::Row(person))
        } else {
            self.said(person, field, Deed::Call)
        }
    }

    fn said(&mut self, person: usize, field: &'static str, deed: impl Fn(usize, &'static str) -> Deed) -> Deed {
        let value = self.value(field);
        let known = &mut self.all[person];
        known.row.insert(field, value.clone());
        known.values.insert(field, value);
        known.told.remove(field);
        deed(person, field)
    }

    fn edited(&mut self, person: usize, mautic: usize, field: &'static str) -> Deed {
        let value = self.value(field);
        let known = &mut self.all[person];
        known.values.insert(field, value);
        known.told.insert(field);
        Deed::Edit(person, mautic, field)
    }

    fn appear(&mut self, there: &[usize], away: Option<usize>, chance: &mut StdRng, deeds: &mut Vec<Deed>) {
        let Some(mautic) = there.choose(chance).copied() else { return };
        let values = [("first_name", self.value("first_name")), ("city", self.value("city"))].into();
        let person = Person { missing_in: away, ..self.person(None, values) };
        self.all.push(person);
        deeds.push(Deed::Appear(self.all.len() - 1, mautic));
    }

    fn haunt(&mut self, person: usize, there: &[usize], chance: &mut StdRng, deeds: &mut Vec<Deed>) {
        if let Some(mautic) = there.choose(chance).copied()
            && self.all[person].ghosts.insert(mautic)
        {
            deeds.push(Deed::Ghost(person, mautic));
        }
    }

    fn value(&mut self, field: &str) -> String {
        self.serial += 1;
        format!("{field} {}", self.serial)
    }
}
