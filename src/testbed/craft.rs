//! Tunnel packets made by hand, with the same engines that the edges use.

use std::net::IpAddr;

use super::TestbedError;
use super::edge::{engine, gre, service_tag};
use crate::encap::{
    DropReason, Engine, Envelope, Inner, InnerKind, Sequence, Transport, source_port, stt,
};
use crate::ids::Encap;
use crate::lab::Checksum;
use crate::plan::Variant;
use crate::wire::ethernet::ethertype;
use crate::wire::ipv4::protocol;
use crate::wire::{flow, udp};

/// Where GRE's checksum stands, behind flags and protocol (RFC 2784 section 2.1).
const GRE_CHECKSUM: usize = 4;

/// How a tunnel packet is made.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// Outer source, which need not be the sender's own.
    pub src: IpAddr,
    /// Outer destination.
    pub dst: IpAddr,
    /// The network's id on the wire.
    pub network: u64,
    /// The checksum of the tunnel's packet: of outer UDP, or of GRE where the variant has one.
    pub checksum: Checksum,
    /// GRE sequence number.
    pub sequence: u32,
}

/// A tag of a frame, with its VLAN id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// A customer's, or the only one (802.1Q).
    Customer(u64),
    /// A provider's (802.1ad).
    Service(u64),
}

impl Tag {
    /// As it stands in a frame, without priority.
    fn bytes(self) -> [u8; 4] {
        let (protocol, vid) = match self {
            Tag::Customer(vid) => (ethertype::C_TAG, vid),
            Tag::Service(vid) => (ethertype::S_TAG, vid),
        };
        let ([first, second], [.., high, low]) = (protocol.to_be_bytes(), vid.to_be_bytes());
        [first, second, high & 0x0F, low]
    }
}

/// The tags that a host puts on a tenant's frames, the outermost first; none where frames are not tagged.
#[must_use]
pub fn host_tags(variant: &Variant, id: u64) -> Vec<Tag> {
    match variant.encap {
        Encap::Vlan => vec![Tag::Customer(id)],
        Encap::Qinq => {
            vec![Tag::Service(service_tag(&variant.engine).into()), Tag::Customer(id)]
        }
        _ => Vec::new(),
    }
}

/// The frame with tags behind its addresses, the outermost first.
#[must_use]
pub fn tagged(mut frame: Vec<u8>, tags: &[Tag]) -> Vec<u8> {
    if frame.len() >= 12 {
        frame.splice(12..12, tags.iter().flat_map(|tag| tag.bytes()));
    }
    frame
}

/// The outer IP packet of a variant's encapsulation around each frame: `plain` as the engine would
/// accept it, and `sent` as it is really put inside (with a tag, for one).
///
/// # Errors
/// An encapsulation without packets of its own (tags, SSH), or what the format cannot express.
pub fn craft(
    variant: &Variant,
    recipe: &Recipe,
    plain: &[u8],
    sent: &[u8],
) -> Result<Vec<u8>, TestbedError> {
    let refused = |reason| TestbedError::Craft { variant: variant.name.clone(), reason };
    let payload = payload(variant, recipe, plain, sent).map_err(refused);
    let (transport, flow, payload) = payload?;
    wrap(variant, recipe, transport, flow, &payload).map_err(refused)
}

/// The outer packets of one STT frame, in segments of `size` bytes, with this frame id.
///
/// # Errors
/// Another encapsulation, or what the format cannot express.
pub fn craft_segments(
    variant: &Variant,
    recipe: &Recipe,
    frame: &[u8],
    (frame_id, size): (u32, usize),
) -> Result<Vec<Vec<u8>>, TestbedError> {
    let refused = |reason| TestbedError::Craft { variant: variant.name.clone(), reason };
    let (transport, flow, payload) = payload(variant, recipe, frame, frame).map_err(refused)?;
    let Transport::Stt { port } = transport else {
        return Err(refused(DropReason::UnknownProtocol));
    };
    segments(recipe, &payload, cut(recipe, flow, port, (frame_id, size))).map_err(refused)
}

