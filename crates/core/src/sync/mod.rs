//! Bringing one contact to the platform: what to do is planned without I/O ([`plan`]), and done by one small loop
//! ([`push`]) that holds the contact's lease while it writes ([`write`]).

pub mod change;
pub mod conflict;
pub mod enrolment;
pub mod erase;
pub mod export;
pub mod membership;
pub mod overlay;
pub mod plan;
pub mod push;
pub mod reference;
pub mod services;
mod settle;
pub mod whom;
pub mod write;
