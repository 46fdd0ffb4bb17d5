//! The receiver of the webhooks that a replay causes.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

/// What came in, and how it is answered.
#[derive(Debug)]
struct Desk {
    received: Vec<Value>,
    next: Option<u16>,
    text: &'static str,
}

type Inbox = Arc<Mutex<Desk>>;

/// A server that answers every delivery as it is told, with `ok` otherwise, and keeps its document.
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
        let inbox = Inbox::new(Mutex::new(Desk { received: Vec::new(), next: None, text: "ok" }));
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
        self.desk(|desk| desk.received.clone())
    }

    /// Answers the next delivery with this status.
    pub(crate) fn answer_next(&self, status: u16) {
        self.desk(|desk| desk.next = Some(status));
    }

    /// Answers with this text from now on.
    pub(crate) fn answer_text(&self, text: &'static str) {
        self.desk(|desk| desk.text = text);
    }

    fn desk<R>(&self, act: impl FnOnce(&mut Desk) -> R) -> R {
        act(&mut self.inbox.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn receive(State(inbox): State<Inbox>, body: Bytes) -> (StatusCode, &'static str) {
    let mut desk = inbox.lock().unwrap_or_else(PoisonError::into_inner);
    if let Ok(document) = serde_json::from_slice(&body) {
        desk.received.push(document);
    }
    let status = desk.next.take().and_then(|status| StatusCode::from_u16(status).ok());
    (status.unwrap_or(StatusCode::OK), desk.text)
}
