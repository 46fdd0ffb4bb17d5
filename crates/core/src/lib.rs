//! The business of Tandem, free of I/O: what a contact is, how fields are mapped, how a write is made exactly
//! once, who may be mailed, and what follows from each failure.
//!
//! Everything that touches the world (time, chance, tables, queues, platforms) comes in through [`ports`].

pub mod automation;
pub mod domain;
pub mod error;
pub mod jobs;
pub mod mapping;
pub mod policy;
pub mod ports;
pub mod sync;
pub mod webhook;
