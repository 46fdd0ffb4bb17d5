//! Batch calls that are under way at the same time.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Either, select};
use futures::stream::{FuturesUnordered, StreamExt};
use jiff::Timestamp;

use crate::error::Result;
use crate::ports::bulk::Outcomes;
use crate::sync::operations;
use crate::sync::plan;
use crate::sync::services::Desk;

use super::batch::{Kind, call};
use super::held::Held;
use super::{Item, batch};

/// A call that came to its end.
pub(super) struct Landed {
    pub(super) kind: Kind,
    pub(super) held: Vec<Held>,
    pub(super) called: Result<Outcomes>,
    pub(super) began_at: Timestamp,
    pub(super) took: Duration,
    /// How many calls were under way when it began, itself included.
    pub(super) beside: usize,
}

/// The calls under way, and those that ended while other work was done.
#[derive(Default)]
pub(super) struct Calls<'a> {
    under_way: FuturesUnordered<BoxFuture<'a, Landed>>,
    landed: VecDeque<Landed>,
}

impl<'a> Calls<'a> {
    /// How many were begun and not settled.
    pub(super) fn len(&self) -> usize {
        self.under_way.len() + self.landed.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Begins a call with contacts whose leases were taken for it.
    pub(super) fn begin(&mut self, desk: &'a Desk, kind: Kind, held: Vec<Held>) {
        let beside = self.len() + 1;
        let made = async move {
            let began_at = desk.now();
            let about = held.iter().map(|held| held.item.about()).collect();
            let called = operations::about(about, call(desk, kind, &held).boxed()).await;
            let took = Duration::try_from(desk.now().duration_since(began_at)).unwrap_or_default();
            Landed { kind, held, called, began_at, took, beside }
        };
        self.under_way.push(made.boxed());
    }

    /// The next call that ends; `None` when none is under way.
    pub(super) async fn next(&mut self) -> Option<Landed> {
        match self.landed.pop_front() {
            Some(landed) => Some(landed),
            None => self.under_way.next().await,
        }
    }

    /// Does other work, while the calls go on. It is boxed, or the futures of a run would not fit on a thread's stack.
    pub(super) async fn beside<T>(&mut self, mut work: BoxFuture<'_, T>) -> T {
        while !self.under_way.is_empty() {
            match select(work, self.under_way.next()).await {
                Either::Left((done, _)) => return done,
                Either::Right((landed, going_on)) => {
                    self.landed.extend(landed);
                    work = going_on;
                }
            }
        }
        work.await
    }
}

/// What calls under way may make on the platform, and no other call may make at the same time: the platform would make it twice.
#[derive(Default)]
pub(super) struct Claims {
    /// Eight bytes for each: that one is taken for another only makes a contact wait.
    held: HashSet<u64>,
    /// Names that are there by now, at most [`MOST_KNOWN`].
    known: HashSet<u64>,
}

/// So many names of tags and companies are remembered: half a megabyte.
const MOST_KNOWN: usize = 20_000;

impl Claims {
    /// Whether the item can be written beside the calls under way.
    pub(super) fn allow(&self, desk: &Desk, kind: Kind, item: &Item) -> bool {
        self.held.is_empty() || self.of(desk, kind, item).all(|claim| !self.held.contains(&claim))
    }

    pub(super) fn take<'i>(&mut self, desk: &Desk, kind: Kind, items: impl Iterator<Item = &'i Item>) {
        let taken: Vec<u64> = items.flat_map(|item| self.of(desk, kind, item)).collect();
        self.held.extend(taken);
    }

    /// The calls of these contacts are over.
    pub(super) fn give_back<'i>(&mut self, desk: &Desk, kind: Kind, items: impl Iterator<Item = (&'i Item, bool)>) {
        for (item, is_written) in items {
            let (address, names) = claims(desk, kind, item);
            for name in names {
                self.held.remove(&name);
                if is_written && self.known.len() < MOST_KNOWN {
                    self.known.insert(name);
                }
            }
            if let Some(address) = address {
                self.held.remove(&address);
            }
        }
    }

    fn of(&self, desk: &Desk, kind: Kind, item: &Item) -> impl Iterator<Item = u64> {
        let (address, names) = claims(desk, kind, item);
        address.into_iter().chain(names.into_iter().filter(|name| !self.known.contains(name)))
    }
}

/// The item's address, and the names of what its write may make.
fn claims(desk: &Desk, kind: Kind, item: &Item) -> (Option<u64>, Vec<u64>) {
    let address = item.draft.record.email.as_ref().map(|email| digest(&email.identity()));
    let named = desk.integration.bulk.makes_by_name();
    let names = plan::names_in(batch::values(kind, item), named);
    (address, names.map(|(field, name)| digest(&(field, name.to_lowercase()))).collect())
}

fn digest(claim: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    claim.hash(&mut hasher);
    hasher.finish()
}
