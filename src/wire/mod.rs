//! Packet formats, one file per protocol: pure, no input or output, no allocation.
//!
//! The contract of every format: `parse` checks all lengths it relies on and never panics,
//! whatever the bytes; a parsed header is a plain struct in host byte order; `emit` writes
//! every byte of the header it announces, or nothing where the buffer is too short.
//! What bytes after a header mean is the caller's business.

pub mod arp;
pub mod checksum;
pub mod ethernet;
pub mod flow;
pub mod geneve;
pub mod gre;
pub mod icmp;
pub mod ipv4;
pub mod ipv6;
pub mod ipv6_options;
pub mod layers;
pub mod nvgre;
pub mod segment;
pub mod ssh;
pub mod stp;
pub mod stt;
pub mod tcp;
pub mod udp;
pub mod vlan;
pub mod vxlan;
pub mod vxlan_gpe;

/// Why bytes are no valid header of their format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Malformed {
    /// The bytes end before the header does.
    #[error("the bytes end before the header does")]
    Truncated,
    /// A version field holds a version that is not implemented.
    #[error("the version field holds a version that is not implemented")]
    Version,
    /// A length field contradicts the format or the bytes at hand.
    #[error("a length field contradicts the format or the bytes at hand")]
    Length,
    /// A bit that must be set is clear, or the other way round.
    #[error("a bit that must be set is clear, or one that must be clear is set")]
    Flags,
    /// A field that must hold one certain value holds another.
    #[error("a field that must hold one certain value holds another")]
    Value,
    /// A checksum is wrong.
    #[error("a checksum is wrong")]
    Checksum,
    /// The buffer to emit into is shorter than the header.
    #[error("the buffer is shorter than the header to be written")]
    NoRoom,
}

/// Splits the fixed part of a header off the front of `bytes`.
const fn fixed<const N: usize>(bytes: &[u8]) -> Result<&[u8; N], Malformed> {
    match bytes.first_chunk::<N>() {
        Some(chunk) => Ok(chunk),
        None => Err(Malformed::Truncated),
    }
}

/// Writes a whole header to the front of `out`; returns its length.
fn put<const N: usize>(header: [u8; N], out: &mut [u8]) -> Result<usize, Malformed> {
    let room = out.first_chunk_mut::<N>().ok_or(Malformed::NoRoom)?;
    *room = header;
    Ok(N)
}

/// Big-endian 16-bit field at a fixed place of a fixed array.
const fn be16<const N: usize>(bytes: &[u8; N], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// Big-endian 32-bit field at a fixed place of a fixed array.
const fn be32<const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Big-endian 24-bit field at a fixed place of a fixed array.
const fn be24<const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    u32::from_be_bytes([0, bytes[at], bytes[at + 1], bytes[at + 2]])
}

/// Big-endian 64-bit field at a fixed place of a fixed array.
const fn be64<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    (be32(bytes, at) as u64) << 32 | be32(bytes, at + 4) as u64
}

#[cfg(test)]
mod testing {
    /// Bytes of a hexadecimal text; blanks are ignored.
    pub fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    /// Emits into a poisoned buffer twice, with different poison: a byte that was not written shows.
    pub fn emitted(
        len: usize,
        emit: impl Fn(&mut [u8]) -> Result<usize, super::Malformed>,
    ) -> Vec<u8> {
        let mut first = vec![0xA5; len];
        let mut second = vec![0x5A; len];
        assert_eq!(emit(&mut first), Ok(len));
        assert_eq!(emit(&mut second), Ok(len));
        assert_eq!(first, second, "a byte of the header was not written");
        for short in 0..len {
            let mut out = vec![0xA5; short];
            assert_eq!(emit(&mut out), Err(super::Malformed::NoRoom));
            assert!(out.iter().all(|&b| b == 0xA5), "wrote into a buffer that is too short");
        }
        first
    }
}
