//! The whole-system tests.

mod events;
mod release_binary;
