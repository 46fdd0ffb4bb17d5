//! Which Mautic the simulated ones of this process are.

use std::sync::OnceLock;

use tandem_simulators::{MauticOptions, MauticVersion};

/// The variable that chooses it for tests: `5.1` or `7.0`.
pub const VARIABLE: &str = "TANDEM_TESTS_MAUTIC";

static CHOSEN: OnceLock<MauticVersion> = OnceLock::new();

/// Chooses the version for the whole process. What was chosen first stays.
pub fn choose(version: MauticVersion) {
    CHOSEN.get_or_init(|| version);
}

/// The version: the chosen one, else the one that the environment names, else 5.1.
///
/// # Panics
/// When the environment names a version that is not simulated.
#[must_use]
pub fn current() -> MauticVersion {
    *CHOSEN.get_or_init(|| {
        std::env::var(VARIABLE).map_or_else(|_| MauticVersion::default(), |text| text.parse().expect("a known version"))
    })
}

/// A simulated Mautic of this version. Everything here listens on the loopback address, to which 7.0 delivers webhooks only
/// when it is listed as allowed.
#[must_use]
pub fn mautic() -> MauticOptions {
    MauticOptions::default().version(current()).allowed_private_addresses(&["127.0.0.1", "localhost"])
}
