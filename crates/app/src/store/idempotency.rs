//! Answers to calls that carried an idempotency key, so that a repeat gets the first answer.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tandem_core::domain::link::Lease;
use tandem_core::domain::scope::TenantId;
use tandem_core::error::Result;

use super::access::Put;
use super::condition::Condition;
use super::keys;
use super::row::{LONGEST_TEXT, item, moment, row};
use super::table::Table;

/// How long an answer is kept, counted from the start of its call.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// What was answered.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// HTTP status.
    pub status: u16,
    /// The body, as it was sent.
    pub body: String,
}

impl std::fmt::Debug for StoredAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredAnswer").field("status", &self.status).finish_non_exhaustive()
    }
}

/// What a call with an idempotency key finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// It is the first, or the one before it died: do the work, then [`IdempotencyStore::finish`].
    Fresh,
    /// It was answered: answer the same.
    Replay(StoredAnswer),
    /// The first call is still being worked on.
    InProgress {
        /// When that call counts as dead.
        until: Timestamp,
    },
    /// The key was used for another request.
    Mismatch,
}

/// The calls of the last 24 hours that carried an idempotency key, per tenant.
pub struct IdempotencyStore {
    table: Table,
}

/// A call in progress has the lease, an answered one the answer.
#[derive(Serialize, Deserialize)]
struct CallRow {
    request_fingerprint: String,
    expires_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_until: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_body: Option<String>,
}

impl IdempotencyStore {
    /// The calls in `table`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Starts a call, or tells why it need not or must not be made. `digest` is the digest of the caller's key,
    /// `fingerprint` that of the request. `lease` names the caller, and the moment from which a repeat may take the call
    /// over. One write call.
    ///
    /// # Errors
    /// `Storage` when the table fails; so do all methods below.
    pub async fn start(
        &self,
        tenant: &TenantId,
        digest: &str,
        fingerprint: &str,
        now: Timestamp,
        lease: &Lease,
    ) -> Result<Start> {
        let call = CallRow {
            request_fingerprint: fingerprint.to_owned(),
            expires_at: now.as_second().saturating_add(KEPT.as_secs()),
            call_owner: Some(lease.owner.clone()),
            call_until: Some(lease.until.as_microsecond()),
            answer_status: None,
            answer_body: None,
        };
        // The table deletes expired items late, so that they have to be looked through.
        let forgotten = Condition::new("attribute_not_exists(pk) OR expires_at <= :second");
        let given_up = Condition::new("request_fingerprint = :fingerprint AND attribute_exists(call_until)")
            .text(":fingerprint", fingerprint)
            .and(Condition::unheld_or_ours("call_until", "call_owner", &lease.owner, now));
        let free = forgotten.number(":second", now.as_second()).or(given_up);
        match self.table.put_if(item(keys::answer(tenant, digest), &call)?, free).await? {
            Put::Done => Ok(Start::Fresh),
            Put::Refused(there) => found(row(there)?, fingerprint),
        }
    }

    /// Stores the answer to a call that `owner` started; nothing, if another took it over. An answer of more than 350 KB
    /// is not stored but forgotten: a repeat is made again, which is sound, as every operation may be. One write call.
    pub async fn finish(&self, tenant: &TenantId, digest: &str, owner: &str, answer: &StoredAnswer) -> Result<()> {
        if answer.body.len() > LONGEST_TEXT {
            return self.release(tenant, digest, owner).await;
        }
        let mine = Condition::new("call_owner = :owner")
            .text(":owner", owner)
            .number(":status", answer.status)
            .text(":body", &answer.body);
        let change = "SET answer_status = :status, answer_body = :body REMOVE call_owner, call_until";
        self.table.update(keys::answer(tenant, digest), change, mine).await?;
        Ok(())
    }

    /// Forgets a call that `owner` started and did not do, so that a repeat is fresh. One write call.
    pub async fn release(&self, tenant: &TenantId, digest: &str, owner: &str) -> Result<()> {
        let mine = Condition::new("call_owner = :owner").text(":owner", owner);
        self.table.delete(keys::answer(tenant, digest), Some(mine)).await?;
        Ok(())
    }
}

fn found(row: CallRow, fingerprint: &str) -> Result<Start> {
    if row.request_fingerprint != fingerprint {
        return Ok(Start::Mismatch);
    }
    match (row.answer_status, row.answer_body, row.call_until) {
        (Some(status), Some(body), _) => Ok(Start::Replay(StoredAnswer { status, body })),
        (_, _, until) => Ok(Start::InProgress { until: moment(until.unwrap_or_default())? }),
    }
}
