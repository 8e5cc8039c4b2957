//! Geneve header and options (RFC 8926 sections 3.4 and 3.5).
//!
//! ```text
//! |Ver|  Opt Len  |O|C|    Rsvd.  |          Protocol Type        |
//! |        Virtual Network Identifier (VNI)       |    Reserved   |
//! ~                    Variable-Length Options                    ~
//!
//! |          Option Class         |      Type     |R|R|R| Length  |
//! ~                  Variable-Length Option Data                  ~
//! ```
//!
//! Both lengths count 4-byte words; an option's excludes its own 4-byte header. Reserved bits are
//! sent as 0 and ignored.

use std::fmt;

use super::{Malformed, be16, be24, fixed};

/// Bytes of the header without options.
pub const LEN: usize = 8;
/// Most bytes of options: six bits of 4-byte words.
pub const MAX_OPTIONS: usize = 0b11_1111 * 4;
/// Bit of an option's type that makes it critical.
pub const CRITICAL: u8 = 0x80;

/// A Geneve header of version 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Bytes of options that follow: a multiple of 4, at most [`MAX_OPTIONS`].
    pub options_len: usize,
    /// Control packet (O): its payload is not to be forwarded.
    pub control: bool,
    /// Critical options present (C).
    pub critical: bool,
    /// `EtherType` of the payload.
    pub protocol: u16,
    /// Network identifier, 24 bits.
    pub vni: u32,
}

impl Header {
    /// Bytes of header and options.
    #[must_use]
    pub const fn len(&self) -> usize {
        LEN + self.options_len
    }

    /// Never: there is always the fixed part.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Reads the header at the start of `bytes`, which hold its options too.
    ///
    /// # Errors
    /// [`Malformed::Truncated`], [`Malformed::Version`] other than 0, or [`Malformed::Length`] where
    /// the options run past `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let fields: &[u8; LEN] = fixed(bytes)?;
        if fields[0] >> 6 != 0 {
            return Err(Malformed::Version);
        }
        let options_len = usize::from(fields[0] & 0x3F) * 4;
        if bytes.len() < LEN + options_len {
            return Err(Malformed::Length);
        }
        Ok(Header {
            options_len,
            control: fields[1] & 0x80 != 0,
            critical: fields[1] & 0x40 != 0,
            protocol: be16(fields, 2),
            vni: be24(fields, 4),
        })
    }

    /// The options of the packet that this header was read from.
    #[must_use]
    pub fn options<'a>(&self, packet: &'a [u8]) -> Options<'a> {
        Options { rest: packet.get(LEN..self.len()).unwrap_or_default() }
    }

    /// Writes the header and its options, already encoded; returns the length of both.
    ///
    /// # Errors
    /// [`Malformed::Length`] where `options` are not `options_len` bytes, no multiple of 4 or more
    /// than [`MAX_OPTIONS`], [`Malformed::Value`] where the VNI does not fit 24 bits,
    /// [`Malformed::NoRoom`] where `out` is shorter.
    pub fn emit(&self, options: &[u8], out: &mut [u8]) -> Result<usize, Malformed> {
        let words = u8::try_from(options.len() / 4).map_err(|_| Malformed::Length)?;
        if options.len() != self.options_len || !options.len().is_multiple_of(4) || words > 0x3F {
            return Err(Malformed::Length);
        }
        let [0, v0, v1, v2] = self.vni.to_be_bytes() else { return Err(Malformed::Value) };
        let [p0, p1] = self.protocol.to_be_bytes();
        let room = out.get_mut(..self.len()).ok_or(Malformed::NoRoom)?;
        let (header, rest) = room.split_first_chunk_mut::<LEN>().ok_or(Malformed::NoRoom)?;
        let flags = u8::from(self.control) << 7 | u8::from(self.critical) << 6;
        *header = [words, flags, p0, p1, v0, v1, v2, 0];
        rest.copy_from_slice(options);
        Ok(self.len())
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Geneve vni {} type 0x{:04x} options {}",
            self.vni, self.protocol, self.options_len
        )?;
        if self.control {
            f.write_str(" O")?;
        }
        if self.critical {
            f.write_str(" C")?;
        }
        Ok(())
    }
}

/// One option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GeneveOption<'a> {
    /// Who defines the type (IANA registry "Geneve Option Class").
    pub class: u16,
    /// Type, [`CRITICAL`] included.
    pub kind: u8,
    /// Data, a multiple of 4 bytes up to 124.
    pub data: &'a [u8],
}

