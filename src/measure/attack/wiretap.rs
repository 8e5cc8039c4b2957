//! TCP connections as somebody sees them who watches a host's interfaces, and segments forged into them.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::measure::Place;
use crate::measure::error::{MeasureError, within};
use crate::measure::segment::Segmenter;
use crate::measure::tap::{BUFFER, Tap, Watch};
use crate::plan::Variant;
use crate::wire::ethernet::{self, ethertype};
use crate::wire::ipv4::{self, protocol};
use crate::wire::{checksum, ipv6, tcp};

/// Bytes of frames that may wait to be read.
const ROOM: usize = 2 << 20;

/// One direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    /// Who sends.
    pub src: SocketAddr,
    /// To whom.
    pub dst: SocketAddr,
    /// Sequence number of the next byte.
    pub next: u32,
    /// The last acknowledgment number.
    pub ack: u32,
    /// Bytes of payload seen.
    pub bytes: u64,
}

impl Stream {
    /// An IP packet with payload that `src` could send, from this sequence number on. It has no TCP
    /// options. `None` only where the addresses are of two families or a length does not fit its field.
    #[must_use]
    pub fn data(&self, seq: u32, payload: &[u8]) -> Option<Vec<u8>> {
        self.forge(seq, tcp::flag::ACK | tcp::flag::PSH, payload)
    }

    /// The same with a reset, whose payload may tell people why (RFC 9293 section 3.5.3).
    #[must_use]
    pub fn reset(&self, seq: u32, payload: &[u8]) -> Option<Vec<u8>> {
        self.forge(seq, tcp::flag::RST, payload)
    }

    fn forge(&self, seq: u32, flags: u8, payload: &[u8]) -> Option<Vec<u8>> {
        let mut header = tcp::Header {
            src_port: self.src.port(),
            dst_port: self.dst.port(),
            seq,
            ack: self.ack,
            header_len: tcp::LEN,
            flags,
            window: 512,
            checksum: 0,
            urgent: 0,
        };
        let mut segment = vec![0; tcp::LEN];
        header.emit(&mut segment).ok()?;
        segment.extend_from_slice(payload);
        let length = u16::try_from(segment.len()).ok()?;
        let (mut packet, pseudo) = match (self.src.ip(), self.dst.ip()) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let mut packet = vec![0; ipv4::LEN];
                let ip = ipv4::Header {
                    header_len: ipv4::LEN,
                    tos: 0,
                    total_len: length.checked_add(ipv4::LEN as u16)?,
                    id: 0,
                    df: true,
                    mf: false,
                    fragment_offset: 0,
                    ttl: 64,
                    protocol: protocol::TCP,
                    src,
                    dst,
                };
                ip.emit(&mut packet).ok()?;
                (packet, checksum::pseudo_v4(src, dst, protocol::TCP, length.into()))
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                let mut packet = vec![0; ipv6::LEN];
                let ip = ipv6::Header {
                    traffic_class: 0,
                    flow_label: 0,
                    payload_len: length,
                    next_header: protocol::TCP,
                    hop_limit: 64,
                    src,
                    dst,
                };
                ip.emit(&mut packet).ok()?;
                (packet, checksum::pseudo_v6(src, dst, protocol::TCP, length.into()))
            }
            _ => return None,
        };
        header.checksum = checksum::finish(checksum::sum(&segment, pseudo));
        header.emit(&mut segment).ok()?;
        packet.extend(segment);
        Some(packet)
    }
}

/// Listens to what a host receives from the fabric.
#[derive(Debug)]
pub struct Wiretap {
    taps: Vec<Tap>,
    streams: BTreeMap<(SocketAddr, SocketAddr), Stream>,
}

impl Wiretap {
    /// Listens from now on.
    ///
    /// # Errors
    /// An interface could not be opened.
    pub fn open(place: &impl Place, variant: &Variant, host: &str) -> Result<Self, MeasureError> {
        let namespace = variant.namespace(host);
        let ends = variant.links.iter().flat_map(|link| &link.ends).filter(|end| end.node == host);
        let taps = ends.map(|end| {
            let operation = format!("watch `{}`", end.interface);
            let open = || Tap::open(&end.interface, Watch::Incoming, ROOM);
            within(place, &namespace, &operation, open)
        });
        Ok(Wiretap { taps: taps.collect::<Result<_, _>>()?, streams: BTreeMap::new() })
    }

