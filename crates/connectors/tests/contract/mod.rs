//! The parts of the contract test against the recordings.

pub mod calls;
pub mod expected;
pub mod recording;
pub mod server;
pub mod shown;
