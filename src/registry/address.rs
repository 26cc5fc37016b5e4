//! Addresses that a registry may not send a client to: a registry on the internet could else have it ask servers inside of the
//! network that it runs in, or the metadata service of a cloud.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, OnceLock};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// What kind of network an address is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Network {
    /// The internet.
    Public,
    /// This machine, or a network that is not routed on the internet.
    Private,
    /// One link, where clouds have their metadata services; also what is no address of a host.
    LinkLocal,
}

/// The network of an address (IANA's registries of special-purpose addresses; RFC 6890).
pub fn network(address: IpAddr) -> Network {
    match address {
        IpAddr::V4(address) => network_4(address),
        IpAddr::V6(address) => network_6(address),
    }
}

fn network_4(address: Ipv4Addr) -> Network {
    let [a, b, ..] = address.octets();
    if address.is_link_local() || address.is_multicast() || address.is_broadcast() || a == 0 {
        return Network::LinkLocal;
    }
    // 100.64.0.0/10 is shared by carriers, 198.18.0.0/15 for benchmarks, 192.0.0.0/24 for protocols, 240.0.0.0/4 reserved.
    let is_special = (a == 100 && b & 0xc0 == 64)
        || (a == 198 && b & 0xfe == 18)
        || address.octets()[..3] == [192, 0, 0]
        || a >= 240;
    if address.is_private() || address.is_loopback() || is_special { Network::Private } else { Network::Public }
}

fn network_6(address: Ipv6Addr) -> Network {
    if let Some(address) = address.to_ipv4_mapped() {
        return network_4(address);
    }
    let [first, second, ..] = address.segments();
    // An IPv4 address inside: NAT64 (64:ff9b::/96), 6to4 (2002::/16).
    let octets = address.octets();
    match (first, second) {
        (0x64, 0xff9b) => return network_4(Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15])),
        (0x2002, _) => return network_4(Ipv4Addr::new(octets[2], octets[3], octets[4], octets[5])),
        _ => {}
    }
    // AWS has its metadata service at fd00:ec2::254, an address of a private network.
    if address.is_unspecified()
        || address.is_multicast()
        || first & 0xffc0 == 0xfe80
        || (first, second) == (0xfd00, 0xec2)
    {
        return Network::LinkLocal;
    }
    if address.is_loopback() || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfec0 {
        Network::Private
    } else {
        Network::Public
    }
}

/// The network of a host that is written as an address.
fn written(host: &str) -> Option<Network> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.parse().ok().map(network)
}

/// Resolves names of the registry itself, and remembers whether it is in a private network.
#[derive(Debug, Default)]
pub struct OwnResolver {
    pub is_private: Arc<OnceLock<bool>>,
    inner: DefaultResolver,
}

impl OwnResolver {
    pub fn new(is_private: Arc<OnceLock<bool>>) -> Self {
        Self { is_private, inner: DefaultResolver::default() }
    }
}

impl Resolver for OwnResolver {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let addresses = self.inner.resolve(uri, config, timeout)?;
        // Decided once: what its name server says later can't lift the filter for others.
        self.is_private.get_or_init(|| addresses.iter().all(|address| network(address.ip()) != Network::Public));
        Ok(addresses)
    }
}

/// Resolves names of all other hosts: those that a registry names.
#[derive(Debug, Default)]
pub struct StrangerResolver {
    pub is_private: Arc<OnceLock<bool>>,
    inner: DefaultResolver,
}

impl StrangerResolver {
    pub fn new(is_private: Arc<OnceLock<bool>>) -> Self {
        Self { is_private, inner: DefaultResolver::default() }
    }
}

impl Resolver for StrangerResolver {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let addresses = self.inner.resolve(uri, config, timeout)?;
        let is_private = self.is_private.get() == Some(&true);
        // One that is wrong is enough: which of them answers is for the name server to say.
        match addresses.iter().find(|address| !may_lead_to(network(address.ip()), is_private)) {
            None => Ok(addresses),
            Some(address) => Err(refused(&address.ip().to_string())),
        }
    }
}

/// May a registry, which is in a private network itself or not, send a client to another host in this network?
fn may_lead_to(network: Network, is_private: bool) -> bool {
    match network {
        Network::Public => true,
        Network::Private => is_private,
        Network::LinkLocal => false,
    }
}

/// An error if a host is written as an address that the registry may not lead to; a proxy would be asked for it as it stands.
pub fn check_written(host: &str, is_private: bool) -> Result<(), ureq::Error> {
    // A number that is no address as it is written (2852039166, 0xa9fea9fe, 0251.0376.0251.0376) is one for some resolvers.
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().next().is_some_and(|byte| byte.is_ascii_digit())
        && (last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit()));
    if is_number && host.parse::<Ipv4Addr>().is_err() {
        return Err(refused(host));
    }
    match written(host) {
        Some(network) if !may_lead_to(network, is_private) => Err(refused(host)),
        _ => Ok(()),
    }
}

fn refused(address: &str) -> ureq::Error {
    let text = format!("{address} is an address of a private network or of this machine, where the registry is not");
    ureq::Error::Io(std::io::Error::new(std::io::ErrorKind::PermissionDenied, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_on_the_internet_leads_to_no_private_address() {
        for (address, expected) in [
            ("1.1.1.1", Network::Public),
            ("2606:4700::1111", Network::Public),
            ("127.0.0.1", Network::Private),
            ("10.1.2.3", Network::Private),
            ("172.16.0.1", Network::Private),
            ("192.168.1.1", Network::Private),
            ("100.64.0.1", Network::Private),
            ("::1", Network::Private),
            ("fc00::1", Network::Private),
            ("::ffff:10.0.0.1", Network::Private),
            ("64:ff9b::a00:1", Network::Private),
            ("2002:7f00:1::", Network::Private),
            ("169.254.169.254", Network::LinkLocal),
            ("::ffff:169.254.169.254", Network::LinkLocal),
            ("64:ff9b::a9fe:a9fe", Network::LinkLocal),
            ("fe80::1", Network::LinkLocal),
            ("fd00:ec2::254", Network::LinkLocal),
            ("0.0.0.0", Network::LinkLocal),
            ("::", Network::LinkLocal),
        ] {
            assert_eq!(network(address.parse().unwrap()), expected, "{address}");
        }
        assert!(check_written("[::1]", false).is_err() && check_written("127.0.0.1", true).is_ok());
        for odd in ["2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.16689662", "1.2.3.0x4"] {
            assert!(check_written(odd, true).is_err(), "{odd}");
        }
        assert!(check_written("127.0.0.1", true).is_ok() && check_written("r2.example", false).is_ok());
        assert!(check_written("169.254.169.254", true).is_err() && check_written("r.example", false).is_ok());
    }
}
