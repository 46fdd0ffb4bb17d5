//! Bulk upserts that lose no row to another.

use tandem_core::error::Result;

use super::Supabase;
use super::client::Request;
use super::errors::Rejected;
use serde::Serialize;

/// The most rows of one call.
const ROWS_AT_MOST: usize = 500;

/// Where rows go, and what becomes of those that are there.
#[derive(Clone, Copy)]
pub(super) struct Upsert {
    pub table: &'static str,
    /// The columns that tell rows apart. Two rows of one call may not agree in them (PostgreSQL's 21000).
    pub key: &'static str,
    pub known: Known,
}

/// What becomes of rows that are there.
#[derive(Clone, Copy)]
pub(super) enum Known {
    /// They take the columns given.
    Merged,
    /// They stay as they are.
    Kept,
}

impl Upsert {
    /// One call. All rows must have the same columns (PGRST102).
    fn request(self, rows: &[impl Serialize]) -> Result<Request> {
        let prefer = match self.known {
            Known::Merged => "resolution=merge-duplicates,return=minimal",
            Known::Kept => "resolution=ignore-duplicates,return=minimal",
        };
        Request::post(self.table).with("on_conflict", self.key).preferring(prefer).in_bulk().carrying(&rows)
    }
}

impl Supabase {
    /// Writes rows, or none of a call's when one of them is refused. One call for 500.
    pub(super) async fn upsert(&self, how: Upsert, rows: &[impl Serialize]) -> Result<(), Rejected> {
        for part in rows.chunks(ROWS_AT_MOST) {
            self.client.write(how.request(part)?).await?;
        }
        Ok(())
    }

    /// Writes rows but for those that are refused: a call's are halved until the odd one is alone, which is logged without
    /// data. One call for 500, and about 18 for each odd one.
    pub(super) async fn upsert_sound(&self, how: Upsert, rows: &[impl Serialize]) -> Result<(), Rejected> {
        let mut parts: Vec<_> = rows.chunks(ROWS_AT_MOST).collect();
        while let Some(part) = parts.pop() {
            match self.client.write(how.request(part)?).await {
                Ok(()) => {}
                Err(rejected) if rejected.is_about_a_row() && part.len() > 1 => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([first, second]);
                }
                Err(rejected) if rejected.is_about_a_row() => {
                    tracing::warn!(table = how.table, code = rejected.code(), "Supabase refused a row: it is left out");
                }
                Err(rejected) => return Err(rejected),
            }
        }
        Ok(())
    }
}
