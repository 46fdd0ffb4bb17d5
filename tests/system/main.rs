//! The whole-system tests: what callers of the functions are promised, and what they get when something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that can't go on has failed")]

mod auth;
mod bad_input;
mod billing;
mod calls;
mod campaigns;
mod command;
mod consent;
mod demo_mode;
mod enrolment;
mod erase_export;
mod events;
mod failures;
mod guardian;
mod health;
mod identify;
mod import;
mod left_out;
mod lifecycle;
mod membership;
mod once;
mod openapi;
mod operator;
mod pull;
mod records_api;
mod release_binary;
mod rows;
mod secrets;
mod supabase_source;
mod sync_run;
mod tombstone;
mod upsert;
mod versions;
mod webhook_effects;
mod webhook_input;
