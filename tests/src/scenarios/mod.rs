//! The proof suite: each scenario shows one promise, and closes with one line.

pub mod billing;
pub mod burst;
pub mod consent;
pub mod contract;
pub mod histories;
pub mod hub;
pub mod import;
pub mod import_faults;
pub mod kill;
pub mod live;
pub mod mappings;
pub mod memory;
pub mod outage;
pub mod pull;
pub mod race;
pub mod retry;
pub mod rules;
pub mod sample;
pub mod ssrf;
pub mod storm;
pub mod supabase;
mod target;
pub mod tenants;
pub mod unchanged;
pub mod webhooks;

/// How large a scenario is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// As `make test` runs it.
    Small,
    /// As promised.
    Full,
}

impl Size {
    /// One of two numbers.
    #[must_use]
    pub fn pick(self, small: usize, full: usize) -> usize {
        match self {
            Self::Small => small,
            Self::Full => full,
        }
    }
}

/// The figures of a scenario that held, or why it did not.
pub type Proof = Result<String, String>;

/// The scenarios' names, in the order in which `all` runs them.
pub const NAMES: &[&str] = &[
    "contract",
    "race",
    "sample",
    "kill",
    "live",
    "webhooks",
    "storm",
    "outage",
    "retry",
    "import",
    "unchanged",
    "memory",
    "import-faults",
    "supabase",
    "pull",
    "billing",
    "rules",
    "burst",
    "histories",
    "consent",
    "ssrf",
    "tenants",
    "mappings",
    "hub",
];

/// Runs a scenario.
pub async fn run(name: &str, size: Size) -> Proof {
    match name {
        "contract" => contract::run().await,
        "race" => race::run(size).await,
        "sample" => sample::run(size).await,
        "kill" => kill::run(size).await,
        "live" => live::run(size).await,
        "webhooks" => webhooks::run(size).await,
        "storm" => storm::run(size).await,
        "outage" => outage::run(size).await,
        "retry" => retry::run(size).await,
        "import" => import::run(size).await,
        "unchanged" => unchanged::run(size).await,
        "memory" => memory::run(size).await,
        "import-faults" => import_faults::run(size).await,
        "supabase" => supabase::run(size).await,
        "pull" => pull::run(size).await,
        "billing" => billing::run(size).await,
        "rules" => rules::run(size).await,
        "burst" => burst::run(size).await,
        "consent" => consent::run(size).await,
        "ssrf" => ssrf::run(size).await,
        "tenants" => tenants::run(size).await,
        "histories" => histories::run(size).await,
        "mappings" => mappings::run(size).await,
        "hub" => hub::run(size).await,
        _ => Err(format!("there is no such scenario; there are {}", NAMES.join(", "))),
    }
}
