//! Where a request has come from, hop by hop, as proxies and gateways say it. They are many and write it in
//! many ways; this is the one place that reads them.

use std::net::{IpAddr, Ipv6Addr};

use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

/// The header that says where a request has come from. Only one is read: proxies that write the one pass the
/// other on as the client sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`: addresses between commas.
    #[default]
    #[serde(rename = "x-forwarded-for", alias = "X-Forwarded-For")]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    #[serde(rename = "forwarded", alias = "Forwarded")]
    Forwarded,
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

impl ForwardedHeader {
    /// The hops that it names, the last one first; nothing for one that is no address.
    pub fn hops(self, headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
        let name = match self {
            Self::XForwardedFor => X_FORWARDED_FOR,
            Self::Forwarded => header::FORWARDED,
        };
        let values = headers.get_all(name).iter().rev();
        // What is no text is one hop without an address.
        let values = values.map(|value| value.to_str().unwrap_or_default());
        values.flat_map(move |value| {
            let (plain, structured) = match self {
                Self::XForwardedFor => (Some(value.rsplit(',').map(address)), None),
                Self::Forwarded => (None, Some(elements(value).into_iter().rev())),
            };
            let plain = plain.into_iter().flatten();
            plain.chain(structured.into_iter().flatten())
        })
    }

    /// The caller's address: the peer, or, behind trusted proxies, the last hop that none of them is.
    pub fn client(self, peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
        let mut address = peer.to_canonical();
        if !is_in(trusted, address) {
            return address;
        }
        for hop in self.hops(headers) {
            let Some(hop) = hop.filter(|_| is_in(trusted, address)) else {
                break;
            };
            address = hop;
        }
        address
    }
}

/// Whether an address is in one of these networks.
pub fn is_in(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

/// The hops of a value of `Forwarded` in the order of the text (RFC 7239 section 4). A value that can't be
/// taken apart is one hop without an address.
fn elements(value: &str) -> Vec<Option<IpAddr>> {
    let elements = split_unquoted(value, ',');
    elements.map_or_else(|| vec![None], |all| all.into_iter().map(node).collect())
}

/// The address in an element's `for`, if that is there once.
fn node(element: &str) -> Option<IpAddr> {
    let pairs = split_unquoted(element, ';')?;
    let mut nodes = pairs.iter().filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("for")
            .then_some(value.trim())
    });
    let (Some(node), None) = (nodes.next(), nodes.next()) else {
        return None;
    };
    let quoted = node
        .strip_prefix('"')
        .and_then(|node| node.strip_suffix('"'));
    address(quoted.unwrap_or(node))
}

/// The parts of a text between a sign that stands outside of quoted strings (RFC 9110 section 5.6.4); nothing if a
/// string does not end. A client may have its commas in one: proxies put its `Host` there.
fn split_unquoted(text: &str, sign: char) -> Option<Vec<&str>> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let parts = text.split(|c| {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => return c == sign && !is_quoted,
        }
        false
    });
    let parts: Vec<_> = parts.collect();
    (!is_quoted).then_some(parts)
}

