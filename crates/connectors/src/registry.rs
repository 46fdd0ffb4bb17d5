//! The one place that knows which name means which connector.

use std::sync::Arc;

use tandem_core::domain::scope::Scope;
use tandem_core::error::{Failure, FailureKind, Result};
use tandem_core::ports::MarketingPlatform;

use crate::Ports;
use crate::http::Http;
use crate::mautic::{Auth, Mautic, Settings};

/// Connects a scope to the marketing platform of this name.
///
/// # Errors
/// `Misconfigured` for a name that no connector has, or settings that the connector can't use.
pub fn marketing_platform(
    name: &str,
    base_url: &str,
    auth: Auth,
    scope: &Scope,
    http: Http,
    ports: &Ports,
) -> Result<Arc<dyn MarketingPlatform>> {
    match name {
        "mautic" => Ok(Arc::new(Mautic::new(Settings::new(base_url, auth)?, scope, http, ports)?)),
        _ => Err(Failure::new(FailureKind::Misconfigured, "No connector has this platform's name: mautic is there.")),
    }
}
