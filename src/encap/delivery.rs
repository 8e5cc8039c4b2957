//! How the outer IP and UDP headers are filled in where the standards leave a choice. The same
//! words mean the same in a lab's `carrier.engine` and on the command line of `overlab endpoint`.

use std::str::FromStr;

use super::ecn::{self, Dscp, Ingress};
use crate::ids::Encap;
use crate::wire::ethernet::ethertype;

/// Outer hops to live where nothing is said; also for what has none of its own, such as ARP.
pub const HOPS: u8 = 64;

/// The outer time to live (IPv4) or hop limit (IPv6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ttl {
    /// This number, 1 to 255, whatever is inside (the pipe model, RFC 8926 section 4.4.2).
    Fixed(u8),
    /// The inner packet's, so that the tunnel's own hops count against it; [`HOPS`] for a packet
    /// that is not IP or has none left.
    Inherit,
}

impl Default for Ttl {
    fn default() -> Self {
        Ttl::Fixed(HOPS)
    }
}

/// A word or number that means no setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no {what}")]
pub struct Unknown {
    given: String,
    what: &'static str,
}

fn unknown<T>(given: &str, what: &'static str) -> Result<T, Unknown> {
    Err(Unknown { given: given.to_owned(), what })
}

impl FromStr for Ttl {
    type Err = Unknown;
    fn from_str(text: &str) -> Result<Self, Unknown> {
        match (text, text.parse()) {
            ("inherit", _) => Ok(Ttl::Inherit),
            (_, Ok(hops @ 1..)) => Ok(Ttl::Fixed(hops)),
            _ => unknown(text, "TTL: write `inherit` or a number from 1 to 255"),
        }
    }
}

impl FromStr for Dscp {
    type Err = Unknown;
    fn from_str(text: &str) -> Result<Self, Unknown> {
        match (text, text.parse()) {
            ("uniform", _) => Ok(Dscp::Uniform),
            ("copy", _) => Ok(Dscp::Copy),
            (_, Ok(class @ 0..64)) => Ok(Dscp::Pipe(class)),
            _ => unknown(text, "DSCP: write `uniform`, `copy` or a number from 0 to 63"),
        }
    }
}

impl FromStr for Ingress {
    type Err = Unknown;
    fn from_str(text: &str) -> Result<Self, Unknown> {
        match text {
            "normal" => Ok(Ingress::Normal),
            "compatibility" => Ok(Ingress::Compatibility),
            _ => unknown(text, "ECN mode: write `normal` or `compatibility`"),
        }
    }
}

/// Settings of the outer headers at one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// Hops to live.
    pub ttl: Ttl,
    /// Service classes, both ways.
    pub dscp: Dscp,
    /// Congestion marks on the way in; on the way out it is always the table of RFC 6040.
    pub ecn: Ingress,
    /// Whether outer UDP checksums are computed. Zero over IPv6 needs a far end that takes it.
    pub udp_csum: bool,
    /// Whether a zero UDP checksum is taken over IPv6 (RFC 6935, RFC 6936 section 4); over IPv4 it
    /// always is. Ones that are not zero are verified either way.
    pub udp6_zero: bool,
}

impl Default for Delivery {
    fn default() -> Self {
        Delivery {
            ttl: Ttl::default(),
            dscp: Dscp::default(),
            ecn: Ingress::default(),
            udp_csum: true,
            udp6_zero: false,
        }
    }
}

impl Delivery {
    /// What an encapsulation's standard says: IP in IP copies the TOS (RFC 2003 section 3.1), all
    /// others have a class of their own, 0 (RFC 4213 section 3.5, RFC 8926 section 4.4.2).
    #[must_use]
    pub fn of(encap: Encap) -> Self {
        let dscp = if encap == Encap::Ipip { Dscp::Copy } else { Dscp::default() };
        Delivery { dscp, ..Delivery::default() }
    }

    /// The outer TOS or traffic class byte for an inner one (`None` where it is not IP).
    #[must_use]
    pub fn outer_tos(&self, inner: Option<u8>) -> u8 {
        ecn::outer_tos(inner, self.dscp, self.ecn)
    }

