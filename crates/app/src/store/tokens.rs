//! An integration's access token, sealed, and the lock that lets one function fetch a new one.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Deserialize;
use tandem_core::domain::link::Lease;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::ports::{AccessToken, Attempt, TokenStore};

use super::condition::Condition;
use super::keys;
use super::row::{moment, row};
use super::table::Table;
use crate::sealing::Sealer;

/// [`TokenStore`] over the table, for the integrations whose secret the sealer was made from.
pub struct TokenTable {
    table: Table,
    sealer: Sealer,
}

/// Token and lock share an item, so that one write stores the token and gives the lock back.
#[derive(Deserialize)]
struct TokenRow {
    sealed_token: Option<String>,
    valid_until: Option<i64>,
}

impl TokenTable {
    /// The tokens in `table`. A token that `sealer` can't open counts as absent: the credentials were changed.
    #[must_use]
    pub fn new(table: Table, sealer: Sealer) -> Self {
        Self { table, sealer }
    }
}

/// What a sealed token is bound to, so that it can't be moved to another integration's item.
fn bound_to(scope: &Scope) -> String {
    format!("token {} {}", scope.tenant, scope.integration)
}

#[async_trait]
impl TokenStore for TokenTable {
    async fn read(&self, scope: &Scope) -> Result<Option<AccessToken>> {
        let Some(item) = self.table.get(keys::token(scope)).await? else { return Ok(None) };
        let row: TokenRow = row(item)?;
        let Some((sealed, until)) = row.sealed_token.zip(row.valid_until) else { return Ok(None) };
        let secret = self.sealer.open(&sealed, bound_to(scope).as_bytes());
        let Some(secret) = secret.and_then(|bytes| String::from_utf8(bytes).ok()) else { return Ok(None) };
        Ok(Some(AccessToken { secret, expires_at: moment(until)? }))
    }

    async fn lock(&self, scope: &Scope, lease: &Lease, now: Timestamp) -> Result<Attempt> {
        let free =
            Condition::unheld_or_ours("lock_until", "lock_owner", &lease.owner, now).moment(":until", lease.until);
        self.table.update(keys::token(scope), "SET lock_owner = :owner, lock_until = :until", free).await
    }

    async fn save(&self, scope: &Scope, token: &AccessToken, owner: &str) -> Result<()> {
        let mine = Condition::new("lock_owner = :owner")
            .text(":owner", owner)
            .text(":token", self.sealer.seal(token.secret.as_bytes(), bound_to(scope).as_bytes())?)
            .moment(":until", token.expires_at);
        let change = "SET sealed_token = :token, valid_until = :until REMOVE lock_owner, lock_until";
        // Not mine any more: whoever took the lock over fetches a token as good as this one and stores that.
        self.table.update(keys::token(scope), change, mine).await?;
        Ok(())
    }

    async fn unlock(&self, scope: &Scope, owner: &str) -> Result<()> {
        let mine = Condition::new("lock_owner = :owner").text(":owner", owner);
        self.table.update(keys::token(scope), "REMOVE lock_owner, lock_until", mine).await?;
        Ok(())
    }
}
