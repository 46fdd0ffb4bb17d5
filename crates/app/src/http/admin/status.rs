//! `/api/v1/status`: what waits, since when, and what stands still. `tandem status` says the same.

use futures::future::try_join_all;
use serde_json::json;
use tandem_core::domain::scope::{Scope, TenantId};
use tandem_core::domain::tenant::Tenant;
use tandem_core::error::Result;

use super::integrations::status as word_of;
use super::params::{bad_cursor, listed};
use super::{Answered, Call, tenants, unfit};
use crate::admin::integrations::Known;
use crate::api::status::{IntegrationState, Status, TenantSummary};
use crate::http::envelope::{ApiError, Reply};

/// What waits is counted up to this when nobody says, and up to this at most.
const USUALLY_COUNTED: usize = 2_000;
const MOST_COUNTED: usize = 100_000;
/// The same where many tenants are told of.
const COUNTED_OF_EACH: usize = 400;
/// The most tenants of a page: each costs some reads.
const MOST_TENANTS: usize = 50;

/// How the caller's tenant stands. Three reads and a call of the queue; for each integration six reads, and one for 200 contacts
/// that wait.
pub async fn show(call: Call) -> Answered {
    let params = call.params(&["most"])?;
    let wanted = format!("a number from 1 to {MOST_COUNTED}");
    let most = params.parsed::<usize>("most", &wanted)?.unwrap_or(USUALLY_COUNTED);
    if !(1..=MOST_COUNTED).contains(&most) {
        return Err(unfit("most", format!("The value must be {wanted}.")));
    }
    let known = of_tenant(&call, call.tenant()).await?;
    let told = async {
        let work = call.state.services.work_of_tenant(&call.scope(), most).await?;
        let integrations = try_join_all(known.iter().map(|one| state_of(&call, one, most))).await?;
        Result::Ok(Status { work, integrations })
    };
    let status = told.await.map_err(|failure| call.failed(failure))?;
    Ok(Reply::Done(json!(status)))
}

/// How all tenants stand, in numbers. For each tenant four reads, and for each of its integrations five or more.
pub async fn tenants(call: Call) -> Answered {
    let mut page = call.params(&["after", "limit"])?.page()?;
    page.limit = page.limit.min(MOST_TENANTS);
    let after = page.after.clone().map(TenantId::try_from).transpose().map_err(|_| bad_cursor())?;
    let found = call.state.admin.list_tenants(after.as_ref(), page.limit).await;
    let found = found.map_err(|refused| call.refused(refused))?;
    let mut summaries = Vec::with_capacity(found.len());
    for tenant in &found {
        summaries.push(summary(&call, tenant).await?);
    }
    listed("tenants", &summaries, page.next(&found, |tenant| tenant.id.to_string()).as_deref())
}

/// What is told of one integration, whether or not it is configured here.
struct Shown {
    scope: Scope,
    name: String,
    platform: String,
    status: &'static str,
    since: Option<jiff::Timestamp>,
    reason: Option<String>,
}

impl Shown {
    fn of(tenant: &TenantId, known: &Known) -> Self {
        let (status, since, reason) = match known {
            Known::Environment { .. } => ("active", None, None),
            Known::Stored(stored) => word_of(&stored.status),
        };
        Self {
            scope: Scope { tenant: tenant.clone(), integration: known.id().clone() },
            name: known.name(),
            platform: known.platform().to_string(),
            status,
            since,
            reason: reason.map(str::to_owned),
        }
    }

    /// The integration that environment variables would set up: what is stored of it is there without them, too.
    fn unconfigured() -> Self {
        let scope = Scope::default_mautic();
        let (name, platform) = (scope.integration.to_string(), scope.integration.to_string());
        Self { scope, name, platform, status: "not_configured", since: None, reason: None }
    }
}

async fn of_tenant(call: &Call, tenant: &TenantId) -> std::result::Result<Vec<Shown>, ApiError> {
    let known = call.state.integrations.list(tenant).await.map_err(|refused| call.refused(refused))?;
    let mut shown: Vec<Shown> = known.iter().map(|one| Shown::of(tenant, one)).collect();
    let own = Scope::default_mautic();
    if tenant.is_default() && !shown.iter().any(|one| one.scope == own) {
        shown.insert(0, Shown::unconfigured());
    }
    Ok(shown)
}

async fn state_of(call: &Call, shown: &Shown, most: usize) -> Result<IntegrationState> {
    let (state, scope, now) = (&call.state, &shown.scope, call.started.at);
    let budget = state.budget.exhausted_until(scope).await?;
    let silent = state.circuits.silent_until(scope).await?;
    Ok(IntegrationState {
        id: scope.integration.to_string(),
        name: shown.name.clone(),
        platform: shown.platform.clone(),
        status: shown.status.to_owned(),
        since: shown.since,
        reason: shown.reason.clone(),
        work: state.services.work_of_integration(scope, most).await?,
        run_under_way: state.services.runs.is_under_way(scope, now).await?,
        budget_exhausted_until: budget.filter(|until| *until > now),
        silent_until: silent.filter(|until| *until > now),
    })
}

async fn summary(call: &Call, tenant: &Tenant) -> std::result::Result<TenantSummary, ApiError> {
    let known = of_tenant(call, &tenant.id).await?;
    let works = known.iter().map(|one| call.state.services.work_of_integration(&one.scope, COUNTED_OF_EACH));
    let works = try_join_all(works).await.map_err(|failure| call.failed(failure))?;
    let parked = call.state.services.parked.count(&tenant.id, COUNTED_OF_EACH).await;
    Ok(TenantSummary {
        tenant: tenant.id.clone(),
        name: tenant.name.to_string(),
        status: tenants::status(tenant).0.to_owned(),
        integrations: known.iter().filter(|one| one.status != "not_configured").count() as u64,
        failing: known.iter().filter(|one| one.status == "error").count() as u64,
        parked: parked.map_err(|failure| call.failed(failure))? as u64,
        waiting: works.iter().map(|work| work.outbox.waiting).sum(),
        halted_since: works.iter().find_map(|work| work.runs.halted_since),
        last_success: works.iter().filter_map(|work| work.runs.last_success).max(),
    })
}
