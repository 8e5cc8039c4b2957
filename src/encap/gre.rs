//! GRE (RFC 2784, RFC 2890): IP packets, or Ethernet frames (GRETAP).

use super::inner::trim;
use super::{Decap, DropReason, Engine, Inner, InnerKind, Outer, Sequence, Transport};
use crate::ids::Encap;
use crate::wire::ethernet::ethertype;
use crate::wire::gre::{self, Header};
use crate::wire::ipv4::protocol;

/// GRE with its optional fields. The network is the key, or 0 in a tunnel without one.
#[derive(Debug, Default)]
pub struct Gre {
    /// Carries Ethernet frames (GRETAP) instead of IP packets.
    pub ethernet: bool,
    /// Every packet carries a key; a keyed tunnel and one without do not talk to each other.
    pub keyed: bool,
    /// Sends checksums. A checksum received is always verified.
    pub checksum: bool,
    /// Sends sequence numbers and enforces their order on receipt.
    pub sequence: Option<Sequence>,
    /// Drops what Linux drops: reserved bits that the RFC ignores, and a checksum where none is sent.
    pub strict: bool,
}

/// Bytes of the shim that Cisco routers put before the packet in keepalives (`EtherType` 0x8909, as
/// seen in captures): the packet's `EtherType`, version 1, length 1, and four bytes of options.
const CISCO_METADATA: usize = 8;

impl Gre {
    /// The key of a network in this tunnel.
    fn key(&self, network: u64) -> Result<Option<u32>, DropReason> {
        match (self.keyed, u32::try_from(network)) {
            (true, Ok(key)) => Ok(Some(key)),
            (false, Ok(0)) => Ok(None),
            _ => Err(DropReason::UnknownNetwork),
        }
    }
}

impl Engine for Gre {
    fn encap(&self) -> Encap {
        if self.ethernet { Encap::Gretap } else { Encap::Gre }
    }

    fn transport(&self) -> Transport {
        Transport::Ip { protocol: protocol::GRE }
    }

    fn header_len(&self) -> usize {
        let fields = [self.checksum, self.keyed, self.sequence.is_some()];
        gre::LEN + 4 * fields.into_iter().filter(|present| *present).count()
    }

    fn header(&self, network: u64, inner: &Inner<'_>, out: &mut [u8]) -> Result<(), DropReason> {
        if self.ethernet != (inner.kind == InnerKind::Ethernet) {
            return Err(DropReason::UnknownProtocol);
        }
        let header = Header {
            protocol: inner.kind.protocol_type(),
            checksum: self.checksum.then_some((0, 0)),
            key: self.key(network)?,
            sequence: self.sequence.as_ref().map(Sequence::next),
            reserved: 0,
        };
        let len = header.emit(out)?;
        if self.checksum {
            let written = out.get_mut(..len).ok_or(DropReason::Truncated)?;
            gre::fill_checksum(written, &inner.parts)?;
        }
        Ok(())
    }

    fn decap(&self, payload: &[u8], outer: &Outer) -> Result<Decap, DropReason> {
        let header = Header::parse(payload)?;
        let unasked = header.checksum.is_some() != self.checksum;
        if self.strict && (header.reserved != 0 || unasked) {
            return Err(DropReason::BadFlags);
        }
        if header.checksum.is_some() && !gre::checksum_is_right(payload) {
            return Err(DropReason::BadChecksum);
        }
        if header.key.is_some() != self.keyed {
            return Err(DropReason::UnknownNetwork);
        }
        if header.protocol == gre::KEEPALIVE {
            return Err(DropReason::Control);
        }
        let (protocol, offset) = behind_metadata(header.protocol, header.len(), payload);
        let kind = InnerKind::from_protocol_type(protocol)?;
        if self.ethernet != (kind == InnerKind::Ethernet) {
            return Err(DropReason::UnknownProtocol);
        }
        trim(kind, payload.get(offset..).ok_or(DropReason::Truncated)?)?;
        if let (Some(state), Some(sequence)) = (&self.sequence, header.sequence) {
            state.check(outer.source, header.key.unwrap_or(0), sequence)?;
        }
        Ok(Decap { network: header.key.map_or(0, u64::from), kind, offset })
    }
}

/// The protocol type and offset of what lies behind a Cisco shim, where there is one.
fn behind_metadata(protocol: u16, offset: usize, payload: &[u8]) -> (u16, usize) {
    let shim = payload.get(offset..).and_then(<[u8]>::first_chunk::<CISCO_METADATA>);
    match (protocol, shim) {
        (ethertype::CISCO_METADATA, Some([high, low, 1, 1, ..])) => {
            (u16::from_be_bytes([*high, *low]), offset + CISCO_METADATA)
        }
        _ => (protocol, offset),
    }
}

