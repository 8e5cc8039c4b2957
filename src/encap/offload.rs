//! The work that an engine's far end left to do: finishing a checksum, cutting a super-frame.

use super::{DropReason, Offload};
use crate::wire::Malformed;
use crate::wire::ethernet::ethertype;
use crate::wire::flow::{self, FrameMeta};
use crate::wire::ipv4::protocol;
use crate::wire::segment::{self, Cut};

/// Longest header of one segment: the offload's place for TCP or UDP is at most 255 bytes from
/// the start of the frame where STT names it, and a TCP header has up to 60.
const MAX_HEADER: usize = 320;

impl Offload {
    /// Checks that these settings fit the frame; returns where its headers end.
    ///
    /// # Errors
    /// [`DropReason::BadOffload`] where the packet there is another one.
    pub fn check(&self, frame: &[u8]) -> Result<usize, DropReason> {
        Ok(self.fitting(frame)?.payload)
    }

    /// Where the headers of a frame lie that these settings fit.
    fn fitting(&self, frame: &[u8]) -> Result<FrameMeta, DropReason> {
        let meta = flow::frame(frame, 0)?;
        let protocol = if self.tcp { protocol::TCP } else { protocol::UDP };
        let ethertype = if self.ipv4 { ethertype::IPV4 } else { ethertype::IPV6 };
        let fits = meta.l4 == self.l4 && meta.protocol == protocol && meta.ethertype == ethertype;
        if fits && meta.l4 != 0 && meta.payload <= MAX_HEADER {
            Ok(meta)
        } else {
            Err(DropReason::BadOffload)
        }
    }
}

/// Finishes a checksum whose field holds the pseudo header's folded sum, up to the end of `frame`.
///
/// # Errors
/// [`DropReason::BadOffload`] where the settings do not fit the frame.
pub fn finish_checksum(frame: &mut [u8], offload: &Offload) -> Result<(), DropReason> {
    offload.check(frame)?;
    segment::finish_checksum(frame, offload.l4, if offload.tcp { 16 } else { 6 })
        .map_err(|_| DropReason::BadOffload)
}

/// Cuts a super-frame into packets of at most `mss` payload bytes, each complete with lengths, IP
/// id, sequence number, flags and checksums; `each` is given headers and payload. Where `mss` is
/// 0 the frame is one packet. Returns the number of packets.
///
/// # Errors
/// [`DropReason::BadOffload`] where the settings do not fit the frame.
pub fn segment(
    frame: &[u8],
    offload: &Offload,
    mut each: impl FnMut(&[u8], &[u8]),
) -> Result<usize, DropReason> {
    let meta = offload.fitting(frame)?;
    let size = match offload.mss {
        0 => frame.len().saturating_sub(meta.payload).max(1),
        mss => usize::from(mss),
    };
    let (l3, l4, payload) = (meta.l3, meta.l4, meta.payload);
    let cut = Cut { l3, l4, payload, tcp: offload.tcp, size };
    let done: Result<usize, Malformed> = segment::segment(frame, &cut, |headers, start, len| {
        each(headers, frame.get(start..start + len).ok_or(Malformed::Length)?);
        Ok(())
    });
    done.map_err(|_| DropReason::BadOffload)
}
const _: () = assert!(255 + 60 <= MAX_HEADER && MAX_HEADER <= segment::MAX_HEADERS);

#[cfg(test)]
mod tests {
    use super::super::Envelope;
    use super::super::stt::pseudo;
    use super::super::testing::super_frame;
    use super::*;
    use crate::wire::{checksum, ipv4, tcp};

