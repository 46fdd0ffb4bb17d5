//! The harness that drives the whole system, and the proof suite's scenarios.

pub mod bench;
pub mod child;
pub mod client;
pub mod customers;
pub mod function;
pub mod paths;
pub mod runtime_api;
pub mod scenarios;
pub mod sqs_stub;
pub mod system;
