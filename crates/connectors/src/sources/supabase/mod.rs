//! Supabase, or any PostgreSQL behind PostgREST (observed on PostgREST 12.0.2 with PostgreSQL 17.6).
//!
//! Read is a view whose columns are the fields of the records. Written are tables that `docs/supabase.sql` makes, and a few
//! columns of tables that a shop has; `docs/supabase.md` names them all. Everything that is written may be written twice.

mod absent;
mod changes;
mod client;
mod convert;
mod engagement;
mod errors;
mod newcomers;
mod people;
mod reading;
mod runs;
pub mod settings;
mod source;
mod statuses;
mod upsert;
mod wire;

use std::fmt;
use std::sync::{Arc, OnceLock};

use tandem_core::error::Result;
use tandem_core::ports::Clock;

pub use settings::{Settings, VIEW};

use crate::http::Http;

/// The connection to one Supabase project. Share it: it remembers what the project does not have.
pub struct Supabase {
    client: client::Client,
    view: String,
    clock: Arc<dyn Clock>,
    tells_changes: OnceLock<bool>,
    absent: absent::Absent,
}

impl Supabase {
    /// A connection that has made no call yet. `http` is best one of its own, for it counts calls.
    ///
    /// # Errors
    /// `Misconfigured` when a header can't carry the key.
    pub fn new(settings: Settings, http: Http, clock: Arc<dyn Clock>) -> Result<Self> {
        let view = settings.view().to_owned();
        let client = client::Client::new(settings, http, Arc::clone(&clock))?;
        Ok(Self { client, view, clock, tells_changes: OnceLock::new(), absent: absent::Absent::default() })
    }
}

impl fmt::Debug for Supabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Supabase")
    }
}
