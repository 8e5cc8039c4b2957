//! VXLAN-GPE header (draft-ietf-nvo3-vxlan-gpe-12 section 3).
//!
//! ```text
//! |R|R|Ver|I|P|B|O|       Reserved                | Next Protocol |
//! |                VXLAN Network Identifier (VNI) |   Reserved    |
//! ```

use std::fmt;

use super::{Malformed, be24, fixed, put};

/// Bytes of the header.
pub const LEN: usize = 8;

/// What follows (registry of the draft's section 3.2).
pub mod next_protocol {
    /// An IPv4 packet.
    pub const IPV4: u8 = 1;
    /// An IPv6 packet.
    pub const IPV6: u8 = 2;
    /// An Ethernet frame.
    pub const ETHERNET: u8 = 3;
    /// A network service header.
    pub const NSH: u8 = 4;
}

/// A VXLAN-GPE header of version 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What follows; Ethernet where the sender set no P bit.
    pub next_protocol: u8,
    /// Replicated broadcast, unknown unicast or multicast (B).
    pub replicated: bool,
    /// Operations and management, no tenant's data (O).
    pub oam: bool,
    /// Network identifier, 24 bits.
    pub vni: u32,
}

impl Header {
    /// Reads the header at the start of `bytes`.
    ///
    /// # Errors
    /// [`Malformed::Truncated`], [`Malformed::Version`] other than 0, or [`Malformed::Flags`] where
    /// the I flag is clear.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let fields: &[u8; LEN] = fixed(bytes)?;
        let flags = fields[0];
        if flags & 0x30 != 0 {
            return Err(Malformed::Version);
        }
        if flags & 0x08 == 0 {
            return Err(Malformed::Flags);
        }
        Ok(Header {
            next_protocol: if flags & 0x04 == 0 { next_protocol::ETHERNET } else { fields[3] },
            replicated: flags & 0x02 != 0,
            oam: flags & 0x01 != 0,
            vni: be24(fields, 4),
        })
    }

    /// Writes the header with I and P set; returns [`LEN`].
    ///
    /// # Errors
    /// [`Malformed::NoRoom`] where `out` is shorter, [`Malformed::Value`] where the VNI does not fit 24 bits.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, Malformed> {
        let [0, v0, v1, v2] = self.vni.to_be_bytes() else { return Err(Malformed::Value) };
        let flags = 0x0C | u8::from(self.replicated) << 1 | u8::from(self.oam);
        put([flags, 0, 0, self.next_protocol, v0, v1, v2, 0], out)
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VXLAN-GPE vni {} next protocol {}", self.vni, self.next_protocol)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{emitted, hex};
    use super::*;

    #[test]
    fn a_captured_header_both_ways() {
        let bytes = hex("0c 0000 01 00004d 00");
        let header = Header::parse(&bytes).unwrap();
        assert_eq!(header.to_string(), "VXLAN-GPE vni 77 next protocol 1");
        assert_eq!(emitted(LEN, |out| header.emit(out)), bytes);
        for short in 0..LEN {
            assert_eq!(Header::parse(&bytes[..short]), Err(Malformed::Truncated));
        }
    }

    #[test]
    fn without_the_p_bit_it_is_ethernet() {
        let header = Header::parse(&hex("08 0000 01 00004d 00")).unwrap();
        assert_eq!(header.next_protocol, next_protocol::ETHERNET);
        assert_eq!(Header::parse(&hex("1c 0000 03 00004d 00")), Err(Malformed::Version));
        assert_eq!(Header::parse(&hex("04 0000 03 00004d 00")), Err(Malformed::Flags));
        let control = Header::parse(&hex("0f 0000 03 00004d 00")).unwrap();
        assert!(control.oam && control.replicated);
    }
}