/// Whether an IPv4 packet taken out of a tunnel is a keepalive that wants to be sent back as it
/// is: GRE again, with the protocol type 0 and nothing inside.
#[must_use]
pub(super) fn is_keepalive(packet: &[u8]) -> bool {
    let Ok(header) = crate::wire::ipv4::Header::parse(packet) else { return false };
    let Ok(payload) = header.payload(packet) else { return false };
    header.protocol == protocol::GRE
        && Header::parse(payload)
            .is_ok_and(|gre| gre.protocol == gre::KEEPALIVE && gre.len() == payload.len())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{FRAME, OUTER, ethernet};
    use super::*;

    fn ipv4() -> Inner<'static> {
        Inner { kind: InnerKind::Ipv4, parts: [&FRAME[14..21], &FRAME[21..]], flow: 0 }
    }

    fn sent(engine: &Gre, network: u64) -> Vec<u8> {
        let mut packet = vec![0xA5; engine.header_len()];
        engine.header(network, &ipv4(), &mut packet).unwrap();
        packet.extend(&FRAME[14..]);
        packet
    }

    #[test]
    fn every_combination_of_fields_goes_on_and_comes_off() {
        for bits in 0..8 {
            let engine = || Gre {
                keyed: bits & 1 != 0,
                checksum: bits & 2 != 0,
                sequence: (bits & 4 != 0).then(Sequence::default),
                ..Gre::default()
            };
            let network = if bits & 1 != 0 { 0xDEAD_BEEF } else { 0 };
            let (near, far) = (engine(), engine());
            for _ in 0..3 {
                let packet = sent(&near, network);
                let decap = far.decap(&packet, &OUTER).unwrap();
                assert_eq!(decap.network, network);
                assert_eq!((decap.kind, decap.offset), (InnerKind::Ipv4, near.header_len()));
                for short in 0..packet.len() {
                    assert!(far.decap(&packet[..short], &OUTER).is_err());
                }
            }
        }
    }

    #[test]
    fn the_bytes_of_a_keyed_packet_with_everything() {
        let engine = Gre {
            keyed: true,
            checksum: true,
            sequence: Some(Sequence::default()),
            ..Gre::default()
        };
        let packet = sent(&engine, 7);
        assert_eq!(packet[..4], [0xB0, 0, 8, 0]);
        assert_eq!(packet[6..16], [0, 0, 0, 0, 0, 7, 0, 0, 0, 0]);
        // The inner IPv4 header sums to 0xFFFF: B000 + 0800 + 0007 + FFFF folds to B807 + 1 - 1.
        assert_eq!(packet[4..6], (!0xB807u16).to_be_bytes());
    }

    #[test]
    fn keys_must_agree_and_zero_is_one() {
        let (keyed, plain) = (Gre { keyed: true, ..Gre::default() }, Gre::default());
        let zero = sent(&keyed, 0);
        assert_eq!(keyed.decap(&zero, &OUTER).map(|decap| decap.network), Ok(0));
        assert_eq!(plain.decap(&zero, &OUTER), Err(DropReason::UnknownNetwork));
        assert_eq!(keyed.decap(&sent(&plain, 0), &OUTER), Err(DropReason::UnknownNetwork));
        assert_eq!(plain.header(7, &ipv4(), &mut [0; 4]), Err(DropReason::UnknownNetwork));
        assert_eq!(keyed.header(1 << 32, &ipv4(), &mut [0; 8]), Err(DropReason::UnknownNetwork));
    }

    #[test]
    fn frames_and_packets_do_not_mix() {
        let tap = Gre { ethernet: true, ..Gre::default() };
        let mut packet = vec![0; 4];
        tap.header(0, &ethernet(&FRAME), &mut packet).unwrap();
        assert_eq!(packet, [0, 0, 0x65, 0x58]);
        packet.extend(FRAME);
        assert_eq!(tap.decap(&packet, &OUTER).map(|decap| decap.kind), Ok(InnerKind::Ethernet));
        assert_eq!(tap.decap(&packet[..17], &OUTER), Err(DropReason::Truncated));
        assert_eq!(Gre::default().decap(&packet, &OUTER), Err(DropReason::UnknownProtocol));
        assert_eq!(tap.decap(&sent(&Gre::default(), 0), &OUTER), Err(DropReason::UnknownProtocol));
        assert_eq!(tap.header(0, &ipv4(), &mut [0; 4]), Err(DropReason::UnknownProtocol));
    }

    #[test]
    fn a_checksum_is_verified_and_a_strict_receiver_wants_none_unasked() {
        let plain = Gre::default();
        let mut packet = sent(&Gre { checksum: true, ..Gre::default() }, 0);
        assert!(plain.decap(&packet, &OUTER).is_ok());
        let strict = Gre { strict: true, ..Gre::default() };
        assert_eq!(strict.decap(&packet, &OUTER), Err(DropReason::BadFlags));
        packet[9] ^= 1;
        assert_eq!(plain.decap(&packet, &OUTER), Err(DropReason::BadChecksum));
        let mut reserved = sent(&plain, 0);
        reserved[0] = 3;
        assert!(plain.decap(&reserved, &OUTER).is_ok());
        assert_eq!(strict.decap(&reserved, &OUTER), Err(DropReason::BadFlags));
    }

    #[test]
    fn damaged_packets_do_not_move_the_sequence() {
        let engine = Gre { sequence: Some(Sequence::default()), ..Gre::default() };
        let mut packet = sent(&engine, 0);
        packet[4..8].copy_from_slice(&100u32.to_be_bytes());
        assert!(engine.decap(&packet[..20], &OUTER).is_err());
        packet[4..8].copy_from_slice(&5u32.to_be_bytes());
        assert!(engine.decap(&packet, &OUTER).is_ok());
        assert_eq!(engine.decap(&packet, &OUTER), Err(DropReason::OutOfSequence));
    }

    #[test]
    fn keepalives_are_no_data() {
        let reply = [0x20, 0, 0, 0, 0, 0, 0, 0x28];
        let keyed = Gre { keyed: true, ..Gre::default() };
        assert_eq!(keyed.decap(&reply, &OUTER), Err(DropReason::Control));
    }
}