fn cut(recipe: &Recipe, flow: u32, port: u16, (frame_id, size): (u32, usize)) -> stt::Cut {
    let (src, dst) = (recipe.src, recipe.dst);
    stt::Cut { src, dst, src_port: source_port(flow), dst_port: port, frame_id, size }
}

/// IP packets of an STT frame.
fn segments(recipe: &Recipe, payload: &[u8], cut: stt::Cut) -> Result<Vec<Vec<u8>>, DropReason> {
    let envelope = Envelope::new(recipe.src, recipe.dst);
    let ip_len = if recipe.dst.is_ipv4() { 20 } else { 40 };
    let mut parts = Vec::new();
    stt::segments(payload, &cut, |header, part| parts.push([&header[..], part].concat()))?;
    let each = parts.into_iter().map(|segment| {
        let mut packet = vec![0; ip_len];
        let len = envelope.write_ip(protocol::TCP, segment.len(), &mut packet)?;
        packet.truncate(len);
        packet.extend(segment);
        Ok(packet)
    });
    each.collect()
}

/// Which transport carries the packet, its flow's hash, and the bytes from the tunnel header on.
fn payload(
    variant: &Variant,
    recipe: &Recipe,
    plain: &[u8],
    sent: &[u8],
) -> Result<(Transport, u32, Vec<u8>), DropReason> {
    let settings = &variant.engine;
    let counting = || settings.seq.then(|| Sequence::starting(recipe.sequence));
    let engine: std::sync::Arc<dyn Engine> = match variant.encap {
        Encap::Gre => std::sync::Arc::new(gre(settings, false, counting())),
        Encap::Gretap => std::sync::Arc::new(gre(settings, true, counting())),
        _ => engine(variant).map_err(|_| DropReason::UnknownProtocol)?,
    };
    let kind = match (variant.encap.carries_ethernet(), plain.get(12..14)) {
        (true, _) => InnerKind::Ethernet,
        (false, Some([0x86, 0xDD])) => InnerKind::Ipv6,
        (false, _) => InnerKind::Ipv4,
    };
    let start = if kind == InnerKind::Ethernet { 0 } else { crate::wire::ethernet::LEN };
    let inside = |frame| <[u8]>::get(frame, start..).ok_or(DropReason::Truncated);
    let (plain, sent) = (inside(plain)?, inside(sent)?);
    let hash = match kind {
        InnerKind::Ethernet => flow::frame(plain, 0)?.flow,
        InnerKind::Ipv4 | InnerKind::Ipv6 => flow::packet(plain, 0)?.flow,
    };
    let inner = |bytes| Inner { kind, parts: [bytes, &[]], flow: hash };
    let mut packet = vec![0; engine.header_len()];
    match engine.header(recipe.network, &inner(sent), &mut packet) {
        // What the engine would refuse to send is put behind the header of what it would not.
        Err(DropReason::InnerTag) => engine.header(recipe.network, &inner(plain), &mut packet)?,
        done => done?,
    }
    packet.extend_from_slice(sent);
    let summed = matches!(variant.encap, Encap::Gre | Encap::Gretap) && settings.csum;
    if let (true, Checksum::Wrong, Some(field)) =
        (summed, recipe.checksum, packet.get_mut(GRE_CHECKSUM..))
    {
        spoil(field);
    }
    Ok((engine.transport(), hash, packet))
}

