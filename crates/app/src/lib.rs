//! Configuration, DynamoDB, queues, the HTTP edge and the wiring: everything between the business and AWS.

pub mod about;
pub mod admin;
pub mod api;
pub mod config;
pub mod data_key;
pub mod desks;
mod doorbell;
pub mod events;
pub mod functions;
pub mod http;
#[cfg(feature = "local")]
pub mod in_process;
pub mod lifecycle_rules;
#[cfg(feature = "local")]
pub mod local_table;
pub mod mappings;
#[cfg(feature = "local")]
pub mod private_files;
pub mod queue;
pub mod rows;
pub mod rules_explained;
pub mod rules_in_use;
pub mod run_rows;
pub mod sealing;
pub mod secrets;
#[cfg(feature = "local")]
pub mod server;
pub mod store;
pub mod stored_desks;
pub mod system;
pub mod telemetry;
pub mod wiring;
