//! Which hosts no proxy is asked for: NO_PROXY, as Go's programs (docker, podman, skopeo) read it.

use std::net::IpAddr;

/// Is this host talked to without a proxy? `list` is what NO_PROXY has: hosts with all below them (`example.com`), only what is
/// below (`.example.com`, `*.example.com`), addresses, networks (`10.0.0.0/8`), each with a port or not; `*` is every host. This machine
/// never has a proxy.
pub fn is_direct(list: &str, host: &str, port: u16) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address: Option<IpAddr> = bare.parse().ok();
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return true;
    }
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        let entry = entry.to_ascii_lowercase();
        if entry == "*" {
            return true;
        }
        if let Some((network, bits)) = entry.split_once('/') {
            let network: Option<IpAddr> = network.parse().ok();
            return network
                .zip(bits.parse().ok())
                .zip(address)
                .is_some_and(|((network, bits), address)| is_in(address, network, bits));
        }
        let (name, of_port) = split_port(&entry);
        if of_port.is_some_and(|of_port| of_port != port) {
            return false;
        }
        let name = name.trim_start_matches('[').trim_end_matches(']');
        if let Ok(own) = name.parse::<IpAddr>() {
            return address == Some(own);
        }
        let below = name.strip_prefix("*.").or_else(|| name.strip_prefix('.'));
        let is_below = |name: &str| bare.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
        match below {
            Some(name) => is_below(name),
            None => bare == name || is_below(name),
        }
    })
}

/// A host and its port; an IPv6 address without brackets has none.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    match entry.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    }
}

fn is_in(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let prefix = |width: u32, a: u128, b: u128| bits <= width && (bits == 0 || (a ^ b) >> (width - bits) == 0);
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => prefix(32, u32::from(a).into(), u32::from(b).into()),
        (IpAddr::V6(a), IpAddr::V6(b)) => prefix(128, a.into(), b.into()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_is_read_as_go_does() {
        for (list, host, expected) in [
            ("", "r.example", false),
            ("", "localhost", true),
            ("", "127.9.9.9", true),
            ("", "[::1]", true),
            ("*", "r.example", true),
            ("example", "r.example", true),
            ("r.example", "R.Example", true),
            ("r.example", "xr.example", false),
            (".example", "r.example", true),
            (".r.example", "r.example", false),
            ("*.example", "r.example", true),
            ("a, r.example:5000 ,b", "r.example", true),
            ("r.example:5001", "r.example", false),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("10.0.0.0/8", "r.example", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("fd00::/8", "[fd00::1]", true),
            ("0.0.0.0/0", "1.1.1.1", true),
            ("10.0.0.0/33", "10.0.0.1", false),
        ] {
            assert_eq!(is_direct(list, host, 5000), expected, "{list} {host}");
        }
    }
}