fn wrap(
    variant: &Variant,
    recipe: &Recipe,
    transport: Transport,
    flow: u32,
    payload: &[u8],
) -> Result<Vec<u8>, DropReason> {
    let envelope = Envelope::new(recipe.src, recipe.dst);
    let ip_len = if recipe.dst.is_ipv4() { 20 } else { 40 };
    let mut packet = vec![0; ip_len + udp::LEN];
    match transport {
        Transport::Frame => Err(DropReason::UnknownProtocol),
        Transport::Udp { port } => {
            let sum = recipe.checksum != Checksum::Zero;
            let ports = (source_port(flow), port);
            envelope.write_udp(ports, &[payload], sum, &mut packet)?;
            if let (Checksum::Wrong, Some(field)) = (recipe.checksum, packet.get_mut(ip_len + 6..))
            {
                spoil(field);
            }
            packet.extend_from_slice(payload);
            Ok(packet)
        }
        Transport::Ip { protocol } => {
            let len = envelope.write_ip(protocol, payload.len(), &mut packet)?;
            packet.truncate(len);
            packet.extend_from_slice(payload);
            Ok(packet)
        }
        Transport::Stt { port } => {
            let size = usize::try_from(variant.underlay_mtu).unwrap_or(0).saturating_sub(60);
            if payload.len() > size {
                return Err(DropReason::TooBig);
            }
            let cut = cut(recipe, flow, port, (rand::random(), size));
            let packets = segments(recipe, payload, cut)?;
            packets.into_iter().next().ok_or(DropReason::Truncated)
        }
    }
}

/// Makes a checksum another one than it is, and not 0, which would mean that there is none. All ones and 0 are the
/// same number in such sums (RFC 1071).
fn spoil(field: &mut [u8]) {
    if let Some(field) = field.first_chunk_mut::<2>() {
        let other = !u16::from_be_bytes(*field);
        let other = if [0, u16::MAX].contains(&other) { 0x0F0F } else { other };
        *field = other.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_stand_behind_the_addresses_outermost_first() {
        let frame: Vec<u8> = (0..20).collect();
        let both = tagged(frame.clone(), &[Tag::Service(1), Tag::Customer(0x0ABC)]);
        assert_eq!(both[12..20], [0x88, 0xA8, 0, 1, 0x81, 0, 0x0A, 0xBC]);
        assert_eq!((&both[..12], &both[20..]), (&frame[..12], &frame[12..]));
    }

    #[test]
    fn a_spoiled_checksum_is_wrong_and_there() {
        for right in [0x1234_u16, 0xFFFF, 0, 1] {
            let mut field = right.to_be_bytes();
            spoil(&mut field);
            let wrong = u16::from_be_bytes(field);
            let apart = right.wrapping_sub(wrong) % u16::MAX != 0;
            assert!(apart && wrong != 0, "{right:x} {wrong:x}");
        }
    }

    #[test]
    fn a_wrong_checksum_of_gre_is_seen_by_a_receiver_and_only_where_there_is_one() {
        let lab =
            "{ title: t, topology: { single-switch: { hosts: 2 } }, carrier: { encap: gretap },
            compare: { engine: [{}, { csum: true }] },
            tenants: [{ name: red, key: 7, subnet: 10.0.0.0/24, vms: { a: h1, b: h2 } }] }";
        let loaded = crate::lab::read_str("lab", lab).unwrap();
        let plan = crate::plan::plan(&loaded.lab, &loaded.topology).unwrap();
        let [src, dst] = ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse().unwrap());
        let frame = [[2; 12].as_slice(), &[0x88, 0xB5], &[0xA5; 60]].concat();
        let received = |name: &str, checksum| {
            let variant = plan.variants.iter().find(|v| v.name == name).unwrap();
            let recipe = Recipe { src, dst, network: 7, checksum, sequence: 0 };
            let packet = craft(variant, &recipe, &frame, &frame).unwrap();
            let outer = crate::encap::Outer { source: src, tos: 0 };
            engine(variant).unwrap().decap(&packet[20..], &outer).err()
        };
        for name in ["gretap", "gretap-csum"] {
            assert_eq!(received(name, Checksum::Right), None, "{name}");
        }
        assert_eq!(received("gretap", Checksum::Wrong), None, "it has none");
        assert_eq!(received("gretap-csum", Checksum::Wrong), Some(DropReason::BadChecksum));
    }
}
