//! The `virtio_net_hdr` that goes before every frame on a packet socket with `PACKET_VNET_HDR`.
//!
//! Layout and meaning: virtio 1.2, section 5.1.6 (legacy form without `num_buffers`, 10 bytes,
//! native byte order); Linux `include/uapi/linux/virtio_net.h`.

use crate::encap::DropReason;
use crate::wire::flow::FrameMeta;
use crate::wire::ipv4::protocol;
use crate::wire::segment::{self, Cut};

/// Offload metadata of one frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct VnetHeader {
    /// [`NEEDS_CSUM`], [`DATA_VALID`].
    pub flags: u8,
    /// [`GSO_NONE`], [`GSO_TCPV4`], [`GSO_TCPV6`], [`GSO_UDP_L4`], perhaps with [`GSO_ECN`].
    pub gso_type: u8,
    /// Bytes of all headers, a hint.
    pub hdr_len: u16,
    /// Payload bytes of each segment.
    pub gso_size: u16,
    /// Where the sum starts: the L4 header's offset in the frame.
    pub csum_start: u16,
    /// Where the sum is stored, from `csum_start`.
    pub csum_offset: u16,
}

/// Bytes of the header.
pub const LEN: usize = size_of::<VnetHeader>();

/// The checksum field holds the folded pseudo-header sum only; the rest is to be added.
pub const NEEDS_CSUM: u8 = 1;
/// The checksum was verified.
pub const DATA_VALID: u8 = 2;

/// One packet.
pub const GSO_NONE: u8 = 0;
/// TCP over IPv4, to be segmented.
pub const GSO_TCPV4: u8 = 1;
/// TCP over IPv6, to be segmented.
pub const GSO_TCPV6: u8 = 4;
/// UDP, to be cut into datagrams (Linux 6.2).
pub const GSO_UDP_L4: u8 = 5;
/// Flag beside a TCP type: CWR is set on the first segment only.
pub const GSO_ECN: u8 = 0x80;

impl VnetHeader {
    /// Whether this is a super-frame, to be segmented before it can leave on a cable.
    #[must_use]
    pub const fn is_gso(&self) -> bool {
        self.gso_type & !GSO_ECN != GSO_NONE
    }

    /// Whether the L4 checksum is still to be finished.
    #[must_use]
    pub const fn needs_csum(&self) -> bool {
        self.flags & NEEDS_CSUM != 0
    }

    /// The same frame with `bytes` more before its L3 header (a VLAN tag).
    #[must_use]
    pub const fn shifted(mut self, bytes: u16) -> Self {
        if self.needs_csum() {
            self.csum_start = self.csum_start.saturating_add(bytes);
        }
        if self.hdr_len != 0 {
            self.hdr_len = self.hdr_len.saturating_add(bytes);
        }
        self
    }

    /// The same frame without the `bytes` at its start (an Ethernet header).
    #[must_use]
    pub const fn without(mut self, bytes: u16) -> Self {
        self.csum_start = self.csum_start.saturating_sub(bytes);
        self.hdr_len = self.hdr_len.saturating_sub(bytes);
        self
    }

    /// How a super-frame is cut.
    ///
    /// # Errors
    /// [`DropReason::UnknownProtocol`] where the frame is of another protocol.
    pub fn cut(&self, meta: &FrameMeta) -> Result<Cut, DropReason> {
        let tcp = self.gso_type != GSO_UDP_L4;
        if meta.l4 == 0 || meta.protocol != if tcp { protocol::TCP } else { protocol::UDP } {
            return Err(DropReason::UnknownProtocol);
        }
        let (l3, l4, payload) = (meta.l3, meta.l4, meta.payload);
        Ok(Cut { l3, l4, payload, tcp, size: usize::from(self.gso_size) })
    }

    /// Finishes a checksum that is left to be finished.
    ///
    /// # Errors
    /// [`DropReason::Truncated`] where the metadata point outside the frame.
    pub fn finish_checksum(&self, frame: &mut [u8]) -> Result<(), DropReason> {
        if !self.needs_csum() {
            return Ok(());
        }
        let (start, offset) = (usize::from(self.csum_start), usize::from(self.csum_offset));
        Ok(segment::finish_checksum(frame, start, offset)?)
    }

