//! Who has to do with whom, the other way round: of a record, which other ones name it.

use async_trait::async_trait;

use crate::domain::identity::{Identity, RecordKey};
use crate::domain::scope::TenantId;
use crate::error::Result;

/// A record that names another one by its identity, whether or not that is known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Who names.
    pub from: RecordKey,
    /// Who is named.
    pub to: Identity,
}

/// The relations of a tenant's records. An entry may be there of a record that does not name the other one any more: whoever
/// reads it looks at the record. All of them go when who names is erased.
#[async_trait]
pub trait RelationStore: Send + Sync {
    /// Notes relations, from both sides; doing it twice is doing it once. One write call for 50.
    async fn relate(&self, tenant: &TenantId, relations: &[Relation]) -> Result<()>;
    /// Records that name this one, in the order of their keys behind `after`, at most `limit`. One read call.
    async fn relatives(
        &self,
        tenant: &TenantId,
        of: &Identity,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>>;
}
