//! Who may call: API keys, of which Tandem keeps digests only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tandem_core::domain::role::{Right, Role};
use tandem_core::domain::scope::TenantId;
use tandem_core::domain::tenant::TenantStatus;
use tandem_core::error::Failure;

use super::envelope::ApiError;
use crate::config;
use crate::store::{ApiKey, ApiKeys, TenantTable};

/// How long a process remembers that a key is good: a revoked key, or one of a suspended tenant, works no longer than this.
const REMEMBERED: SignedDuration = SignedDuration::from_secs(30);
/// How many keys a process remembers.
const MOST_REMEMBERED: usize = 1_000;
/// How often a process notes that a key is used.
const USE_NOTED: SignedDuration = SignedDuration::from_hours(1);

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Whose key it is.
    pub tenant: TenantId,
    /// What the key is called.
    pub name: String,
    /// What it was made for.
    roles: &'static [Role],
}

impl Holder {
    /// Whether the key was made for this.
    #[must_use]
    pub fn has(&self, right: Right) -> bool {
        self.roles.iter().any(|role| role.has(right))
    }

    /// Lets the holder go on.
    ///
    /// # Errors
    /// 403 when the key was not made for this.
    pub fn must(&self, right: Right) -> Result<(), ApiError> {
        if self.has(right) { Ok(()) } else { Err(forbidden()) }
    }
}

/// The fixed key of the environment, and the keys of the table.
pub struct KeyRing {
    fixed: Option<[u8; 32]>,
    stored: Arc<ApiKeys>,
    tenants: TenantTable,
    known: Mutex<HashMap<String, Known>>,
    /// Who makes all calls, where nobody but the person at the command can.
    always: Option<Holder>,
}

/// What a process remembers of a key.
#[derive(Clone)]
struct Known {
    since: Timestamp,
    key: ApiKey,
    is_served: bool,
    /// When its use was noted.
    noted: Option<Timestamp>,
}

impl Known {
    fn holder(&self, now: Timestamp) -> Result<Holder, ApiError> {
        if !self.key.is_valid(now) {
            return Err(unauthenticated());
        }
        if !self.is_served {
            return Err(suspended());
        }
        let key = &self.key;
        Ok(Holder { tenant: key.tenant.clone(), name: key.name.to_string(), roles: only(key.role) })
    }
}

impl KeyRing {
    /// A key ring over the table's keys.
    #[must_use]
    pub fn new(fixed: Option<&config::ApiKey>, stored: Arc<ApiKeys>, tenants: TenantTable) -> Self {
        let fixed = fixed.map(|key| Sha256::digest(key.0.as_bytes()).into());
        Self { fixed, stored, tenants, known: Mutex::default(), always: None }
    }

    /// A key ring for calls that nobody makes but the person who may open the table: they need no key, and are the tenant's.
    #[cfg(feature = "local")]
    #[must_use]
    pub fn at_the_command(self, tenant: TenantId) -> Self {
        let name = "tandem".to_owned();
        let always = Some(Holder { tenant, name, roles: &[Role::Operator, Role::Admin] });
        Self { always, ..self }
    }

    /// Whose key the request carries.
    ///
    /// # Errors
    /// 401 without a good key, 403 when its tenant is suspended; as the table fails.
    pub async fn holder(&self, headers: &HeaderMap, now: Timestamp) -> Result<Holder, ApiError> {
        if let Some(always) = &self.always {
            return Ok(always.clone());
        }
        let key = key(headers).ok_or_else(unauthenticated)?;
        let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        if self.fixed.is_some_and(|fixed| bool::from(fixed.ct_eq(&digest))) {
            return Ok(Holder {
                tenant: TenantId::default(),
                name: FIXED.to_owned(),
                roles: &[Role::Operator, Role::Admin],
            });
        }
        let digest = hex::encode(digest);
        if let Some(known) = self.remembered(&digest, now) {
            return known.holder(now);
        }
        let known = self.find(&digest, now).await.map_err(|failure: Failure| ApiError::from_failure(failure, now))?;
        let known = known.ok_or_else(unauthenticated)?;
        let holder = known.holder(now)?;
        self.remember(digest, known);
        Ok(holder)
    }

    /// A key of a tenant that is there. A deleted tenant's keys are good for nothing, should one be left.
    async fn find(&self, digest: &str, now: Timestamp) -> Result<Option<Known>, Failure> {
        let Some(key) = self.stored.find(digest).await?.filter(|key| key.is_valid(now)) else { return Ok(None) };
        let status = if key.tenant.is_default() {
            TenantStatus::Active
        } else {
            match self.tenants.get(&key.tenant).await?.map(|tenant| tenant.status) {
                None | Some(TenantStatus::Deleting { .. }) => return Ok(None),
                Some(status) => status,
            }
        };
        let is_served = status == TenantStatus::Active;
        let mut noted = self.noted(digest);
        if is_served && noted.is_none_or(|at| now.duration_since(at) >= USE_NOTED) {
            noted = Some(now);
            // Somebody waits for the answer to a call, and nobody for this.
            if let Err(failure) = self.stored.note_use(&key, now).await {
                tracing::warn!(kind = ?failure.kind, "that an API key is used could not be noted: {failure}");
            }
        }
        Ok(Some(Known { since: now, key, is_served, noted }))
    }

    /// When this process last noted a key's use.
    fn noted(&self, digest: &str) -> Option<Timestamp> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(digest).and_then(|known| known.noted)
    }

    fn remembered(&self, digest: &str, now: Timestamp) -> Option<Known> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(digest).filter(|known| now.duration_since(known.since) < REMEMBERED).cloned()
    }

    fn remember(&self, digest: String, found: Known) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_REMEMBERED {
            known.clear();
        }
        known.insert(digest, found);
    }
}

/// What the key of the environment is called.
const FIXED: &str = "TANDEM_API_KEY";

const fn only(role: Role) -> &'static [Role] {
    match role {
        Role::Ingest => &[Role::Ingest],
        Role::Operator => &[Role::Operator],
        Role::Admin => &[Role::Admin],
    }
}

/// The key that the request carries: as a bearer, or as the user name of Basic authentication, which libraries of others send.
pub fn key(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = value.split_once(' ')?;
    let key = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => credentials.trim().to_owned(),
        "basic" => {
            let pair = String::from_utf8(BASE64_STANDARD.decode(credentials.trim()).ok()?).ok()?;
            pair.split(':').next().unwrap_or_default().to_owned()
        }
        _ => return None,
    };
    (!key.is_empty()).then_some(key)
}

fn unauthenticated() -> ApiError {
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        "unauthenticated",
        "send a valid API key in the header \"Authorization: Bearer <key>\"",
    )
}

fn forbidden() -> ApiError {
    ApiError::new(
        StatusCode::FORBIDDEN,
        "forbidden",
        "this API key was not made for this: its role does not have the right",
    )
}

fn suspended() -> ApiError {
    ApiError::new(
        StatusCode::FORBIDDEN,
        "tenant_suspended",
        "the tenant of this API key is suspended: its operator can resume it",
    )
}
