//! A stand-in for Mautic 5.1.0 and Mautic 7.0.0.
//!
//! Everything that a client can see is modelled on recorded exchanges: see [`crate::contract`]. Where no exchange was
//! recorded, the simulator follows the behaviour of Mautic's published sources.
//!
//! What it does not do: campaigns run no events, segments are filled by hand only (filters are kept and shown), users and
//! their permissions are one administrator, and text about points in time is read when it is ISO 8601 or SQL, not
//! "next Tuesday".

mod aliases;
mod answer;
mod audit;
mod auth;
mod campaigns;
mod ceiling;
mod clock;
mod collation;
mod companies;
mod contacts;
mod control;
mod cores;
mod emails;
mod engage;
mod faults;
mod fields;
mod forms;
mod hooks;
mod input;
mod journal;
mod lists;
mod merge;
mod options;
mod php;
mod query;
mod ratelimit;
mod router;
mod rows;
mod segments;
mod server;
mod simulator;
mod stages;
mod stats;
mod store;
mod table;
mod tags;
mod tracking;
mod users;
mod version;
mod webhooks;

pub use control::{ContactDump, SimulatorStats};
pub use faults::{FaultKind, FaultMatch, FaultRule, LostReply};
pub use options::{MauticOptions, WebhookMode};
pub use server::RunningMautic;
pub use simulator::{MauticSimulator, StartError};
pub use version::{MauticVersion, UnknownVersion};
