//! The keys by which applications prove which tenant they are.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tandem_core::domain::scope::TenantId;
use tandem_core::error::Result;

use super::condition::Condition;
use super::failure::storage;
use super::keys;
use super::row::{Item, document, item, parsed, row};
use super::table::Table;
use super::transaction::Transacted;

/// What every key begins with, so that scanners for leaked secrets can tell it.
const PREFIX: &str = "tdm_";

/// A key as the application sends it. Only its hash is stored.
pub struct ApiKeySecret(String);

impl ApiKeySecret {
    /// A new key from 256 random bits.
    #[must_use]
    pub fn from_random(bits: [u8; 32]) -> Self {
        Self(format!("{PREFIX}{}", hex::encode(bits)))
    }

    /// The key itself, to be shown once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The name under which the table knows the key.
    #[must_use]
    pub fn hash(&self) -> String {
        ApiKeys::hash_of(&self.0)
    }
}

/// What is stored of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// SHA-256 of the key, in hex. It names the key and may be shown: nothing leads from it to the key.
    pub hash: String,
    /// Whose key it is.
    pub tenant: TenantId,
    /// What a person called it.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it is not valid any more.
    pub revoked_at: Option<Timestamp>,
}

/// The API keys of all tenants.
pub struct ApiKeys {
    table: Table,
}

/// A key has two items of this form: one under its hash, one in its tenant's list.
#[derive(Serialize, Deserialize)]
struct KeyRow {
    document: String,
}

fn key(item: Item) -> Result<ApiKey> {
    parsed(&row::<KeyRow>(item)?.document)
}

impl ApiKeys {
    /// The keys in `table`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// The hash by which [`ApiKeys::find`] finds a presented key. No salt and no stretching: the keys are random.
    #[must_use]
    pub fn hash_of(presented: &str) -> String {
        hex::encode(Sha256::digest(presented.as_bytes()))
    }

    /// The key with this hash, revoked or not. One read call.
    ///
    /// # Errors
    /// `Storage` when the table fails; so do all methods below.
    pub async fn find(&self, hash: &str) -> Result<Option<ApiKey>> {
        self.table.get(keys::api_key(hash)).await?.map(key).transpose()
    }

    /// Stores a new key; `name` is what a person calls it. One write call.
    pub async fn create(&self, tenant: &TenantId, name: &str, secret: &ApiKeySecret, now: Timestamp) -> Result<ApiKey> {
        let key = ApiKey {
            hash: secret.hash(),
            tenant: tenant.clone(),
            name: name.to_owned(),
            created_at: now,
            revoked_at: None,
        };
        match self.write(&key, Condition::absent()).await? {
            Transacted::Done => Ok(key),
            Transacted::Refused(_) => Err(storage("an API key with the same secret is there already")),
        }
    }

    /// A tenant's keys, in no order that means anything. One read call.
    pub async fn list(&self, tenant: &TenantId) -> Result<Vec<ApiKey>> {
        let items = self.table.partition(keys::api_key_partition(tenant), None).await?;
        items.into_iter().map(key).collect()
    }

    /// Makes a tenant's key invalid from `now` on; `Ok(false)` when the tenant has no such key. One read and one write.
    pub async fn revoke(&self, tenant: &TenantId, hash: &str, now: Timestamp) -> Result<bool> {
        let Some(item) = self.table.get(keys::listed_api_key(tenant, hash)).await? else { return Ok(false) };
        let mut key = key(item)?;
        key.revoked_at.get_or_insert(now);
        match self.write(&key, Condition::new("attribute_exists(pk)")).await? {
            Transacted::Done => Ok(true),
            Transacted::Refused(_) => Err(storage("the API key is being changed")),
        }
    }

    /// Writes both items of a key.
    async fn write(&self, key: &ApiKey, condition: Condition) -> Result<Transacted> {
        let row = KeyRow { document: document(key)? };
        let places = [keys::api_key(&key.hash), keys::listed_api_key(&key.tenant, &key.hash)];
        let parts = places.map(|place| self.table.putting(item(place, &row)?, Some(condition.clone())));
        self.table.transact(parts.into_iter().collect::<Result<_>>()?).await
    }
}
