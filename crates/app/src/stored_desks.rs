//! The desks of integrations that are stored, beside the environment's own: read from the table, kept for a while, so that a change
//! takes effect within half a minute and without a restart.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};
use tandem_core::domain::scope::{IntegrationId, Scope, TenantId};
use tandem_core::domain::tenant::TenantStatus;
use tandem_core::error::{Failure, FailureKind, Result};
use tandem_core::policy;
use tandem_core::ports::integrations::Peers;
use tandem_core::ports::{Clock, RecordSource};
use tandem_core::sync::services::Desk;
use tandem_core::webhook::proof::Secrets;
use tandem_core::webhook::repair::Hook;

use crate::admin::integrations::Secret;
use crate::config::Config;
use crate::desks::Desks;
use crate::store::{IntegrationStatus, IntegrationTable, RecordsTable, StoredIntegration, Table, TenantTable};
use crate::wiring::Foundation;

/// How long a process trusts what it read of a tenant.
const REMEMBERED: SignedDuration = SignedDuration::from_secs(20);
/// How many tenants a process remembers.
const MOST_REMEMBERED: usize = 1_000;
/// How many tenants are read at once.
const AT_ONCE: usize = 8;
/// When work comes back that waits for somebody to resume a tenant or an integration.
const WAITS: SignedDuration = SignedDuration::from_mins(15);

/// What is known of a tenant.
#[derive(Clone)]
struct Tenancy {
    status: Option<TenantStatus>,
    integrations: Arc<[StoredIntegration]>,
}

/// What tables say of tenants and their integrations, kept for a while.
pub struct Tenancies {
    tenants: TenantTable,
    integrations: IntegrationTable,
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<TenantId, (Timestamp, Tenancy)>>,
}

impl Tenancies {
    /// Over the table.
    #[must_use]
    pub fn new(table: &Table, clock: Arc<dyn Clock>) -> Self {
        let (tenants, integrations) = (TenantTable::new(table.clone()), IntegrationTable::new(table.clone()));
        Self { tenants, integrations, clock, known: Mutex::default() }
    }

    async fn of(&self, tenant: &TenantId) -> Result<Tenancy> {
        let now = self.clock.now();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).cloned();
        if let Some((_, tenancy)) = known.filter(|(since, _)| now.duration_since(*since).abs() < REMEMBERED) {
            return Ok(tenancy);
        }
        let status = if tenant.is_default() {
            Some(TenantStatus::Active)
        } else {
            self.tenants.get(tenant).await?.map(|tenant| tenant.status)
        };
        let integrations = self.integrations.list(tenant).await?.into();
        let tenancy = Tenancy { status, integrations };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_REMEMBERED {
            known.clear();
        }
        known.insert(tenant.clone(), (now, tenancy.clone()));
        Ok(tenancy)
    }
}

/// Which integrations of a tenant are in use, the environment's own among them.
pub struct StoredPeers {
    tenancies: Arc<Tenancies>,
    own: Option<Scope>,
}

impl StoredPeers {
    /// Beside the environment's own integration, if there is one.
    #[must_use]
    pub fn new(tenancies: Arc<Tenancies>, own: Option<Scope>) -> Self {
        Self { tenancies, own }
    }
}

#[async_trait]
impl Peers for StoredPeers {
    async fn of(&self, tenant: &TenantId) -> Result<Arc<[IntegrationId]>> {
        let own = self.own.as_ref().filter(|own| own.tenant == *tenant).map(|own| own.integration.clone());
        let tenancy = self.tenancies.of(tenant).await?;
        // What is paused catches up when it is resumed: its outbox is filled meanwhile.
        let stored =
            tenancy.integrations.iter().filter(|one| !matches!(one.status, IntegrationStatus::Removing { .. }));
        Ok(own.into_iter().chain(stored.map(|one| one.id.clone())).collect())
    }
}

/// The desks of all integrations. Rules are put into them where they are used: those change by themselves.
pub struct StoredDesks {
    foundation: Foundation,
    /// Whether somebody waits for what they do.
    for_callers: bool,
    own: Option<Desk>,
    tenancies: Arc<Tenancies>,
    made: Mutex<HashMap<Scope, (u64, Desk)>>,
}

