//! The documents are held against the command: every command line in them is understood, every one in a shell block is run,
//! page by page, in order, from a fresh folder; and every advice that the programs give is a command that exists.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that can't go on has failed")]
#![allow(clippy::disallowed_methods, reason = "a shell gets the path of this process")]

mod advice;
mod commands;
mod markdown;
mod running;
mod stage;
