//! Work that is done later: sending jobs, and running those that come back.
//!
//! [`sqs`] is what is deployed; `local` (feature `local`) is its stand-in for one process, which survives that process's
//! death. [`worker`] is what both have in common.

mod batch;
#[cfg(feature = "local")]
pub mod local;
#[cfg(feature = "local")]
pub mod local_worker;
pub mod sqs;
pub mod worker;
