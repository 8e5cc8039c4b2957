//! What each encapsulation asks of a lab.

use super::model::{Carrier, Datapath, EngineSettings, Fabric, IpVersion, Lab, Learning, MtuMode};
use crate::encap;
use crate::ids::Encap;

/// Encapsulations that the `kernel` datapath can carry: those Linux has a device for, and the plain path.
pub const KERNEL: &[Encap] = &[
    Encap::None,
    Encap::Vlan,
    Encap::Qinq,
    Encap::Ipip,
    Encap::SixInFour,
    Encap::Gre,
    Encap::Gretap,
    Encap::Vxlan,
    Encap::Geneve,
];

/// Whether it travels in UDP, so that `port` means something.
#[must_use]
pub const fn in_udp(encap: Encap) -> bool {
    matches!(encap, Encap::Vxlan | Encap::Geneve)
}

/// Whether each pair of hosts needs a tunnel of its own.
#[must_use]
pub const fn point_to_point(encap: Encap) -> bool {
    matches!(encap, Encap::Ipip | Encap::SixInFour | Encap::Gre | Encap::Gretap | Encap::Ssh)
}

/// Whether it can send a tenant's broadcasts to an IP multicast group.
#[must_use]
pub const fn in_groups(encap: Encap) -> bool {
    matches!(encap, Encap::Gretap | Encap::Vxlan | Encap::Nvgre | Encap::Stt | Encap::Geneve)
}

/// Whether it carries several tenants: its packets say whose they are, or each has its own tunnels.
#[must_use]
pub const fn has_ids(encap: Encap) -> bool {
    !matches!(encap, Encap::None | Encap::Ipip | Encap::SixInFour)
}

/// Bytes a packet grows by: from the underlay's IP MTU to the inner IP packet, or a tag's own length.
///
/// `None` where it is not one number (`ssh` is a stream).
#[must_use]
pub fn overhead(encap: Encap, carrier: &Carrier) -> Option<u32> {
    let ipv6 = carrier.underlay == IpVersion::Ipv6;
    let settings = carrier.engine.extras();
    (encap != Encap::Ssh).then(|| encap::overhead(encap, ipv6, &settings))
}

/// Largest inner IP packet in bytes that can pass over an underlay of this MTU; `None` where it is not limited by it.
///
/// Tags count in the Ethernet header, and Linux's ports take them beyond their MTU.
#[must_use]
pub fn inner_mtu(encap: Encap, carrier: &Carrier, underlay: u32) -> Option<u32> {
    if encap.is_tag() {
        Some(underlay)
    } else {
        overhead(encap, carrier).map(|n| underlay.saturating_sub(n))
    }
}

/// What `auto` stands for with an encapsulation: one L2 domain under tags, routers under tunnels.
#[must_use]
pub const fn fabric(asked: Fabric, encap: Encap) -> Fabric {
    match asked {
        Fabric::Auto if encap.is_tag() => Fabric::L2,
        Fabric::Auto => Fabric::L3,
        asked => asked,
    }
}

impl Lab {
    /// The encapsulations of all its variants, baselines not counted.
    #[must_use]
    pub fn encaps(&self) -> Vec<Encap> {
        if self.compare.encap.is_empty() {
            vec![self.carrier.encap]
        } else {
            self.compare.encap.clone()
        }
    }

    /// The ways to learn of all its variants.
    #[must_use]
    pub fn learnings(&self) -> Vec<Learning> {
        if self.compare.learning.is_empty() {
            vec![self.carrier.learning]
        } else {
            self.compare.learning.clone()
        }
    }

    /// The carrier with every combination of the compared engine settings and MTU modes.
    #[must_use]
    pub fn carriers(&self) -> Vec<Carrier> {
        let one = |engine: Option<&EngineSettings>, mode: Option<MtuMode>| Carrier {
            engine: engine.unwrap_or(&self.carrier.engine).clone(),
            mtu_mode: mode.unwrap_or(self.carrier.mtu_mode),
            ..self.carrier.clone()
        };
        let engines: Vec<Option<&EngineSettings>> = if self.compare.engine.is_empty() {
            vec![None]
        } else {
            self.compare.engine.iter().map(Some).collect()
        };
        let modes: Vec<Option<MtuMode>> = if self.compare.mtu_mode.is_empty() {
            vec![None]
        } else {
            self.compare.mtu_mode.iter().copied().map(Some).collect()
        };
        let cross = |engine| modes.iter().map(move |mode| one(engine, *mode));
        engines.into_iter().flat_map(cross).collect()
    }

    /// The datapaths of all its variants, as asked for.
    #[must_use]
    pub fn datapaths(&self) -> Vec<Datapath> {
        if self.compare.datapath.is_empty() {
            vec![self.carrier.datapath]
        } else {
            self.compare.datapath.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_mtus_are_those_of_the_formats() {
        let carrier = Carrier::default();
        let at_1500 = |encap| inner_mtu(encap, &carrier, 1500);
        assert_eq!(at_1500(Encap::Vxlan), Some(1450));
        assert_eq!(at_1500(Encap::Nvgre), Some(1458));
        assert_eq!(at_1500(Encap::Ipip), Some(1480));
        assert_eq!(at_1500(Encap::Vlan), Some(1500));
        assert_eq!(at_1500(Encap::Stt), Some(1428));
        assert_eq!(at_1500(Encap::Ssh), None);
        let ipv6 = Carrier { underlay: IpVersion::Ipv6, ..carrier };
        assert_eq!(inner_mtu(Encap::Vxlan, &ipv6, 1500), Some(1430));
    }

    #[test]
    fn tags_need_one_broadcast_domain() {
        assert_eq!(fabric(Fabric::Auto, Encap::Vlan), Fabric::L2);
        assert_eq!(fabric(Fabric::Auto, Encap::Vxlan), Fabric::L3);
        assert_eq!(fabric(Fabric::L2, Encap::Vxlan), Fabric::L2);
    }
}
