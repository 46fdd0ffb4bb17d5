//! A stand-in for the network side of a platform, and ports in memory.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod ports;
pub mod stub;

use std::sync::Arc;

use tandem_connectors::Ports;
use tandem_connectors::http::Http;
use tandem_connectors::mautic::{Auth, Mautic, Settings};
use tandem_core::domain::scope::Scope;

/// A client with a client id and secret, and an HTTP client of its own.
pub fn mautic(url: &str, ports: &Ports) -> Arc<Mautic> {
    let auth = Auth::ClientCredentials { id: "1_id".to_owned(), secret: "s3cret".to_owned() };
    connected(url, auth, ports)
}

/// A client with a user and password: it asks for no token.
pub fn mautic_with_basic(url: &str, ports: &Ports) -> Arc<Mautic> {
    connected(url, Auth::Basic { user: "hub".to_owned(), password: "s3cret".to_owned() }, ports)
}

fn connected(url: &str, auth: Auth, ports: &Ports) -> Arc<Mautic> {
    let settings = Settings::new(url, auth).unwrap();
    Arc::new(Mautic::new(settings, &Scope::default_mautic(), Http::default(), ports).unwrap())
}
