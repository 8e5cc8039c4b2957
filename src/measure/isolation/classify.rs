//! In which tenant's network a packet on the underlay is: the one place that knows how each
//! encapsulation writes its id.

use crate::ids::Encap;
use crate::measure::headers::{Layer, layers};
use crate::plan::Variant;

/// The id ([`crate::plan::TenantPlan::id`]) that the outermost tag or tunnel of an Ethernet frame
/// on the underlay carries; `None` where it has none of the variant's kind, i.e. is bare.
#[must_use]
pub fn network(variant: &Variant, packet: &[u8]) -> Option<u64> {
    let found = layers(packet, None, Some(variant.port));
    match variant.encap {
        Encap::None | Encap::Ssh | Encap::Stt | Encap::Ipip | Encap::SixInFour => None,
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

fn key(found: &[Layer]) -> Option<u64> {
    found.iter().find_map(|layer| match layer {
        Layer::Gre(key) => key.map(u64::from),
        _ => None,
    })
}