impl StoredDesks {
    /// Over what functions are built from.
    ///
    /// # Errors
    /// `Misconfigured` when the environment's own settings can't be used.
    pub fn new(foundation: &Foundation, for_callers: bool) -> Result<Self> {
        let own = if for_callers { foundation.callers_desk()? } else { foundation.desk()? };
        Ok(Self {
            for_callers,
            own,
            tenancies: Arc::new(Tenancies::new(&foundation.table, Arc::clone(&foundation.clock))),
            made: Mutex::default(),
            foundation: foundation.clone(),
        })
    }

    /// The desk that a call of a tenant is for: the integration of the id or name `wanted`; else the environment's own, else the
    /// one that was made first. `None` when there is none.
    ///
    /// # Errors
    /// As [`Desks::of`].
    pub async fn of_tenant(&self, tenant: &TenantId, wanted: Option<&str>) -> Result<Option<Desk>> {
        let own = self.own.as_ref().filter(|own| own.integration.scope.tenant == *tenant);
        if let Some(own) = own
            && wanted.is_none_or(|wanted| own.integration.scope.integration.to_string() == wanted)
        {
            return Ok(Some(own.clone()));
        }
        let tenancy = self.tenancies.of(tenant).await?;
        let is_wanted = |one: &&StoredIntegration| match wanted {
            Some(wanted) => one.id.to_string() == wanted || one.name.as_str() == wanted,
            None => one.status.is_in_use(),
        };
        match tenancy.integrations.iter().find(is_wanted) {
            Some(stored) => self.made_of(tenant, stored).map(Some),
            None => Ok(None),
        }
    }

    /// The same for whoever looks after a tenant: without an integration that is in use, the first one that is not being removed.
    /// What is paused is looked at like any other; what is to be done there waits.
    ///
    /// # Errors
    /// As [`Desks::of`].
    pub async fn to_look_after(&self, tenant: &TenantId, wanted: Option<&str>) -> Result<Option<Desk>> {
        if let Some(desk) = self.of_tenant(tenant, wanted).await? {
            return Ok(Some(desk));
        }
        if wanted.is_some() {
            return Ok(None);
        }
        let tenancy = self.tenancies.of(tenant).await?;
        let stays = |one: &&StoredIntegration| !matches!(one.status, IntegrationStatus::Removing { .. });
        tenancy.integrations.iter().find(stays).map(|stored| self.made_of(tenant, stored)).transpose()
    }

    /// The integration whose webhooks have this public id, and what they are signed with.
    ///
    /// # Errors
    /// As [`Desks::of`].
    pub async fn of_public_id(&self, public_id: &str) -> Result<Option<(Desk, Secrets)>> {
        // Nothing else is one, so that nobody has the table asked for what can't be there.
        if public_id.len() != 32 || !public_id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let Some(scope) = self.tenancies.integrations.of_public_id(public_id).await? else { return Ok(None) };
        let tenancy = self.tenancies.of(&scope.tenant).await?;
        let Some(stored) = tenancy.integrations.iter().find(|one| one.id == scope.integration) else { return Ok(None) };
        if tenancy.status != Some(TenantStatus::Active) || matches!(stored.status, IntegrationStatus::Removing { .. }) {
            return Ok(None);
        }
        let secret = Secret::open(&self.foundation.config.data_keys, &scope, &stored.sealed)?;
        Ok(Some((self.made_of(&scope.tenant, stored)?, secret.webhook_secrets())))
    }

    /// The desk of a stored integration, made anew when its settings changed.
    fn made_of(&self, tenant: &TenantId, stored: &StoredIntegration) -> Result<Desk> {
        let scope = Scope { tenant: tenant.clone(), integration: stored.id.clone() };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((revision, desk)) = made.get(&scope)
            && *revision == stored.revision
        {
            return Ok(desk.clone());
        }
        let desk = self.make(&scope, stored)?;
        if made.len() >= MOST_REMEMBERED {
            made.clear();
        }
        made.insert(scope, (stored.revision, desk.clone()));
        Ok(desk)
    }

