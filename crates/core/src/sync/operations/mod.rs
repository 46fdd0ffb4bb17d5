//! The operation log: every write that passes a platform's ports is noted ([`Recorded`]), with what it was made for
//! ([`recorder`]), and can be read by record, by run and by time ([`listing`]).

pub mod listing;
mod recorded;
mod recorder;

pub use recorded::Recorded;
pub use recorder::Recorder;
pub(crate) use recorder::{About, about, flush};
