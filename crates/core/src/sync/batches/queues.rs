//! What waits for its call, by what it needs.

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::ports::bulk::{BATCH, LOOK_UP};
use crate::sync::services::Desk;

use super::batch::Kind;
use super::calls::Claims;
use super::width::Width;
use super::{Item, Pace};

/// Contacts by what they need.
pub(super) struct Queues {
    pub(super) look_up: VecDeque<Item>,
    pub(super) create: VecDeque<Item>,
    pub(super) update: VecDeque<Item>,
    pub(super) rewrite: VecDeque<Item>,
    pub(super) delete: VecDeque<Item>,
    /// How much a call carries, and how many are under way.
    pub(super) pace: Pace,
    pub(super) width: Width,
    /// What the calls under way hold.
    pub(super) claims: Claims,
    /// How many times in a row calls failed, and when the last one did.
    pub(super) failures: u32,
    pub(super) failed_at: Option<Timestamp>,
    /// How many calls in a row ended with no contact done with.
    pub(super) idle: u32,
}

/// The next call to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Contacts are looked up by their addresses.
    LookUp,
    /// Contacts are written.
    Write(Kind),
    /// Contacts are deleted.
    Delete,
}

impl Queues {
    /// Empty queues for at most so many calls at the same time.
    pub(super) fn new(most_calls: usize) -> Self {
        Self {
            look_up: VecDeque::new(),
            create: VecDeque::new(),
            update: VecDeque::new(),
            rewrite: VecDeque::new(),
            delete: VecDeque::new(),
            pace: Pace::new(BATCH, BATCH),
            width: Width::new(most_calls),
            claims: Claims::default(),
            failures: 0,
            failed_at: None,
            idle: 0,
        }
    }

    /// Whether a call can be filled.
    pub(super) fn enough(&self) -> bool {
        let most = [&self.create, &self.update, &self.rewrite, &self.delete].map(VecDeque::len);
        self.look_up.len() >= LOOK_UP || most.into_iter().max().unwrap_or_default() >= self.pace.size()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items().next().is_none()
    }

    /// All that waits.
    pub(super) fn items(&self) -> impl Iterator<Item = &Item> {
        let queues = [&self.look_up, &self.create, &self.update, &self.rewrite, &self.delete];
        queues.into_iter().flatten()
    }

    /// The next call: of the longest of the queues, as much of it as one call takes. Beside others (`alone` is false), only one
    /// that is full, of contacts that have nothing to do with theirs.
    pub(super) fn next(&self, desk: &Desk, alone: bool) -> Option<Next> {
        let size = self.pace.size();
        // Looked-up contacts join the other queues, so they come first.
        let is_first = alone && !self.look_up.is_empty() && self.create.len() < size;
        if is_first || self.look_up.len() >= LOOK_UP {
            return Some(Next::LookUp);
        }
        let written = Kind::ALL.map(|kind| (Next::Write(kind), self.of(kind).len()));
        let longest = written.into_iter().chain([(Next::Delete, self.delete.len())]).max_by_key(|(_, length)| *length);
        let (next, length) = longest.filter(|(_, length)| *length > 0)?;
        let fills = match next {
            Next::Write(kind) if !alone => self.free(desk, kind).take(size).count() == size,
            Next::Write(_) | Next::Delete | Next::LookUp => alone || length >= size,
        };
        fills.then_some(next)
    }

    /// Those that can be written beside the calls under way, by their places.
    fn free(&self, desk: &Desk, kind: Kind) -> impl Iterator<Item = usize> {
        let waiting = self.of(kind).iter().enumerate();
        waiting.filter(move |(_, item)| self.claims.allow(desk, kind, item)).map(|(place, _)| place)
    }

    /// Takes as many as a call carries.
    pub(super) fn take(&mut self, desk: &Desk, kind: Kind) -> Vec<Item> {
        let places: Vec<usize> = self.free(desk, kind).take(self.pace.size()).collect();
        let queue = self.of_mut(kind);
        let mut taken: Vec<Item> = places.into_iter().rev().filter_map(|place| queue.remove(place)).collect();
        taken.reverse();
        taken
    }

    pub(super) const fn of(&self, kind: Kind) -> &VecDeque<Item> {
        match kind {
            Kind::Create => &self.create,
            Kind::Update => &self.update,
            Kind::Rewrite => &self.rewrite,
        }
    }

    pub(super) const fn of_mut(&mut self, kind: Kind) -> &mut VecDeque<Item> {
        match kind {
            Kind::Create => &mut self.create,
            Kind::Update => &mut self.update,
            Kind::Rewrite => &mut self.rewrite,
        }
    }
}
