//! `mautic_contact_changes`, and `mautic_record_changes` for organisations and deals: what people changed in Mautic, for the
//! application to take over.

use std::collections::BTreeMap;

use serde_json::Value;
use tandem_core::error::Result;
use tandem_core::ports::source::Pulled;

use super::Supabase;
use super::convert::storable;
use super::upsert::{Known, Upsert};
use super::wire::{Change, RecordChange};

/// A trigger of the table keeps a newer change from being replaced by an older one.
const CHANGES: Upsert = Upsert { table: "mautic_contact_changes", key: "customer_id,field", known: Known::Merged };
/// So does that of this one.
const RECORD_CHANGES: Upsert =
    Upsert { table: "mautic_record_changes", key: "kind,record_id,field", known: Known::Merged };

impl Supabase {
    /// A missing table is a failure here: what is not handed over would be lost.
    pub(super) async fn write_changes(&self, pulled: &[Pulled]) -> Result<()> {
        let (people, others): (Vec<&Pulled>, Vec<&Pulled>) = pulled.iter().partition(|one| one.kind.is_person());
        let people: Vec<Value> = newest(people).iter().map(customer_change).collect::<Result<_>>()?;
        let others: Vec<Value> = newest(others).iter().map(record_change).collect::<Result<_>>()?;
        if !people.is_empty() {
            self.upsert_sound(CHANGES, &people).await?;
        }
        if !others.is_empty() {
            self.upsert_sound(RECORD_CHANGES, &others).await?;
        }
        Ok(())
    }
}

/// The newest change of each field of each row.
fn newest(pulled: Vec<&Pulled>) -> Vec<(&Pulled, &str, &Value)> {
    let mut newest: BTreeMap<_, (&Pulled, &str, &Value)> = BTreeMap::new();
    for one in pulled {
        for (field, value) in &one.fields {
            let key = (one.kind, one.id.as_str(), field.as_str());
            if newest.get(&key).is_none_or(|(known, ..)| known.at <= one.at) {
                newest.insert(key, (one, field, value));
            }
        }
    }
    newest.into_values().collect()
}

fn customer_change((row, field, value): &(&Pulled, &str, &Value)) -> Result<Value> {
    storable(&Change { customer_id: &row.id, field, value, changed_at: row.at })
}

fn record_change((row, field, value): &(&Pulled, &str, &Value)) -> Result<Value> {
    storable(&RecordChange { kind: row.kind, record_id: &row.id, field, value, changed_at: row.at })
}
