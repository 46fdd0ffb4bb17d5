//! What operators do with integrations: made, changed, paused, removed. Credentials are tried before they are stored, and sealed.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tandem_connectors::http::Http;
use tandem_connectors::registry::{Credentials, IntegrationSettings, Options, Platform};
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::domain::platform::PlatformInfo;
use tandem_core::domain::scope::{IntegrationId, Scope, TenantId};
use tandem_core::domain::tenant::{Label, TenantStatus};
use tandem_core::error::{Failure, FailureKind};
use tandem_core::ports::{Attempt, Entropy};
use tandem_core::webhook::proof::Secrets;

use super::{Actor, Admin, Refused};
use crate::data_key::{DataKeys, Sealed};
use crate::store::{IntegrationStatus, IntegrationTable, Purge, StoredIntegration, Written};
use crate::system::{SystemEntropy, public_id};
use crate::wiring::Foundation;

/// What is sealed of an integration.
#[derive(Clone, Serialize, Deserialize)]
pub struct Secret {
    /// As whom the platform is called.
    pub credentials: Credentials,
    /// What its webhooks are signed with.
    pub webhook_secret: String,
    /// The one before it, while it is being changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_webhook_secret: Option<String>,
}

impl Secret {
    /// Opens what was sealed for an integration.
    ///
    /// # Errors
    /// `Misconfigured` when the key is another one, or what is in it can't be read.
    pub fn open(keys: &DataKeys, scope: &Scope, sealed: &Sealed) -> Result<Self, Failure> {
        let unreadable = |_| Failure::new(FailureKind::Misconfigured, "the integration's credentials can't be read");
        serde_json::from_slice(&keys.open(scope, sealed)?).map_err(unreadable)
    }

    fn seal(&self, keys: &DataKeys, scope: &Scope) -> Result<Sealed, Failure> {
        let unwritable = |_| Failure::new(FailureKind::Storage, "the credentials could not be written as JSON");
        keys.seal(scope, &serde_json::to_vec(self).map_err(unwritable)?)
    }

    /// The secrets that deliveries may be signed with.
    #[must_use]
    pub fn webhook_secrets(&self) -> Secrets {
        Secrets::new([Some(self.webhook_secret.clone()), self.previous_webhook_secret.clone()].into_iter().flatten())
    }
}

/// An integration that is to be made.
#[derive(Clone, Debug)]
pub struct NewIntegration {
    /// What people call it.
    pub name: Label,
    /// Platform, address, options.
    pub settings: IntegrationSettings,
    /// As whom the platform is called.
    pub credentials: Credentials,
    /// What its webhooks are signed with; one is made when left out.
    pub webhook_secret: Option<WebhookSecret>,
}

/// A webhook's secret as somebody gave it.
#[derive(Clone)]
pub struct WebhookSecret(pub String);

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecret(..)")
    }
}

/// What is to become of an integration; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct IntegrationChange {
    /// Its new name.
    pub name: Option<Label>,
    /// Its new address; the credentials must be given with it.
    pub base_url: Option<String>,
    /// Its options, all of them.
    pub options: Option<Options>,
    /// As whom the platform is called.
    pub credentials: Option<Credentials>,
    /// What its webhooks are signed with; the one before stays valid beside it.
    pub webhook_secret: Option<WebhookSecret>,
    /// Whether it is paused.
    pub paused: Option<bool>,
}

/// What the platform said when it was tried; `None` when nothing was changed that had to be.
pub type Tried = Option<Result<PlatformInfo, Failure>>;

/// An integration, wherever it is set up.
#[derive(Clone, Debug)]
pub enum Known {
    /// By environment variables: nobody changes it here.
    Environment {
        /// By which keys of the table and calls name it.
        id: IntegrationId,
        /// Where the platform is.
        base_url: String,
    },
    /// Stored.
    Stored(Box<StoredIntegration>),
}

/// The integrations of all tenants.
#[derive(Clone)]
pub struct Integrations {
    /// Those that are stored.
    pub table: IntegrationTable,
    admin: Admin,
    foundation: Foundation,
}

const NOBODY: Refused = Refused::NotFound("there is no such integration");
const TAKEN: Refused = Refused::NameTaken("another integration has this name");

impl Integrations {
    /// Over what functions are built from.
    #[must_use]
    pub fn new(foundation: &Foundation) -> Self {
        let table = &foundation.table;
        Self { table: IntegrationTable::new(table.clone()), admin: Admin::new(table), foundation: foundation.clone() }
    }

