//! The harness that drives the whole system, and the proof suite's scenarios.
#![allow(clippy::expect_used, clippy::panic, reason = "a harness that can't go on has failed its test")]

pub mod backstage;
pub mod child;
pub mod client;
pub mod customers;
pub mod paths;
pub mod scenarios;
pub mod system;
