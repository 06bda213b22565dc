//! Lists of addresses and networks (CIDR, RFC 4632 and RFC 4291): from where something may call.
//!
//! An IPv4 address is the same address when it is written as a mapped IPv6 address
//! (`::ffff:192.0.2.7`), on the list and at the door.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::confidential::is_confidential;

/// Networks, each with the bits of its hosts zero and none of them mapped. An empty list means
/// anywhere.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct AddressList(Vec<IpNet>);

/// Why a text is not an [`AddressList`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddressList {
    /// An entry that is neither address nor network; holds the entry, shortened.
    #[error(
        "{0:?} is not an address or network: write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32, say"
    )]
    Entry(String),
    /// A network whose address is that of a host in it.
    #[error("{entry:?} is a host in a network: write {network} if you mean the whole network")]
    Host {
        /// The entry.
        entry: String,
        /// The network that it is in.
        network: IpNet,
    },
    /// A network that holds all mapped IPv4 addresses, and others besides.
    #[error("{0:?} mixes IPv4 and IPv6 addresses: write the IPv4 network as 192.0.2.0/24, say")]
    Mixed(String),
    /// More entries than [`AddressList::LIMIT`].
    #[error("list {} addresses and networks at most", AddressList::LIMIT)]
    TooMany,
}

impl AddressList {
    /// The most entries.
    pub const LIMIT: usize = 50;

    /// Whether the list has no entry, so that it allows every address.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The networks, in the order in which they were written.
    #[must_use]
    pub fn networks(&self) -> &[IpNet] {
        &self.0
    }

    /// Whether an address is on the list, or the list is empty.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.is_empty() || self.0.iter().any(|network| network.contains(&address))
    }

    /// The same for a caller whose address may be unknown: then only an empty list allows it.
    #[must_use]
    pub fn allows_caller(&self, address: Option<IpAddr>) -> bool {
        address.map_or_else(|| self.is_empty(), |address| self.allows(address))
    }

    fn from_entries<'a>(
        entries: impl Iterator<Item = &'a str>,
    ) -> Result<Self, InvalidAddressList> {
        let mut networks = Vec::new();
        for entry in entries {
            let network = parse_entry(entry)?;
            if networks.contains(&network) {
                continue;
            }
            if networks.len() == Self::LIMIT {
                return Err(InvalidAddressList::TooMany);
            }
            networks.push(network);
        }
        Ok(Self(networks))
    }
}

fn parse_entry(entry: &str) -> Result<IpNet, InvalidAddressList> {
    let invalid = || {
        let shown = if is_confidential(entry) { "…" } else { entry };
        InvalidAddressList::Entry(shown.chars().take(50).collect())
    };
    let (address, prefix) = match entry.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (entry, None),
    };
    let address: IpAddr = address.parse().map_err(|_| invalid())?;
    let whole = if address.is_ipv4() { 32 } else { 128 };
    let prefix: u8 = match prefix {
        // `u8` would take a sign.
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().map_err(|_| invalid())?
        }
        Some(_) => return Err(invalid()),
        None => whole,
    };
    let canonical = address.to_canonical();
    let prefix = if canonical == address {
        prefix
    } else {
        // The first 96 bits of a mapped address are the same in all of them.
        prefix
            .checked_sub(96)
            .ok_or_else(|| InvalidAddressList::Mixed(entry.to_owned()))?
    };
    let written = IpNet::new(canonical, prefix).map_err(|_| invalid())?;
    let network = written.trunc();
    if network == written {
        Ok(network)
    } else {
        Err(InvalidAddressList::Host {
            entry: entry.to_owned(),
            network,
        })
    }
}

/// A network as people write it: a single address has no prefix.
fn spelt(network: &IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    }
}

impl FromStr for AddressList {
    type Err = InvalidAddressList;

    /// Takes entries between commas, spaces and line breaks.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let between = |c: char| c == ',' || c.is_whitespace();
        Self::from_entries(text.split(between).filter(|entry| !entry.is_empty()))
    }
}

impl TryFrom<Vec<String>> for AddressList {
    type Error = InvalidAddressList;

    fn try_from(entries: Vec<String>) -> Result<Self, Self::Error> {
        Self::from_entries(entries.iter().map(String::as_str))
    }
}

impl From<AddressList> for Vec<String> {
    fn from(list: AddressList) -> Self {
        list.0.iter().map(spelt).collect()
    }
}

