//! Which addresses the server connects to when somebody gives it a URL: those of the public
//! internet, and those that the deployment allows besides. Whoever may set a URL must not reach
//! through it what only the server can (SSRF).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The rule of one deployment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutboundRule {
    allowed: Vec<IpNet>,
}

impl OutboundRule {
    /// The rule that allows these networks besides the public internet.
    #[must_use]
    pub const fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed }
    }

    /// Whether the server may connect to an address. What is inside a mapped or a translated (NAT64)
    /// address counts.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = innermost(address);
        self.allowed
            .iter()
            .any(|network| network.contains(&address))
            || match address {
                IpAddr::V4(address) => is_public_v4(address),
                IpAddr::V6(address) => is_public_v6(address),
            }
    }

    /// Whether the server may connect to this machine itself.
    #[must_use]
    pub fn allows_loopback(&self) -> bool {
        self.allows(Ipv4Addr::LOCALHOST.into()) || self.allows(Ipv6Addr::LOCALHOST.into())
    }
}

/// The IPv4 address in a mapped one (RFC 4291) or in one that a NAT64 gateway translates
/// (64:ff9b::/96, RFC 6052): networks without IPv4 reach the public one by such addresses.
pub(crate) fn innermost(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => match v6.segments() {
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
                Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low)).into()
            }
            _ => v6.into(),
        },
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Not in IANA's registry of special-purpose addresses (RFC 6890), and not one by which clouds
/// reach their own machines.
fn is_public_v4(address: Ipv4Addr) -> bool {
    const fn net(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
        Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
    }
    const SPECIAL: [Ipv4Net; 16] = [
        net(0, 0, 0, 0, 8),        // this network, unspecified
        net(10, 0, 0, 0, 8),       // private
        net(100, 64, 0, 0, 10),    // carrier-grade NAT, and a metadata service
        net(127, 0, 0, 0, 8),      // loopback
        net(168, 63, 129, 16, 32), // what a virtual machine at Azure knows its host by
        net(169, 254, 0, 0, 16),   // link-local, and most metadata services
        net(172, 16, 0, 0, 12),    // private
        net(192, 0, 0, 0, 24),     // protocol assignments, and a metadata service
        net(192, 0, 2, 0, 24),     // documentation
        net(192, 88, 99, 0, 24),   // relays of 6to4
        net(192, 168, 0, 0, 16),   // private
        net(198, 18, 0, 0, 15),    // measuring
        net(198, 51, 100, 0, 24),  // documentation
        net(203, 0, 113, 0, 24),   // documentation
        net(224, 0, 0, 0, 4),      // multicast
        net(240, 0, 0, 0, 4),      // reserved, broadcast
    ];
    !SPECIAL.iter().any(|network| network.contains(&address))
}

