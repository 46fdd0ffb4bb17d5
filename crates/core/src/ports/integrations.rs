//! Which integrations a tenant has, and how one is woken.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::scope::{IntegrationId, Scope, TenantId};
use crate::error::Result;

/// The integrations of a tenant, between which its records are kept in step.
#[async_trait]
pub trait Peers: Send + Sync {
    /// The tenant's integrations, in no order, as they were at most 30 seconds ago; empty for a tenant that nobody knows. One that
    /// is paused is among them, for its outbox goes on waiting; one that was removed is not. A read call now and then.
    async fn of(&self, tenant: &TenantId) -> Result<Arc<[IntegrationId]>>;
}

/// Wakes integrations that have something new in their outboxes, so that a change is on the other side within seconds and not
/// with the next run. It is a quick way, and the run is the sure one.
#[async_trait]
pub trait Doorbell: Send + Sync {
    /// Has the outboxes of these integrations sent after `delay`, by one job of each, however often it is rung until that job
    /// begins. Entries must be stored before. Never fails: what could not be rung for is sent by the next run. One write call for
    /// each integration; none for none.
    async fn ring(&self, scopes: &[Scope], delay: Duration);
    /// The job begins: whoever rings from now on wakes another one. Before the outbox is read, so that no entry falls between
    /// the two. One write call.
    async fn answer(&self, scope: &Scope) -> Result<()>;
}
