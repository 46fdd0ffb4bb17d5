//! Bringing one contact to the platform: what to do is planned without I/O ([`plan`]), and done by one small loop
//! ([`push`]) that holds the contact's lease while it writes ([`mod@write`]). And back: what people change there is found
//! ([`pull`]), brought together with what the application wants ([`conflict`]), and handed to the source ([`take_back`]).

mod address;
mod batches;
pub mod change;
pub mod changes;
pub mod conflict;
pub mod contested;
pub(crate) mod decision;
pub mod doctor;
mod duplicates;
mod elsewhere;
pub mod enrolment;
pub mod erase;
mod exchange;
pub mod export;
mod find;
pub mod issues;
mod left_out;
pub mod lift;
pub mod lists;
pub mod membership;
pub mod newcomers;
mod objects;
pub mod operations;
pub mod overlay;
mod owners;
pub mod plan;
pub mod pull;
pub mod push;
pub mod record_view;
pub mod reference;
mod relations;
pub mod run;
pub mod schedule;
mod segment_names;
pub mod segments;
pub mod services;
pub(crate) mod settle;
mod states;
pub mod status;
pub mod take_back;
pub mod timeline;
pub mod together;
pub(crate) mod tombstone;
pub mod whom;
pub mod write;

pub use tombstone::tells_when_made;
