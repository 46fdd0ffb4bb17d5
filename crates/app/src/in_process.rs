//! The admin API without a server: the command beside an installation's table calls the same handlers that callers from afar
//! reach over HTTP, so that both are told the same.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use futures::FutureExt;
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use tandem_core::domain::scope::TenantId;
use tandem_core::error::{Failure, FailureKind, Result};

use crate::http::{self, KeyRing};
use crate::stored_desks::StoredDesks;
use crate::wiring::Foundation;

/// The API as whoever may open the table sees it: for one tenant, with all rights, and without a key.
pub struct InProcess {
    service: TowerToHyperService<Router>,
}

impl InProcess {
    /// Over the parts of an installation.
    ///
    /// # Errors
    /// As the settings can't be used.
    pub fn new(foundation: &Foundation, tenant: &TenantId) -> Result<Self> {
        let state = foundation.app_state(false)?;
        let state = http::AppState {
            // What needs the table alone is there without a platform, too; and a person at a terminal can wait for one.
            desk: Some(foundation.table_desk()?),
            desks: Arc::new(StoredDesks::new(foundation, false)?),
            keys: Arc::new(
                KeyRing::new(None, Arc::clone(&state.admin.keys), state.admin.tenants.clone())
                    .at_the_command(tenant.clone()),
            ),
            ..state
        };
        Ok(Self { service: TowerToHyperService::new(http::mautic_sync(state)) })
    }

    /// Makes a call; gives status and body.
    ///
    /// # Errors
    /// `Garbled` for an answer that is no JSON: none is.
    pub async fn call(&self, request: Request<Body>) -> Result<(StatusCode, Value)> {
        let answer = self.service.call(request).boxed().await.unwrap_or_else(|never| match never {});
        let garbled = || Failure::new(FailureKind::Garbled, "an answer of the admin API can't be read");
        let status = answer.status();
        let bytes = answer.into_body().collect().await.map_err(|_| garbled())?.to_bytes();
        Ok((status, serde_json::from_slice(&bytes).map_err(|_| garbled())?))
    }
}
