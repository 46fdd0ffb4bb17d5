//! How a simulated Mautic is set up.

use std::{path::PathBuf, time::Duration};

use super::version::MauticVersion;

/// When webhooks leave: within the request that caused them, or later in batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookMode {
    /// Delivered before the request that caused them is answered, as a fresh Mautic does.
    Immediate,
    /// Collected; delivered up to ten a body by a flush, or by a timer where a period is given.
    Queue {
        /// How often the queue is flushed without being told to.
        every: Option<Duration>,
    },
}

/// Everything that can be chosen about a simulated Mautic. Start from `default()` and change what matters.
#[derive(Debug, Clone)]
pub struct MauticOptions {
    pub(crate) version: MauticVersion,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) client_name: String,
    pub(crate) username: String,
    pub(crate) password: String,
    pub(crate) user_name: String,
    pub(crate) base_url: Option<String>,
    pub(crate) rate_limit: Option<u64>,
    pub(crate) race_window: Duration,
    pub(crate) latency: Duration,
    pub(crate) calls_a_second: Option<u32>,
    pub(crate) cores: usize,
    pub(crate) batch_entry: Duration,
    pub(crate) webhooks: WebhookMode,
    pub(crate) token_lifetime: Duration,
    pub(crate) journal: Option<PathBuf>,
    pub(crate) api_enabled: bool,
    pub(crate) basic_enabled: bool,
    pub(crate) private_hosts: Vec<String>,
    pub(crate) retry_delay: Duration,
}

impl Default for MauticOptions {
    fn default() -> Self {
        Self {
            version: MauticVersion::default(),
            client_id: "1_demo".into(),
            client_secret: "demo-secret".into(),
            client_name: "hub".into(),
            username: "admin".into(),
            password: "demo-password".into(),
            user_name: "Admin User".into(),
            base_url: None,
            rate_limit: None,
            race_window: Duration::from_millis(40),
            latency: Duration::ZERO,
            calls_a_second: None,
            cores: usize::MAX,
            batch_entry: Duration::ZERO,
            webhooks: WebhookMode::Immediate,
            token_lifetime: Duration::from_secs(3600),
            journal: None,
            api_enabled: true,
            basic_enabled: true,
            private_hosts: Vec::new(),
            retry_delay: Duration::from_secs(3600),
        }
    }
}

impl MauticOptions {
    /// Which Mautic it is; 5.1 by default.
    #[must_use]
    pub fn version(mut self, version: MauticVersion) -> Self {
        self.version = version;
        self
    }

    /// The OAuth2 client that may fetch tokens.
    #[must_use]
    pub fn client(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.client_id = id.into();
        self.client_secret = secret.into();
        self
    }

    /// The user that may use Basic authentication.
    #[must_use]
    pub fn basic(mut self, username: impl Into<String>, password: impl Into<String>) -> Self {
        self.username = username.into();
        self.password = password.into();
        self
    }

    /// The first and last name of that user, as Mautic writes them into what the user changes.
    #[must_use]
    pub fn user_name(mut self, name: impl Into<String>) -> Self {
        self.user_name = name.into();
        self
    }

    /// The address that Mautic believes to have; it stands in webhooks and links. By default, where it listens.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// How many API calls an hour are allowed; none by default.
    #[must_use]
    pub fn rate_limit(mut self, calls_per_hour: u64) -> Self {
        self.rate_limit = Some(calls_per_hour);
        self
    }

    /// The time between the look for a known address and the insert of a new contact, in which two creates overlap.
    #[must_use]
    pub fn race_window(mut self, window: Duration) -> Self {
        self.race_window = window;
        self
    }

    /// How long every API call takes at least.
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// How many API calls are answered in a second at most, as a server does that is busy with them: the others wait their
    /// turn. Any number by default.
    #[must_use]
    pub fn calls_a_second(mut self, calls: u32) -> Self {
        self.calls_a_second = Some(calls);
        self
    }

    /// How long a contact of a batch takes, on a server that works on so many calls at the same time: the others share what
    /// there is. No time by default. Mautic 5.1 took 30 to 43 ms on two cores.
    #[must_use]
    pub fn batches(mut self, entry: Duration, cores: usize) -> Self {
        self.batch_entry = entry;
        self.cores = cores;
        self
    }

    /// When webhooks are delivered.
    #[must_use]
    pub fn webhooks(mut self, mode: WebhookMode) -> Self {
        self.webhooks = mode;
        self
    }

    /// How long a token is good for.
    #[must_use]
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = lifetime;
        self
    }

    /// Keeps all state in this file: a restart, even after a kill, goes on where the last answered call left off.
    #[must_use]
    pub fn journal(mut self, path: impl Into<PathBuf>) -> Self {
        self.journal = Some(path.into());
        self
    }

    /// Private hosts to which Mautic 7.0 may deliver webhooks, as its setting `webhook_allowed_private_addresses` lists them:
    /// by their exact names. None by default, and then every delivery to a private address is refused. 5.1 does not ask.
    #[must_use]
    pub fn allowed_private_addresses(mut self, hosts: &[&str]) -> Self {
        self.private_hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        self
    }

    /// How long Mautic 7.0 keeps a delivery of its queue that was not answered 2xx before it sends it again; an hour by
    /// default, as `webhook_retry_delay` is. 5.1 keeps none that was answered.
    #[must_use]
    pub fn webhook_retry_delay(mut self, delay: Duration) -> Self {
        self.retry_delay = delay;
        self
    }

    /// Whether the API, and Basic authentication for it, are switched on.
    #[must_use]
    pub fn enabled(mut self, api: bool, basic: bool) -> Self {
        self.api_enabled = api;
        self.basic_enabled = basic;
        self
    }
}
