//! Geneve (RFC 8926).

use super::inner::{trim, vni};
use super::{Decap, DropReason, Engine, Inner, InnerKind, Outer, Transport};
use crate::ids::Encap;
use crate::wire::geneve::{GeneveOption, Header, LEN, MAX_OPTIONS, Options};
use crate::wire::udp::port;

/// Bytes of an option before its data (RFC 8926 section 3.5).
const OPTION_HEADER: usize = 4;

/// The Geneve header with the same options on every packet; the network is the VNI.
#[derive(Debug, Clone)]
pub struct Geneve {
    /// UDP destination port.
    pub port: u16,
    /// Options sent with every packet.
    pub options: SentOptions,
    /// Options known on receipt, by class and type: a packet with any other critical option is dropped.
    pub known: Vec<(u16, u8)>,
    /// Drops a packet that announces critical options and has none.
    pub strict: bool,
}

impl Default for Geneve {
    fn default() -> Self {
        let (options, known) = (SentOptions::default(), Vec::new());
        Geneve { port: port::GENEVE, options, known, strict: false }
    }
}

/// Encoded options that add up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SentOptions {
    bytes: Vec<u8>,
    critical: bool,
}

impl SentOptions {
    /// Takes options already encoded (see [`crate::wire::geneve::GeneveOption::emit`]), at most 252 bytes.
    ///
    /// # Errors
    /// [`DropReason::BadLength`] where they do not add up.
    pub fn new(bytes: Vec<u8>) -> Result<Self, DropReason> {
        if bytes.len() > MAX_OPTIONS {
            return Err(DropReason::BadLength);
        }
        let mut critical = false;
        for option in Options::new(&bytes) {
            critical |= option?.is_critical();
        }
        Ok(SentOptions { bytes, critical })
    }

    /// Encodes options of a class, a type and data each (RFC 8926 section 3.5).
    ///
    /// # Errors
    /// [`DropReason::BadLength`] for data that is no multiple of 4 bytes, longer than 124 bytes, or
    /// options of more than 252 bytes.
    pub fn encode<'a>(
        options: impl IntoIterator<Item = (u16, u8, &'a [u8])>,
    ) -> Result<Self, DropReason> {
        let mut bytes = Vec::new();
        for (class, kind, data) in options {
            let at = bytes.len();
            bytes.resize(at + OPTION_HEADER + data.len(), 0);
            let option = GeneveOption { class, kind, data };
            option.emit(bytes.get_mut(at..).unwrap_or_default())?;
        }
        SentOptions::new(bytes)
    }

    /// Bytes on the wire.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        self.bytes.len()
    }
}

impl Geneve {
    /// Walks the options of a packet received.
    fn check_options(&self, header: &Header, payload: &[u8]) -> Result<(), DropReason> {
        let mut critical = false;
        for option in header.options(payload) {
            let option = option?;
            let known = self.known.contains(&(option.class, option.kind));
            if option.is_critical() && !known {
                return Err(DropReason::CriticalOption);
            }
            critical |= option.is_critical();
        }
        if self.strict && header.critical && !critical {
            return Err(DropReason::BadFlags);
        }
        Ok(())
    }
}

impl Engine for Geneve {
    fn encap(&self) -> Encap {
        Encap::Geneve
    }

    fn transport(&self) -> Transport {
        Transport::Udp { port: self.port }
    }

    fn header_len(&self) -> usize {
        LEN + self.options.bytes.len()
    }

    fn header(&self, network: u64, inner: &Inner<'_>, out: &mut [u8]) -> Result<(), DropReason> {
        let header = Header {
            options_len: self.options.bytes.len(),
            control: false,
            critical: self.options.critical,
            protocol: inner.kind.protocol_type(),
            vni: vni(network)?,
        };
        header.emit(&self.options.bytes, out)?;
        Ok(())
    }

