//! The keys by which applications prove which tenant they are.

use aws_sdk_dynamodb::types::TransactWriteItem;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tandem_core::domain::role::Role;
use tandem_core::domain::scope::TenantId;
use tandem_core::domain::tenant::Label;
use tandem_core::error::Result;
use tandem_core::ports::Attempt;

use super::audit::{self, AuditEntry};
use super::condition::Condition;
use super::failure::storage;
use super::keys;
use super::row::{Item, document, item, moment, parsed, row};
use super::table::Table;
use super::transaction::Transacted;

/// What every key begins with, so that scanners for leaked secrets can tell it.
const PREFIX: &str = "tdm_";

/// How exactly it is known when a key was last used: so its use costs next to nothing.
const USE_NOTED: SignedDuration = SignedDuration::from_hours(1);

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
    /// What a person called it; no two valid keys of a tenant have one name.
    pub name: Label,
    /// What its holder may do.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is not valid any more; `None` for good.
    pub expires_at: Option<Timestamp>,
    /// Since when it is not valid any more, because somebody said so.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the hour; only lists know it.
    #[serde(skip)]
    pub used_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether a call may be made with it.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// A key that is to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Whose it will be.
    pub tenant: TenantId,
    /// What a person calls it.
    pub name: Label,
    /// What its holder may do.
    pub role: Role,
    /// From when on it is not valid any more.
    pub expires_at: Option<Timestamp>,
}

/// What became of a new key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is stored.
    Done(ApiKey),
    /// Another valid key of the tenant has the name.
    NameTaken,
}

/// The API keys of all tenants.
pub struct ApiKeys {
    table: Table,
}

/// A key has two items of this form: one under its hash, one in its tenant's list, which also says when it was used.
#[derive(Serialize, Deserialize)]
struct KeyRow {
    document: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    used_at: Option<i64>,
}

/// Which key has a name.
#[derive(Serialize)]
struct NameRow {
    key_hash: String,
}

fn key(item: Item) -> Result<ApiKey> {
    let KeyRow { document, used_at } = row(item)?;
    Ok(ApiKey { used_at: used_at.map(moment).transpose()?, ..parsed(&document)? })
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

    /// The key with this hash, valid or not. One read call.
    ///
    /// # Errors
    /// `Storage` when the table fails; so do all methods below.
    pub async fn find(&self, hash: &str) -> Result<Option<ApiKey>> {
        self.table.get(keys::api_key(hash)).await?.map(key).transpose()
    }

    /// A tenant's key with this hash, with its last use. One read call.
    pub async fn of_tenant(&self, tenant: &TenantId, hash: &str) -> Result<Option<ApiKey>> {
        self.table.get(keys::listed_api_key(tenant, hash)).await?.map(key).transpose()
    }

    /// Stores a new key with its audit entry. One write call.
    pub async fn create(&self, new: NewKey, secret: &ApiKeySecret, entry: &AuditEntry) -> Result<Created> {
        let key = ApiKey {
            hash: secret.hash(),
            tenant: new.tenant,
            name: new.name,
            role: new.role,
            created_at: entry.at,
            expires_at: new.expires_at,
            revoked_at: None,
            used_at: None,
        };
        let place = keys::api_key_name(&key.tenant, key.name.as_str());
        let name = item(place, &NameRow { key_hash: key.hash.clone() })?;
        let mut parts = vec![self.table.putting(name, Some(Condition::absent()))?];
        parts.extend(self.writing(&key, &Condition::absent())?);
        parts.push(audit::noting(&self.table, &key.tenant, entry)?);
        match self.table.transact(parts).await? {
            Transacted::Done => Ok(Created::Done(key)),
            Transacted::Refused(parts) if parts.contains(&0) => Ok(Created::NameTaken),
            Transacted::Refused(_) => Err(storage("an API key with the same secret is there already")),
        }
    }

    /// A tenant's keys in the order of their hashes, after one of them, at most `limit`. One read call.
    pub async fn list(&self, tenant: &TenantId, after: Option<&str>, limit: usize) -> Result<Vec<ApiKey>> {
        let items = self.table.partition_after(keys::api_key_partition(tenant), after, limit).await?;
        items.into_iter().map(key).collect()
    }

    /// Makes a tenant's key invalid from the entry's moment on, and its name free; `Ok(None)` when the tenant has no such key.
    /// One read and one write; no write when it is revoked already.
    pub async fn revoke(&self, tenant: &TenantId, hash: &str, entry: &AuditEntry) -> Result<Option<ApiKey>> {
        let Some(mut key) = self.of_tenant(tenant, hash).await? else { return Ok(None) };
        if key.revoked_at.is_some() {
            return Ok(Some(key));
        }
        key.revoked_at = Some(entry.at);
        let mut parts = self.writing(&key, &Condition::new("attribute_exists(pk)"))?;
        let ours = Condition::new("attribute_not_exists(pk) OR key_hash = :hash").text(":hash", &key.hash);
        parts.push(self.table.deleting(keys::api_key_name(tenant, key.name.as_str()), Some(ours))?);
        parts.push(audit::noting(&self.table, tenant, entry)?);
        match self.table.transact(parts).await? {
            Transacted::Done => Ok(Some(key)),
            Transacted::Refused(_) => Err(storage("the API key is being changed")),
        }
    }

    /// Notes that a key was used, unless that was noted within the hour. One write call.
    pub async fn note_use(&self, key: &ApiKey, now: Timestamp) -> Result<Attempt> {
        let noted = now.saturating_sub(USE_NOTED).unwrap_or(now);
        let old = Condition::new("attribute_exists(pk)")
            .and(Condition::new("attribute_not_exists(used_at) OR used_at < :noted").moment(":noted", noted))
            .moment(":now", now);
        self.table.update(keys::listed_api_key(&key.tenant, &key.hash), "SET used_at = :now", old).await
    }

    /// Writes both items of a key.
    fn writing(&self, key: &ApiKey, condition: &Condition) -> Result<Vec<TransactWriteItem>> {
        let row = KeyRow { document: document(key)?, used_at: key.used_at.map(Timestamp::as_microsecond) };
        let places = [keys::api_key(&key.hash), keys::listed_api_key(&key.tenant, &key.hash)];
        places.into_iter().map(|place| self.table.putting(item(place, &row)?, Some(condition.clone()))).collect()
    }
}
