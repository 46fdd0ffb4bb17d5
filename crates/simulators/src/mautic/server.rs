//! The simulator on a socket.
//!
//! Connections are served one by one rather than by `axum::serve`, because a fault may have to drop one without an
//! answer.

use std::{io, net::SocketAddr, ops::Deref, time::Duration};

use axum::{Router, body::Body};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use tower::ServiceExt;

use super::{
    faults::DropConnection,
    options::WebhookMode,
    simulator::{MauticSimulator, StartError},
    webhooks,
};

/// How long a shutdown waits for calls in hand.
const PATIENCE: Duration = Duration::from_secs(5);

/// A simulator that listens. It stops, without ceremony, when this is dropped.
#[derive(Debug)]
pub struct RunningMautic {
    simulator: MauticSimulator,
    addr: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
    flushing: Option<JoinHandle<()>>,
}

impl RunningMautic {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops listening, and waits a moment for the calls in hand.
    pub async fn shutdown(mut self) {
        // Nobody listens for this any more if the task is gone already.
        let _ = self.stop.send(true);
        let _ = tokio::time::timeout(PATIENCE, &mut self.accepting).await;
    }
}

impl Deref for RunningMautic {
    type Target = MauticSimulator;

    fn deref(&self) -> &MauticSimulator {
        &self.simulator
    }
}

impl Drop for RunningMautic {
    fn drop(&mut self) {
        self.accepting.abort();
        if let Some(flushing) = &self.flushing {
            flushing.abort();
        }
    }
}

pub(crate) async fn start(simulator: MauticSimulator, addr: SocketAddr) -> Result<RunningMautic, StartError> {
    let refused = |source| StartError::Listen { addr, source };
    let listener = TcpListener::bind(addr).await.map_err(refused)?;
    let addr = listener.local_addr().map_err(refused)?;
    if simulator.inner.options.base_url.is_none() {
        simulator.switch(|switches| switches.base_url = format!("http://{addr}"));
    }
    let (stop, stopped) = watch::channel(false);
    let accepting = tokio::spawn(accept(listener, simulator.router(), stopped));
    let flushing = match simulator.inner.options.webhooks {
        WebhookMode::Queue { every: Some(period) } => {
            Some(tokio::spawn(webhooks::flush_every(simulator.clone(), period)))
        }
        WebhookMode::Queue { every: None } | WebhookMode::Immediate => None,
    };
    Ok(RunningMautic { simulator, addr, stop, accepting, flushing })
}

async fn accept(listener: TcpListener, router: Router, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, router.clone(), stopped.clone()));
                }
            }
            _ = stopped.changed() => break,
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve(stream: TcpStream, router: Router, mut stopped: watch::Receiver<bool>) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let router = router.clone();
        async move {
            // A caller that gives up does not stop PHP, so the work is done in a task of its own.
            let work = tokio::spawn(router.oneshot(request.map(Body::new)));
            let Ok(response) = work.await.map_err(io::Error::other)?;
            // An error here makes hyper drop the connection before it has written a byte.
            match response.extensions().get::<DropConnection>() {
                Some(DropConnection) => Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
                None => Ok(response),
            }
        }
    });
    let mut connection = std::pin::pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