    fn set<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) -> Option<()> {
        *bytes.get_mut(at..)?.first_chunk_mut()? = value;
        Some(())
    }

    const TCP4: Offload = Offload { ipv4: true, tcp: true, l4: 34, mss: 100 };

    fn parts(frame: &[u8], offload: &Offload) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        segment(frame, offload, |header, payload| all.push([header, payload].concat())).unwrap();
        all
    }

    #[test]
    fn segments_are_complete_packets_in_order() {
        let frame = super_frame(250);
        let all = parts(&frame, &TCP4);
        assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [154, 154, 104]);
        for (number, packet) in all.iter().enumerate() {
            let ip = ipv4::Header::parse_verified(&packet[14..]).unwrap();
            let l4 = ip.payload(&packet[14..]).unwrap();
            let number = u16::try_from(number).unwrap();
            assert_eq!(ip.id, 0xFFFF_u16.wrapping_add(number));
            let pseudo = checksum::pseudo_v4(ip.src, ip.dst, 6, u32::try_from(l4.len()).unwrap());
            assert!(checksum::is_right(checksum::sum(l4, pseudo)));
            let header = tcp::Header::parse(l4).unwrap();
            assert_eq!(header.seq, 0xFFFF_FF00_u32.wrapping_add(u32::from(number) * 100));
            let (psh, cwr) = (header.flags & 0x08 != 0, header.flags & 0x80 != 0);
            assert_eq!((psh, cwr), (number == 2, number == 0));
        }
        let payloads: Vec<u8> = all.iter().flat_map(|p| p[54..].to_vec()).collect();
        assert_eq!(payloads, frame[54..]);
    }

    #[test]
    fn one_packet_equals_the_finished_checksum() {
        let whole = Offload { mss: 0, ..TCP4 };
        let mut frame = super_frame(101);
        let [cut] = &parts(&frame, &whole)[..] else { panic!("one packet") };
        let ip = ipv4::Header::parse(&frame[14..]).unwrap();
        let pseudo = checksum::fold(checksum::pseudo_v4(ip.src, ip.dst, 6, 121));
        frame[50..52].copy_from_slice(&pseudo.to_be_bytes());
        finish_checksum(&mut frame, &whole).unwrap();
        assert_eq!(&frame, cut);
    }

    #[test]
    fn settings_that_do_not_fit_are_refused() {
        let mut frame = super_frame(50);
        for wrong in [
            Offload { l4: 20, ..TCP4 },
            Offload { l4: 250, ..TCP4 },
            Offload { tcp: false, ..TCP4 },
            Offload { ipv4: false, ..TCP4 },
        ] {
            assert_eq!(finish_checksum(&mut frame, &wrong), Err(DropReason::BadOffload));
            assert_eq!(segment(&frame, &wrong, |_, _| ()), Err(DropReason::BadOffload));
        }
    }

    /// Ethernet, IPv4 or IPv6, and UDP with `payload`; the checksum field holds the pseudo sum.
    fn udp_frame(ipv4: bool, payload: &[u8]) -> (Vec<u8>, Offload) {
        let length = u16::try_from(8 + payload.len()).unwrap();
        let (src, dst) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        let envelope = if ipv4 {
            Envelope::new([10, 0, 0, 1].into(), [10, 0, 0, 2].into())
        } else {
            Envelope::new(src, dst)
        };
        let mut headers = [0; 48];
        let len = envelope.write_udp((1, 2), &[payload], false, &mut headers).unwrap();
        let kind = if ipv4 { [8, 0] } else { [0x86, 0xDD] };
        let mut frame = [&[2; 12][..], &kind, &headers[..len], payload].concat();
        let offload = Offload { ipv4, tcp: false, l4: 14 + len - 8, mss: 0 };
        let pseudo = pseudo(envelope.src, envelope.dst, 17, usize::from(length)).unwrap();
        set(&mut frame, offload.l4 + 6, checksum::fold(pseudo).to_be_bytes()).unwrap();
        (frame, offload)
    }

    #[test]
    fn a_udp_checksum_of_zero_is_sent_as_ones() {
        for ipv4 in [true, false] {
            let (frame, offload) = udp_frame(ipv4, &[0, 0]);
            let rest = checksum::fold(checksum::sum(&frame[offload.l4..], 0));
            let (mut frame, offload) = udp_frame(ipv4, &(!rest).to_be_bytes());
            finish_checksum(&mut frame, &offload).unwrap();
            assert_eq!(frame[offload.l4 + 6..offload.l4 + 8], [0xFF, 0xFF]);
            assert_eq!(parts(&frame, &offload), [frame]);
        }
    }

    #[test]
    fn datagrams_over_both_families_are_cut_with_their_own_lengths() {
        for ipv4 in [true, false] {
            let payload: Vec<u8> = (0..250).collect();
            let (frame, offload) = udp_frame(ipv4, &payload);
            let all = parts(&frame, &Offload { mss: 100, ..offload });
            assert_eq!(all.len(), 3);
            for (packet, part) in all.iter().zip(payload.chunks(100)) {
                let (mut whole, offload) = udp_frame(ipv4, part);
                finish_checksum(&mut whole, &offload).unwrap();
                // All but the id, which counts up, and the IPv4 checksum over it.
                let fixed = if ipv4 { 26 } else { 14 };
                assert_eq!(packet[fixed..], whole[fixed..]);
                let ip = if ipv4 { 16..18 } else { 18..20 };
                assert_eq!(packet[ip.clone()], whole[ip]);
            }
        }
    }
}
