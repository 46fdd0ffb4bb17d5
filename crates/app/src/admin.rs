//! What operators do with tenants and API keys: the same for the admin API and for the command.

pub mod integrations;

use std::sync::Arc;

use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::domain::scope::TenantId;
use tandem_core::domain::tenant::{Label, Tenant, TenantStatus};
use tandem_core::error::Failure;
use tandem_core::ports::Attempt;

use crate::store::{
    Act, ApiKey, ApiKeySecret, ApiKeys, AuditTable, Created, IssueTable, NewKey, Purge, Table, TenantTable,
};

/// Who does something.
#[derive(Clone, Debug)]
pub struct Actor {
    /// Whose key it is; what concerns no tenant alone is noted in its audit.
    pub tenant: TenantId,
    /// Who, when, and under which id.
    pub act: Act,
}

/// Why it was not done.
#[derive(Clone, Debug)]
pub enum Refused {
    /// There is no such thing, as far as the actor may know.
    NotFound(&'static str),
    /// Another thing of the kind has the name.
    NameTaken(&'static str),
    /// It is at another revision than the actor saw.
    Changed,
    /// What was given can't be taken.
    Invalid(Vec<FieldIssue>),
    /// The platform was tried, and did not take what was given.
    NotConnected(Failure),
    /// Table or platform failed.
    Failed(Failure),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Refused {
    /// One field that can't be taken.
    pub fn field(name: &str, code: IssueCode, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldIssue::new(name, code, message)])
    }
}

/// What is to become of a tenant; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct TenantChange {
    /// Its new name.
    pub name: Option<Label>,
    /// Whether it is suspended.
    pub suspended: Option<bool>,
}

/// What is kept of tenants and keys. Cloning is cheap.
#[derive(Clone)]
pub struct Admin {
    /// The tenants.
    pub tenants: TenantTable,
    /// Their keys.
    pub keys: Arc<ApiKeys>,
    /// Who changed what.
    pub audit: Arc<AuditTable>,
    /// What people decided of issues.
    pub issues: Arc<IssueTable>,
    purge: Arc<Purge>,
}

impl Admin {
    /// Over the table.
    #[must_use]
    pub fn new(table: &Table) -> Self {
        Self {
            tenants: TenantTable::new(table.clone()),
            keys: Arc::new(ApiKeys::new(table.clone())),
            audit: Arc::new(AuditTable::new(table.clone())),
            issues: Arc::new(IssueTable::new(table.clone())),
            purge: Arc::new(Purge::new(table.clone())),
        }
    }

    /// A tenant.
    ///
    /// # Errors
    /// `NotFound`; `Failed` as the table does, as do all methods below.
    pub async fn tenant(&self, id: &TenantId) -> Result<Tenant, Refused> {
        if id.is_default() {
            return Ok(Tenant::default());
        }
        self.tenants.get(id).await?.ok_or(Refused::NotFound("there is no such tenant"))
    }

