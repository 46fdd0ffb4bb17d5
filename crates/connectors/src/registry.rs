//! The platforms that there are: what is stored of an integration, checked, and the connection that follows from it. The one
//! place that matches on a platform's name.

mod options;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::domain::platform::PlatformInfo;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::mapping::Vocabulary;
use tandem_core::ports::bulk::BulkPlatform;
use tandem_core::ports::changes::ChangeLog;
use tandem_core::ports::objects::PlatformObjects;
use tandem_core::ports::{MarketingPlatform, PlatformEvents};
use tandem_core::sync::services::Background;
use tandem_core::webhook::entry::Deliveries;

pub use options::{EnrolmentOptions, Options, Tuning};

use crate::Ports;
use crate::http::Http;
use crate::mautic::vocabulary::MauticVocabulary;
use crate::mautic::webhook::MauticDeliveries;
use crate::mautic::{Auth, Mautic, Settings};

/// A platform that Tandem knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// Mautic.
    Mautic,
}

impl Platform {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::Mautic];

    /// Its name in requests and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mautic => "mautic",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Platform {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|platform| platform.as_str() == text).ok_or("must be mautic")
    }
}

/// What is set of an integration, but for its credentials. This is the stored form, too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IntegrationSettings {
    /// Which platform.
    pub platform: Platform,
    /// Where it is.
    pub base_url: String,
    /// How it is worked with; what is left out is as usual.
    #[serde(default)]
    pub options: Options,
}

/// As whom Tandem calls a platform.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Credentials {
    /// OAuth2 client credentials.
    ClientCredentials {
        /// The client's id.
        client_id: String,
        /// Its secret.
        client_secret: String,
    },
    /// A user's name and password.
    Password {
        /// The user's name.
        username: String,
        /// The user's password.
        password: String,
    },
}

impl Credentials {
    /// Their kind, for answers.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::ClientCredentials { .. } => "client_credentials",
            Self::Password { .. } => "password",
        }
    }

    /// What only Tandem and the platform know; tokens are sealed with it.
    #[must_use]
    pub fn secret(&self) -> &str {
        match self {
            Self::ClientCredentials { client_secret, .. } => client_secret,
            Self::Password { password, .. } => password,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientCredentials { .. } => "ClientCredentials(..)",
            Self::Password { .. } => "Password(..)",
        })
    }
}

/// A platform as the business sees it.
#[derive(Clone)]
pub struct Connection {
    /// The platform itself.
    pub platform: Arc<dyn MarketingPlatform>,
    /// Its calls on many contacts.
    pub bulk: Arc<dyn BulkPlatform>,
    /// Its things that are no people.
    pub objects: Arc<dyn PlatformObjects>,
    /// Its log of changes.
    pub changes: Arc<dyn ChangeLog>,
    /// Its way of telling what happened.
    pub events: Arc<dyn PlatformEvents>,
    /// The first four for work on all contacts.
    pub background: Background,
    /// How its deliveries are read.
    pub deliveries: Arc<dyn Deliveries>,
    /// Its own names of countries, regions, locales and time zones.
    pub vocabulary: Arc<dyn Vocabulary>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

impl From<Mautic> for Connection {
    fn from(mautic: Mautic) -> Self {
        let (background, mautic) = (Arc::new(mautic.in_background()), Arc::new(mautic));
        Self {
            bulk: Arc::clone(&mautic) as Arc<dyn BulkPlatform>,
            objects: Arc::clone(&mautic) as Arc<dyn PlatformObjects>,
            changes: Arc::clone(&mautic) as Arc<dyn ChangeLog>,
            events: Arc::clone(&mautic) as Arc<dyn PlatformEvents>,
            platform: mautic,
            background: Background {
                platform: Arc::clone(&background) as Arc<dyn MarketingPlatform>,
                bulk: Arc::clone(&background) as Arc<dyn BulkPlatform>,
                objects: Arc::clone(&background) as Arc<dyn PlatformObjects>,
                changes: background,
            },
            deliveries: Arc::new(MauticDeliveries),
            vocabulary: Arc::new(MauticVocabulary),
        }
    }
}

impl IntegrationSettings {
    /// What the settings mean.
    ///
    /// # Errors
    /// Every setting that can't be used, by its name in requests.
    pub fn check(&self, credentials: &Credentials) -> Result<Tuning, Vec<FieldIssue>> {
        let mut issues = Vec::new();
        if let Err(failure) = self.mautic(credentials) {
            issues.push(FieldIssue::new("baseUrl", IssueCode::Invalid, failure.message));
        }
        match self.options.check() {
            Ok(tuning) if issues.is_empty() => Ok(tuning),
            Ok(_) => Err(issues),
            Err(more) => {
                issues.extend(more);
                Err(issues)
            }
        }
    }

    /// The connection to the platform. It has made no call yet. `patience`: after how long a call is given up that somebody
    /// waits for.
    ///
    /// # Errors
    /// `Misconfigured` for settings that can't be used.
    pub fn connect(
        &self,
        credentials: &Credentials,
        scope: &Scope,
        http: Http,
        ports: &Ports,
        patience: Option<Duration>,
    ) -> Result<Connection> {
        match self.platform {
            Platform::Mautic => {
                let mautic = Mautic::new(self.mautic(credentials)?, scope, http, ports)?;
                Ok(match patience {
                    Some(time) => mautic.giving_up_after(time).into(),
                    None => mautic.into(),
                })
            }
        }
    }

    /// Whether the platform is there and takes the credentials. One call, and one for a token.
    ///
    /// # Errors
    /// As the platform answers, or does not.
    pub async fn try_out(
        &self,
        credentials: &Credentials,
        scope: &Scope,
        http: Http,
        ports: &Ports,
    ) -> Result<PlatformInfo> {
        self.connect(credentials, scope, http, ports, None)?.platform.ping().await
    }

    /// The same as Mautic's connector takes it.
    ///
    /// # Errors
    /// `Misconfigured` when the address is none.
    pub fn mautic(&self, credentials: &Credentials) -> Result<Settings> {
        let auth = match credentials.clone() {
            Credentials::ClientCredentials { client_id: id, client_secret: secret } => {
                Auth::ClientCredentials { id, secret }
            }
            Credentials::Password { username: user, password } => Auth::Basic { user, password },
        };
        let calls = self.options.check().map(|tuning| tuning.calls).unwrap_or_default();
        Ok(Settings::new(&self.base_url, auth)?.with_calls(calls))
    }
}
