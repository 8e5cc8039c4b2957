//! In which tenant's network a packet on the underlay is: the one place that knows how each
//! encapsulation writes its id.

use crate::ids::Encap;
use crate::measure::headers::{Layer, layers};
use crate::plan::Variant;
use crate::wire::{ethernet, ipv4, stt};

/// The id ([`crate::plan::TenantPlan::id`]) that the outermost tag or tunnel of an Ethernet frame
/// on the underlay carries; `None` where it has none of the variant's kind, i.e. is bare.
#[must_use]
pub fn network(variant: &Variant, packet: &[u8]) -> Option<u64> {
    let found = layers(packet, None, Some(variant.port));
    match variant.encap {
        Encap::None | Encap::Ssh | Encap::Ipip | Encap::SixInFour => None,
        Encap::Stt => context(packet, variant.port),
        Encap::Vlan => tags(&found).next(),
        // The C-tag tells the tenant; it is the second.
        Encap::Qinq => tags(&found).nth(1),
        Encap::Vxlan | Encap::Geneve => found.iter().find_map(|layer| match layer {
            Layer::Vni(vni) => Some(u64::from(*vni)),
            _ => None,
        }),
        Encap::Gre | Encap::Gretap => key(&found),
        // RFC 7637 section 3.2: the upper 24 bits are the VSID.
        Encap::Nvgre => key(&found).map(|key| key >> 8),
    }
}

/// Tags before any other header.
fn tags(found: &[Layer]) -> impl Iterator<Item = u64> {
    found.iter().map_while(|layer| match layer {
        Layer::Tag { vid } => Some(u64::from(*vid)),
        _ => None,
    })
}

/// The context id of an STT frame, in the frame's first segment over IPv4.
fn context(packet: &[u8], port: u16) -> Option<u64> {
    let outer = ethernet::Header::parse(packet).ok()?;
    if outer.ethertype != ethernet::ethertype::IPV4 {
        return None;
    }
    let network = packet.get(ethernet::LEN..)?;
    let ip = ipv4::Header::parse(network).ok()?;
    if ip.protocol != ipv4::protocol::TCP || ip.is_fragment() {
        return None;
    }
    let transport = network.get(ip.header_len..)?;
    let segment = stt::Segment::parse(transport).ok()?;
    if segment.dst_port != port || segment.offset != 0 {
        return None;
    }
    let header = stt::Header::parse(transport.get(segment.header_len..)?).ok()?;
    Some(header.context)
}

fn key(found: &[Layer]) -> Option<u64> {
    found.iter().find_map(|layer| match layer {
        Layer::Gre(key) => key.map(u64::from),
        _ => None,
    })
}
