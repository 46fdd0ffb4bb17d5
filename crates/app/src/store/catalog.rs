//! The cached list of a platform's fields.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tandem_core::domain::catalog::FieldCatalog;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::ports::CatalogStore;

use super::keys;
use super::row::{document, item, parsed, row};
use super::table::Table;

/// [`CatalogStore`] over the table.
pub struct CatalogTable {
    table: Table,
}

#[derive(Serialize, Deserialize)]
struct CatalogRow {
    document: String,
}

impl CatalogTable {
    /// The catalogs in `table`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }
}

#[async_trait]
impl CatalogStore for CatalogTable {
    async fn read(&self, scope: &Scope) -> Result<Option<FieldCatalog>> {
        let Some(item) = self.table.get(keys::catalog(scope)).await? else { return Ok(None) };
        parsed(&row::<CatalogRow>(item)?.document).map(Some)
    }

    async fn save(&self, scope: &Scope, catalog: &FieldCatalog) -> Result<FieldCatalog> {
        let catalog = catalog.clone().following(self.read(scope).await?.as_ref());
        let row = CatalogRow { document: document(&catalog)? };
        self.table.put(item(keys::catalog(scope), &row)?).await?;
        Ok(catalog)
    }
}
