//! The harness that drives the whole system, and the proof suite's scenarios.

pub mod backstage;
pub mod child;
pub mod client;
pub mod customers;
pub mod paths;
pub mod scenarios;
pub mod system;
