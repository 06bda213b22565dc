//! Whom an address belongs to, as far as counting goes: limits on strangers are kept by network, since
//! whoever has one IPv6 address has a whole network of them.

use std::net::{IpAddr, Ipv6Addr};

use crate::outbound::innermost;

/// The network of one client: the key of every limit that is kept by address.
///
/// For IPv6 it is the /64, the smallest that is given to a subnet (RFC 4291 section 2.5.4), and within
/// which a machine may take any address (RFC 8981). For IPv4 it is the address, however it is written:
/// mapped into IPv6 or translated (NAT64). All whose address is unknown are one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientNetwork(Option<IpAddr>);

impl ClientNetwork {
    /// The network of an address.
    #[must_use]
    pub fn of(address: Option<IpAddr>) -> Self {
        Self(address.map(|address| first_of(innermost(address), 64)))
    }

    /// The site that it belongs to: the /48, the most that providers give to one customer (RFC 6177).
    /// An IPv4 address is a site of its own.
    #[must_use]
    pub fn site(self) -> Self {
        Self(self.0.map(|address| first_of(address, 48)))
    }
}

/// The first address of the IPv6 network that an address is in.
fn first_of(address: IpAddr, prefix: u32) -> IpAddr {
    match address {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << (128 - prefix))).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn network(address: &str) -> ClientNetwork {
        ClientNetwork::of(Some(address.parse().unwrap()))
    }

    #[test]
    fn one_client_has_one_network_however_its_address_is_written() {
        for (one, other, same, same_site) in [
            ("192.0.2.7", "192.0.2.7", true, true),
            ("192.0.2.7", "192.0.2.8", false, false),
            ("192.0.2.7", "::ffff:192.0.2.7", true, true),
            ("192.0.2.7", "64:ff9b::192.0.2.7", true, true),
            ("64:ff9b::192.0.2.7", "64:ff9b::192.0.2.8", false, false),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::9", true, true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false, true),
            ("2001:db8:0:1::1", "2001:db8:1:1::1", false, false),
            ("::1", "127.0.0.1", false, false),
        ] {
            let (one, other) = (network(one), network(other));
            assert_eq!(one == other, same, "{one:?} {other:?}");
            assert_eq!(one.site() == other.site(), same_site, "{one:?} {other:?}");
        }
        assert_eq!(ClientNetwork::of(None), ClientNetwork::of(None).site());
        assert_ne!(ClientNetwork::of(None), network("::"));
    }

    proptest! {
        #[test]
        fn nobody_leaves_their_network_by_its_lower_half(upper: u64, one: u64, other: u64) {
            let address = |lower: u64| Ipv6Addr::from_bits(u128::from(upper) << 64 | u128::from(lower));
            let (one, other) = (address(one), address(other));
            // What is mapped or translated is an IPv4 address.
            prop_assume!(innermost(one.into()).is_ipv6() && innermost(other.into()).is_ipv6());
            prop_assert_eq!(ClientNetwork::of(Some(one.into())), ClientNetwork::of(Some(other.into())));
        }
    }
}