    /// Of all connections' directions from one address to another that with the most payload so far.
    ///
    /// # Errors
    /// An interface went down.
    pub fn busiest(&mut self, src: IpAddr, dst: IpAddr) -> Result<Option<Stream>, MeasureError> {
        self.take_in().map_err(MeasureError::system("watch connections"))?;
        let ours = self.streams.values().filter(|s| s.src.ip() == src && s.dst.ip() == dst);
        Ok(ours.max_by_key(|stream| stream.bytes).copied())
    }

    fn take_in(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER];
        let mut segmenter = Segmenter::default();
        for tap in &self.taps {
            while let Some(frame) = tap.next(&mut buffer)? {
                segmenter.each(&frame, |packet| {
                    if let Some(seen) = read(packet) {
                        note(&mut self.streams, seen);
                    }
                });
            }
        }
        Ok(())
    }
}

/// The segment in an Ethernet frame, as a stream of nothing else.
fn read(frame: &[u8]) -> Option<Stream> {
    let packet = frame.get(ethernet::LEN..)?;
    let (src, dst, segment): (IpAddr, IpAddr, _) =
        match ethernet::Header::parse(frame).ok()?.ethertype {
            ethertype::IPV4 => {
                let ip = ipv4::Header::parse(packet).ok()?;
                let ours = ip.protocol == protocol::TCP && !ip.is_fragment();
                (ip.src.into(), ip.dst.into(), ours.then(|| ip.payload(packet).ok())??)
            }
            ethertype::IPV6 => {
                let ip = ipv6::Header::parse(packet).ok()?;
                let ours = ip.next_header == protocol::TCP;
                (ip.src.into(), ip.dst.into(), ours.then(|| ip.payload(packet).ok())??)
            }
            _ => return None,
        };
    let header = tcp::Header::parse(segment).ok()?;
    let payload = segment.len().checked_sub(header.header_len)?;
    Some(Stream {
        src: SocketAddr::new(src, header.src_port),
        dst: SocketAddr::new(dst, header.dst_port),
        next: header.seq.wrapping_add(u32::try_from(payload).ok()?),
        ack: header.ack,
        bytes: payload as u64,
    })
}

fn note(streams: &mut BTreeMap<(SocketAddr, SocketAddr), Stream>, seen: Stream) {
    let stream = streams.entry((seen.src, seen.dst)).or_insert(Stream { bytes: 0, ..seen });
    stream.bytes += seen.bytes;
    // Sequence numbers go around; what was sent again, or to keep the connection, is behind.
    if seen.next.wrapping_sub(stream.next).cast_signed() >= 0 {
        (stream.next, stream.ack) = (seen.next, seen.ack);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(next: u32) -> Stream {
        let address = |last: u8, port| SocketAddr::from(([192, 0, 2, last], port));
        Stream { src: address(1, 40_000), dst: address(2, 22), next, ack: 7, bytes: 0 }
    }

    #[test]
    fn what_is_forged_is_read_and_its_checksums_are_right() {
        let packet = stream(5).forge(5, tcp::flag::ACK, b"token").unwrap();
        let ip = ipv4::Header::parse_verified(&packet).unwrap();
        let segment = ip.payload(&packet).unwrap();
        let pseudo = checksum::pseudo_v4(ip.src, ip.dst, protocol::TCP, 25);
        assert!(checksum::is_right(checksum::sum(segment, pseudo)));
        let mut frame = vec![2; 12];
        frame.extend([8, 0]);
        frame.extend(packet);
        assert_eq!(read(&frame), Some(Stream { next: 10, bytes: 5, ..stream(5) }));
        for length in 0..frame.len() {
            assert_eq!(read(&frame[..length]), None);
        }
    }

    #[test]
    fn the_next_byte_is_the_furthest_around_the_clock() {
        let mut streams = BTreeMap::new();
        for (next, bytes) in [(u32::MAX - 3, 10), (6, 10), (2, 1), (u32::MAX, 0)] {
            note(&mut streams, Stream { bytes, ..stream(next) });
        }
        let all: Vec<_> = streams.into_values().collect();
        assert_eq!(all, [Stream { bytes: 21, ..stream(6) }]);
    }
}
