//! The outer headers: Ethernet, IP with its fragments, UDP.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use super::config::Config;
use crate::encap::stt::pseudo;
use crate::encap::{DropReason, Limits, Piece, Reassembler, Transport};
use crate::wire::ethernet::{self, ethertype};
use crate::wire::ipv4::protocol;
use crate::wire::{checksum, ipv4, ipv6, udp, vlan};

/// What names a datagram beside its source: destination, protocol and id.
type Key = (IpAddr, u8, u32);

/// The outer IP layer with its memory of fragments.
#[derive(Debug)]
pub(super) struct Underlay {
    fragments: Reassembler<Key>,
}

/// A whole outer IP packet, link padding cut off.
#[derive(Debug)]
pub(super) struct Packet<'a> {
    pub src: IpAddr,
    pub dst: IpAddr,
    pub tos: u8,
    protocol: u8,
    payload: Cow<'a, [u8]>,
}

/// What the transport carried.
pub(super) enum Carried<'a> {
    /// A tunnel header and what follows.
    Payload(&'a [u8]),
    /// A segment of STT, its TCP-like header included.
    Segment(&'a [u8]),
}

/// A fragment's place.
struct Fragment {
    id: u32,
    offset: usize,
    more: bool,
}

impl Underlay {
    pub fn new(limits: Limits) -> Self {
        Underlay { fragments: Reassembler::new(limits) }
    }

    /// The IP packet in an outer frame; `None` while fragments are missing.
    pub fn receive<'a>(
        &mut self,
        config: &Config,
        now: Duration,
        frame: &'a [u8],
    ) -> Result<Option<Packet<'a>>, DropReason> {
        let (ethertype, network) = network(frame)?;
        let (packet, fragment) = match ethertype {
            ethertype::IPV4 => parse_v4(network)?,
            ethertype::IPV6 => parse_v6(network)?,
            _ => return Err(DropReason::UnknownProtocol),
        };
        if !config.local.is_empty() && !config.local.contains(&packet.dst) {
            return Err(DropReason::NotForUs);
        }
        if !config.peers.is_empty() && !config.peers.contains(&packet.src) {
            return Err(DropReason::UnknownPeer);
        }
        match fragment {
            None => Ok(Some(packet)),
            Some(_) if !config.reassemble => Err(DropReason::Fragment),
            Some(fragment) => self.reassemble(now, &packet, &fragment),
        }
    }

    fn reassemble(
        &mut self,
        now: Duration,
        packet: &Packet<'_>,
        fragment: &Fragment,
    ) -> Result<Option<Packet<'static>>, DropReason> {
        let end = fragment.offset + packet.payload.len();
        if fragment.more && !packet.payload.len().is_multiple_of(8) {
            return Err(DropReason::BadLength);
        }
        let total = (!fragment.more).then_some(end);
        let piece =
            Piece { offset: fragment.offset, bytes: &packet.payload, total, tos: packet.tos };
        let key = (packet.dst, packet.protocol, fragment.id);
        let whole = self.fragments.push(now, packet.src, key, &piece)?;
        Ok(whole.map(|whole| Packet {
            src: packet.src,
            dst: packet.dst,
            tos: whole.tos,
            protocol: packet.protocol,
            payload: Cow::Owned(whole.bytes),
        }))
    }
}

/// The `EtherType` behind the outer tags and what follows it.
fn network(frame: &[u8]) -> Result<(u16, &[u8]), DropReason> {
    let mut ethertype = ethernet::Header::parse(frame)?.ethertype;
    let mut rest = frame.get(ethernet::LEN..).ok_or(DropReason::Truncated)?;
    for _ in 0..4 {
        if !vlan::is_tpid(ethertype) {
            break;
        }
        let ([_, _, high, low], behind) = rest.split_first_chunk().ok_or(DropReason::Truncated)?;
        ethertype = u16::from_be_bytes([*high, *low]);
        rest = behind;
    }
    Ok((ethertype, rest))
}

fn parse_v4(bytes: &[u8]) -> Result<(Packet<'_>, Option<Fragment>), DropReason> {
    let header = ipv4::Header::parse_verified(bytes)?;
    let packet = Packet {
        src: header.src.into(),
        dst: header.dst.into(),
        tos: header.tos,
        protocol: header.protocol,
        payload: Cow::Borrowed(header.payload(bytes)?),
    };
    let fragment = header.is_fragment().then(|| Fragment {
        id: u32::from(header.id),
        offset: usize::from(header.fragment_offset),
        more: header.mf,
    });
    Ok((packet, fragment))
}

fn parse_v6(bytes: &[u8]) -> Result<(Packet<'_>, Option<Fragment>), DropReason> {
    let header = ipv6::Header::parse(bytes)?;
    let len = ipv6::LEN + header.payload(bytes)?.len();
    let bytes = bytes.get(..len).ok_or(DropReason::BadLength)?;
    let upper = ipv6::upper_layer(bytes, header.next_header)?;
    let payload = bytes.get(upper.offset..).ok_or(DropReason::Truncated)?;
    let packet = Packet {
        src: header.src.into(),
        dst: header.dst.into(),
        tos: header.traffic_class,
        protocol: upper.protocol,
        payload: Cow::Borrowed(payload),
    };
    let fragment = if upper.fragment { Some(fragment_v6(bytes, upper.offset)?) } else { None };
    Ok((packet, fragment))
}

/// The fragment header that ends at `end` (RFC 8200 section 4.5).
fn fragment_v6(packet: &[u8], end: usize) -> Result<Fragment, DropReason> {
    let header =
        packet.get(..end).and_then(<[u8]>::last_chunk::<8>).ok_or(DropReason::Truncated)?;
    let [_, _, o0, o1, i0, i1, i2, i3] = *header;
    let place = u16::from_be_bytes([o0, o1]);
    Ok(Fragment {
        id: u32::from_be_bytes([i0, i1, i2, i3]),
        offset: usize::from(place & 0xFFF8),
        more: place & 1 != 0,
    })
}

impl Packet<'_> {
    /// What the packet carries in the transport that is expected.
    pub fn transport(
        &self,
        expected: Transport,
        config: &Config,
    ) -> Result<Carried<'_>, DropReason> {
        match expected {
            Transport::Ip { protocol } if protocol == self.protocol => {
                Ok(Carried::Payload(&self.payload))
            }
            Transport::Stt { .. } if self.protocol == protocol::TCP => {
                Ok(Carried::Segment(&self.payload))
            }
            Transport::Udp { port } if self.protocol == protocol::UDP => {
                self.datagram(port, config).map(Carried::Payload)
            }
            _ => Err(DropReason::UnknownProtocol),
        }
    }

    fn datagram(&self, port: u16, config: &Config) -> Result<&[u8], DropReason> {
        let header = udp::Header::parse(&self.payload)?;
        let payload = header.payload(&self.payload)?;
        if header.dst_port != port {
            return Err(DropReason::UnknownProtocol);
        }
        if header.checksum == 0 {
            // RFC 6936 section 4: over IPv6, zero is for ports that were told so.
            let allowed = self.src.is_ipv4() || config.udp6_zero;
            return if allowed { Ok(payload) } else { Err(DropReason::BadChecksum) };
        }
        if config.verify_udp || config.strict {
            let length = usize::from(header.length);
            let covered = self.payload.get(..length).ok_or(DropReason::BadLength)?;
            let sum = pseudo(self.src, self.dst, protocol::UDP, length)?;
            if !checksum::is_right(checksum::sum(covered, sum)) {
                return Err(DropReason::BadChecksum);
            }
        }
        Ok(payload)
    }
}
