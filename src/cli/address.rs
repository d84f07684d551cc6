//! Where a server is: `undertone://host:port#fingerprint` and its parts.

use core::fmt;
use core::net::{IpAddr, Ipv6Addr};
use core::str::FromStr;

use crypto::Fingerprint;

/// The port of a server whose address names none.
pub const DEFAULT_PORT: u16 = 5000;

/// The scheme of a server's address.
const SCHEME: &str = "undertone://";
/// Bytes of a host name (RFC 1035 §2.3.4).
const HOST_LEN_MAX: usize = 253;

/// A host name or an IP address, an IPv6 one without brackets. Holds only what is safe on a
/// terminal; in lower case, so that one name is one server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Host(String);

impl Host {
    /// The name or the address, without brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Host {
    type Err = BadAddress;

    fn from_str(typed: &str) -> Result<Self, BadAddress> {
        let bracketed = typed.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let host = bracketed.unwrap_or(typed);
        if is_ipv6(host) {
            let (address, scope) = split_scope(host);
            let address: Ipv6Addr = address.parse().map_err(|_| BadAddress::Host)?;
            return Ok(Self(match scope {
                Some(scope) => format!("{address}%{scope}"),
                None => address.to_string(),
            }));
        }
        if let Ok(address) = host.parse::<IpAddr>()
            && bracketed.is_none()
        {
            return Ok(Self(address.to_string()));
        }
        if let Some((name, port)) = host.rsplit_once(':')
            && is_name(name)
            && port.parse::<u16>().is_ok()
        {
            return Err(BadAddress::PortInHost);
        }
        if bracketed.is_some() || !is_name(host) {
            return Err(BadAddress::Host);
        }
        Ok(Self(host.to_ascii_lowercase()))
    }
}

/// As it stands before `:port`: an IPv6 address in brackets.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(':') {
            write!(f, "[{}]", self.0)
        } else {
            f.write_str(&self.0)
        }
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        Self(address.to_string())
    }
}

/// An address as the user gives it and a server prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// Name or IP address.
    pub host: Host,
    /// UDP port.
    pub port: u16,
    /// The server's identity key, where it is known.
    pub fingerprint: Option<Fingerprint>,
}

impl ServerAddress {
    /// `host:port`.
    pub fn host_port(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// A QR code of the address for a terminal with a dark background, two modules to a character.
    pub fn qr(&self) -> Option<String> {
        use qrcode::render::unicode::Dense1x2;
        let code = qrcode::QrCode::new(self.to_string()).ok()?;
        let mut renderer = code.render::<Dense1x2>();
        renderer
            .dark_color(Dense1x2::Light)
            .light_color(Dense1x2::Dark);
        Some(renderer.build())
    }
}

/// `undertone://host:port#fingerprint`.
impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}:{}", self.host, self.port)?;
        match self.fingerprint {
            Some(fingerprint) => write!(f, "#{fingerprint}"),
            None => Ok(()),
        }
    }
}

/// Takes it with or without scheme, port and fingerprint.
impl FromStr for ServerAddress {
    type Err = BadAddress;

    fn from_str(typed: &str) -> Result<Self, BadAddress> {
        let rest = match typed.split_once("://") {
            Some(("undertone", rest)) => rest.strip_suffix('/').unwrap_or(rest),
            Some(_) => return Err(BadAddress::Scheme),
            None => typed,
        };
        let (authority, fingerprint) = match rest.split_once('#') {
            Some((authority, digits)) => {
                let fingerprint = digits.parse().map_err(|_| BadAddress::Fingerprint)?;
                (authority, Some(fingerprint))
            }
            None => (rest, None),
        };
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let (host, port) = if is_ipv6(authority) || authority.ends_with(']') {
            (authority, DEFAULT_PORT)
        } else {
            match authority.rsplit_once(':') {
                Some((host, port)) => (host, parse_port(port)?),
                None => (authority, DEFAULT_PORT),
            }
        };
        Ok(Self {
            host: host.parse()?,
            port,
            fingerprint,
        })
    }
}

/// Digits alone: `u16::from_str` would take `+5`.
fn parse_port(digits: &str) -> Result<u16, BadAddress> {
    let port = match digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true => digits.parse().ok(),
        false => None,
    };
    port.filter(|port| *port != 0).ok_or(BadAddress::Port)
}

fn split_scope(host: &str) -> (&str, Option<&str>) {
    match host.split_once('%') {
        Some((address, scope)) => (address, Some(scope)),
        None => (host, None),
    }
}

/// An IPv6 address, perhaps with the interface it is of (RFC 4007 §11).
fn is_ipv6(host: &str) -> bool {
    let (address, scope) = split_scope(host);
    address.parse::<Ipv6Addr>().is_ok() && scope.is_none_or(is_name)
}

