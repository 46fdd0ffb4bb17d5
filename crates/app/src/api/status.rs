//! What waits and what stands still, as answers show it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tandem_core::domain::scope::TenantId;
use tandem_core::sync::status::{IntegrationWork, TenantWork};

/// What waits of a tenant, and how each of its integrations stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// What waits whichever integration it is for.
    #[serde(flatten)]
    pub work: TenantWork,
    /// The integrations, that of the environment first.
    pub integrations: Vec<IntegrationState>,
}

/// How an integration stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IntegrationState {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Which platform it is.
    pub platform: String,
    /// `active`, `paused`, `error` or `removing`.
    pub status: String,
    /// Since when it is not active.
    pub since: Option<Timestamp>,
    /// Why it is in `error`.
    pub reason: Option<String>,
    /// What waits of it.
    #[serde(flatten)]
    pub work: IntegrationWork,
    /// Whether a run is under way.
    pub run_under_way: bool,
    /// Until when the platform takes no more calls.
    pub budget_exhausted_until: Option<Timestamp>,
    /// Until when the platform is not called because it does not answer.
    pub silent_until: Option<Timestamp>,
}

/// How a tenant stands, in numbers, for whoever looks after the installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantSummary {
    /// The tenant.
    pub tenant: TenantId,
    /// What people call it.
    pub name: String,
    /// `active`, `suspended` or `deleting`.
    pub status: String,
    /// How many integrations it has.
    pub integrations: u64,
    /// How many of them are in `error`.
    pub failing: u64,
    /// Jobs that wait for a person, counted up to 400.
    pub parked: u64,
    /// Contacts that are to be brought to platforms, counted up to about 400 an integration.
    pub waiting: u64,
    /// Since when the takes from its source halt.
    pub halted_since: Option<Timestamp>,
    /// When a run of any of its integrations came to its end last.
    pub last_success: Option<Timestamp>,
}
