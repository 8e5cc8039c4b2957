//! Ethernet II header (IEEE 802.3 clause 3; RFC 894).
//!
//! ```text
//! | destination (6) | source (6) | EtherType or length (2) | payload |
//! ```
//!
//! A value below 0x0600 is the payload's length in bytes and an LLC header follows.
//! Frames here never hold the FCS.

use std::fmt;
use std::str::FromStr;

use super::{Malformed, be16, fixed, put};

/// Bytes of the header.
pub const LEN: usize = 14;
/// Shortest frame on a cable, without FCS; senders pad up to it.
pub const MIN_FRAME: usize = 60;

/// `EtherTypes` (IANA registry "IEEE 802 Numbers").
pub mod ethertype {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// ARP.
    pub const ARP: u16 = 0x0806;
    /// Transparent Ethernet bridging (GRE, Geneve).
    pub const TEB: u16 = 0x6558;
    /// 802.1Q customer tag.
    pub const C_TAG: u16 = 0x8100;
    /// 802.1ad service tag.
    pub const S_TAG: u16 = 0x88A8;
    /// Stacked tag of old equipment.
    pub const OLD_TAG: u16 = 0x9100;
    /// IPv6.
    pub const IPV6: u16 = 0x86DD;
    /// Cisco `MetaData` shim.
    pub const CISCO_METADATA: u16 = 0x8909;
    /// Smallest value that is a type and no length.
    pub const MIN: u16 = 0x0600;
}

/// A MAC address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// `ff:ff:ff:ff:ff:ff`.
    pub const BROADCAST: Mac = Mac([0xFF; 6]);
    /// `00:00:00:00:00:00`, never a valid source.
    pub const ZERO: Mac = Mac([0; 6]);

    /// Whether the group bit is set: multicast or broadcast (IEEE 802 section 8.2).
    #[must_use]
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// Whether bridges keep it to themselves: `01:80:c2:00:00:00` to `..0f` (802.1Q table 8-1).
    #[must_use]
    pub const fn is_bridge_reserved(self) -> bool {
        matches!(self.0, [0x01, 0x80, 0xC2, 0x00, 0x00, 0x00..=0x0F])
    }

    /// The group address of an IPv4 group: `01:00:5e` and its low 23 bits (RFC 1112 section 6.4).
    #[must_use]
    pub const fn of_ipv4_group(group: std::net::Ipv4Addr) -> Mac {
        let [_, b, c, d] = group.octets();
        Mac([0x01, 0x00, 0x5E, b & 0x7F, c, d])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [m0, m1, m2, m3, m4, m5] = self.0;
        write!(f, "{m0:02x}:{m1:02x}:{m2:02x}:{m3:02x}:{m4:02x}:{m5:02x}")
    }
}

impl FromStr for Mac {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no MAC address: six pairs of hexadecimal digits, as in 02:00:00:00:00:01"
            )
        };
        let mut mac = [0; 6];
        let mut pairs = text.split(':');
        for byte in &mut mac {
            let pair = pairs.next().filter(|p| p.len() == 2 && !p.starts_with('+'));
            *byte = u8::from_str_radix(pair.ok_or_else(wrong)?, 16).map_err(|_| wrong())?;
        }
        if pairs.next().is_some() {
            return Err(wrong());
        }
        Ok(Mac(mac))
    }
}

/// An Ethernet header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Destination.
    pub dst: Mac,
    /// Source.
    pub src: Mac,
    /// `EtherType`, or length below [`ethertype::MIN`].
    pub ethertype: u16,
}

impl Header {
    /// Reads the header at the start of `bytes`; the payload starts at [`LEN`].
    ///
    /// # Errors
    /// [`Malformed::Truncated`] below 14 bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let header: &[u8; LEN] = fixed(bytes)?;
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, ..] = *header;
        Ok(Header {
            dst: Mac([d0, d1, d2, d3, d4, d5]),
            src: Mac([s0, s1, s2, s3, s4, s5]),
            ethertype: be16(header, 12),
        })
    }

    /// Writes the header; returns [`LEN`].
    ///
    /// # Errors
    /// [`Malformed::NoRoom`] where `out` is shorter.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, Malformed> {
        let [d0, d1, d2, d3, d4, d5] = self.dst.0;
        let [s0, s1, s2, s3, s4, s5] = self.src.0;
        let [t0, t1] = self.ethertype.to_be_bytes();
        put([d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1], out)
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ethernet {} > {} type 0x{:04x}", self.src, self.dst, self.ethertype)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{emitted, hex};
    use super::*;

    #[test]
    fn a_captured_header_both_ways() {
        let bytes = hex("ffffffffffff 0200c0a80001 0806");
        let header = Header::parse(&bytes).unwrap();
        assert_eq!(
            header.to_string(),
            "Ethernet 02:00:c0:a8:00:01 > ff:ff:ff:ff:ff:ff type 0x0806"
        );
        assert_eq!(emitted(LEN, |out| header.emit(out)), bytes);
        for short in 0..LEN {
            assert_eq!(Header::parse(&bytes[..short]), Err(Malformed::Truncated));
        }
    }

    #[test]
    fn mac_addresses_as_text() {
        let mac: Mac = "02:00:5E:00:53:ff".parse().unwrap();
        assert_eq!(mac, Mac([2, 0, 0x5E, 0, 0x53, 0xFF]));
        assert_eq!(mac.to_string().parse(), Ok(mac));
        for wrong in [
            "",
            "02:00",
            "02:00:5e:00:53:ff:01",
            "2:0:5e:0:53:ff",
            "+2:00:5e:00:53:ff",
            "0g:00:5e:00:53:ff",
        ] {
            assert!(wrong.parse::<Mac>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn groups_and_reserved_addresses() {
        assert!(Mac::BROADCAST.is_group() && !Mac([2, 0, 0, 0, 0, 1]).is_group());
        assert!(Mac([1, 0x80, 0xC2, 0, 0, 0x0E]).is_bridge_reserved());
        assert!(!Mac([1, 0x80, 0xC2, 0, 0, 0x10]).is_bridge_reserved());
        let group = Mac::of_ipv4_group(std::net::Ipv4Addr::new(239, 129, 1, 42));
        assert_eq!(group, Mac([1, 0, 0x5E, 1, 1, 0x2A]));
    }
}
