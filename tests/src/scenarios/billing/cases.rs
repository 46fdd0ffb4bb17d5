//! Which subscribers there are, and in which order their documents come.

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use tandem_connectors::billing::Provider;

use super::histories::{Person, Standing};
use crate::scenarios::Size;

/// Of a history in every order, how many steps at the sizes, from the first on.
const PERMUTED: [usize; 2] = [1, 2];

/// A subscriber, what is delivered of it in this order, and how it must stand in the end.
pub struct Case {
    /// Who.
    pub person: Person,
    /// In this order.
    pub documents: Vec<Value>,
    /// After all of them.
    pub expected: Standing,
}

/// All of them.
pub fn cases(size: Size, start: Timestamp) -> Vec<Case> {
    let mut chance = StdRng::seed_from_u64(17);
    let mut cases = Vec::new();
    let permuted = size.pick(PERMUTED[0], PERMUTED[1]);
    for provider in [Provider::Stripe, Provider::LemonSqueezy] {
        let mut person = {
            let mut number = 0;
            move || {
                number += 1;
                Person { provider, number, named: number % 2 == 0 }
            }
        };
        let some = person();
        for order in orders(up_to(&some, start, permuted).0.len()) {
            let person = person();
            let (documents, expected) = up_to(&person, start, permuted);
            let documents = order.iter().map(|place| documents[*place].clone()).collect();
            cases.push(Case { person, documents, expected });
        }
        for _ in 0..size.pick(6, 60) {
            let person = person();
            let steps = chance.random_range(1..=person.history(start).len());
            let (mut documents, expected) = up_to(&person, start, steps);
            documents.shuffle(&mut chance);
            cases.push(Case { person, documents, expected });
        }
    }
    cases
}

/// A person's documents of the first steps.
fn up_to(person: &Person, start: Timestamp, steps: usize) -> (Vec<Value>, Standing) {
    let mut history = person.history(start);
    let expected = history[steps - 1].standing.clone();
    let documents = history.drain(..steps).flat_map(|step| step.documents).collect();
    (documents, expected)
}

/// Every order of this many places.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(count - 1);
    let with = |order: &Vec<usize>, place: usize| {
        let mut order = order.clone();
        order.insert(place, count - 1);
        order
    };
    shorter.iter().flat_map(|order| (0..count).map(move |place| with(order, place))).collect()
}
