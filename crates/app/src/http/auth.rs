//! Who may call: API keys, of which Tandem keeps digests only.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tandem_core::domain::scope::TenantId;
use tandem_core::error::Failure;

use super::envelope::ApiError;
use crate::config::ApiKey;
use crate::store::ApiKeys;

/// How long a process remembers that a key is good; a revoked key works no longer than this.
const REMEMBERED: SignedDuration = SignedDuration::from_secs(60);
/// How many keys a process remembers.
const MOST_REMEMBERED: usize = 1_000;

/// The fixed key of the environment, and the keys of the table.
pub struct KeyRing {
    fixed: Option<[u8; 32]>,
    stored: ApiKeys,
    known: Mutex<HashMap<String, (Timestamp, TenantId)>>,
}

impl KeyRing {
    /// A key ring over the table's keys.
    #[must_use]
    pub fn new(fixed: Option<&ApiKey>, stored: ApiKeys) -> Self {
        Self { fixed: fixed.map(|key| Sha256::digest(key.0.as_bytes()).into()), stored, known: Mutex::default() }
    }

    /// The tenant whose key the request carries.
    ///
    /// # Errors
    /// 401 without a good key; as the table fails.
    pub async fn tenant(&self, headers: &HeaderMap, now: Timestamp) -> Result<TenantId, ApiError> {
        let key = key(headers).ok_or_else(unauthenticated)?;
        let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        if self.fixed.is_some_and(|fixed| bool::from(fixed.ct_eq(&digest))) {
            return Ok(TenantId::default());
        }
        let digest = hex::encode(digest);
        if let Some(tenant) = self.remembered(&digest, now) {
            return Ok(tenant);
        }
        let found = self.stored.find(&digest).await.map_err(|failure: Failure| ApiError::from_failure(failure, now))?;
        let key = found.filter(|key| key.revoked_at.is_none()).ok_or_else(unauthenticated)?;
        self.remember(digest, now, key.tenant.clone());
        Ok(key.tenant)
    }

    fn remembered(&self, digest: &str, now: Timestamp) -> Option<TenantId> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(digest).filter(|(since, _)| now.duration_since(*since) < REMEMBERED).map(|(_, tenant)| tenant.clone())
    }

    fn remember(&self, digest: String, now: Timestamp, tenant: TenantId) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_REMEMBERED {
            known.clear();
        }
        known.insert(digest, (now, tenant));
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