    fn decap(&self, payload: &[u8], _outer: &Outer) -> Result<Decap, DropReason> {
        let header = Header::parse(payload)?;
        if header.control {
            return Err(DropReason::Control);
        }
        self.check_options(&header, payload)?;
        let kind = InnerKind::from_protocol_type(header.protocol)?;
        let offset = header.len();
        trim(kind, payload.get(offset..).ok_or(DropReason::Truncated)?)?;
        Ok(Decap { network: u64::from(header.vni), kind, offset })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{FRAME, OUTER, ethernet};
    use super::*;

    const OPTION: [u8; 8] = [0x01, 0x02, 0x80, 0x01, 1, 2, 3, 4];

    #[test]
    fn a_header_goes_on_and_comes_off() {
        let engine = Geneve::default();
        let mut packet = vec![0xA5; LEN];
        engine.header(0xAB_CDEF, &ethernet(&FRAME), &mut packet).unwrap();
        assert_eq!(packet, [0, 0, 0x65, 0x58, 0xAB, 0xCD, 0xEF, 0]);
        packet.extend(FRAME);
        let decap = engine.decap(&packet, &OUTER).unwrap();
        assert_eq!(decap, Decap { network: 0xAB_CDEF, kind: InnerKind::Ethernet, offset: 8 });
        for short in 0..LEN + 14 {
            assert_eq!(engine.decap(&packet[..short], &OUTER), Err(DropReason::Truncated));
        }
    }

    #[test]
    fn a_critical_option_is_announced_and_must_be_known() {
        let sender =
            Geneve { options: SentOptions::new(OPTION.to_vec()).unwrap(), ..Geneve::default() };
        let mut packet = vec![0xA5; sender.header_len()];
        sender.header(1, &ethernet(&FRAME), &mut packet).unwrap();
        assert_eq!(packet[..2], [2, 0x40]);
        assert_eq!(packet[8..], OPTION);
        packet.extend(FRAME);
        let unknowing = Geneve::default().decap(&packet, &OUTER);
        assert_eq!(unknowing, Err(DropReason::CriticalOption));
        let knowing = Geneve { known: vec![(0x0102, 0x80)], ..Geneve::default() };
        assert_eq!(knowing.decap(&packet, &OUTER).map(|decap| decap.offset), Ok(16));
        packet[8 + 2] = 0x01;
        assert!(Geneve::default().decap(&packet, &OUTER).is_ok());
    }

    #[test]
    fn options_that_do_not_add_up_are_refused_on_both_sides() {
        let mut wrong = OPTION.to_vec();
        wrong[3] = 2;
        assert!(SentOptions::new(wrong).is_err());
        assert!(SentOptions::new(vec![0; 256]).is_err());
        let mut packet = vec![2, 0, 0x65, 0x58, 0, 0, 1, 0, 7, 0x77, 1, 5, 0, 0, 0, 1];
        packet.extend(FRAME);
        assert_eq!(Geneve::default().decap(&packet, &OUTER), Err(DropReason::BadLength));
    }

    #[test]
    fn ip_packets_travel_without_ethernet() {
        let engine = Geneve::default();
        let inner = Inner { kind: InnerKind::Ipv4, parts: [&FRAME[14..], &[]], flow: 0 };
        let mut packet = vec![0; LEN];
        engine.header(1, &inner, &mut packet).unwrap();
        packet.extend(&FRAME[14..]);
        assert_eq!(engine.decap(&packet, &OUTER).map(|decap| decap.kind), Ok(InnerKind::Ipv4));
        packet[3] = 0x47;
        assert_eq!(engine.decap(&packet, &OUTER), Err(DropReason::UnknownProtocol));
    }

    #[test]
    fn control_packets_are_no_data() {
        let mut packet = vec![0, 0x80, 0x65, 0x58, 0, 0, 1, 0];
        packet.extend(FRAME);
        assert_eq!(Geneve::default().decap(&packet, &OUTER), Err(DropReason::Control));
        packet[1] = 0x40;
        assert!(Geneve::default().decap(&packet, &OUTER).is_ok());
        let strict = Geneve { strict: true, ..Geneve::default() };
        assert_eq!(strict.decap(&packet, &OUTER), Err(DropReason::BadFlags));
    }
}
