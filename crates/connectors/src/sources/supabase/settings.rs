//! Where a Supabase project is and with which key Tandem calls it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Url;
use serde::Deserialize;
use tandem_core::domain::kind::Kind;
use tandem_core::error::{Failure, FailureKind, Result};

/// The view of people that is read unless another is named.
pub const VIEW: &str = "customers_crm_v";

/// Below which path a Supabase project has its PostgREST.
const PREFIX: &str = "/rest/v1";

/// The address of a project, its key, and the views that are read.
#[derive(Clone)]
pub struct Settings {
    base: Url,
    key: String,
    views: Vec<(Kind, String)>,
}

/// What a key that is a JWT says of itself.
#[derive(Deserialize)]
struct Claims {
    role: Option<String>,
}

impl Settings {
    /// Settings for the project at `url`. An address with a path is PostgREST's own (`https://x.supabase.co/rest/v1`); below
    /// one without a path, PostgREST is looked for at `/rest/v1`, and at the root when that path is not known there.
    ///
    /// # Errors
    /// `Misconfigured` when the address is no `http` or `https` one or carries credentials, a query or a fragment; when the
    /// key is one that row-level security applies to, for it would see no rows and take them all for deleted; when the
    /// view's name holds other characters than letters, digits, `_` and `-`.
    pub fn new(url: &str, key: &str, view: &str) -> Result<Self> {
        let (key, view) = (key.trim(), view.trim());
        if is_public(key) {
            return Err(misconfigured(
                "The key is not the service role's: with it, Tandem would see no rows and take them all for deleted.",
            ));
        }
        Ok(Self { base: base(url)?, key: key.to_owned(), views: vec![(Kind::Person, checked(view)?)] })
    }

    /// The same with a view for records of another kind.
    ///
    /// # Errors
    /// `Misconfigured` when the view's name holds other characters than letters, digits, `_` and `-`.
    pub fn with_view(mut self, kind: Kind, view: &str) -> Result<Self> {
        self.views.push((kind, checked(view.trim())?));
        self.views.sort_unstable();
        Ok(self)
    }

    /// The views that are read, in the order of their kinds: of people there is always one.
    #[must_use]
    pub fn views(&self) -> &[(Kind, String)] {
        &self.views
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Whether the address says where PostgREST is.
    pub(super) fn has_path(&self) -> bool {
        self.base.path() != "/"
    }

    /// The address of a table or view; `plain` when PostgREST is known to be at the root.
    pub(super) fn address(&self, table: &str, plain: bool) -> Url {
        let prefix = if self.has_path() || plain { self.base.path().trim_end_matches('/') } else { PREFIX };
        let mut address = self.base.clone();
        address.set_path(&format!("{prefix}/{table}"));
        address
    }
}

fn checked(view: &str) -> Result<String> {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if view.is_empty() || !view.bytes().all(sound) {
        return Err(misconfigured("The view's name takes letters, digits, '_' and '-'."));
    }
    Ok(view.to_owned())
}

fn base(url: &str) -> Result<Url> {
    let base = Url::parse(url.trim().trim_end_matches('/')).map_err(|_| wrong("is not a web address"))?;
    if !matches!(base.scheme(), "http" | "https") {
        return Err(wrong("must begin with https:// or http://"));
    }
    if !base.username().is_empty() || base.password().is_some() {
        return Err(wrong("must not carry a user or a password"));
    }
    if base.query().is_some() || base.fragment().is_some() {
        return Err(wrong("must end with its path"));
    }
    Ok(base)
}

/// Whether the key says of itself that it is for browsers. Supabase has two kinds of keys: JWTs with the claim `role`, and
/// texts that begin with `sb_publishable_` or `sb_secret_`.
fn is_public(key: &str) -> bool {
    let role = || {
        let payload = URL_SAFE_NO_PAD.decode(key.split('.').nth(1)?.trim_end_matches('=')).ok()?;
        serde_json::from_slice::<Claims>(&payload).ok()?.role
    };
    key.starts_with("sb_publishable_") || role().is_some_and(|role| matches!(role.as_str(), "anon" | "authenticated"))
}

fn wrong(what: &str) -> Failure {
    misconfigured(&format!("The address of Supabase {what}."))
}

fn misconfigured(message: &str) -> Failure {
    Failure::new(FailureKind::Misconfigured, message)
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("host", &self.base.host_str())
            .field("views", &self.views)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(payload: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    fn settings(url: &str) -> Result<Settings> {
        Settings::new(url, &jwt(r#"{"role":"service_role"}"#), VIEW)
    }

    #[test]
    fn an_address_without_a_path_is_a_projects_and_one_with_a_path_is_postgrests_own() {
        for (url, plain, address) in [
            ("https://x.supabase.co", false, "https://x.supabase.co/rest/v1/leads"),
            (" https://x.supabase.co/ ", false, "https://x.supabase.co/rest/v1/leads"),
            ("https://x.supabase.co/rest/v1/", false, "https://x.supabase.co/rest/v1/leads"),
            ("https://db.example/data", true, "https://db.example/data/leads"),
            ("http://127.0.0.1:3000", true, "http://127.0.0.1:3000/leads"),
        ] {
            assert_eq!(settings(url).unwrap().address("leads", plain).as_str(), address, "{url}");
        }
    }

    #[test]
    fn what_is_no_plain_web_address_or_view_is_refused() {
        for url in ["", "x.supabase.co", "ftp://x", "https://u:p@x", "https://x/?a=1"] {
            assert_eq!(settings(url).unwrap_err().kind, FailureKind::Misconfigured, "{url}");
        }
        for view in ["", "a b", "a?select=", "../x", "a,b"] {
            assert!(Settings::new("https://x", "sb_secret_1", view).is_err(), "{view}");
        }
    }

    #[test]
    fn a_key_for_browsers_is_refused_before_it_sees_no_rows() {
        for key in [jwt(r#"{"role":"anon"}"#), jwt(r#"{"role":"authenticated"}"#), "sb_publishable_1".to_owned()] {
            assert_eq!(Settings::new("https://x", &key, VIEW).unwrap_err().kind, FailureKind::Misconfigured);
        }
        for key in ["sb_secret_1", "a.b.c", "plain"] {
            assert!(Settings::new("https://x", key, VIEW).is_ok(), "{key}");
        }
    }

    #[test]
    fn debug_output_holds_no_key() {
        let text = format!("{:?}", Settings::new("https://x", "sb_secret_s3cret", VIEW).unwrap());
        assert!(!text.contains("s3cret"), "{text}");
    }
}
