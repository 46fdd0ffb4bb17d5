//! `mautic_sync_status`: what became of each row.

use std::collections::BTreeMap;

use tandem_core::error::Result;
use tandem_core::ports::source::RowStatus;

use super::Supabase;
use super::upsert::{Known, Upsert};
use super::wire::Status;

const STATUSES: Upsert = Upsert { table: "mautic_sync_status", key: "customer_id", known: Known::Merged };

impl Supabase {
    /// One call for 500 statuses that tell the same things; what a status does not tell stays as it is.
    pub(super) async fn write_statuses(&self, statuses: &[RowStatus]) -> Result<()> {
        // Of two statuses of one row the last counts.
        let newest: BTreeMap<&str, &RowStatus> = statuses.iter().map(|status| (status.id.as_str(), status)).collect();
        let mut shapes: BTreeMap<_, Vec<Status<'_>>> = BTreeMap::new();
        for status in newest.into_values().map(row) {
            shapes.entry(shape(&status)).or_default().push(status);
        }
        for rows in shapes.values() {
            self.if_there(STATUSES.table, self.upsert_sound(STATUSES, rows)).await?;
        }
        Ok(())
    }
}

fn row(status: &RowStatus) -> Status<'_> {
    Status {
        customer_id: &status.id,
        mautic_contact_id: status.contact.as_ref().and_then(|contact| contact.0.parse().ok()),
        sync_hash: status.hash.as_deref(),
        last_synced_at: status.synced_at,
        sync_error: status.error.as_deref(),
    }
}

/// Which columns a row has: those of one call must agree.
fn shape(status: &Status<'_>) -> (bool, bool, bool) {
    (status.mautic_contact_id.is_some(), status.sync_hash.is_some(), status.last_synced_at.is_some())
}
