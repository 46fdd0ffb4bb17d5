//! The receiver of the webhooks that a replay causes.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Router, body::Bytes, extract::State, routing::post};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

type Inbox = Arc<Mutex<Vec<Value>>>;

/// A server that answers every delivery with `ok` and keeps its document.
pub(crate) struct Receiver {
    /// Where hooks are to deliver.
    pub(crate) url: String,
    inbox: Inbox,
    serving: JoinHandle<()>,
}

impl Receiver {
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}/hook", listener.local_addr()?);
        let inbox = Inbox::default();
        let router = Router::new().route("/hook", post(receive)).with_state(inbox.clone());
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the receiver of webhooks stopped");
            }
        });
        Ok(Self { url, inbox, serving })
    }

    /// All documents that came in.
    pub(crate) fn received(&self) -> Vec<Value> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn receive(State(inbox): State<Inbox>, body: Bytes) -> &'static str {
    if let Ok(document) = serde_json::from_slice(&body) {
        inbox.lock().unwrap_or_else(PoisonError::into_inner).push(document);
    }
    "ok"
}