/// An address as proxies write it: alone, or with the port that it was called from; IPv6 then, and in `Forwarded`
/// always, in brackets (RFC 7239 section 6).
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let (address, rest): (IpAddr, &str) = if let Some(text) = text.strip_prefix('[') {
        let (address, rest) = text.split_once(']')?;
        (address.parse::<Ipv6Addr>().ok()?.into(), rest)
    } else if let Ok(address) = text.parse() {
        (address, "")
    } else {
        let (address, port) = text.split_at(text.find(':')?);
        (address.parse().ok()?, port)
    };
    let has_port = |port: &str| port.starts_with('_') || port.parse::<u16>().is_ok();
    let is_whole = rest.is_empty() || rest.strip_prefix(':').is_some_and(has_port);
    is_whole.then(|| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::ForwardedHeader::{Forwarded, XForwardedFor};
    use super::*;

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        let values = values.iter().map(|value| {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            (HeaderName::from_static(name), value)
        });
        values.fold(HeaderMap::new(), |mut headers, (name, value)| {
            headers.append(name, value);
            headers
        })
    }

    #[test]
    fn forwarded_addresses_are_believed_only_from_trusted_proxies() {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let table: [(&str, &[&str], &str); 13] = [
            ("192.0.2.1", &["198.51.100.7"], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
            (
                "10.0.0.1",
                &["1.1.1.1, 198.51.100.7, 10.0.0.2"],
                "198.51.100.7",
            ),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["198.51.100.7, junk"], "10.0.0.1"),
            ("::ffff:10.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["198.51.100.7:54321"], "198.51.100.7"),
            (
                "10.0.0.1",
                &["198.51.100.7:1, 10.0.0.2:443"],
                "198.51.100.7",
            ),
            ("10.0.0.1", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            ("::1", &["[::ffff:198.51.100.7]:9"], "198.51.100.7"),
        ];
        for (peer, values, expected) in table {
            let headers = headers("x-forwarded-for", values);
            let client = XForwardedFor.client(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(client.to_string(), expected, "{peer} {values:?}");
        }
    }

    #[test]
    fn the_forwarded_header_names_hops_after_rfc_7239() {
        for (values, expected) in [
            // Of the RFC itself.
            (&["for=\"_gazonk\""][..], &[""][..]),
            (
                &["For=\"[2001:db8:cafe::17]:4711\""],
                &["2001:db8:cafe::17"],
            ),
            (
                &["for=192.0.2.60;proto=http;by=203.0.113.43"],
                &["192.0.2.60"],
            ),
            (
                &["for=192.0.2.43, for=198.51.100.17"],
                &["198.51.100.17", "192.0.2.43"],
            ),
            (&["for=192.0.2.43,for=unknown"], &["", "192.0.2.43"]),
            (
                &["for=192.0.2.43", "for=198.51.100.17"],
                &["198.51.100.17", "192.0.2.43"],
            ),
            (&["for=\"192.0.2.43:_port\""], &["192.0.2.43"]),
            (&["proto=http ; for = 192.0.2.43"], &["192.0.2.43"]),
            // What a client put into its Host is no hop.
            (
                &["for=192.0.2.1;host=\"a,for=198.51.100.9\""],
                &["192.0.2.1"],
            ),
            (
                &["host=\"a;for=198.51.100.9\";for=192.0.2.1"],
                &["192.0.2.1"],
            ),
            (
                &["for=192.0.2.1;host=\"a\\\",for=198.51.100.9;x=\""],
                &["192.0.2.1"],
            ),
            // What can't be taken apart, or in two ways, is no address.
            (&["for=192.0.2.1;host=\"a"], &[""]),
            (&["for=192.0.2.1;for=192.0.2.2"], &[""]),
            (&["by=192.0.2.1"], &[""]),
            (&["192.0.2.1"], &[""]),
            (&["for=192.0.2.1;host=\u{e9}"], &[""]),
            (&[""], &[""]),
        ] {
            let headers = headers("forwarded", values);
            let hops = Forwarded.hops(&headers);
            let hops: Vec<_> = hops
                .map(|hop| hop.map_or_else(String::new, |hop| hop.to_string()))
                .collect();
            assert_eq!(hops, expected, "{values:?}");
        }
    }

    #[test]
    fn a_header_that_is_not_the_configured_one_says_nothing() {
        let mut both = headers("forwarded", &["for=192.0.2.1"]);
        both.extend(headers("x-forwarded-for", &["192.0.2.2"]));
        let hops =
            |which: ForwardedHeader| which.hops(&both).map(Option::unwrap).collect::<Vec<_>>();
        assert_eq!(hops(Forwarded), ["192.0.2.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(
            hops(XForwardedFor),
            ["192.0.2.2".parse::<IpAddr>().unwrap()]
        );
    }

    fn any_address() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            any::<[u8; 4]>().prop_map(IpAddr::from),
            any::<[u16; 8]>().prop_map(IpAddr::from)
        ]
    }

    proptest! {
        #[test]
        fn an_address_is_the_same_however_it_is_written(ip in any_address(), port: u16) {
            let bracketed = if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
            let texts = [format!("{ip}"), bracketed.clone(), format!("{bracketed}:{port}"), format!(" {ip}\t")];
            for text in texts {
                prop_assert_eq!(address(&text), Some(ip.to_canonical()), "{}", &text);
                let forwarded = headers("forwarded", &[&format!("for=\"{}\"", text.trim())]);
                prop_assert_eq!(Forwarded.hops(&forwarded).next(), Some(Some(ip.to_canonical())));
            }
        }

        #[test]
        fn nobody_invents_where_they_are(invented in "[ -~]{0,40}", peer in any_address(), ip in any_address()) {
            let trusted = ["10.0.0.0/8".parse().unwrap()];
            prop_assume!(!is_in(&trusted, peer.to_canonical()) && !is_in(&trusted, ip.to_canonical()));
            let proxy = IpAddr::from([10, 0, 0, 1]);
            // A proxy puts its hop behind what the client sent, as more of the value or as one more value.
            for values in [vec![format!("{invented}, {ip}")], vec![invented.clone(), ip.to_string()]] {
                let values: Vec<_> = values.iter().map(String::as_str).collect();
                let headers = headers("x-forwarded-for", &values);
                prop_assert_eq!(XForwardedFor.client(proxy, &headers, &trusted), ip.to_canonical());
                prop_assert_eq!(XForwardedFor.client(peer, &headers, &trusted), peer.to_canonical());
            }
            let values = [invented.as_str(), &format!("for=\"[{ip}]:1\"")];
            let headers = headers("forwarded", &values);
            let client = Forwarded.client(proxy, &headers, &trusted);
            prop_assert_eq!(client, if ip.is_ipv6() { ip.to_canonical() } else { proxy });
        }
    }
}
