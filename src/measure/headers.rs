//! Which headers a frame consists of, as far as segmenting and telling tenants apart need it.
//!
//! Walks from the outer Ethernet header inwards; whatever is not understood ends the walk.
//! Never reads beyond the bytes given.

/// One header of a frame and its offset from the frame's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// IEEE 802.1Q or 802.1ad tag: its VLAN id.
    Tag {
        /// The 12-bit VLAN id.
        vid: u16,
    },
    /// IPv4 header (RFC 791).
    Ipv4(usize),
    /// IPv6 header (RFC 8200), extension headers not followed.
    Ipv6(usize),
    /// UDP header (RFC 768) with its destination port.
    Udp(usize, u16),
    /// VXLAN (RFC 7348 section 5) or Geneve (RFC 8926 section 3.4) header: its VNI.
    Vni(u32),
    /// GRE header (RFC 2784, RFC 2890): its key, where it has one.
    Gre(Option<u32>),
    /// The L4 header where the walk was to end, or the first that is not followed.
    L4(usize, u8),
}

const GENEVE: u16 = 6081;
const TRANSPARENT_ETHERNET: u16 = 0x6558;

enum Next {
    Ethernet,
    Type(u16),
    Protocol(u8),
}

/// The layers of `frame`, from its outer Ethernet header up to the L4 header at offset `l4`.
///
/// With `l4` absent, UDP on `tunnel_port` (and Geneve's own port) is opened as a tunnel and all
/// other L4 headers end the walk; with it present every UDP header before it is a tunnel's.
#[must_use]
pub fn layers(frame: &[u8], l4: Option<usize>, tunnel_port: Option<u16>) -> Vec<Layer> {
    let mut found = Vec::with_capacity(8);
    let mut at = 0_usize;
    let mut next = Next::Ethernet;
    while let Some(step) = step(frame, &mut at, &next, l4, tunnel_port, &mut found) {
        next = step;
    }
    found
}

fn step(
    frame: &[u8],
    at: &mut usize,
    next: &Next,
    l4: Option<usize>,
    tunnel_port: Option<u16>,
    found: &mut Vec<Layer>,
) -> Option<Next> {
    match *next {
        Next::Ethernet => {
            let kind = be16(frame, *at + 12)?;
            *at += 14;
            Some(Next::Type(kind))
        }
        Next::Type(0x8100 | 0x88A8) => {
            found.push(Layer::Tag { vid: be16(frame, *at)? & 0xFFF });
            let kind = be16(frame, *at + 2)?;
            *at += 4;
            Some(Next::Type(kind))
        }
        Next::Type(0x0800) => {
            let first = *frame.get(*at)?;
            let protocol = *frame.get(*at + 9)?;
            let fragment = be16(frame, *at + 6)? & 0x1FFF;
            found.push(Layer::Ipv4(*at));
            *at += usize::from(first & 0xF) * 4;
            (fragment == 0).then_some(Next::Protocol(protocol))
        }
        Next::Type(0x86DD) => {
            let protocol = *frame.get(*at + 6)?;
            found.push(Layer::Ipv6(*at));
            *at += 40;
            Some(Next::Protocol(protocol))
        }
        Next::Type(TRANSPARENT_ETHERNET) => Some(Next::Ethernet),
        Next::Type(_) => None,
        Next::Protocol(protocol) => {
            if l4.is_some_and(|l4| *at >= l4) {
                found.push(Layer::L4(*at, protocol));
                return None;
            }
            match protocol {
                4 => Some(Next::Type(0x0800)),
                41 => Some(Next::Type(0x86DD)),
                47 => gre(frame, at, found),
                17 => udp(frame, at, l4, tunnel_port, found),
                _ => {
                    found.push(Layer::L4(*at, protocol));
                    None
                }
            }
        }
    }
}

fn udp(
    frame: &[u8],
    at: &mut usize,
    l4: Option<usize>,
    tunnel_port: Option<u16>,
    found: &mut Vec<Layer>,
) -> Option<Next> {
    let port = be16(frame, *at + 2)?;
    found.push(Layer::Udp(*at, port));
    if l4.is_none() && port != GENEVE && tunnel_port != Some(port) {
        found.push(Layer::L4(*at, 17));
        return None;
    }
    *at += 8;
    let [v0, v1, v2, v3] = *frame.get(*at..)?.first_chunk::<4>()?;
    let vni = u32::from_be_bytes(*frame.get(*at + 4..)?.first_chunk::<4>()?) >> 8;
    if port == GENEVE {
        found.push(Layer::Vni(vni));
        *at += 8 + usize::from(v0 & 0x3F) * 4;
        let _ = v1;
        return Some(Next::Type(u16::from_be_bytes([v2, v3])));
    }
    // RFC 7348: the I flag must be set for the VNI to be valid.
    if v0 & 0x08 == 0 {
        return None;
    }
    found.push(Layer::Vni(vni));
    *at += 8;
    Some(Next::Ethernet)
}

fn gre(frame: &[u8], at: &mut usize, found: &mut Vec<Layer>) -> Option<Next> {
    let flags = be16(frame, *at)?;
    let kind = be16(frame, *at + 2)?;
    *at += 4;
    if flags & 0x8000 != 0 {
        *at += 4;
    }
    let mut key = None;
    if flags & 0x2000 != 0 {
        key = Some(u32::from_be_bytes(*frame.get(*at..)?.first_chunk::<4>()?));
        *at += 4;
    }
    if flags & 0x1000 != 0 {
        *at += 4;
    }
    found.push(Layer::Gre(key));
    Some(Next::Type(kind))
}

/// The 16 bits at `at`, in network order.
#[must_use]
pub fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk::<2>().map(|raw| u16::from_be_bytes(*raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vxlan_frame() -> Vec<u8> {
        let mut frame = vec![0; 12];
        frame.extend([0x81, 0x00, 0x00, 0x65, 0x08, 0x00]); // tag 101, then IPv4
        frame.extend([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        frame.extend([0xC0, 0x00, 0x12, 0xB5, 0, 0, 0, 0]); // UDP to 4789
        frame.extend([0x08, 0, 0, 0, 0x00, 0x03, 0x60, 0]); // VNI 864
        frame.extend([0; 12]);
        frame.extend([0x08, 0x00]);
        frame.extend([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        frame.extend([0; 20]);
        frame
    }

    #[test]
    fn walks_through_a_tag_and_a_tunnel() {
        let frame = vxlan_frame();
        let expected = [
            Layer::Tag { vid: 101 },
            Layer::Ipv4(18),
            Layer::Udp(38, 4789),
            Layer::Vni(864),
            Layer::Ipv4(68),
            Layer::L4(88, 6),
        ];
        assert_eq!(layers(&frame, None, Some(4789)), expected);
        assert_eq!(layers(&frame, Some(88), None), expected);
        assert_eq!(layers(&frame, None, Some(1))[2..], [Layer::Udp(38, 4789), Layer::L4(38, 17)]);
    }

    #[test]
    fn every_truncation_ends_quietly() {
        let frame = vxlan_frame();
        for length in 0..frame.len() {
            assert!(layers(&frame[..length], None, Some(4789)).len() <= 6);
            assert!(layers(&frame[..length], Some(88), None).len() <= 6);
        }
    }
}
