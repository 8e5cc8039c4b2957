//! What each encapsulation asks of a lab.

use super::model::{Carrier, Datapath, Fabric, IpVersion, Lab, Learning};
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
        compared(&self.compare.encap, &self.carrier.encap)
    }

    /// The datapaths of all its variants, as asked for.
    #[must_use]
    pub fn datapaths(&self) -> Vec<Datapath> {
        compared(&self.compare.datapath, &self.carrier.datapath)
    }

    /// The ways to learn of all its variants.
    #[must_use]
    pub fn learnings(&self) -> Vec<Learning> {
        compared(&self.compare.learning, &self.carrier.learning)
    }

    /// The fabrics of all its variants, as asked for, each with where it is written.
    #[must_use]
    pub fn fabrics(&self) -> Vec<(String, Fabric)> {
        written("fabric", &self.compare.fabric, &self.carrier.fabric)
    }

    /// The underlays of all its variants, each with where it is written.
    #[must_use]
    pub fn underlays(&self) -> Vec<(String, IpVersion)> {
        written("underlay", &self.compare.underlay, &self.carrier.underlay)
    }

    /// The carrier with every combination of the compared engine settings, MTU modes and underlays.
    #[must_use]
    pub fn carriers(&self) -> Vec<Carrier> {
        let mut carriers = Vec::new();
        for engine in compared(&self.compare.engine, &self.carrier.engine) {
            for &mtu_mode in &compared(&self.compare.mtu_mode, &self.carrier.mtu_mode) {
                for (_, underlay) in self.underlays() {
                    let engine = engine.clone();
                    carriers.push(Carrier { underlay, mtu_mode, engine, ..self.carrier.clone() });
                }
            }
        }
        carriers
    }
}

/// The compared values, or else the single one.
fn compared<T: Clone>(list: &[T], single: &T) -> Vec<T> {
    if list.is_empty() { vec![single.clone()] } else { list.to_vec() }
}

/// As [`compared`], with the path of each value.
fn written<T: Copy>(key: &str, list: &[T], single: &T) -> Vec<(String, T)> {
    if list.is_empty() {
        return vec![(format!("carrier.{key}"), *single)];
    }
    list.iter().enumerate().map(|(n, v)| (format!("compare.{key}[{n}]"), *v)).collect()
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