    /// The outer TTL for a packet whose network header starts at `l3` and has this `EtherType`;
    /// `None` where it does not depend on the packet.
    #[must_use]
    pub fn inherited_ttl(&self, ethertype: u16, l3: usize, packet: &[u8]) -> Option<u8> {
        if self.ttl != Ttl::Inherit {
            return None;
        }
        let hops = match ethertype {
            ethertype::IPV4 => packet.get(l3 + 8),
            ethertype::IPV6 => packet.get(l3 + 7),
            _ => None,
        };
        Some(hops.copied().filter(|hops| *hops > 0).unwrap_or(HOPS))
    }

    /// The hops of a packet whose own do not matter.
    #[must_use]
    pub const fn fixed_ttl(&self) -> u8 {
        match self.ttl {
            Ttl::Fixed(hops) => hops,
            Ttl::Inherit => HOPS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::InnerKind;
    use super::super::testing::FRAME;
    use super::*;

    #[test]
    fn words_and_numbers_are_read() {
        assert_eq!("inherit".parse(), Ok(Ttl::Inherit));
        assert_eq!("255".parse(), Ok(Ttl::Fixed(255)));
        assert_eq!("uniform".parse(), Ok(Dscp::Uniform));
        assert_eq!("copy".parse(), Ok(Dscp::Copy));
        assert_eq!("46".parse(), Ok(Dscp::Pipe(46)));
        assert_eq!("compatibility".parse(), Ok(Ingress::Compatibility));
        for wrong in ["0", "256", "-1", "Inherit", ""] {
            assert!(wrong.parse::<Ttl>().is_err(), "{wrong}");
        }
        assert!("64".parse::<Dscp>().is_err() && "pipe".parse::<Dscp>().is_err());
        let told = "rfc6040".parse::<Ingress>().unwrap_err().to_string();
        assert_eq!(told, "`rfc6040` is no ECN mode: write `normal` or `compatibility`");
    }

    #[test]
    fn hops_are_inherited_from_ip_only() {
        let inherit = Delivery { ttl: Ttl::Inherit, ..Delivery::default() };
        let mut frame = FRAME;
        frame[22] = 7;
        assert_eq!(inherit.inherited_ttl(ethertype::IPV4, 14, &frame), Some(7));
        assert_eq!(inherit.inherited_ttl(ethertype::IPV4, 0, &frame[14..]), Some(7));
        frame[21] = 9;
        assert_eq!(inherit.inherited_ttl(ethertype::IPV6, 14, &frame), Some(9));
        assert_eq!(inherit.inherited_ttl(ethertype::ARP, 14, &frame), Some(HOPS));
        frame[22] = 0;
        assert_eq!(inherit.inherited_ttl(ethertype::IPV4, 14, &frame), Some(HOPS), "never 0");
        assert_eq!(inherit.inherited_ttl(ethertype::IPV4, 14, &frame[..20]), Some(HOPS));
        assert_eq!(Delivery::default().inherited_ttl(ethertype::IPV4, 14, &frame), None);
        let fixed = Delivery { ttl: Ttl::Fixed(3), ..Delivery::default() };
        assert_eq!((fixed.fixed_ttl(), inherit.fixed_ttl()), (3, HOPS));
    }

    #[test]
    fn what_the_standards_say_by_themselves() {
        assert_eq!(Delivery::of(Encap::Ipip).outer_tos(Some(0xBA)), 0xBA);
        for encap in [Encap::SixInFour, Encap::Gre, Encap::Vxlan, Encap::Geneve, Encap::Stt] {
            assert_eq!(Delivery::of(encap).outer_tos(Some(0xBA)), 0x02, "{encap}");
        }
        assert_eq!(Delivery::default().outer_tos(None), 0);
    }

    #[test]
    fn copied_out_is_not_copied_back() {
        for (dscp, class) in [(Dscp::Copy, 0), (Dscp::Pipe(9), 0), (Dscp::Uniform, 0xB8)] {
            let mut frame = FRAME;
            ecn::decap(InnerKind::Ethernet, &mut frame, 0xB8, dscp).unwrap();
            assert_eq!(frame[15], class, "{dscp:?}");
        }
    }
}
