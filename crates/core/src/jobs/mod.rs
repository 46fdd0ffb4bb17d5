//! Work that is done later: the messages on the queue and the runner that does what they say.

pub mod message;
pub mod replay;
pub mod runner;
pub mod together;
