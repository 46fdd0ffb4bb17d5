//! The contract of every port that the app crate implements, checked through the real SDK against the embedded engine, and
//! the promises of the local queue.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's helper fails the test")]

mod api_keys;
mod bulk;
mod changes;
mod consent;
mod contacts;
mod deliveries;
mod erasure;
mod faults;
mod feedback;
mod fixture;
mod idempotency;
mod jobs;
mod leases;
mod ledger;
mod local_queue;
mod local_table;
mod local_worker;
mod open_lists;
mod operations;
mod outbox;
mod packs;
mod platform_state;
mod records;
mod relations;
mod reserving;
mod runs;