impl fmt::Display for AddressList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries: Vec<String> = self.0.iter().map(spelt).collect();
        f.write_str(&entries.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(text: &str) -> AddressList {
        text.parse().unwrap()
    }

    #[test]
    fn entries_come_in_one_spelling() {
        for (typed, shown) in [
            ("", ""),
            (" , \n\t,", ""),
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7/32", "192.0.2.7"),
            ("10.0.0.0/8,192.0.2.7", "10.0.0.0/8, 192.0.2.7"),
            ("10.0.0.0/8\r\n192.0.2.7 ", "10.0.0.0/8, 192.0.2.7"),
            ("0.0.0.0/0 ::/0", "0.0.0.0/0, ::/0"),
            ("2001:DB8:0::1/128", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("::ffff:c000:207", "192.0.2.7"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("192.0.2.7, ::ffff:192.0.2.7, 192.0.2.7/32", "192.0.2.7"),
        ] {
            assert_eq!(list(typed).to_string(), shown, "{typed:?}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused_by_name() {
        for entry in [
            "nowhere",
            "10.0.0.0/33",
            "2001:db8::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "10.0.0/8",
            "010.0.0.1",
            "10.0.0.1:80",
            "[::1]",
            "fe80::1%eth0",
            "::ffff:10.0.0.0/129",
            "10.0.0.0/256",
        ] {
            let error = format!("192.0.2.7, {entry}")
                .parse::<AddressList>()
                .unwrap_err();
            assert_eq!(error, InvalidAddressList::Entry(entry.to_owned()));
            assert!(error.to_string().contains(entry), "{error}");
        }
        let mixed = "::ffff:0:0/95".parse::<AddressList>().unwrap_err();
        assert!(matches!(mixed, InvalidAddressList::Mixed(_)), "{mixed}");
        let long = "x".repeat(1 << 20).parse::<AddressList>().unwrap_err();
        assert!(long.to_string().len() < 200);
    }

    #[test]
    fn a_host_in_a_network_is_refused_with_the_network_that_was_meant() {
        for (entry, meant) in [
            ("10.0.0.1/8", "10.0.0.0/8"),
            ("2001:db8::1/32", "2001:db8::/32"),
            ("::ffff:10.0.0.1/104", "10.0.0.0/8"),
        ] {
            let error = entry.parse::<AddressList>().unwrap_err().to_string();
            assert!(error.contains(entry) && error.contains(meant), "{error}");
        }
    }

    #[test]
    fn a_list_has_50_entries_at_most() {
        let entries =
            |count: u8| -> String { (0..count).map(|n| format!("10.0.0.{n} ")).collect() };
        assert_eq!(list(&entries(50)).networks().len(), 50);
        assert_eq!(list(&entries(50).repeat(3)).networks().len(), 50);
        assert_eq!(
            entries(51).parse::<AddressList>(),
            Err(InvalidAddressList::TooMany)
        );
    }

    #[test]
    fn an_address_is_allowed_when_it_is_on_the_list_or_nothing_is() {
        for (on_the_list, address, allowed) in [
            ("", "203.0.113.9", true),
            ("", "2001:db8::1", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "::ffff:192.0.2.7", true),
            ("::ffff:192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("2001:db8::1", "2001:db8::2", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("::/0", "192.0.2.7", false),
            ("::/0", "::ffff:192.0.2.7", false),
            ("0.0.0.0/0", "::1", false),
            ("10.0.0.0/8 2001:db8::/32", "2001:db8::1", true),
        ] {
            assert_eq!(
                list(on_the_list).allows(address.parse().unwrap()),
                allowed,
                "{address} on {on_the_list:?}"
            );
        }
    }

    #[test]
    fn in_json_it_is_a_list_of_texts() {
        let json = serde_json::to_string(&list("10.0.0.0/8, 192.0.2.7")).unwrap();
        assert_eq!(json, r#"["10.0.0.0/8","192.0.2.7"]"#);
        for refused in [r#"["10.0.0.1/8"]"#, r#"["10.0.0.1, 10.0.0.2"]"#, r#"[""]"#] {
            assert!(
                serde_json::from_str::<AddressList>(refused).is_err(),
                "{refused}"
            );
        }
    }

    fn any_network() -> impl Strategy<Value = IpNet> {
        let network = |(address, prefix): (IpAddr, u8)| {
            let most = if address.is_ipv4() { 33 } else { 129 };
            IpNet::new(address, prefix % most).unwrap().trunc()
        };
        (any::<IpAddr>(), any::<u8>()).prop_map(network)
    }

    proptest! {
        #[test]
        fn a_list_survives_being_shown_and_stored(networks in proptest::collection::vec(any_network(), 0..20)) {
            let text: String = networks.iter().map(|network| format!("{network}\n")).collect();
            if let Ok(list) = text.parse::<AddressList>() {
                prop_assert_eq!(list.to_string().parse::<AddressList>(), Ok(list.clone()));
                let json = serde_json::to_string(&list).unwrap();
                prop_assert_eq!(serde_json::from_str::<AddressList>(&json).unwrap(), list);
            }
        }

        /// By the bits themselves: an address is in a network when the first `prefix` bits agree.
        #[test]
        fn a_network_allows_what_shares_its_prefix(bits: u32, prefix in 0_u8..=32, other: u32, near in 0_u32..=32) {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            let network = std::net::Ipv4Addr::from(bits & mask);
            // Close to the edge, half of the time.
            let address = bits ^ other.checked_shr(near).unwrap_or(0);
            let allowed = address & mask == bits & mask;
            let list = list(&format!("{network}/{prefix}"));
            let address = std::net::Ipv4Addr::from(address);
            prop_assert_eq!(list.allows(address.into()), allowed);
            prop_assert_eq!(list.allows(address.to_ipv6_mapped().into()), allowed);
        }

        #[test]
        fn no_text_is_too_odd(text in ".{0,60}") {
            let _ = text.parse::<AddressList>();
        }
    }
}
