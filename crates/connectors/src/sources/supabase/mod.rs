//! Supabase, or any PostgreSQL behind PostgREST (observed on PostgREST 12.0.2 with PostgreSQL 17.6).
//!
//! Read is a view for each kind of records, whose columns are their fields. Written are tables that `docs/supabase.sql` makes, and a few
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

use tandem_core::domain::kind::Kind;
use tandem_core::error::Result;
use tandem_core::ports::Clock;

pub use settings::{Settings, VIEW};

use crate::http::Http;

/// A view that is read.
struct View {
    /// What its rows are of.
    kind: Kind,
    name: String,
    tells_changes: OnceLock<bool>,
}

/// The connection to one Supabase project. Share it: it remembers what the project does not have.
pub struct Supabase {
    client: client::Client,
    views: Vec<View>,
    clock: Arc<dyn Clock>,
    absent: absent::Absent,
}

impl Supabase {
    /// A connection that has made no call yet. `http` is best one of its own, for it counts calls.
    ///
    /// # Errors
    /// `Misconfigured` when a header can't carry the key.
    pub fn new(settings: Settings, http: Http, clock: Arc<dyn Clock>) -> Result<Self> {
        let view =
            |(kind, name): &(_, String)| View { kind: *kind, name: name.clone(), tells_changes: OnceLock::new() };
        let views = settings.views().iter().map(view).collect();
        let client = client::Client::new(settings, http, Arc::clone(&clock))?;
        Ok(Self { client, views, clock, absent: absent::Absent::default() })
    }
}

impl fmt::Debug for Supabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Supabase")
    }
}
