//! Compares the simulated Mautic with exchanges recorded on a real one.
//!
//! [`mod@replay`] sends every recorded request, in the order in which they were made, to a fresh simulator and compares what
//! comes back: statuses, headers, shapes, and all values that can be the same. The recordings leave some exchanges out;
//! what those did to the state is made up for by an explicit table of gaps, which the report lists.

mod compare;
mod gaps;
mod receiver;
mod recording;
mod replay;
mod report;

pub use replay::replay;
pub use report::{ContractError, Report, Verdict};