/// In the part of IPv6 that is given out (2000::/3; loopback, link-local and unique local addresses
/// and multicast are elsewhere), and not special within it.
fn is_public_v6(address: Ipv6Addr) -> bool {
    const fn net(a: u16, b: u16, prefix: u8) -> Ipv6Net {
        Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), prefix)
    }
    const GIVEN_OUT: Ipv6Net = net(0x2000, 0, 3);
    const SPECIAL: [Ipv6Net; 5] = [
        net(0x2001, 0, 23), // protocol assignments; Teredo among them holds an IPv4 address
        net(0x2001, 0xdb8, 32), // documentation
        net(0x2002, 0, 16), // 6to4, which holds an IPv4 address
        net(0x3ffe, 0, 16), // what IPv6 was tried out with, given back
        net(0x3fff, 0, 20), // documentation
    ];
    GIVEN_OUT.contains(&address) && !SPECIAL.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The first and the last address of what is refused, beside the nearest that is not.
    #[test]
    fn only_public_addresses_are_allowed_by_default() {
        let rule = OutboundRule::default();
        for (refused, around) in [
            (["0.0.0.0", "0.255.255.255"], vec!["1.0.0.0"]),
            (
                ["10.0.0.0", "10.255.255.255"],
                vec!["9.255.255.255", "11.0.0.0"],
            ),
            (
                ["100.64.0.0", "100.127.255.255"],
                vec!["100.63.255.255", "100.128.0.0"],
            ),
            (["100.100.100.200", "100.100.100.200"], vec![]),
            (
                ["127.0.0.0", "127.255.255.255"],
                vec!["126.255.255.255", "128.0.0.0"],
            ),
            (
                ["168.63.129.16", "168.63.129.16"],
                vec!["168.63.129.15", "168.63.129.17"],
            ),
            (
                ["169.254.0.0", "169.254.255.255"],
                vec!["169.253.255.255", "169.255.0.0"],
            ),
            (["169.254.169.254", "169.254.170.2"], vec![]),
            (
                ["172.16.0.0", "172.31.255.255"],
                vec!["172.15.255.255", "172.32.0.0"],
            ),
            (
                ["192.0.0.0", "192.0.0.255"],
                vec!["191.255.255.255", "192.0.1.0"],
            ),
            (
                ["192.0.2.0", "192.0.2.255"],
                vec!["192.0.1.255", "192.0.3.0"],
            ),
            (
                ["192.88.99.0", "192.88.99.255"],
                vec!["192.88.98.255", "192.88.100.0"],
            ),
            (
                ["192.168.0.0", "192.168.255.255"],
                vec!["192.167.255.255", "192.169.0.0"],
            ),
            (
                ["198.18.0.0", "198.19.255.255"],
                vec!["198.17.255.255", "198.20.0.0"],
            ),
            (
                ["198.51.100.0", "198.51.100.255"],
                vec!["198.51.99.255", "198.51.101.0"],
            ),
            (
                ["203.0.113.0", "203.0.113.255"],
                vec!["203.0.112.255", "203.0.114.0"],
            ),
            (["224.0.0.0", "255.255.255.255"], vec!["223.255.255.255"]),
            (["::", "::1"], vec!["2600::"]),
            (["::8.8.8.8", "::ffff:0:8.8.8.8"], vec!["::ffff:8.8.8.8"]),
            (
                ["::ffff:127.0.0.1", "::ffff:169.254.169.254"],
                vec!["::ffff:1.1.1.1"],
            ),
            (
                ["64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"],
                vec!["64:ff9b::808:808"],
            ),
            (["64:ff9b:1::", "64:ff9b:1::808:808"], vec![]),
            (["100::", "100::ffff"], vec![]),
            (["2001::", "2001:1ff:ffff::"], vec!["2001:200::"]),
            (
                ["2001:db8::", "2001:db8:ffff::"],
                vec!["2001:db7::", "2001:db9::"],
            ),
            (["2002:7f00:1::", "2002:808:808::"], vec!["2003::"]),
            (["3ffe::", "3fff:fff::"], vec!["3ffd::", "3fff:1000::"]),
            (["4000::", "fbff::"], vec!["3fff:ffff::"]),
            (["fc00::", "fd00:ec2::254"], vec![]),
            (["fe80::1", "febf::"], vec![]),
            (["fec0::", "ff02::1"], vec![]),
        ] {
            for address in refused {
                assert!(!rule.allows(address.parse().unwrap()), "{address}");
            }
            for address in around {
                assert!(rule.allows(address.parse().unwrap()), "{address}");
            }
        }
    }

    #[test]
    fn chosen_networks_are_open_however_an_address_of_them_is_written() {
        let rule = OutboundRule::new(vec![
            "10.1.0.0/16".parse().unwrap(),
            "fd00::/8".parse().unwrap(),
        ]);
        for (address, allowed) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("64:ff9b::a01:203", true),
            ("10.2.0.0", false),
            ("fd00:ec2::254", true),
            ("fc00::1", false),
            ("127.0.0.1", false),
            ("8.8.8.8", true),
        ] {
            assert_eq!(rule.allows(address.parse().unwrap()), allowed, "{address}");
        }
        assert!(!rule.allows_loopback());
        assert!(OutboundRule::new(vec!["127.0.0.0/8".parse().unwrap()]).allows_loopback());
        assert!(OutboundRule::new(vec!["::1/128".parse().unwrap()]).allows_loopback());
    }

    proptest! {
        /// What std itself calls special is never allowed, in any form that holds it.
        #[test]
        fn no_form_of_a_special_address_is_allowed(bits: u32) {
            let address = Ipv4Addr::from_bits(bits);
            let special = address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_multicast() || address.is_broadcast() || address.is_documentation()
                || address.is_unspecified();
            let translated = Ipv6Addr::from_bits((0x64_ff9b << 96) | u128::from(bits));
            let six_to_four = Ipv6Addr::from_bits((0x2002 << 112) | (u128::from(bits) << 80));
            let rule = OutboundRule::default();
            let allowed = rule.allows(address.into());
            prop_assert!(!(special && allowed));
            prop_assert_eq!(rule.allows(address.to_ipv6_mapped().into()), allowed);
            prop_assert_eq!(rule.allows(translated.into()), allowed);
            prop_assert!(!rule.allows(six_to_four.into()));
            prop_assert!(!rule.allows(address.to_ipv6_compatible().into()));
        }
    }
}
