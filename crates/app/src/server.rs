//! A server of this process's own, for `tandem dev` and the embedded table. On Lambda the gateway does this.

use std::future::Future;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::Request;
use axum::{BoxError, Router, middleware};
use futures::{StreamExt, stream};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::http::request::TooSlow;

/// How long running requests may take to end when the server is told to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(30);

/// How long the server waits after an accept that failed, as when the process has no file left to open.
const AFTER_A_FAILED_ACCEPT: Duration = Duration::from_millis(100);

/// How long the server waits for callers who say little or nothing, so that they don't use the machine up.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the whole header of a request, from when it could have begun. After that the connection is closed.
    pub header: Duration,
    /// For the whole body, from when somebody begins to read it, however steadily its bytes come. After that it ends with
    /// [`TooSlow`].
    pub body: Duration,
}

/// Serves until `stopped` comes, then lets running requests end.
pub async fn serve(listener: TcpListener, router: Router, patience: Patience, stopped: impl Future<Output = ()>) {
    let router = router.layer(middleware::map_request(move |request| timed(request, patience.body)));
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut stopped = std::pin::pin!(stopped);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, router.clone(), patience.header, stopping.clone()));
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

/// The request with a body that has to be there within a time.
async fn timed(request: Request, within: Duration) -> Request {
    request.map(|body| {
        let body = body.into_data_stream();
        Body::from_stream(stream::unfold(Arriving::Unread(body, within), Arriving::next))
    })
}

/// A body on its way.
enum Arriving {
    Unread(BodyDataStream, Duration),
    Until(BodyDataStream, Instant),
    Ended,
}

impl Arriving {
    async fn next(self) -> Option<(Result<Bytes, BoxError>, Self)> {
        let (mut body, until) = match self {
            Self::Unread(body, within) => (body, Instant::now() + within),
            Self::Until(body, until) => (body, until),
            Self::Ended => return None,
        };
        match tokio::time::timeout_at(until, body.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(bytes))) => Some((Ok(bytes), Self::Until(body, until))),
            Ok(Some(Err(error))) => Some((Err(error.into()), Self::Ended)),
            Err(_elapsed) => Some((Err(TooSlow.into()), Self::Ended)),
        }
    }
}

async fn connection(stream: TcpStream, router: Router, header: Duration, mut stopping: watch::Receiver<bool>) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(header);
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
    use axum::routing::{get, post};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn read(body: Body) -> String {
        crate::http::request::read_bytes(body, 100)
            .await
            .map_or_else(|error| error.code.to_owned(), |body| body.len().to_string())
    }

    async fn started(header: Duration) -> (TcpStream, tokio::sync::oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let slow = get(|| async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            "done"
        });
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let router = Router::new().route("/", slow).route("/read", post(read));
        let patience = Patience { header, body: Duration::from_millis(400) };
        let server =
            tokio::spawn(async move { serve(listener, router, patience, async { drop(stopped.await) }).await });
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

    /// Says it byte by byte, as long as somebody listens; gives what came back until the connection ended.
    async fn dripped(stream: TcpStream, said: &str) -> String {
        let (mut reading, mut writing) = stream.into_split();
        let said = said.to_owned();
        let drip = tokio::spawn(async move {
            for byte in said.as_bytes() {
                tokio::time::sleep(Duration::from_millis(20)).await;
                if writing.write_all(&[*byte]).await.is_err() {
                    break;
                }
            }
            // Whoever stops in between keeps the connection all the same.
            tokio::time::sleep(Duration::from_secs(60)).await;
        });
        let mut answer = Vec::new();
        // A connection that is closed while more comes may end with a reset.
        let _reset = tokio::time::timeout(Duration::from_secs(10), reading.read_to_end(&mut answer)).await.unwrap();
        drip.abort();
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn a_header_that_comes_byte_by_byte_is_not_waited_for() {
        let (stream, _stop, _server) = started(Duration::from_millis(200)).await;
        let header = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "a".repeat(500));
        let answer = dripped(stream, &header).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }

    #[tokio::test]
    async fn a_body_that_comes_byte_by_byte_is_not_waited_for_and_its_connection_ends() {
        let (mut stream, _stop, _server) = started(Duration::from_secs(60)).await;
        stream.write_all(b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 90\r\n\r\n").await.unwrap();
        let answer = dripped(stream, &"a".repeat(90)).await;
        assert!(answer.ends_with("body_too_slow"), "{answer}");
    }

    #[tokio::test]
    async fn a_body_that_comes_in_time_is_read_whole() {
        let (mut stream, stop, server) = started(Duration::from_secs(60)).await;
        stream.write_all(b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na").await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        stream.write_all(b"bc").await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        stop.send(()).unwrap();
        let mut answer = String::new();
        tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.ends_with('3'), "{answer}");
        server.await.unwrap();
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
