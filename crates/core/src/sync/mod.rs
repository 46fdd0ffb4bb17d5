//! Bringing one contact to the platform: what to do is planned without I/O ([`plan`]), and done by one small loop
//! ([`push`]) that holds the contact's lease while it writes ([`write`]).

pub mod change;
pub mod enrolment;
pub mod erase;
pub mod export;
pub mod lists;
pub mod membership;
pub mod plan;
pub mod push;
pub mod reference;
pub mod run;
pub mod schedule;
pub mod segments;
pub mod services;
mod settle;
pub mod vanished;
pub mod whom;
pub mod write;
