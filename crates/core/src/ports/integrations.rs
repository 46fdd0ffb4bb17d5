//! Which integrations a tenant has.

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::scope::{IntegrationId, TenantId};
use crate::error::Result;

/// The integrations of a tenant, between which its records are kept in step.
#[async_trait]
pub trait Peers: Send + Sync {
    /// The tenant's integrations that are in use, in no order, as they were at most 30 seconds ago; empty for a tenant that
    /// nobody knows. A read call now and then.
    async fn of(&self, tenant: &TenantId) -> Result<Arc<[IntegrationId]>>;
}
