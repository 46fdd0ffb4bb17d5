//! Which addresses may be called for a tenant: those of the public Internet, and none that leads into the network that Tandem
//! runs in. Checked on the address that is connected to, after the name was looked up and not before.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tandem_core::error::{Failure, FailureKind, Result};
use url::Host;

/// Looks names of hosts up.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// The addresses of a host.
    ///
    /// # Errors
    /// When nobody knows it.
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The machine's own look-up.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// Gives the client those addresses of a host that are public, and no others: whatever a name leads to, and however often that
/// changes, the client can't connect to anything else.
pub(super) struct PublicOnly(pub(super) Arc<dyn Lookup>);

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let lookup = Arc::clone(&self.0);
        Box::pin(async move {
            let found = lookup.addresses(name.as_str()).await?;
            let known = !found.is_empty();
            let public: Vec<SocketAddr> =
                found.into_iter().filter(is_public).map(|address| SocketAddr::new(address, 0)).collect();
            if known && public.is_empty() {
                return Err(Box::new(NotPublic) as Box<dyn Error + Send + Sync>);
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// All addresses of a host lead into a network that is not public.
#[derive(Debug)]
pub(super) struct NotPublic;

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the host has no public address")
    }
}

impl Error for NotPublic {}

/// Refuses an address whose host is a number: nobody looks that up.
///
/// # Errors
/// `Misconfigured` when it is not public.
pub(super) fn check_literal(url: &Url) -> Result<()> {
    let address = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        Some(Host::Domain(_)) => return Ok(()),
        None => return Err(refused()),
    };
    if is_public(&address) { Ok(()) } else { Err(refused()) }
}

/// The failure of a call whose address is not public.
pub(super) fn refused() -> Failure {
    let message =
        "The address leads to this machine or into a private network, which Tandem does not call for tenants.";
    Failure::new(FailureKind::Misconfigured, message)
}

/// Whether an address belongs to the public Internet, by IANA's registries of special addresses.
#[must_use]
pub fn is_public(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(*address),
        IpAddr::V6(address) => is_public_v6(*address),
    }
}

/// Networks of IPv4 that are not public: first address, and length of the prefix.
const SPECIAL_V4: [([u8; 4], u32); 15] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    // Multicast, reserved, broadcast.
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    let within = |(network, length): &([u8; 4], u32)| {
        let shift = 32 - length;
        address.to_bits() >> shift == Ipv4Addr::from(*network).to_bits() >> shift
    };
    !SPECIAL_V4.iter().any(within)
}

/// Networks within 2000::/3 that are not public: the first two groups, and length of the prefix. Teredo and others of 2001::/23,
/// documentation, and 6to4, which carries an address of IPv4.
const SPECIAL_V6: [([u16; 2], u32); 4] =
    [([0x2001, 0], 23), ([0x2001, 0xdb8], 32), ([0x2002, 0], 16), ([0x3fff, 0], 20)];

/// Only 2000::/3 is given out. Loopback, link-local and unique local addresses lie elsewhere, as do all forms that carry one of
/// IPv4, NAT64 among them.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let bits = address.to_bits() >> 96;
    let within = |([first, second], length): &([u16; 2], u32)| {
        let network = (u128::from(*first) << 16) | u128::from(*second);
        let shift = 32 - length;
        bits >> shift == network >> shift
    };
    bits >> 29 == 1 && !SPECIAL_V6.iter().any(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_public_internet_are_called() {
        for text in [
            "1.1.1.1",
            "93.184.216.34",
            "100.63.255.255",
            "100.128.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450:4001::1",
            "2001:200::1",
            "2003::1",
        ] {
            assert!(is_public(&text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn addresses_that_lead_inside_are_not() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:1ff::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "5f00::1",
            "4000::1",
        ] {
            assert!(!is_public(&text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn every_way_to_write_an_address_of_this_machine_is_seen_through() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "0",
            "[::1]",
            "[::ffff:7f00:1]",
            "[0:0:0:0:0:ffff:127.0.0.1]",
            "127.0.0.1.",
            "１２７.0.0.1",
        ] {
            let url = Url::parse(&format!("http://{host}:8080/x")).unwrap();
            assert!(check_literal(&url).is_err(), "{host} is {:?}", url.host());
        }
        assert!(check_literal(&Url::parse("https://1.1.1.1/").unwrap()).is_ok());
        assert!(check_literal(&Url::parse("https://m.example/").unwrap()).is_ok(), "a name is looked up first");
    }
}