    /// A tenant's integrations: the environment's first, then the others in the order in which they were made.
    ///
    /// # Errors
    /// `Failed` as the table does; so do all methods below.
    pub async fn list(&self, tenant: &TenantId) -> Result<Vec<Known>, Refused> {
        let stored = self.table.list(tenant).await?.into_iter().map(|one| Known::Stored(Box::new(one)));
        Ok(self.of_environment(tenant).into_iter().chain(stored).collect())
    }

    /// One of them.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn get(&self, tenant: &TenantId, id: &IntegrationId) -> Result<Known, Refused> {
        if let Some(own @ Known::Environment { .. }) = self.of_environment(tenant).filter(|own| own.id() == id) {
            return Ok(own);
        }
        let scope = Scope { tenant: tenant.clone(), integration: id.clone() };
        Ok(Known::Stored(Box::new(self.table.get(&scope).await?.ok_or(NOBODY)?)))
    }

    fn of_environment(&self, tenant: &TenantId) -> Option<Known> {
        let (scope, settings) = (self.foundation.scope.clone(), self.foundation.config.mautic.as_ref()?);
        (*tenant == scope.tenant)
            .then(|| Known::Environment { id: scope.integration, base_url: settings.base().to_string() })
    }

    /// Stores an integration when the platform takes its credentials, or with `force`.
    ///
    /// # Errors
    /// `Invalid`, `NameTaken`; `NotConnected` when the platform did not take them.
    pub async fn create(
        &self,
        tenant: &TenantId,
        new: NewIntegration,
        force: bool,
        by: &Actor,
    ) -> Result<(StoredIntegration, Tried), Refused> {
        if let TenantStatus::Deleting { .. } = self.admin.tenant(tenant).await?.status {
            return Err(Refused::field("tenant", IssueCode::Invalid, "The tenant is being deleted."));
        }
        new.settings.check(&new.credentials).map_err(Refused::Invalid)?;
        let id = IntegrationId::try_from(SystemEntropy.id()).map_err(|_| NOBODY)?;
        let scope = Scope { tenant: tenant.clone(), integration: id.clone() };
        let webhook_secret = new.webhook_secret.map_or_else(public_id, |secret| secret.0);
        let secret = Secret { credentials: new.credentials, webhook_secret, previous_webhook_secret: None };
        let sealed = secret.seal(&self.foundation.config.data_keys, &scope)?;
        let tried = self.try_out(&scope, &new.settings, &secret.credentials).await;
        let status = status_after(&tried, force, by)?;
        let stored = StoredIntegration {
            id: id.clone(),
            name: new.name,
            settings: new.settings,
            credentials: secret.credentials.kind().to_owned(),
            sealed,
            public_id: public_id(),
            status,
            created_at: by.act.at,
            revision: 1,
        };
        let fields = ["name", "platform", "baseUrl", "credentials", "settings"];
        match self.table.create(tenant, &stored, &by.act.entry("integration.create", id.to_string(), &fields)).await? {
            Written::Done => Ok((stored, Some(tried))),
            Written::NameTaken => Err(TAKEN),
            Written::Changed => Err(Refused::Changed),
        }
    }

    /// Changes an integration, at the revision `seen` if one is given. New credentials and a new address are tried first.
    ///
    /// # Errors
    /// As [`Integrations::create`]; `NotFound`, `Changed`.
    pub async fn change(
        &self,
        tenant: &TenantId,
        id: &IntegrationId,
        change: IntegrationChange,
        force: bool,
        seen: Option<u64>,
        by: &Actor,
    ) -> Result<(StoredIntegration, Tried), Refused> {
        let before = self.changeable(tenant, id, seen).await?;
        let scope = Scope { tenant: tenant.clone(), integration: id.clone() };
        let keys = &self.foundation.config.data_keys;
        let moved = change.base_url.as_ref().is_some_and(|url| *url != before.settings.base_url);
        if moved && change.credentials.is_none() {
            // Or whoever may set the address could have the stored ones sent to themselves.
            let message = "Give the credentials again: they are sent to the new address.";
            return Err(Refused::field("credentials", IssueCode::Missing, message));
        }
        let secret = secret_after(Secret::open(keys, &scope, &before.sealed), &change)?;
        let fields = change.fields();
        let untried = change.credentials.is_none();
        let settings = IntegrationSettings {
            base_url: change.base_url.unwrap_or_else(|| before.settings.base_url.clone()),
            options: change.options.unwrap_or_else(|| before.settings.options.clone()),
            ..before.settings.clone()
        };
        settings.check(&secret.credentials).map_err(Refused::Invalid)?;
        let tried = if untried { None } else { Some(self.try_out(&scope, &settings, &secret.credentials).await) };
        let status = match &tried {
            Some(tried) => status_after(tried, force, by)?,
            None => before.status.clone(),
        };
        let status = paused_after(change.paused, &before.status, untried, by).unwrap_or(status);
        let after = StoredIntegration {
            name: change.name.unwrap_or_else(|| before.name.clone()),
            credentials: secret.credentials.kind().to_owned(),
            // Sealed anew with the key in use, whatever changed.
            sealed: secret.seal(keys, &scope)?,
            settings,
            status,
            revision: before.revision + 1,
            ..before.clone()
        };
        let entry = by.act.entry("integration.change", id.to_string(), &fields);
        match self.table.replace(tenant, &before, &after, &entry).await? {
            Written::Done => Ok((after, tried)),
            Written::NameTaken => Err(TAKEN),
            Written::Changed => Err(Refused::Changed),
        }
    }

    /// Removes an integration with all that belongs to it, when `name` is its name, for as long as `patience`; whether nothing is
    /// left. To be called again until then.
    ///
    /// # Errors
    /// `NotFound`, `Changed`; `Invalid` for another name.
    pub async fn remove(
        &self,
        tenant: &TenantId,
        id: &IntegrationId,
        name: &str,
        seen: Option<u64>,
        by: &Actor,
        patience: Duration,
    ) -> Result<bool, Refused> {
        let before = match self.get(tenant, id).await? {
            // What was begun is gone on with.
            Known::Stored(stored) if matches!(stored.status, IntegrationStatus::Removing { .. }) => *stored,
            _ => self.changeable(tenant, id, seen).await?,
        };
        if before.name.as_str() != name.trim() {
            let message = "Give the name of the integration, to say that it is the one that is meant.";
            return Err(Refused::field("name", IssueCode::Invalid, message));
        }
        let marked = if let IntegrationStatus::Removing { .. } = before.status {
            before
        } else {
            let status = IntegrationStatus::Removing { since: by.act.at };
            let marked = StoredIntegration { status, revision: before.revision + 1, ..before.clone() };
            let entry = by.act.entry("integration.remove", id.to_string(), &[]);
            match self.table.replace(tenant, &before, &marked, &entry).await? {
                Written::Done => marked,
                Written::NameTaken | Written::Changed => return Err(Refused::Changed),
            }
        };
        let scope = Scope { tenant: tenant.clone(), integration: id.clone() };
        match tokio::time::timeout(patience, self.foundation.forget_integration(&scope)).await {
            Ok(forgotten) => forgotten?,
            Err(_elapsed) => return Ok(false),
        }
        Ok(self.table.remove(tenant, &marked).await? == Attempt::Done)
    }

    /// A stored integration that may be changed.
    async fn changeable(
        &self,
        tenant: &TenantId,
        id: &IntegrationId,
        seen: Option<u64>,
    ) -> Result<StoredIntegration, Refused> {
        match self.get(tenant, id).await? {
            Known::Environment { .. } => {
                let message = "Environment variables set this integration up: change it there.";
                Err(Refused::field("integration", IssueCode::Invalid, message))
            }
            Known::Stored(stored) if seen.is_some_and(|seen| seen != stored.revision) => Err(Refused::Changed),
            Known::Stored(stored) if matches!(stored.status, IntegrationStatus::Removing { .. }) => {
                Err(Refused::field("integration", IssueCode::Invalid, "The integration is being removed."))
            }
            Known::Stored(stored) => Ok(*stored),
        }
    }

    async fn try_out(
        &self,
        scope: &Scope,
        settings: &IntegrationSettings,
        credentials: &Credentials,
    ) -> Result<PlatformInfo, Failure> {
        // A trial of its own: what is known of the integration (a token, a budget) is that of other credentials.
        let ports = self.foundation.ports(credentials.secret().as_bytes())?;
        let trial = IntegrationId::try_from(format!("trial-{}", SystemEntropy.id())).map_err(|_| unusable())?;
        let trial = Scope { integration: trial, ..scope.clone() };
        let tried = settings.try_out(credentials, &trial, self.http(), &ports).await;
        let forgotten = Purge::new(self.foundation.table.clone()).platform(&trial).await;
        if let Err(failure) = forgotten {
            tracing::warn!(kind = ?failure.kind, "what a trial left could not be deleted: {failure}");
        }
        tried
    }

    fn http(&self) -> Http {
        self.foundation.tenants_http.clone()
    }
}