    /// Tenants after one of them, at most `limit`; the default one comes first.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn list_tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<Tenant>, Refused> {
        let Some(after) = after else {
            let others = self.tenants.list(None, limit.saturating_sub(1)).await?;
            return Ok(std::iter::once(Tenant::default()).chain(others).collect());
        };
        let after = if after.is_default() { None } else { Some(after.to_string()) };
        Ok(self.tenants.list(after.as_deref(), limit).await?)
    }

    /// Makes a tenant.
    ///
    /// # Errors
    /// `NameTaken` when the id is in use.
    pub async fn create_tenant(&self, id: TenantId, name: Label, by: &Actor) -> Result<Tenant, Refused> {
        const TAKEN: Refused = Refused::NameTaken("another tenant has this id");
        if id.is_default() {
            return Err(TAKEN);
        }
        let entry = by.act.entry("tenant.create", id.to_string(), &["name"]);
        let tenant = Tenant::new(id, name, by.act.at);
        match self.tenants.create(&tenant, &by.tenant, &entry).await? {
            Attempt::Done => Ok(tenant),
            Attempt::Contended => Err(TAKEN),
        }
    }

    /// Renames, suspends or resumes a tenant, at the revision `seen` if one is given.
    ///
    /// # Errors
    /// `NotFound`, `Changed`; `Invalid` for the default tenant, and for one that is being deleted.
    pub async fn change_tenant(
        &self,
        id: &TenantId,
        change: TenantChange,
        seen: Option<u64>,
        by: &Actor,
    ) -> Result<Tenant, Refused> {
        let tenant = self.changeable(id, seen).await?;
        if let TenantStatus::Deleting { .. } = tenant.status {
            return Err(Refused::field("status", IssueCode::Invalid, "The tenant is being deleted."));
        }
        let status = match (change.suspended, &tenant.status) {
            (Some(true), TenantStatus::Active) => Some(TenantStatus::Suspended { since: by.act.at }),
            (Some(false), TenantStatus::Suspended { .. }) => Some(TenantStatus::Active),
            _ => None,
        };
        let name = change.name.filter(|name| *name != tenant.name);
        let action = match &status {
            Some(TenantStatus::Active) => "tenant.resume",
            Some(_) => "tenant.suspend",
            None if name.is_some() => "tenant.rename",
            None => return Ok(tenant),
        };
        let fields: Vec<&str> = [("name", name.is_some()), ("status", status.is_some())]
            .into_iter()
            .filter_map(|(field, changed)| changed.then_some(field))
            .collect();
        let changed = Tenant {
            name: name.unwrap_or_else(|| tenant.name.clone()),
            status: status.unwrap_or_else(|| tenant.status.clone()),
            revision: tenant.revision + 1,
            ..tenant
        };
        let entry = by.act.entry(action, id.to_string(), &fields);
        match self.tenants.replace(&changed, &by.tenant, &entry).await? {
            Attempt::Done => Ok(changed),
            Attempt::Contended => Err(Refused::Changed),
        }
    }

    /// Deletes a tenant with everything it owns, when `name` is its name, as long as `in_time` says that there is time;
    /// whether nothing is left. To be called again until then.
    ///
    /// # Errors
    /// `NotFound`, `Changed`; `Invalid` for the default tenant, or another name.
    pub async fn delete_tenant(
        &self,
        id: &TenantId,
        name: &str,
        by: &Actor,
        in_time: &(dyn Fn() -> bool + Sync),
    ) -> Result<bool, Refused> {
        let tenant = self.changeable(id, None).await?;
        if tenant.name.as_str() != name.trim() {
            let message = "Give the name of the tenant, to say that it is the one that is meant.";
            return Err(Refused::field("name", IssueCode::Invalid, message));
        }
        let marked = match tenant.status {
            TenantStatus::Deleting { .. } => tenant,
            TenantStatus::Active | TenantStatus::Suspended { .. } => {
                let marked = tenant.with_status(TenantStatus::Deleting { since: by.act.at });
                let entry = by.act.entry("tenant.delete", id.to_string(), &[]);
                match self.tenants.replace(&marked, &by.tenant, &entry).await? {
                    Attempt::Done => marked,
                    Attempt::Contended => return Err(Refused::Changed),
                }
            }
        };
        Ok(self.delete_marked(&marked, in_time).await?)
    }

    async fn delete_marked(&self, tenant: &Tenant, in_time: &(dyn Fn() -> bool + Sync)) -> Result<bool, Failure> {
        let done = self.purge.tenant(tenant, in_time).await?;
        if done {
            self.tenants.bury(tenant).await?;
        }
        Ok(done)
    }

    /// Goes on with the deletion of tenants that was begun, as long as there is time.
    ///
    /// # Errors
    /// As the table fails.
    pub async fn go_on_deleting(&self, in_time: &(dyn Fn() -> bool + Sync)) -> Result<(), Failure> {
        for tenant in self.tenants.list(None, usize::MAX).await? {
            if let TenantStatus::Deleting { .. } = tenant.status {
                let done = self.delete_marked(&tenant, in_time).await?;
                tracing::info!(tenant = %tenant.id, done, "a tenant is being deleted");
            }
        }
        Ok(())
    }

    /// Makes a key for a tenant.
    ///
    /// # Errors
    /// `NotFound` without the tenant, `NameTaken`, `Invalid` for an end that is over.
    pub async fn create_key(&self, new: NewKey, secret: &ApiKeySecret, by: &Actor) -> Result<ApiKey, Refused> {
        if new.expires_at.is_some_and(|end| end <= by.act.at) {
            return Err(Refused::field("expiresAt", IssueCode::Invalid, "The moment must lie ahead."));
        }
        if let TenantStatus::Deleting { .. } = self.tenant(&new.tenant).await?.status {
            return Err(Refused::field("tenant", IssueCode::Invalid, "The tenant is being deleted."));
        }
        let fields: &[&str] = if new.expires_at.is_some() { &["name", "role", "expiresAt"] } else { &["name", "role"] };
        let entry = by.act.entry("key.create", secret.hash(), fields);
        match self.keys.create(new, secret, &entry).await? {
            Created::Done(key) => Ok(key),
            Created::NameTaken => Err(Refused::NameTaken("another key has this name")),
        }
    }

    /// A tenant's key, by its digest.
    ///
    /// # Errors
    /// `NotFound` when the tenant has no such key.
    pub async fn key(&self, tenant: &TenantId, digest: &str) -> Result<ApiKey, Refused> {
        if !is_digest(digest) {
            return Err(NO_KEY);
        }
        self.keys.of_tenant(tenant, digest).await?.ok_or(NO_KEY)
    }

    /// Takes a key's right away.
    ///
    /// # Errors
    /// `NotFound` when the tenant has no such key.
    pub async fn revoke_key(&self, tenant: &TenantId, hash: &str, by: &Actor) -> Result<ApiKey, Refused> {
        if !is_digest(hash) {
            return Err(NO_KEY);
        }
        let entry = by.act.entry("key.revoke", hash, &[]);
        self.keys.revoke(tenant, hash, &entry).await?.ok_or(NO_KEY)
    }

    async fn changeable(&self, id: &TenantId, seen: Option<u64>) -> Result<Tenant, Refused> {
        let tenant = self.tenant(id).await?;
        if id.is_default() {
            let message = "The default tenant is the installation itself: environment variables configure it.";
            return Err(Refused::field("tenant", IssueCode::Invalid, message));
        }
        match seen {
            Some(seen) if seen != tenant.revision => Err(Refused::Changed),
            _ => Ok(tenant),
        }
    }
}

const NO_KEY: Refused = Refused::NotFound("there is no such key");

/// Whether a text is 256 bits in hex. What is not stands in no key of the table, which is not asked for it.
fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
