//! Runs of an integration, and the rows that its tenant's source is known to have.

use tandem_core::domain::scope::{Scope, TenantId};

use super::{Key, key, of_integration, of_tenant};

/// The lease and the state of the takes from a tenant's source.
#[must_use]
pub fn take_state(tenant: &TenantId) -> Key {
    key(of_tenant(tenant, "take"), "state")
}

/// The lease and the state of an integration's runs.
#[must_use]
pub fn run_state(scope: &Scope) -> Key {
    key(of_integration(scope, "runs"), "state")
}

/// The wish that an integration's run stops.
#[must_use]
pub fn run_stop(scope: &Scope) -> Key {
    key(of_integration(scope, "runs"), "stop")
}

/// The partition of the logs of an integration's runs.
#[must_use]
pub fn run_partition(scope: &Scope) -> String {
    of_integration(scope, "run-logs")
}

/// The log of a run. Ids are time-ordered.
#[must_use]
pub fn run_log(scope: &Scope, run: &str) -> Key {
    key(run_partition(scope), run)
}

/// The partition of what is wrong with the rows of a run.
#[must_use]
pub fn run_issues_partition(scope: &Scope, run: &str) -> String {
    of_integration(scope, &format!("run-issues#{run}"))
}

/// A part of it.
#[must_use]
pub fn run_issues(scope: &Scope, run: &str, part: &str) -> Key {
    key(run_issues_partition(scope, run), part)
}

/// The partition of a dry run's plan.
#[must_use]
pub fn run_plan_partition(scope: &Scope, run: &str) -> String {
    of_integration(scope, &format!("run-plan#{run}"))
}

/// A part of it.
#[must_use]
pub fn run_plan(scope: &Scope, run: &str, part: u32) -> Key {
    key(run_plan_partition(scope, run), format!("part#{part:06}"))
}

/// The partition of a generation of the rows that are known.
#[must_use]
pub fn roster_partition(tenant: &TenantId, generation: u64) -> String {
    of_tenant(tenant, &format!("roster#{generation}"))
}

/// A part of a roster, named by a digest of what it holds.
#[must_use]
pub fn roster(tenant: &TenantId, generation: u64, part: &str) -> Key {
    key(roster_partition(tenant, generation), part)
}