/// The status of an integration that was tried; a refusal unless it is to be stored all the same.
fn status_after(tried: &Result<PlatformInfo, Failure>, force: bool, by: &Actor) -> Result<IntegrationStatus, Refused> {
    match tried {
        Ok(_) => Ok(IntegrationStatus::Active),
        Err(failure) if force => Ok(IntegrationStatus::Error { since: by.act.at, reason: failure.message.clone() }),
        Err(failure) => Err(Refused::NotConnected(failure.clone())),
    }
}

/// What is to be sealed after a change. A webhook secret that is replaced stays valid beside the new one, so that no delivery is
/// refused while the platform is told. What can't be opened any more (its data key is lost) can be given anew as a whole.
fn secret_after(opened: Result<Secret, Failure>, change: &IntegrationChange) -> Result<Secret, Failure> {
    let (credentials, webhook) = (change.credentials.clone(), change.webhook_secret.as_ref());
    let before = match (opened, &credentials, webhook) {
        (Ok(before), ..) => before,
        (Err(_), Some(credentials), Some(webhook)) => Secret {
            credentials: credentials.clone(),
            webhook_secret: webhook.0.clone(),
            previous_webhook_secret: None,
        },
        (Err(failure), ..) => return Err(failure),
    };
    let mut after = Secret { credentials: credentials.unwrap_or(before.credentials), ..before };
    if let Some(webhook) = webhook.filter(|webhook| webhook.0 != after.webhook_secret) {
        let previous = std::mem::replace(&mut after.webhook_secret, webhook.0.clone());
        after.previous_webhook_secret = Some(previous);
    }
    Ok(after)
}

