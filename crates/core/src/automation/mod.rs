//! Lifecycle automation: what happens to a user in the application becomes fields, segments, campaigns and consent on the
//! platform. Rules are data ([`rules`], [`rulebook`]); what an event changes is worked out without I/O ([`mod@derive`]) from what
//! is remembered of its user ([`subject`]); it is done step by step, each recorded under the event.

pub mod accept;
mod admit;
pub mod apply;
mod checking;
mod deletion;
pub mod derive;
pub mod event;
pub mod explain;
mod joining;
pub mod listing;
mod lists;
pub mod money;
mod others;
mod outcome;
pub mod presence;
pub mod replay;
pub mod rulebook;
pub mod rules;
pub mod stored;
pub mod subject;
pub mod target;
pub mod template;
mod tiers;
mod together;
mod work;
