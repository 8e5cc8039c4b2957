//! ARP for IPv4 over Ethernet (RFC 826; gratuitous and probe forms RFC 5227).
//!
//! ```text
//! | hardware 1 (2) | protocol 0x0800 (2) | 6 (1) | 4 (1) | operation (2) |
//! | sender MAC (6) | sender IP (4) | target MAC (6) | target IP (4) |
//! ```

use std::fmt;
use std::net::Ipv4Addr;

use super::ethernet::Mac;
use super::{Malformed, be16, be32, fixed, put};

/// Bytes of the message.
pub const LEN: usize = 28;
/// Operation "request".
pub const REQUEST: u16 = 1;
/// Operation "reply".
pub const REPLY: u16 = 2;

/// One ARP message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// [`REQUEST`], [`REPLY`] or another.
    pub operation: u16,
    /// Who sends.
    pub sender_mac: Mac,
    /// The sender's address.
    pub sender_ip: Ipv4Addr,
    /// Whom it is for; zero in requests.
    pub target_mac: Mac,
    /// The address asked for.
    pub target_ip: Ipv4Addr,
}

impl Message {
    /// Reads the message at the start of `bytes`.
    ///
    /// # Errors
    /// [`Malformed::Truncated`] below 28 bytes, [`Malformed::Value`] where it is not for IPv4 over Ethernet.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let message: &[u8; LEN] = fixed(bytes)?;
        let [
            0,
            1,
            8,
            0,
            6,
            4,
            _,
            _,
            s0,
            s1,
            s2,
            s3,
            s4,
            s5,
            _,
            _,
            _,
            _,
            t0,
            t1,
            t2,
            t3,
            t4,
            t5,
            ..,
        ] = *message
        else {
            return Err(Malformed::Value);
        };
        Ok(Message {
            operation: be16(message, 6),
            sender_mac: Mac([s0, s1, s2, s3, s4, s5]),
            sender_ip: Ipv4Addr::from_bits(be32(message, 14)),
            target_mac: Mac([t0, t1, t2, t3, t4, t5]),
            target_ip: Ipv4Addr::from_bits(be32(message, 24)),
        })
    }

    /// Writes the message; returns [`LEN`].
    ///
    /// # Errors
    /// [`Malformed::NoRoom`] where `out` is shorter.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, Malformed> {
        let [o0, o1] = self.operation.to_be_bytes();
        let [s0, s1, s2, s3, s4, s5] = self.sender_mac.0;
        let [i0, i1, i2, i3] = self.sender_ip.octets();
        let [t0, t1, t2, t3, t4, t5] = self.target_mac.0;
        let [j0, j1, j2, j3] = self.target_ip.octets();
        put(
            [
                0, 1, 8, 0, 6, 4, o0, o1, s0, s1, s2, s3, s4, s5, i0, i1, i2, i3, t0, t1, t2, t3,
                t4, t5, j0, j1, j2, j3,
            ],
            out,
        )
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.operation {
            REQUEST => write!(f, "ARP who has {} tell {}", self.target_ip, self.sender_ip),
            REPLY => write!(f, "ARP {} is at {}", self.sender_ip, self.sender_mac),
            other => write!(f, "ARP operation {other} from {}", self.sender_ip),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{emitted, hex};
    use super::*;

    #[test]
    fn a_captured_request_both_ways() {
        let bytes = hex("0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002");
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.to_string(), "ARP who has 10.0.0.2 tell 10.0.0.1");
        assert_eq!(emitted(LEN, |out| message.emit(out)), bytes);
        for short in 0..LEN {
            assert_eq!(Message::parse(&bytes[..short]), Err(Malformed::Truncated));
        }
    }

    #[test]
    fn arp_for_another_network_is_refused() {
        let bytes = hex("0001 86dd 06 04 0002 020000000001 0a000001 020000000002 0a000002");
        assert_eq!(Message::parse(&bytes), Err(Malformed::Value));
    }
}
