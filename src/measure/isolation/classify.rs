//! In which tenant's network a packet on the underlay is: the one place that knows how each
//! encapsulation writes its id.

use crate::ids::Encap;
use crate::plan::Variant;
use crate::wire::ipv4::protocol::TCP;
use crate::wire::layers::{Layer, layers};
use crate::wire::stt;

/// The id ([`crate::plan::TenantPlan::id`]) that the outermost tag or tunnel of an Ethernet frame
/// on the underlay carries; `None` where it has none of the variant's kind, i.e. is bare.
#[must_use]
pub fn network(variant: &Variant, packet: &[u8]) -> Option<u64> {
    let found = layers(packet, None, Some(variant.port));
    match variant.encap {
        Encap::None | Encap::Ssh | Encap::Ipip | Encap::SixInFour => None,
        Encap::Stt => context(packet, &found, variant.port),
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
        Layer::Gre { key, .. } => key.map(u64::from),
        _ => None,
    })
}

/// The context id of a frame that begins in this segment (draft-davie-stt-08 section 3.1): behind
/// the TCP-like header, whose sequence number has the segment's offset in its lower half.
fn context(packet: &[u8], found: &[Layer], port: u16) -> Option<u64> {
    let Some(&Layer::L4(at, TCP)) = found.last() else { return None };
    let segment = stt::Segment::parse(packet.get(at..)?).ok()?;
    let header = stt::Header::parse(packet.get(at + segment.header_len..)?).ok()?;
    (segment.dst_port == port && segment.offset == 0).then_some(header.context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_id_is_in_a_frames_first_segment_only() {
        let mut packet = vec![0; 12];
        packet.extend([0x08, 0x00]);
        packet.extend([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        packet.extend([0xC0, 0x00, 0x1D, 0x2F, 0x01, 0x00, 0, 0]); // to 7471, 256 bytes, offset 0
        packet.extend([0, 0, 0, 0, 0x50, 0x18, 0, 0, 0, 0, 0, 0]);
        packet.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0]);
        let of = |packet: &[u8]| context(packet, &layers(packet, None, Some(7471)), 7471);
        assert_eq!(of(&packet), Some(0x1_0000_0001));
        for length in 0..packet.len() - 2 {
            assert_eq!(of(&packet[..length]), None);
        }
        packet[41] = 8;
        assert_eq!(of(&packet), None, "a later segment");
    }
}
