//! A tenant's organisations and deals, worked out with plain maps from the promises alone. Both tenants that have some use the same
//! ids: what one says of `o-3` is nothing to the other.

use std::collections::BTreeSet;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::oracle::{Deed, Texts};

/// The application's names of an organisation's fields, and Mautic's.
pub const FIELDS: [(&str, &str); 3] =
    [("name", "companyname"), ("city", "companycity"), ("address_line1", "companyaddress1")];

/// An organisation, as every side has to hold it.
pub struct Firm {
    pub id: String,
    /// Whether the application has handed it over: it may be named before.
    pub known: bool,
    /// What all sides hold.
    pub values: Texts,
    /// What the application's own row says.
    pub row: Texts,
    /// Fields whose value came from a Mautic: the application has to be told.
    pub told: BTreeSet<&'static str>,
    /// All that was ever said of it: no other one has any of these values.
    pub ever: BTreeSet<String>,
    /// The Mautic that was away when the application handed it over, until it has caught up.
    pub missing_in: Option<usize>,
}

/// A deal: it is stored, and on no platform.
pub struct Deal {
    pub id: String,
    pub known: bool,
    pub name: String,
    /// With which organisation, and which person.
    pub firm: usize,
    pub person: usize,
}

/// One tenant's organisations and deals.
pub struct Firms {
    pub all: Vec<Firm>,
    pub deals: Vec<Deal>,
    domain: &'static str,
    people: usize,
    serial: u32,
}

impl Firms {
    /// Two in three are known from the beginning; deals are with any of them, and with any of the first people.
    pub fn new(domain: &'static str, firms: usize, deals: usize, people: usize) -> Self {
        let mut new = Self { all: Vec::new(), deals: Vec::new(), domain, people, serial: 0 };
        for number in 0..firms {
            let values: Texts = FIELDS.iter().map(|(name, _)| (*name, new.value(name))).collect();
            let ever = values.values().cloned().collect();
            let (id, row, told) = (format!("o-{number}"), values.clone(), BTreeSet::new());
            let firm = Firm { id, known: number % 3 != 0, row, values, told, ever, missing_in: None };
            new.all.push(firm);
        }
        for number in 0..deals {
            let (firm, person) = (number % firms, number * 7 % people);
            let name = new.value("deal");
            new.deals.push(Deal { id: format!("d-{number}"), known: number % 3 != 1, name, firm, person });
        }
        new
    }

    /// The organisation that somebody works for at the beginning; one in five for none.
    pub fn first_of(&self, person: usize) -> Option<usize> {
        (!self.all.is_empty() && person % 5 != 4).then(|| person % self.all.len())
    }

    /// The organisation that somebody moves to.
    pub fn next_of(&self, chance: &mut StdRng) -> Option<usize> {
        (!self.all.is_empty() && chance.random_bool(0.9)).then(|| chance.random_range(0..self.all.len()))
    }

    /// What is done in a round, and already counted as done; `there` are the Mautics that can be reached, `away` the other one.
    pub fn plan(&mut self, there: &[usize], away: Option<usize>, chance: &mut StdRng) -> Vec<Deed> {
        let mut deeds = Vec::new();
        for firm in 0..self.all.len() {
            if !self.all[firm].known {
                self.all[firm].known = chance.random_bool(0.4);
                self.all[firm].missing_in = away;
                deeds.extend(self.all[firm].known.then_some(Deed::Firm(firm)));
            } else if chance.random_bool(0.4) {
                self.deeds_about(firm, there, chance, &mut deeds);
            }
        }
        for deal in 0..self.deals.len() {
            if chance.random_bool(0.3) {
                let (name, firm) = (self.value("deal"), chance.random_range(0..self.all.len()));
                let person = chance.random_range(0..self.people);
                let id = self.deals[deal].id.clone();
                self.deals[deal] = Deal { id, known: true, name, firm, person };
                deeds.push(Deed::Deal(deal));
            }
        }
        deeds
    }

    /// One side or both, of different fields.
    fn deeds_about(&mut self, firm: usize, there: &[usize], chance: &mut StdRng, deeds: &mut Vec<Deed>) {
        let mut fields: Vec<&'static str> = FIELDS.iter().map(|(name, _)| *name).collect();
        let mut field = |chance: &mut StdRng| fields.swap_remove(chance.random_range(0..fields.len()));
        let missing_in = self.all[firm].missing_in;
        let there: Vec<usize> = there.iter().copied().filter(|one| Some(*one) != missing_in).collect();
        let edited = there.choose(chance).copied().filter(|_| chance.random_bool(0.6));
        if edited.is_none() || chance.random_bool(0.4) {
            let field = field(chance);
            let value = self.said(firm, field);
            self.all[firm].row.insert(field, value);
            self.all[firm].told.remove(field);
            deeds.push(Deed::Firm(firm));
        }
        if let Some(mautic) = edited {
            let field = field(chance);
            self.said(firm, field);
            self.all[firm].told.insert(field);
            deeds.push(Deed::EditFirm(firm, mautic, field));
        }
    }

    fn said(&mut self, firm: usize, field: &'static str) -> String {
        let value = self.value(field);
        let known = &mut self.all[firm];
        known.ever.insert(value.clone());
        known.values.insert(field, value.clone());
        value
    }

    fn value(&mut self, field: &str) -> String {
        self.serial += 1;
        format!("{field} {} of {}", self.serial, self.domain)
    }
}
