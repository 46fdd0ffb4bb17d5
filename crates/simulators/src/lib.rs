//! Stand-ins for the platforms that Tandem talks to.
//!
//! They are used by the local demo and by the tests, never in production. A stand-in answers over HTTP like the real
//! platform does, its oddities included: statuses, headers, shapes of bodies, and the ways in which data gets lost. It
//! keeps state, can keep it on disk, and can be told to fail.
//!
//! [`mautic`] is a Mautic 5.1.0 or 7.0.0; [`contract`] compares it with exchanges that were recorded on a real one.

pub mod contract;
pub mod mautic;

pub use mautic::{MauticOptions, MauticSimulator, MauticVersion, RunningMautic};
