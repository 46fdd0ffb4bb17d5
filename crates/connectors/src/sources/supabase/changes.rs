//! `mautic_contact_changes`: what people changed in Mautic, for the application to take over.

use std::collections::BTreeMap;

use serde_json::Value;
use tandem_core::error::Result;
use tandem_core::ports::source::Pulled;

use super::Supabase;
use super::convert::storable;
use super::upsert::{Known, Upsert};
use super::wire::Change;

/// A trigger of the table keeps a newer change from being replaced by an older one.
const CHANGES: Upsert = Upsert { table: "mautic_contact_changes", key: "customer_id,field", known: Known::Merged };

impl Supabase {
    /// A missing table is a failure here: what is not handed over would be lost.
    pub(super) async fn write_changes(&self, pulled: &[Pulled]) -> Result<()> {
        let mut newest: BTreeMap<(&str, &str), Change<'_>> = BTreeMap::new();
        for change in pulled.iter().flat_map(changes) {
            let key = (change.customer_id, change.field);
            if newest.get(&key).is_none_or(|known| known.changed_at <= change.changed_at) {
                newest.insert(key, change);
            }
        }
        let rows: Vec<Value> = newest.values().map(storable).collect::<Result<_>>()?;
        Ok(self.upsert_sound(CHANGES, &rows).await?)
    }
}

fn changes(pulled: &Pulled) -> impl Iterator<Item = Change<'_>> {
    pulled.fields.iter().map(|(field, value)| Change { customer_id: &pulled.id, field, value, changed_at: pulled.at })
}
