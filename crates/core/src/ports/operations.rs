//! The log of what was written to platforms.

use async_trait::async_trait;
use jiff::Timestamp;

use super::place::TimePlace;
use crate::domain::operation::WriteCall;
use crate::domain::scope::Scope;
use crate::error::Result;

/// Calls that were noted together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    /// Where they stand.
    pub place: TimePlace,
    /// The calls, in the order in which they ended.
    pub calls: Vec<WriteCall>,
}

/// Keeps what was written to platforms, for 90 days.
#[async_trait]
pub trait OperationLog: Send + Sync {
    /// Keeps calls as a pack; keeping it twice is keeping it once. One write call; one more for each 350 KB that they come
    /// to packed, which is some 8,000 contacts.
    async fn keep(&self, scope: &Scope, pack: &Pack) -> Result<()>;
    /// Packs from this place down to those noted at `from`, the newest first, at most `limit`. One read call for a megabyte,
    /// and at least one for each month.
    async fn packs(&self, scope: &Scope, down_from: &TimePlace, from: Timestamp, limit: usize) -> Result<Vec<Pack>>;
}
