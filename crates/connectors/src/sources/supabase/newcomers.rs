//! `mautic_new_contacts`: people who appeared in Mautic, for the application to make customers of.

use serde_json::Value;
use tandem_core::error::Result;
use tandem_core::ports::source::Appeared;

use super::Supabase;
use super::convert::storable;
use super::upsert::{Known, Upsert};
use super::wire::Newcomer;

/// Told twice, a person is there once, and stays taken.
const NEWCOMERS: Upsert = Upsert { table: "mautic_new_contacts", key: "record", known: Known::Kept };

impl Supabase {
    /// A missing table is a failure here: nobody would hear of the person.
    pub(super) async fn write_newcomers(&self, people: &[Appeared]) -> Result<()> {
        let rows: Vec<Value> = people.iter().map(|one| storable(&row(one))).collect::<Result<_>>()?;
        Ok(self.upsert_sound(NEWCOMERS, &rows).await?)
    }
}

fn row(one: &Appeared) -> Newcomer<'_> {
    Newcomer {
        record: one.record.as_str(),
        email: one.email.as_ref().map(|email| email.as_str()),
        fields: &one.fields,
        integration: one.integration.to_string(),
        appeared_at: one.at,
    }
}
