//! A server of this process's own, for `tandem dev` and the embedded table. On Lambda the gateway does this.

use std::future::Future;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long running requests may take to end when the server is told to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(30);

/// How long the server waits after an accept that failed, as when the process has no file left to open.
const AFTER_A_FAILED_ACCEPT: Duration = Duration::from_millis(100);

/// Serves until `stopped` comes, then lets running requests end. A connection on which no whole header of a request came for
/// `idle` is closed, so that connections that nobody uses don't use the machine up.
pub async fn serve(listener: TcpListener, router: Router, idle: Duration, stopped: impl Future<Output = ()>) {
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut stopped = std::pin::pin!(stopped);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, router.clone(), idle, stopping.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(AFTER_A_FAILED_ACCEPT).await;
                }
            },
            Some(_ended) = connections.join_next() => {}
            () = &mut stopped => break,
        }
    }
    drop(listener);
    // The receivers live in the connections' tasks.
    let _none_is_left = stop.send(true);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(LAST_REQUESTS, ended).await.is_err() {
        tracing::warn!("requests were cut off: they took too long to end");
    }
}

async fn connection(stream: TcpStream, router: Router, idle: Duration, mut stopping: watch::Receiver<bool>) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(idle);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let stop = async { drop(stopping.wait_for(|stop| *stop).await) };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // A caller that went away, or never said anything.
        tracing::debug!(%error, "a connection ended");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn started(idle: Duration) -> (TcpStream, tokio::sync::oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let slow = get(|| async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            "done"
        });
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let router = Router::new().route("/", slow);
        let server = tokio::spawn(async move { serve(listener, router, idle, async { drop(stopped.await) }).await });
        (TcpStream::connect(address).await.unwrap(), stop, server)
    }

    #[tokio::test]
    async fn a_connection_that_says_nothing_or_half_a_header_is_closed() {
        for said in ["", "GET / HTTP/1.1\r\nHo"] {
            let (mut stream, _stop, _server) = started(Duration::from_millis(100)).await;
            stream.write_all(said.as_bytes()).await.unwrap();
            let mut rest = Vec::new();
            tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn a_request_that_takes_longer_than_that_is_answered_also_when_the_server_stops_meanwhile() {
        let (mut stream, stop, server) = started(Duration::from_millis(100)).await;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        stop.send(()).unwrap();
        let mut answer = String::new();
        tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.ends_with("done"), "{answer}");
        server.await.unwrap();
    }
}