    fn make(&self, scope: &Scope, stored: &StoredIntegration) -> Result<Desk> {
        let base = &self.foundation;
        let secret = Secret::open(&base.config.data_keys, scope, &stored.sealed)?;
        let unusable = |issues| {
            Failure::new(FailureKind::Misconfigured, "the integration's settings can't be used").with_fields(issues)
        };
        let tuning = stored.settings.check(&secret.credentials).map_err(unusable)?;
        let config = Config {
            mautic: Some(stored.settings.mautic(&secret.credentials)?),
            conflict: tuning.conflict,
            pull_interval: tuning.pull_interval,
            parallel_batches: tuning.parallel_batches,
            enrolment: tuning.enrolment,
            admin_opt_in: tuning.admin_opt_in,
            newcomers: tuning.newcomers,
            vanished: tuning.vanished,
            hook: base.config.hook.as_ref().map(|own| hook(own, stored, secret.webhook_secret)),
            ..base.config.clone()
        };
        // The environment's source is the default tenant's.
        let source: Arc<dyn RecordSource> = if scope.tenant.is_default() {
            Arc::clone(&base.source)
        } else {
            Arc::new(RecordsTable::new(base.table.clone(), Arc::clone(&base.clock)))
        };
        let foundation =
            Foundation { config, scope: scope.clone(), http: base.tenants_http.clone(), source, ..base.clone() };
        let desk = if self.for_callers { foundation.callers_desk()? } else { foundation.desk()? };
        desk.ok_or_else(|| Failure::new(FailureKind::Misconfigured, "the integration has no platform"))
    }
}

#[async_trait]
impl Desks for StoredDesks {
    async fn of(&self, scope: &Scope) -> Result<Option<Desk>> {
        if let Some(own) = self.own.as_ref().filter(|own| own.integration.scope == *scope) {
            return Ok(Some(own.clone()));
        }
        let tenancy = self.tenancies.of(&scope.tenant).await?;
        let later = policy::after(self.foundation.clock.now(), WAITS);
        let waits = |why| Err(Failure::new(FailureKind::Unavailable, why).not_before(later));
        match tenancy.status {
            None | Some(TenantStatus::Deleting { .. }) => return Ok(None),
            Some(TenantStatus::Suspended { .. }) => return waits("the tenant is suspended"),
            Some(TenantStatus::Active) => {}
        }
        let Some(stored) = tenancy.integrations.iter().find(|one| one.id == scope.integration) else { return Ok(None) };
        match stored.status {
            IntegrationStatus::Removing { .. } => Ok(None),
            IntegrationStatus::Paused { .. } => waits("the integration is paused"),
            IntegrationStatus::Active | IntegrationStatus::Error { .. } => {
                self.made_of(&scope.tenant, stored).map(Some)
            }
        }
    }

    async fn all(&self) -> Result<Vec<Scope>> {
        let own = self.own.iter().map(|own| own.integration.scope.clone());
        let mut scopes: Vec<Scope> = own.collect();
        let tenants = self.tenancies.tenants.list(None, usize::MAX).await?;
        let active = tenants.into_iter().filter(|tenant| tenant.status == TenantStatus::Active).map(|tenant| tenant.id);
        let stored = futures::stream::iter(std::iter::once(TenantId::default()).chain(active))
            .map(|tenant| async move {
                let listed = self.tenancies.integrations.list(&tenant).await?;
                let in_use = listed.into_iter().filter(|one| one.status.is_in_use());
                let scope = |one: StoredIntegration| Scope { tenant: tenant.clone(), integration: one.id };
                Ok::<_, Failure>(in_use.map(scope).collect::<Vec<_>>())
            })
            .buffered(AT_ONCE);
        scopes.extend(stored.try_concat().await?);
        Ok(scopes)
    }
}

/// The webhook of a stored integration: at the address of the default one, its public id behind the path.
fn hook(own: &Hook, stored: &StoredIntegration, secret: String) -> Hook {
    let address = own.url.split('?').next().unwrap_or_default().trim_end_matches('/');
    Hook { url: format!("{address}/{}", stored.public_id), secret }
}