/// The status when somebody pauses or resumes an integration, or changes one that is paused; `None` when that decides nothing.
fn paused_after(
    wanted: Option<bool>,
    before: &IntegrationStatus,
    untried: bool,
    by: &Actor,
) -> Option<IntegrationStatus> {
    match (wanted, before) {
        (Some(true) | None, IntegrationStatus::Paused { .. }) => Some(before.clone()),
        (Some(true), _) => Some(IntegrationStatus::Paused { since: by.act.at }),
        (Some(false), IntegrationStatus::Paused { .. }) if untried => Some(IntegrationStatus::Active),
        (Some(false) | None, _) => None,
    }
}

fn unusable() -> Failure {
    Failure::new(FailureKind::Storage, "an id could not be made")
}

impl Known {
    /// By which keys of the table and calls name it.
    #[must_use]
    pub fn id(&self) -> &IntegrationId {
        match self {
            Self::Environment { id, .. } => id,
            Self::Stored(stored) => &stored.id,
        }
    }

    /// What people call it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Environment { id, .. } => id.to_string(),
            Self::Stored(stored) => stored.name.to_string(),
        }
    }

    /// Where the platform is.
    #[must_use]
    pub fn base_url(&self) -> &str {
        match self {
            Self::Environment { base_url, .. } => base_url,
            Self::Stored(stored) => &stored.settings.base_url,
        }
    }

    /// Which platform.
    #[must_use]
    pub fn platform(&self) -> Platform {
        match self {
            Self::Environment { .. } => Platform::Mautic,
            Self::Stored(stored) => stored.settings.platform,
        }
    }
}

impl IntegrationChange {
    /// The names of the settings that it touches, for the audit.
    fn fields(&self) -> Vec<&'static str> {
        [
            ("name", self.name.is_some()),
            ("baseUrl", self.base_url.is_some()),
            ("settings", self.options.is_some()),
            ("credentials", self.credentials.is_some()),
            ("webhookSecret", self.webhook_secret.is_some()),
            ("status", self.paused.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, touched)| touched.then_some(name))
        .collect()
    }
}

/// Which fields a failed trial is about.
#[must_use]
pub fn blamed(failure: &Failure) -> FieldIssue {
    let field = match failure.kind {
        FailureKind::Credentials => "credentials",
        _ => "baseUrl",
    };
    FieldIssue::new(field, IssueCode::RefusedByPlatform, failure.message.clone())
}
