//! Clients of the platforms and sources that Tandem keeps in step.
//!
//! One folder a platform, all with the same files: `settings` (where and as whom), `client` (the authorised call),
//! `wire` (bodies as sent and answered), `convert` (wire to domain and back), `errors` (answers to failures),
//! `platform` (the port of `tandem-core`), `setup` (what `tandem connect` does), and one file per subject of its API. The
//! folders of `sources` are laid out alike. `billing` reads what payment providers deliver; it calls nobody.

pub mod billing;
pub mod http;
pub mod mautic;
pub mod oauth;
pub mod registry;
pub mod sources;

use std::fmt;
use std::sync::Arc;

use tandem_core::ports::spellings::SpellingStore;
use tandem_core::ports::{BudgetStore, CircuitStore, Clock, Entropy, Sleep, TokenStore};

/// What a connector needs from the world besides the network.
#[derive(Clone)]
pub struct Ports {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance and names.
    pub entropy: Arc<dyn Entropy>,
    /// Waiting.
    pub sleep: Arc<dyn Sleep>,
    /// The access token that all functions share.
    pub tokens: Arc<dyn TokenStore>,
    /// What all functions know of the platform's budget of calls.
    pub budgets: Arc<dyn BudgetStore>,
    /// What all functions know of a platform that does not answer.
    pub circuits: Arc<dyn CircuitStore>,
    /// What any function learnt of how the platform spells places.
    pub spellings: Arc<dyn SpellingStore>,
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ports")
    }
}
