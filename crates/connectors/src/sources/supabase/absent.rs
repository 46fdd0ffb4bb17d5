//! Tables and columns that an installation does not have: not every shop keeps leads, or addresses of their own.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tandem_core::error::Result;

use super::Supabase;
use super::errors::Rejected;

/// How long a table that is not there is let alone.
const PAUSE: SignedDuration = SignedDuration::from_mins(10);

/// Which tables were found to be absent, and when.
#[derive(Default)]
pub(super) struct Absent(Mutex<BTreeMap<&'static str, Timestamp>>);

impl Absent {
    fn is_let_alone(&self, table: &str, now: Timestamp) -> bool {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(table).is_some_and(|at| now.duration_since(*at) < PAUSE)
    }

    /// Whether it is the first time.
    fn note(&self, table: &'static str, now: Timestamp) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(table, now).is_none()
    }
}

impl Supabase {
    /// What a call of a table that need not be there gave; `None` when the table, or a column of it, is not there. That is
    /// logged once, and the table let alone for ten minutes.
    pub(super) async fn if_there<T>(
        &self,
        table: &'static str,
        call: impl Future<Output = Result<T, Rejected>>,
    ) -> Result<Option<T>, Rejected> {
        if self.absent.is_let_alone(table, self.clock.now()) {
            return Ok(None);
        }
        match call.await {
            Ok(answer) => Ok(Some(answer)),
            Err(rejected) if rejected.lacks_table() || rejected.lacks_column() => {
                if self.absent.note(table, self.clock.now()) {
                    tracing::warn!(
                        table,
                        code = rejected.code(),
                        "Supabase lacks the table or a column: it is left out"
                    );
                }
                Ok(None)
            }
            Err(rejected) => Err(rejected),
        }
    }
}
