//! Where webhooks may lead: to public addresses, and to networks that the configuration allows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use reqwest::Url;
use url::Host;

/// The longest URL, in bytes.
pub const MAX_URL_BYTES: usize = 2048;

/// Why nothing is delivered to a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// It is none, or too long.
    #[error("this is no URL of at most 2048 bytes")]
    NotAUrl,
    /// It is neither http nor https.
    #[error("the URL is neither http nor https")]
    Scheme,
    /// It holds a user name or a password.
    #[error("the URL holds a user name or a password")]
    Credentials,
    /// It leads into a network that is not public.
    #[error("the URL leads to an address that is not public")]
    NotPublic,
}

/// Which addresses deliveries may go to.
#[derive(Debug, Clone, Default)]
pub struct TargetPolicy {
    allowed: Vec<IpNet>,
}

impl TargetPolicy {
    /// Public addresses, and these networks.
    #[must_use]
    pub fn allowing(networks: impl IntoIterator<Item = IpNet>) -> Self {
        let allowed = networks.into_iter().collect();
        Self { allowed }
    }

    /// Whether deliveries may go there.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let is_allowed = self
            .allowed
            .iter()
            .any(|network| network.contains(&address));
        is_allowed || is_public(address)
    }

    /// The URL, if deliveries may go there as far as can be told without resolving its name.
    ///
    /// # Errors
    /// If they may not.
    pub fn check(&self, text: &str) -> Result<Url, TargetError> {
        if text.len() > MAX_URL_BYTES {
            return Err(TargetError::NotAUrl);
        }
        let url = Url::parse(text).map_err(|_| TargetError::NotAUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(TargetError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::Credentials);
        }
        // Odd forms of IPv4 addresses, as `0x7f.1`, are addresses by now.
        let address: IpAddr = match url.host().ok_or(TargetError::NotAUrl)? {
            Host::Ipv4(address) => address.into(),
            Host::Ipv6(address) => address.into(),
            Host::Domain(name) if is_localhost(name) => Ipv4Addr::LOCALHOST.into(),
            Host::Domain(_) => return Ok(url),
        };
        if self.permits(address) {
            Ok(url)
        } else {
            Err(TargetError::NotPublic)
        }
    }
}

/// Whether RFC 6761 gives this name to the machine itself.
fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

const fn v4(a: u8, b: u8, c: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), length)
}

const fn v6(a: u16, b: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), length)
}

/// What is not public of IPv4, by the IANA IPv4 Special-Purpose Address Registry.
const NOT_PUBLIC_V4: [Ipv4Net; 15] = [
    v4(0, 0, 0, 8),       // this network
    v4(10, 0, 0, 8),      // private (RFC 1918)
    v4(100, 64, 0, 10),   // shared by carriers (CGNAT, RFC 6598)
    v4(127, 0, 0, 8),     // loopback
    v4(169, 254, 0, 16),  // link-local, with the metadata services of clouds
    v4(172, 16, 0, 12),   // private (RFC 1918)
    v4(192, 0, 0, 24),    // IETF protocols
    v4(192, 0, 2, 24),    // documentation
    v4(192, 88, 99, 24),  // 6to4 relays
    v4(192, 168, 0, 16),  // private (RFC 1918)
    v4(198, 18, 0, 15),   // benchmarks
    v4(198, 51, 100, 24), // documentation
    v4(203, 0, 113, 24),  // documentation
    v4(224, 0, 0, 4),     // multicast
    v4(240, 0, 0, 4),     // reserved, and broadcast
];

/// What is given out of IPv6 (RFC 4291); all else is loopback, unspecified, unique local,
/// link-local, multicast or reserved.
const GIVEN_OUT_V6: Ipv6Net = v6(0x2000, 0, 3);

/// What is not public of that, by the IANA IPv6 Special-Purpose Address Registry.
const NOT_PUBLIC_V6: [Ipv6Net; 4] = [
    v6(0x2001, 0, 23),     // IETF protocols, Teredo among them
    v6(0x2001, 0xdb8, 32), // documentation
    v6(0x2002, 0, 16),     // 6to4: an IPv4 address is within
    v6(0x3fff, 0, 20),     // documentation
];

