//! Which integrations a tenant has.

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::scope::{IntegrationId, TenantId};
use crate::error::Result;

/// The integrations of a tenant, between which its records are kept in step.
#[async_trait]
pub trait Peers: Send + Sync {
    /// The tenant's integrations, in no order, as they were at most 30 seconds ago; empty for a tenant that nobody knows. One that
    /// is paused is among them, for its outbox goes on waiting; one that was removed is not. A read call now and then.
    async fn of(&self, tenant: &TenantId) -> Result<Arc<[IntegrationId]>>;
}