impl GeneveOption<'_> {
    /// Whether a receiver that does not know it must drop the packet.
    #[must_use]
    pub const fn is_critical(&self) -> bool {
        self.kind & CRITICAL != 0
    }

    /// Writes the option; returns its length.
    ///
    /// # Errors
    /// [`Malformed::Length`] where the data are no multiple of 4 or longer than 124 bytes,
    /// [`Malformed::NoRoom`] where `out` is shorter.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, Malformed> {
        let words = u8::try_from(self.data.len() / 4).map_err(|_| Malformed::Length)?;
        if !self.data.len().is_multiple_of(4) || words > 0x1F {
            return Err(Malformed::Length);
        }
        let len = 4 + self.data.len();
        let room = out.get_mut(..len).ok_or(Malformed::NoRoom)?;
        let (header, data) = room.split_first_chunk_mut::<4>().ok_or(Malformed::NoRoom)?;
        let [c0, c1] = self.class.to_be_bytes();
        *header = [c0, c1, self.kind, words];
        data.copy_from_slice(self.data);
        Ok(len)
    }
}

impl fmt::Display for GeneveOption<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "option class 0x{:04x} type 0x{:02x} len {}",
            self.class,
            self.kind,
            self.data.len()
        )
    }
}

/// Walks options; yields one error and ends where their lengths do not add up to Opt Len.
#[derive(Debug, Clone)]
pub struct Options<'a> {
    rest: &'a [u8],
}

impl<'a> Options<'a> {
    /// Walks encoded options that stand alone.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Options { rest: bytes }
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = Result<GeneveOption<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let (header, behind) = match self.rest.split_first_chunk::<4>() {
            Some(split) => split,
            None if self.rest.is_empty() => return None,
            None => {
                self.rest = &[];
                return Some(Err(Malformed::Length));
            }
        };
        let len = usize::from(header[3] & 0x1F) * 4;
        let Some((data, rest)) = behind.split_at_checked(len) else {
            self.rest = &[];
            return Some(Err(Malformed::Length));
        };
        self.rest = rest;
        Some(Ok(GeneveOption { class: be16(header, 0), kind: header[2], data }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{emitted, hex};
    use super::*;

    /// Sent by Open vSwitch: a critical option and another one.
    fn golden() -> Vec<u8> {
        hex("05 40 6558 abcdef 00  ffff 80 01 0000000a  0102 01 02 1122334455667788")
    }

    #[test]
    fn a_captured_header_with_options_both_ways() {
        let bytes = golden();
        let header = Header::parse(&bytes).unwrap();
        assert_eq!(header.to_string(), "Geneve vni 11259375 type 0x6558 options 20 C");
        assert_eq!(emitted(28, |out| header.emit(&bytes[8..], out)), bytes);
        for short in 0..bytes.len() {
            let why = if short < LEN { Malformed::Truncated } else { Malformed::Length };
            assert_eq!(Header::parse(&bytes[..short]), Err(why));
        }
    }

    #[test]
    fn options_are_walked_and_written() {
        let bytes = golden();
        let options: Result<Vec<_>, _> = Header::parse(&bytes).unwrap().options(&bytes).collect();
        let options = options.unwrap();
        assert_eq!(options.len(), 2);
        assert!(options[0].is_critical() && !options[1].is_critical());
        assert_eq!(options[1].to_string(), "option class 0x0102 type 0x01 len 8");
        assert_eq!(emitted(8, |out| options[0].emit(out)), bytes[8..16]);
        assert_eq!(emitted(12, |out| options[1].emit(out)), bytes[16..]);
    }

    #[test]
    fn options_that_overrun_their_room_are_an_error_once() {
        let bytes = hex("02 00 6558 000001 00  0777 01 05 00000001 ffffffffffff");
        let mut options = Header::parse(&bytes).unwrap().options(&bytes);
        assert_eq!(options.next(), Some(Err(Malformed::Length)));
        assert_eq!(options.next(), None);
    }

    #[test]
    fn reserved_bits_are_ignored() {
        let bytes = hex("02 3f 6558 000001 ff  0777 01 e1 61626364");
        let header = Header::parse(&bytes).unwrap();
        assert!(!header.control && !header.critical);
        let option = header.options(&bytes).next().unwrap().unwrap();
        assert_eq!(option.data, b"abcd");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let header = |len, vni| Header {
            options_len: len,
            control: false,
            critical: false,
            protocol: 0,
            vni,
        };
        assert_eq!(header(256, 0).emit(&[0; 256], &mut [0; 300]), Err(Malformed::Length));
        assert_eq!(header(2, 0).emit(&[0; 2], &mut [0; 300]), Err(Malformed::Length));
        assert_eq!(header(0, 1 << 24).emit(&[], &mut [0; 8]), Err(Malformed::Value));
        assert_eq!(Header::parse(&hex("40 00 6558 000001 00")), Err(Malformed::Version));
        let long = GeneveOption { class: 0, kind: 0, data: &[0; 128] };
        assert_eq!(long.emit(&mut [0; 200]), Err(Malformed::Length));
    }
}