    /// How many packets a frame with so many payload bytes stands for.
    #[must_use]
    pub const fn packets(&self, payload: usize) -> u64 {
        if !self.is_gso() || self.gso_size == 0 || payload == 0 {
            return 1;
        }
        payload.div_ceil(self.gso_size as usize) as u64
    }

    /// Its bytes as the kernel reads them.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; LEN] {
        let [a, b] = self.hdr_len.to_ne_bytes();
        let [c, d] = self.gso_size.to_ne_bytes();
        let [e, f] = self.csum_start.to_ne_bytes();
        let [g, h] = self.csum_offset.to_ne_bytes();
        [self.flags, self.gso_type, a, b, c, d, e, f, g, h]
    }

    /// Reads what the kernel wrote.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; LEN]) -> Self {
        let [flags, gso_type, a, b, c, d, e, f, g, h] = bytes;
        VnetHeader {
            flags,
            gso_type,
            hdr_len: u16::from_ne_bytes([a, b]),
            gso_size: u16::from_ne_bytes([c, d]),
            csum_start: u16::from_ne_bytes([e, f]),
            csum_offset: u16::from_ne_bytes([g, h]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::wire::flow;

    #[test]
    fn bytes_round_trip() {
        let header = VnetHeader {
            flags: NEEDS_CSUM,
            gso_type: GSO_TCPV4,
            hdr_len: 66,
            gso_size: 1448,
            csum_start: 34,
            csum_offset: 16,
        };
        assert_eq!(VnetHeader::from_bytes(header.to_bytes()), header);
        assert_eq!(LEN, 10);
    }

    #[test]
    fn a_super_frame_of_another_protocol_is_not_cut() {
        let frame = samples::udp(&samples::bytes(250));
        let meta = flow::frame(&frame, 0).unwrap();
        let udp = VnetHeader { gso_type: GSO_UDP_L4, gso_size: 100, ..Default::default() };
        let cut = Cut { l3: 14, l4: 34, payload: 42, tcp: false, size: 100 };
        assert_eq!(udp.cut(&meta), Ok(cut));
        let tcp = VnetHeader { gso_type: GSO_TCPV4, ..udp };
        assert_eq!(tcp.cut(&meta), Err(DropReason::UnknownProtocol));
    }

    #[test]
    fn a_partial_checksum_is_finished() {
        let whole = samples::tcp(1, samples::PSH_ACK, &samples::bytes(99));
        let mut frame = whole.clone();
        let vnet = samples::make_partial(&mut frame);
        assert!(!samples::is_valid(&frame));
        vnet.finish_checksum(&mut frame).unwrap();
        assert_eq!(frame, whole);
        let outside = VnetHeader { csum_start: 60_000, ..vnet };
        assert_eq!(outside.finish_checksum(&mut frame), Err(DropReason::Truncated));
        VnetHeader::default().finish_checksum(&mut frame).unwrap();
        assert_eq!(frame, whole, "nothing was left to do");
    }

    #[test]
    fn a_tag_moves_what_is_counted_from_the_start() {
        let header =
            VnetHeader { flags: NEEDS_CSUM, csum_start: 34, hdr_len: 66, ..Default::default() };
        assert_eq!((header.shifted(4).csum_start, header.shifted(4).hdr_len), (38, 70));
        assert_eq!(VnetHeader::default().shifted(4), VnetHeader::default());
        assert_eq!(header.shifted(4).without(4), header);
    }

    #[test]
    fn a_super_frame_counts_as_its_packets() {
        let header = VnetHeader { gso_type: GSO_TCPV4, gso_size: 100, ..Default::default() };
        assert_eq!([0, 1, 100, 101, 250].map(|len| header.packets(len)), [1, 1, 1, 2, 3]);
        assert_eq!(VnetHeader::default().packets(250), 1);
    }
}
