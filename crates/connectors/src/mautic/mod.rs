//! Mautic, as it really behaves (observed on 5.1.0; each fact names the recorded exchange that shows it).

mod address;
mod batches;
mod budget;
mod bulk;
mod campaigns;
mod changes;
mod circuit;
mod client;
mod companies;
mod company_search;
mod consent;
mod contacts;
mod convert;
mod errors;
mod export;
mod feeds;
mod fields;
mod hooks;
mod memberships;
mod platform;
mod reserved;
mod rights;
mod segments;
pub mod settings;
pub mod setup;
mod spellings;
mod stages;
mod stats;
mod users;
pub mod vocabulary;
pub mod webhook;
mod wire;

use std::fmt;

use tandem_core::domain::kind::Kind;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::mapping::{MappingSet, Platform};

pub use batches::{BATCH_AT_MOST, Replacement};
pub use campaigns::Campaign;
pub use companies::Company;
pub use contacts::{EMAILS_AT_MOST, IDS_AT_MOST};
pub use convert::WholeContact;
pub use fields::ContactField;
pub use hooks::{Hook, HookSetup};
pub use segments::Segment;
pub use settings::{Auth, Settings};
pub use stats::{History, HistoryEvent};
pub use users::User;

use crate::Ports;
use crate::http::Http;

/// The field rules that an integration begins with, in the form that `tandem_core::mapping::RuleSet` reads.
pub const FIELDS: &str = include_str!("fields.toml");

/// The same for organisations, which are companies there.
pub const COMPANY_FIELDS: &str = include_str!("companies.toml");

/// What mapping sets are held against.
pub const PLATFORM: Platform = Platform {
    name: "Mautic",
    objects: &[(Kind::Person, "contact"), (Kind::Organisation, companies::OBJECT)],
    address: "email",
    reserved: reserved::NAMES,
    changes_duplicates: false,
};

/// The mapping set that an integration begins with.
///
/// # Errors
/// `Misconfigured` when [`FIELDS`] or [`COMPANY_FIELDS`] can't be read, which a test rules out.
pub fn built_in_mappings() -> Result<MappingSet> {
    MappingSet::built_in("contact", FIELDS)?.and(Kind::Organisation, companies::OBJECT, COMPANY_FIELDS)
}

/// The connection of one integration to its Mautic. Share it: it holds the token and what is known of the budget.
pub struct Mautic {
    client: client::Client,
}

impl Mautic {
    /// A connection that has made no call yet.
    ///
    /// # Errors
    /// `Misconfigured` when a header can't carry the user or password.
    pub fn new(settings: Settings, scope: &Scope, http: Http, ports: &Ports) -> Result<Self> {
        Ok(Self { client: client::Client::new(settings, scope, http, ports)? })
    }

    /// The installation's address, for the person who set it.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.client.base().as_str()
    }

    /// The same connection for work on all contacts, which leaves a share of the budget of calls to those that somebody waits
    /// for.
    #[must_use]
    pub fn in_background(&self) -> Self {
        Self { client: self.client.in_background() }
    }

    /// The same connection for callers who wait: a call that is no bulk call is given up after this time, 10 seconds at most.
    #[must_use]
    pub fn giving_up_after(&self, time: std::time::Duration) -> Self {
        Self { client: self.client.giving_up_after(time) }
    }
}

impl fmt::Debug for Mautic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mautic")
    }
}
