use core::net::IpAddr;

/// The part of an address that one party is assumed to hold: what limits for strangers count by.
///
/// 24 bits of IPv4 and 56 of IPv6, the usual shares of one subscriber or one small network. Whoever
/// has a whole /24 has one share of the server all the same, and so have its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourcePrefix([u8; 16]);

impl SourcePrefix {
    /// The prefix that `address` belongs to; an IPv4 address inside IPv6 counts as IPv4.
    pub fn of(address: IpAddr) -> Self {
        let mut bytes = address_bytes(address);
        let kept = match address.to_canonical() {
            IpAddr::V4(_) => 15,
            IpAddr::V6(_) => 7,
        };
        for byte in bytes.iter_mut().skip(kept) {
            *byte = 0;
        }
        Self(bytes)
    }

    /// 16 bytes, zero behind the prefix.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// 16 bytes for any address: IPv4 as `::ffff:a.b.c.d`, so that both spellings are one.
pub(crate) fn address_bytes(address: IpAddr) -> [u8; 16] {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(address: &str) -> SourcePrefix {
        SourcePrefix::of(address.parse().unwrap())
    }

    #[test]
    fn neighbours_share_a_prefix_and_others_do_not() {
        assert_eq!(prefix("192.0.2.1"), prefix("192.0.2.254"));
        assert_eq!(prefix("192.0.2.1"), prefix("::ffff:192.0.2.9"));
        assert_ne!(prefix("192.0.2.1"), prefix("192.0.3.1"));
        assert_eq!(prefix("2001:db8:0:10::1"), prefix("2001:db8:0:1f:9::"));
        assert_ne!(prefix("2001:db8:0:10::1"), prefix("2001:db8:0:110::1"));
    }
}
