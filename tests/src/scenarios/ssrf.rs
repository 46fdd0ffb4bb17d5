//! `ssrf`: a base URL that a tenant entered never makes Tandem connect to this machine or its network: not as a number in any
//! form, not by a name, not by a name that leads elsewhere the second time, not by a redirect.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use tandem_connectors::http::{Body, Call, Http, Lookup, Patience, SystemLookup};
use tandem_core::error::FailureKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Proof, Size};

/// Numbers that mean this machine or its network.
const NUMBERS: &[&str] = &[
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "0",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[fe80::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "127.0.0.1.",
    "１２７.0.0.1",
];

/// Names, and where they lead: the first time, the second time, and so on in turn.
const NAMES: &[(&str, &[&[IpAddr]])] = &[
    ("plain.example", &[&[LOCAL]]),
    ("six.example", &[&[IpAddr::V6(Ipv6Addr::LOCALHOST)]]),
    ("mapped.example", &[&[IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped())]]),
    ("metadata.example", &[&[IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254))]]),
    ("private.example", &[&[IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3)), LOCAL]]),
    ("mixed.example", &[&[PUBLIC, LOCAL]]),
    ("rebinding.example", &[&[PUBLIC], &[LOCAL]]),
    ("nobody.example", &[&[]]),
];
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// A public address at which this machine is not.
const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(93, 184, 216, 34));

/// Leads names where [`NAMES`] says; others are asked of the machine.
#[derive(Default)]
struct Hostile {
    asked: AtomicU64,
}

#[async_trait]
impl Lookup for Hostile {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let time = usize::try_from(self.asked.fetch_add(1, Ordering::Relaxed)).unwrap_or(0);
        match NAMES.iter().find(|(name, _)| *name == host) {
            Some((_, turns)) => Ok(turns[time % turns.len()].to_vec()),
            None => SystemLookup.addresses(host).await,
        }
    }
}

/// Somebody on this machine who counts who comes.
struct Trap {
    port: u16,
    came: Arc<AtomicU64>,
}

impl Trap {
    /// Listens on all addresses of this machine, and answers with `reply`.
    async fn set(reply: String) -> io::Result<Self> {
        let came = Arc::new(AtomicU64::new(0));
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))).await?;
        let port = listener.local_addr()?.port();
        tokio::spawn(listen(listener, Arc::clone(&came), reply.clone()));
        // A machine without IPv6 has nothing there to connect to.
        if let Ok(listener) = TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, port))).await {
            tokio::spawn(listen(listener, Arc::clone(&came), reply));
        }
        Ok(Self { port, came })
    }

    fn came(&self) -> u64 {
        self.came.load(Ordering::SeqCst)
    }
}

async fn listen(listener: TcpListener, came: Arc<AtomicU64>, reply: String) {
    while let Ok((mut caller, _)) = listener.accept().await {
        came.fetch_add(1, Ordering::SeqCst);
        let mut request = [0; 4_096];
        if caller.read(&mut request).await.is_ok() && caller.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn call(http: &Http, url: &str) -> Result<u16, FailureKind> {
    let url = Url::parse(url).map_err(|_| FailureKind::Misconfigured)?;
    let (headers, patience) = (HeaderMap::new(), Patience::Of(Duration::from_secs(1)));
    let call =
        Call { peer: "Mautic", method: Method::GET, url, authorization: None, headers, body: Body::Empty, patience };
    http.send(call).await.map(|answer| answer.status).map_err(|failure| failure.kind)
}

/// Runs the scenario.
pub async fn run(_: Size) -> Proof {
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    let told = |error: io::Error| error.to_string();
    let trap = Trap::set(OK.to_owned()).await.map_err(told)?;
    let guarded = Http::public_only(Arc::new(Hostile::default()));
    let names = NAMES.iter().map(|(name, _)| *name).chain(["localhost", "LOCALHOST."]);
    let mut tried = 0;
    for host in NUMBERS.iter().copied().chain(names) {
        // Twice, and on connections of both kinds: what was let through once must not be let through again.
        for scheme in ["http", "https", "http"] {
            let address = format!("{scheme}://{host}:{}/api/contacts", trap.port);
            let answer = call(&guarded, &address).await;
            // These lead to a public address first, or nobody knows them.
            let public = matches!(host, "mixed.example" | "rebinding.example" | "nobody.example" | "LOCALHOST.");
            match answer {
                Err(FailureKind::Misconfigured) => {}
                Err(_) if public => {}
                other => return Err(format!("{address} was answered {other:?}")),
            }
            tried += 1;
        }
    }
    if trap.came() > 0 {
        return Err(format!("{} connections to this machine", trap.came()));
    }
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{}/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        trap.port
    );
    let redirecting = Trap::set(redirect).await.map_err(told)?;
    // The operator's own client may call this machine, and is not led on either.
    let answer = call(&Http::default(), &format!("http://127.0.0.1:{}/", redirecting.port)).await;
    if (answer, redirecting.came(), trap.came()) != (Ok(302), 1, 0) {
        return Err(format!("a redirect was followed: {answer:?}, {} connections", trap.came()));
    }
    // The trap works: who may call it is counted.
    let seen = call(&Http::default(), &format!("http://127.0.0.1:{}/", trap.port)).await;
    if (seen, trap.came()) != (Ok(200), 1) {
        return Err(format!("the listener counts nobody: {seen:?}"));
    }
    Ok(format!("{tried} calls of {} hostile hosts and a redirect: 0 connections", NUMBERS.len() + NAMES.len() + 2))
}
