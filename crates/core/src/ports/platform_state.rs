//! What is kept of a platform between two calls: token, budget, circuit, list of fields.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::catalog::FieldCatalog;
use crate::domain::link::Lease;
use crate::domain::scope::Scope;
use crate::error::Result;

use super::Attempt;

/// A platform's access token.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// The secret itself.
    pub secret: String,
    /// When the platform stops taking it.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// The token that all functions of an integration share, and the lock that lets one of them fetch a new one.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// The stored token, if there is one. One read call.
    async fn read(&self, scope: &Scope) -> Result<Option<AccessToken>>;
    /// Takes the right to fetch a token; `Contended` while another function holds it. One write call.
    async fn lock(&self, scope: &Scope, lease: &Lease, now: Timestamp) -> Result<Attempt>;
    /// Stores a token and gives the lock back. One write call.
    async fn save(&self, scope: &Scope, token: &AccessToken, owner: &str) -> Result<()>;
    /// Gives the lock back without a token. One write call.
    async fn unlock(&self, scope: &Scope, owner: &str) -> Result<()>;
}

/// What is known of a platform's budget of calls.
#[async_trait]
pub trait BudgetStore: Send + Sync {
    /// The moment until which the platform takes no call, if that is known. One read call.
    async fn exhausted_until(&self, scope: &Scope) -> Result<Option<Timestamp>>;
    /// Notes that the budget is used up until `reset`, as was found out at `now`. One write call.
    async fn exhaust(&self, scope: &Scope, reset: Timestamp, now: Timestamp) -> Result<()>;
    /// Takes the right to find out by a call whether a budget that is used up is back, unless somebody took it after `before`, or
    /// it is back. One write call.
    async fn claim_probe(&self, scope: &Scope, before: Timestamp, now: Timestamp) -> Result<bool>;
    /// Notes that calls are welcome again. One write call.
    async fn clear(&self, scope: &Scope) -> Result<()>;
}

/// What is known of a platform that does not answer.
#[async_trait]
pub trait CircuitStore: Send + Sync {
    /// The moment until which no call is worth its time, if one was noted. One read call.
    async fn silent_until(&self, scope: &Scope) -> Result<Option<Timestamp>>;
    /// Notes that the platform does not answer, and that no call is made until then. One write call.
    async fn note_silence(&self, scope: &Scope, until: Timestamp) -> Result<()>;
}

/// The cached list of the platform's fields.
#[async_trait]
pub trait CatalogStore: Send + Sync {
    /// The list as last read, however old. One read call.
    async fn read(&self, scope: &Scope) -> Result<Option<FieldCatalog>>;
    /// Stores a list as the one that follows the stored one ([`FieldCatalog::following`]), and gives it. One read call and one
    /// write call.
    async fn save(&self, scope: &Scope, catalog: &FieldCatalog) -> Result<FieldCatalog>;
}
