//! How platforms spell what they refused in the expected spelling.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::ports::spellings::{LearntSpellings, SpellingStore};

use super::keys;
use super::row::{document, item, parsed, row};
use super::table::Table;

/// [`SpellingStore`] over the table.
pub struct SpellingTable {
    table: Table,
}

#[derive(Serialize, Deserialize)]
struct SpellingRow {
    document: String,
}

impl SpellingTable {
    /// What `table` knows of spellings.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }
}

#[async_trait]
impl SpellingStore for SpellingTable {
    async fn read(&self, scope: &Scope) -> Result<LearntSpellings> {
        let Some(item) = self.table.get(keys::spellings(scope)).await? else { return Ok(LearntSpellings::new()) };
        parsed(&row::<SpellingRow>(item)?.document)
    }

    async fn save(&self, scope: &Scope, learnt: &LearntSpellings) -> Result<()> {
        let row = SpellingRow { document: document(learnt)? };
        self.table.put(item(keys::spellings(scope), &row)?).await
    }
}
