//! What the admin API answers, as types: its handlers write them, and the command reads them, from whichever installation.

pub mod issues;
pub mod jobs;
pub mod records;
pub mod runs;
pub mod status;
pub mod versions;
