//! What was learnt of an installation's spellings.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::domain::scope::Scope;
use crate::error::Result;

/// How a platform spells what it refused in the spelling that was expected, by Tandem's own names: `country Turkey`. A few
/// dozen at most, and none that could not be learnt anew.
pub type LearntSpellings = BTreeMap<String, String>;

/// Keeps what a process learnt of an installation's spellings for all others.
#[async_trait]
pub trait SpellingStore: Send + Sync {
    /// What was learnt last. One read call.
    async fn read(&self, scope: &Scope) -> Result<LearntSpellings>;
    /// Stores it in the place of what was known; the last who does so is right. One write call.
    async fn save(&self, scope: &Scope, learnt: &LearntSpellings) -> Result<()>;
}