/// IPv4 addresses as a NAT64 shows them (RFC 6052): the last four bytes.
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 96);

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !NOT_PUBLIC_V4
            .iter()
            .any(|network| network.contains(&address)),
        IpAddr::V6(address) if NAT64.contains(&address) => {
            let [.., a, b, c, d] = address.octets();
            is_public(Ipv4Addr::new(a, b, c, d).into())
        }
        IpAddr::V6(address) => {
            GIVEN_OUT_V6.contains(&address)
                && !NOT_PUBLIC_V6
                    .iter()
                    .any(|network| network.contains(&address))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expected: Result<(), TargetError>) {
        let checked = TargetPolicy::default().check(url);
        assert_eq!(checked.map(|_| ()), expected, "{url}");
    }

    #[test]
    fn what_is_not_public_is_refused_in_every_form() {
        let hosts = [
            // Loopback, in all its spellings.
            "127.0.0.1",
            "127.1",
            "127.255.255.254",
            "0x7f.1",
            "0x7f000001",
            "2130706433",
            "017700000001",
            "0177.0.0.1",
            "127.0.0.1.",
            "127。0。0。1",
            "①②⑦.0.0.1",
            "%31%32%37.0.0.1",
            "localhost",
            "LOCALHOST",
            "localhost.",
            "a.localhost",
            "ｌｏｃａｌｈｏｓｔ",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
            // Unspecified.
            "0.0.0.0",
            "0",
            "0.1.2.3",
            "[::]",
            "[::ffff:0.0.0.0]",
            // Private.
            "10.0.0.1",
            "10.255.255.255",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "0xc0a80001",
            "[::ffff:10.0.0.1]",
            "[fc00::1]",
            "[fd12:3456::1]",
            "[fec0::1]",
            // Link-local.
            "169.254.169.254",
            "0xa9fea9fe",
            "2852039166",
            "[::ffff:169.254.169.254]",
            "[fe80::1]",
            "[fd00:ec2::254]",
            // Carriers, multicast, broadcast, benchmarks, documentation.
            "100.64.0.1",
            "100.127.255.255",
            "224.0.0.1",
            "239.255.255.250",
            "255.255.255.255",
            "240.0.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "192.88.99.1",
            "[ff02::1]",
            "[2001:db8::1]",
            // IPv4 within IPv6.
            "[64:ff9b::7f00:1]",
            "[64:ff9b::a9fe:a9fe]",
            "[2002:7f00:1::]",
            "[2002:a00:1::1]",
            "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
            "[64:ff9b:1::7f00:1]",
        ];
        for host in hosts {
            check(&format!("https://{host}/hook"), Err(TargetError::NotPublic));
            check(&format!("http://{host}:8080"), Err(TargetError::NotPublic));
        }
    }

    #[test]
    fn what_is_public_is_permitted() {
        let hosts = [
            "example.com",
            "hooks.example.com.",
            "1.1.1.1",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "169.253.0.1",
            "192.167.0.1",
            "223.255.255.255",
            "[2606:4700::1111]",
            "[64:ff9b::101:101]",
            "[::ffff:1.1.1.1]",
            "localhost.example.com",
            "notlocalhost",
        ];
        for host in hosts {
            check(&format!("https://{host}/hook?a=b"), Ok(()));
        }
    }

    #[test]
    fn what_is_no_plain_url_of_the_web_is_refused() {
        use TargetError::{Credentials, NotAUrl, Scheme};
        for scheme in ["ftp", "file", "gopher", "ws", "javascript", "unix"] {
            check(&format!("{scheme}://example.com"), Err(Scheme));
        }
        check("data:text/plain,a", Err(Scheme));
        for url in [
            "https://a@example.com",
            "https://:b@example.com",
            "http://a:b@1.1.1.1",
        ] {
            check(url, Err(Credentials));
        }
        let long = format!("https://example.com/{}", "a".repeat(MAX_URL_BYTES));
        for url in [
            "",
            "example.com",
            "//example.com",
            "http://",
            "http://[fe80::1%25eth0]/",
            "http://1.2.3.4.5",
            "https://example.com:99999",
            &long,
        ] {
            check(url, Err(NotAUrl));
        }
    }

    #[test]
    fn allowed_networks_are_permitted_and_only_they() {
        let policy =
            TargetPolicy::allowing(["127.0.0.0/8", "fd00::/8"].map(|n| n.parse().unwrap()));
        for url in [
            "http://127.0.0.1:1",
            "http://localhost",
            "http://[::ffff:127.0.0.1]",
            "http://[fd00::1]",
        ] {
            assert!(policy.check(url).is_ok(), "{url}");
        }
        for url in ["http://10.0.0.1", "http://[::1]", "http://[fc00::1]"] {
            assert_eq!(policy.check(url), Err(TargetError::NotPublic), "{url}");
        }
    }
}
