//! What a packet costs in an SSH connection.
//!
//! A tunnel is a stream: packets have no fixed place in the segments of the connection, and share
//! them where they come fast. What can be computed is the size of the SSH packet that each one
//! becomes, and of the frame on the wire where it travels alone.

use super::Mode;
use crate::wire::ssh;

/// Largest content of a message that OpenSSH takes on such a channel (`CHAN_SES_PACKET_DEFAULT`):
/// address family and packet, or frame. A message is never split.
pub const MAX_PACKET: u32 = 32_768;
/// IPv4 header, TCP header and its timestamp option (RFC 7323), which Linux uses.
pub const SEGMENT: u32 = 20 + 20 + 12;

/// Bytes in the TCP stream that one inner IP packet of `inner` bytes becomes, with the cipher
/// `chacha20-poly1305@openssh.com` (OpenSSH's `PROTOCOL.chacha20poly1305`; RFC 4253 section 6):
///
/// ```text
/// 4 length | 1 padding length | 94, channel, length: 9 | 4 address family | inner | padding | 16 tag
///                                                      | 14 Ethernet      |
/// ```
///
/// Padding is 4 bytes at least and fills what follows the length to a multiple of 8.
#[must_use]
pub const fn ssh_packet(mode: Mode, inner: u32) -> u32 {
    let front = match mode {
        Mode::Ip => 4,
        Mode::Ethernet => 14,
    };
    ssh::packet_len(ssh::DATA_LEN + (front + inner) as usize) as u32
}

/// Bytes between an inner IP packet that travels alone and the outer IP packet.
#[must_use]
pub const fn alone(mode: Mode, inner: u32) -> u32 {
    ssh_packet(mode, inner) - inner + SEGMENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_example_of_the_protocol() {
        // 1500 bytes: 1 + 4 + 4 + 4 + 1500 payload, 1 padding length, 6 padding.
        assert_eq!(ssh_packet(Mode::Ip, 1500), 4 + 1520 + 16);
        assert_eq!(alone(Mode::Ip, 1500), 40 + 52);
    }

    #[test]
    fn padding_is_at_least_four_and_fills_to_eight() {
        for inner in 20..200 {
            let body = ssh_packet(Mode::Ethernet, inner) - 4 - 16;
            let padding = body - (1 + 9 + 14 + inner);
            assert_eq!(body % 8, 0);
            assert!((4..12).contains(&padding), "{inner}: {padding}");
        }
    }
}
