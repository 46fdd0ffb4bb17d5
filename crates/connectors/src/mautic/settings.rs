//! Where a Mautic is and as whom Tandem calls it.

use std::fmt;
use std::num::NonZeroU32;

use reqwest::Url;
use tandem_core::error::{Failure, FailureKind, Result};

/// The address of an installation and the credentials for its API.
#[derive(Clone)]
pub struct Settings {
    base: Url,
    auth: Auth,
    calls: Calls,
}

/// How many calls Tandem makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calls {
    /// Calls a minute that somebody waits for, of each process.
    pub a_minute: CallsAMinute,
    /// The most that work on all contacts leaves of an hourly budget to others, in hundredths of it.
    pub reserve: u8,
}

/// How many calls a minute a process makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallsAMinute {
    /// As many as there are.
    Unlimited,
    /// No more than 100 while Mautic answers so slowly that it could not take more, else as many as there are.
    WhileSlow,
    /// No more than these.
    AtMost(NonZeroU32),
}

impl Default for Calls {
    fn default() -> Self {
        Self { a_minute: CallsAMinute::WhileSlow, reserve: 10 }
    }
}

/// How calls prove who makes them. Mautic has both switched off until an administrator allows them.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    /// OAuth2 client credentials, made under "API Credentials".
    ClientCredentials {
        /// `<number>_<random>`.
        id: String,
        /// The secret that belongs to it.
        secret: String,
    },
    /// A user's name and password with every call.
    Basic {
        /// The user's name.
        user: String,
        /// The user's password.
        password: String,
    },
}

impl Settings {
    /// Settings for the installation at `base_url`, with or without a trailing slash or `/api`.
    ///
    /// # Errors
    /// `Misconfigured` when the address is no `http` or `https` one, carries credentials, a query or a fragment.
    pub fn new(base_url: &str, auth: Auth) -> Result<Self> {
        let trimmed = base_url.trim().trim_end_matches('/');
        let bare = trimmed.strip_suffix("/api").unwrap_or(trimmed).trim_end_matches('/');
        let base = Url::parse(bare).map_err(|_| wrong("is not a web address"))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(wrong("must begin with https:// or http://"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(wrong("must not carry a user or a password"));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(wrong("must end with its path"));
        }
        Ok(Self { base, auth, calls: Calls::default() })
    }

    /// With other rules of how many calls are made.
    #[must_use]
    pub fn with_calls(self, calls: Calls) -> Self {
        Self { calls, ..self }
    }

    /// How many calls are made.
    #[must_use]
    pub const fn calls(&self) -> Calls {
        self.calls
    }

    /// How calls prove who makes them.
    #[must_use]
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// The full address of a path below the installation's root, such as `api/contacts`.
    #[must_use]
    pub fn address(&self, path: &str) -> Url {
        let mut address = self.base.clone();
        address.set_path(&format!("{}/{path}", self.base.path().trim_end_matches('/')));
        address
    }
}

fn wrong(what: &str) -> Failure {
    Failure::new(FailureKind::Misconfigured, format!("The base URL of Mautic {what}."))
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("host", &self.base.host_str()).field("auth", &self.auth).finish()
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientCredentials { .. } => "ClientCredentials(..)",
            Self::Basic { .. } => "Basic(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic() -> Auth {
        Auth::Basic { user: "hub".to_owned(), password: "s3cret".to_owned() }
    }

    #[test]
    fn a_trailing_slash_or_api_makes_no_difference() {
        for text in
            ["https://m.example/x", "https://m.example/x/", "https://m.example/x/api", " https://m.example/x/api/ "]
        {
            let settings = Settings::new(text, basic()).unwrap();
            assert_eq!(settings.address("api/contacts").as_str(), "https://m.example/x/api/contacts", "{text}");
        }
    }

    #[test]
    fn what_is_no_plain_web_address_is_refused() {
        for text in ["", "m.example", "ftp://m.example", "https://u:p@m.example", "https://m.example/?x=1"] {
            assert_eq!(Settings::new(text, basic()).unwrap_err().kind, FailureKind::Misconfigured, "{text}");
        }
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let text = format!("{:?}", Settings::new("https://m.example", basic()).unwrap());
        assert!(!text.contains("s3cret") && !text.contains("hub"), "{text}");
    }
}
