//! The frame header.

use crate::encap::inner::check_ethernet;
use crate::encap::{Decap, DropReason, Engine, Inner, InnerKind, Offload, Outer, Transport};
use crate::ids::Encap;
use crate::wire::stt::{Header, LEN, MAX_FRAME, PORT, flag};
use crate::wire::vlan::Tag;

/// The 18-byte STT frame header; the network is the context id.
#[derive(Debug, Clone, Copy)]
pub struct Stt {
    /// TCP destination port.
    pub port: u16,
    /// Drops a frame that says its checksum is both verified and partial. The draft forbids it and
    /// receivers differ in which they believe; a lenient one believes "partial".
    pub strict: bool,
}

impl Default for Stt {
    fn default() -> Self {
        Stt { port: PORT, strict: true }
    }
}

impl Stt {
    /// The tag that the egress has to put on a frame.
    ///
    /// # Errors
    /// As [`Header::parse`].
    pub fn tag(payload: &[u8]) -> Result<Option<Tag>, DropReason> {
        Ok(Header::parse(payload)?.tag())
    }

    fn write(
        network: u64,
        inner: &Inner<'_>,
        offload: Option<&Offload>,
        out: &mut [u8],
    ) -> Result<(), DropReason> {
        inner.ethertype()?;
        if inner.len() + LEN > MAX_FRAME {
            return Err(DropReason::TooBig);
        }
        let mut header = Header { context: network, ..Header::default() };
        if let Some(offload) = offload {
            let flags =
                [(true, flag::PARTIAL), (offload.ipv4, flag::IPV4), (offload.tcp, flag::TCP)];
            header.flags =
                flags.into_iter().filter(|(set, _)| *set).fold(0, |all, (_, bit)| all | bit);
            header.l4_offset = u8::try_from(offload.l4).map_err(|_| DropReason::BadOffload)?;
            header.mss = offload.mss;
        }
        header.emit(out)?;
        Ok(())
    }
}

impl Engine for Stt {
    fn encap(&self) -> Encap {
        Encap::Stt
    }

    fn transport(&self) -> Transport {
        Transport::Stt { port: self.port }
    }

    fn header_len(&self) -> usize {
        LEN
    }

    fn header(&self, network: u64, inner: &Inner<'_>, out: &mut [u8]) -> Result<(), DropReason> {
        Stt::write(network, inner, None, out)
    }

    fn decap(&self, payload: &[u8], _outer: &Outer) -> Result<Decap, DropReason> {
        let header = Header::parse(payload)?;
        check_ethernet(payload.get(LEN..).ok_or(DropReason::Truncated)?, true)?;
        self.offload(payload)?;
        Ok(Decap { network: header.context, kind: InnerKind::Ethernet, offset: LEN })
    }

    fn carries_offload(&self) -> bool {
        true
    }

    fn header_offload(
        &self,
        network: u64,
        inner: &Inner<'_>,
        offload: &Offload,
        out: &mut [u8],
    ) -> Result<(), DropReason> {
        Stt::write(network, inner, Some(offload), out)
    }

    fn offload(&self, payload: &[u8]) -> Result<Option<Offload>, DropReason> {
        let header = Header::parse(payload)?;
        if header.flags & flag::PARTIAL == 0 {
            return if header.mss == 0 { Ok(None) } else { Err(DropReason::BadOffload) };
        }
        if self.strict && header.flags & flag::VERIFIED != 0 {
            return Err(DropReason::BadFlags);
        }
        let offload = Offload {
            ipv4: header.flags & flag::IPV4 != 0,
            tcp: header.flags & flag::TCP != 0,
            l4: usize::from(header.l4_offset),
            mss: header.mss,
        };
        offload.check(payload.get(LEN..).ok_or(DropReason::Truncated)?)?;
        Ok(Some(offload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encap::testing::{FRAME, OUTER, ethernet, super_frame};

    const TCP4: Offload = Offload { ipv4: true, tcp: true, l4: 34, mss: 300 };

    #[test]
    fn a_header_goes_on_and_comes_off() {
        let engine = Stt::default();
        let mut frame = vec![0xA5; LEN];
        engine.header(0x1_0000_0001, &ethernet(&FRAME), &mut frame).unwrap();
        assert_eq!(frame, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0]);
        frame.extend(FRAME);
        let decap = engine.decap(&frame, &OUTER).unwrap();
        assert_eq!(decap, Decap { network: 0x1_0000_0001, kind: InnerKind::Ethernet, offset: 18 });
        assert_eq!((engine.offload(&frame), Stt::tag(&frame)), (Ok(None), Ok(None)));
        for short in 0..LEN + 14 {
            assert_eq!(engine.decap(&frame[..short], &OUTER), Err(DropReason::Truncated));
        }
    }

    #[test]
    fn work_is_left_to_the_far_end() {
        let engine = Stt::default();
        let inner = super_frame(900);
        let mut frame = vec![0xA5; LEN];
        engine.header_offload(7, &ethernet(&inner), &TCP4, &mut frame).unwrap();
        assert_eq!(frame[..6], [0, 0x0E, 34, 0, 0x01, 0x2C]);
        frame.extend(&inner);
        assert!(engine.decap(&frame, &OUTER).is_ok());
        assert_eq!(engine.offload(&frame), Ok(Some(TCP4)));
        frame[2] = 20;
        assert_eq!(engine.decap(&frame, &OUTER), Err(DropReason::BadOffload));
        let far = Offload { l4: 256, ..TCP4 };
        let refused = engine.header_offload(7, &ethernet(&inner), &far, &mut [0; LEN]);
        assert_eq!(refused, Err(DropReason::BadOffload));
    }

    #[test]
    fn verified_and_partial_at_once_is_a_contradiction() {
        let inner = super_frame(100);
        let mut frame = vec![0; LEN];
        Stt::default().header_offload(7, &ethernet(&inner), &TCP4, &mut frame).unwrap();
        frame[1] |= flag::VERIFIED;
        frame.extend(&inner);
        assert_eq!(Stt::default().decap(&frame, &OUTER), Err(DropReason::BadFlags));
        let lenient = Stt { strict: false, ..Stt::default() };
        assert!(lenient.decap(&frame, &OUTER).is_ok());
    }

    #[test]
    fn a_segment_size_needs_a_partial_checksum() {
        let mut frame = vec![0; LEN];
        Stt::default().header(7, &ethernet(&FRAME), &mut frame).unwrap();
        frame[5] = 1;
        frame.extend(FRAME);
        assert_eq!(Stt::default().decap(&frame, &OUTER), Err(DropReason::BadOffload));
    }

    #[test]
    fn a_frame_longer_than_its_length_field_is_refused() {
        let long = vec![0; MAX_FRAME - LEN + 1];
        let fits = Stt::default().header(7, &ethernet(&long[1..]), &mut [0; LEN]);
        assert_eq!(fits, Ok(()));
        let refused = Stt::default().header(7, &ethernet(&long), &mut [0; LEN]);
        assert_eq!(refused, Err(DropReason::TooBig));
    }
}