fn is_name(host: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (1..=HOST_LEN_MAX).contains(&host.len())
        && host.bytes().all(letters)
        && !host.starts_with(['-', '.'])
        && !host.contains("..")
}

/// What was typed is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// Another scheme.
    #[error("an address begins with undertone://")]
    Scheme,
    /// Neither a host name nor an IP address.
    #[error("not a host name or IP address")]
    Host,
    /// `host:port` where a host belongs.
    #[error("give the port by -sp PORT")]
    PortInHost,
    /// Not a port.
    #[error("a port is a number from 1 to 65535")]
    Port,
    /// Not a fingerprint.
    #[error("after # come the 64 hexadecimal digits of the server's fingerprint")]
    Fingerprint,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIGITS: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn parsed(typed: &str) -> Result<String, BadAddress> {
        Ok(typed.parse::<ServerAddress>()?.to_string())
    }

    #[test]
    fn addresses_are_understood_in_all_their_forms() {
        for (typed, expected) in [
            ("localhost", "undertone://localhost:5000"),
            ("Chat.Example.org:7", "undertone://chat.example.org:7"),
            ("undertone://10.0.0.1", "undertone://10.0.0.1:5000"),
            ("undertone://10.0.0.1:9/", "undertone://10.0.0.1:9"),
            ("[::1]:65535", "undertone://[::1]:65535"),
            ("[::1]", "undertone://[::1]:5000"),
            ("::1", "undertone://[::1]:5000"),
            ("2001:DB8:0::1", "undertone://[2001:db8::1]:5000"),
            ("[fe80::1%eth0]:1", "undertone://[fe80::1%eth0]:1"),
        ] {
            assert_eq!(parsed(typed).as_deref(), Ok(expected), "{typed}");
        }
        let full = format!("undertone://[::1]:5001#{DIGITS}");
        assert_eq!(parsed(&full), Ok(full.clone()));
        let slash = format!("undertone://h:5001/#{}", DIGITS.to_uppercase());
        assert_eq!(parsed(&slash), Ok(format!("undertone://h:5001#{DIGITS}")));
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        for (typed, error) in [
            ("", BadAddress::Host),
            ("http://h:1", BadAddress::Scheme),
            ("h:", BadAddress::Port),
            ("h:0", BadAddress::Port),
            ("h:+5", BadAddress::Port),
            ("h:65536", BadAddress::Port),
            ("h:1#ab", BadAddress::Fingerprint),
            ("a b:1", BadAddress::Host),
            ("-sp:1", BadAddress::Host),
            ("..:1", BadAddress::Host),
            ("\u{1b}[2J:1", BadAddress::Host),
            ("[h]:1", BadAddress::Host),
            ("[127.0.0.1]:1", BadAddress::Host),
            ("[::1:5", BadAddress::Host),
            ("fe80::1%a b", BadAddress::Port),
        ] {
            assert_eq!(parsed(typed), Err(error), "{typed}");
        }
    }

    #[test]
    fn a_host_may_have_brackets_but_no_port() {
        let host = |typed: &str| typed.parse::<Host>();
        assert_eq!(host("[::1]"), host("::1"));
        assert_eq!(host("[::1]").unwrap().as_str(), "::1");
        assert_eq!(host("10.0.0.1:5000"), Err(BadAddress::PortInHost));
        assert_eq!(host("[::1]:5000"), Err(BadAddress::Host));
    }

    #[test]
    fn the_qr_code_holds_the_longest_address() {
        let host = format!("{}.org", "a".repeat(63));
        let address = format!("undertone://{host}:65535#{DIGITS}");
        let address: ServerAddress = address.parse().unwrap();
        let qr = address.qr().unwrap();
        let widths: Vec<usize> = qr.lines().map(|line| line.chars().count()).collect();
        assert!(widths.len() > 20 && widths.iter().all(|width| *width == widths[0]));
        // A terminal of 80 columns.
        assert!(widths[0] <= 80, "{}", widths[0]);
    }

    proptest! {
        #[test]
        fn what_is_printed_is_understood(
            host in "[a-z0-9][a-z0-9-]{0,20}(\\.[a-z]{2,5})?",
            v6: Option<u128>,
            port in 1_u16..,
            bytes: Option<[u8; 32]>,
        ) {
            let host = match v6 {
                Some(bits) => Host::from(IpAddr::V6(bits.into())),
                None => host.parse().unwrap(),
            };
            let fingerprint = bytes.map(Fingerprint::new);
            let address = ServerAddress { host, port, fingerprint };
            prop_assert_eq!(address.to_string().parse(), Ok(address));
        }

        #[test]
        fn a_host_is_safe_to_print(typed in "\\PC{0,9}[:%#/\\[\\]\u{1b}]?\\PC{0,9}") {
            if let Ok(address) = typed.parse::<ServerAddress>() {
                prop_assert!(address.to_string().chars().all(|c| c.is_ascii_graphic()));
            }
        }
    }
}
