//! What a platform calls us about: proof first ([`proof`]), then entries ([`entry`]), then their effects ([`intake`]).

pub mod deletion;
pub(crate) mod echo;
pub mod entry;
pub mod intake;
mod merge;
mod opt_out;
pub mod proof;
pub mod repair;
pub mod watch;
pub mod write_back;
