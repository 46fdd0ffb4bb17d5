//! A table of numbered rows that knows which of them changed since the journal was last written.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// Rows by id. Ids are given out in order and never twice.
#[derive(Debug)]
pub(crate) struct Table<T> {
    rows: BTreeMap<u64, T>,
    next: u64,
    changed: BTreeSet<u64>,
    overlooked: Range<u64>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), next: 1, changed: BTreeSet::new(), overlooked: 0..0 }
    }
}

impl<T> Table<T> {
    pub(crate) fn get(&self, id: u64) -> Option<&T> {
        self.rows.get(&id)
    }

    pub(crate) fn contains(&self, id: u64) -> bool {
        self.rows.contains_key(&id)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, &T)> {
        self.rows.iter().map(|(id, row)| (*id, row))
    }

    /// The first row that fits, in order of ids.
    pub(crate) fn find(&self, fits: impl Fn(&T) -> bool) -> Option<(u64, &T)> {
        self.iter().find(|(id, row)| !self.overlooked.contains(id) && fits(row))
    }

    /// Nothing is found any more of what was added since the next id was this one; what is added from now on is.
    pub(crate) fn overlook_since(&mut self, next: u64) {
        self.overlooked = next..self.next;
    }

    /// Everything is found again.
    pub(crate) fn overlook_nothing(&mut self) {
        self.overlooked = 0..0;
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The id that the next row will get.
    pub(crate) fn next_id(&self) -> u64 {
        self.next
    }

    /// Adds a row under the next id.
    pub(crate) fn add(&mut self, row: T) -> u64 {
        let id = self.next;
        self.put(id, row);
        id
    }

    /// Writes the row of a given id.
    pub(crate) fn put(&mut self, id: u64, row: T) {
        self.next = self.next.max(id + 1);
        self.rows.insert(id, row);
        self.changed.insert(id);
    }

    /// A row to be changed; it counts as changed from here on.
    pub(crate) fn edit(&mut self, id: u64) -> Option<&mut T> {
        let row = self.rows.get_mut(&id)?;
        self.changed.insert(id);
        Some(row)
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<T> {
        let row = self.rows.remove(&id)?;
        self.changed.insert(id);
        Some(row)
    }
}

/// What the journal needs of a table.
pub(crate) trait Journaled {
    /// Lines for all rows that changed since the last call, the deleted ones included.
    fn take_changes(&mut self, name: &str) -> Vec<Value>;
    /// Takes the changes so far for written.
    fn forget_changes(&mut self);
    /// Lines for everything that the table holds.
    fn all_lines(&self, name: &str) -> Vec<Value>;
    /// Takes a line back that one of the above made.
    fn restore(&mut self, line: &Value);
    /// Empties the table; its ids begin at one again.
    fn clear(&mut self);
}

impl<T: Serialize + DeserializeOwned> Journaled for Table<T> {
    fn take_changes(&mut self, name: &str) -> Vec<Value> {
        std::mem::take(&mut self.changed)
            .into_iter()
            .map(|id| json!({"table": name, "id": id, "row": self.rows.get(&id)}))
            .collect()
    }

    fn forget_changes(&mut self) {
        self.changed.clear();
    }

    fn all_lines(&self, name: &str) -> Vec<Value> {
        let rows = self.rows.iter().map(|(id, row)| json!({"table": name, "id": id, "row": row}));
        rows.chain([json!({"table": name, "next": self.next})]).collect()
    }

    fn restore(&mut self, line: &Value) {
        if let Some(next) = line["next"].as_u64() {
            self.next = self.next.max(next);
        }
        let Some(id) = line["id"].as_u64() else { return };
        self.next = self.next.max(id + 1);
        match serde_json::from_value(line["row"].clone()) {
            Ok(row) => {
                self.rows.insert(id, row);
            }
            // A deleted row is journaled as null.
            Err(_) => {
                self.rows.remove(&id);
            }
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}
