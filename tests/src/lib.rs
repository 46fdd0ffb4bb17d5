//! The harness that drives the whole system, and the proof suite's scenarios.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a harness that can't go on has failed, and it works with the machine's own time and chance"
)]

pub mod backstage;
pub mod bench;
pub mod billing;
pub mod child;
pub mod client;
pub mod command;
pub mod customers;
pub mod deliveries;
pub mod faulty_table;
pub mod function;
pub mod hands;
pub mod lifecycle;
pub mod list_source;
pub mod paths;
pub mod runtime_api;
pub mod scenarios;
pub mod sqs_stub;
pub mod supabase;
pub mod system;
pub mod tenants;
pub mod version;

/// The connector's own contract test, which the proof suite runs too.
#[path = "../../crates/connectors/tests/contract/mod.rs"]
#[allow(clippy::unwrap_used, missing_docs, reason = "a test, told so where it lies")]
mod contract;
/// What that test stands on.
#[path = "../../crates/connectors/tests/support/mod.rs"]
#[allow(clippy::unwrap_used, missing_docs, reason = "shared by several tests, of which one is here")]
mod support;
