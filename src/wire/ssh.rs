//! SSH channel messages of device forwarding, `tun@openssh.com` (OpenSSH PROTOCOL section 2.3;
//! RFC 4254 sections 5.1 and 5.2). The payloads here are those of decrypted SSH packets.
//!
//! ```text
//! open:         90 | string "tun@openssh.com" | channel | window | max packet | mode | unit
//! confirmation: 91 | recipient | sender | window | max packet
//! failure:      92 | recipient | reason | string | string
//! data:         94 | recipient | string: what is carried
//! ```
//!
//! All numbers have 32 bits; a string is its length and its bytes. In mode 1 the carried string is
//! an address family (2 or 24 on every system) and an IP packet, in mode 2 an Ethernet frame.

use std::fmt;

use super::{Malformed, ethernet};

/// The server's TCP port (IANA).
pub const PORT: u16 = 22;
/// The channel type.
pub const CHANNEL_TYPE: &[u8] = b"tun@openssh.com";
/// Mode of IP packets.
pub const MODE_POINT_TO_POINT: u32 = 1;
/// Mode of Ethernet frames.
pub const MODE_ETHERNET: u32 = 2;
/// "Any unit".
pub const ANY_UNIT: u32 = 0x7FFF_FFFF;
/// Address family of IPv4.
pub const FAMILY_IPV4: u32 = 2;
/// Address family of IPv6, `OpenBSD`'s on every system.
pub const FAMILY_IPV6: u32 = 24;
/// Bytes before what a data message carries.
pub const DATA_LEN: usize = 9;

/// Bytes of the binary packet (RFC 4253 section 6) that a message of `message` bytes becomes with the
/// cipher `chacha20-poly1305@openssh.com` (OpenSSH's `PROTOCOL.chacha20poly1305`):
///
/// ```text
/// 4 length | 1 padding length | message | padding | 16 tag
/// ```
///
/// Padding is 4 bytes at least and fills what follows the length to a multiple of 8.
#[must_use]
pub const fn packet_len(message: usize) -> usize {
    4 + (1 + message + 4).next_multiple_of(8) + 16
}

/// One channel message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// The client opens a tunnel.
    Open {
        /// The sender's channel number.
        channel: u32,
        /// Bytes that may be sent to it.
        window: u32,
        /// Largest message.
        max_packet: u32,
        /// [`MODE_POINT_TO_POINT`] or [`MODE_ETHERNET`].
        mode: u32,
        /// Which device on the far end, or [`ANY_UNIT`].
        unit: u32,
    },
    /// The server agrees.
    Confirmation {
        /// The opener's channel number.
        recipient: u32,
        /// The server's.
        channel: u32,
        /// Bytes that may be sent to it.
        window: u32,
        /// Largest message.
        max_packet: u32,
    },
    /// The server refuses.
    Failure {
        /// The opener's channel number.
        recipient: u32,
        /// Reason code (RFC 4254 section 5.1).
        reason: u32,
        /// Reason in words.
        text: &'a [u8],
    },
    /// One packet or frame.
    Data {
        /// Channel number at the receiver.
        recipient: u32,
        /// What it carries.
        content: &'a [u8],
    },
}

/// Takes numbers and strings off the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Result<u32, Malformed> {
        let (number, rest) = self.0.split_first_chunk::<4>().ok_or(Malformed::Truncated)?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*number))
    }

    fn string(&mut self) -> Result<&'a [u8], Malformed> {
        let len = usize::try_from(self.number()?).map_err(|_| Malformed::Length)?;
        let (string, rest) = self.0.split_at_checked(len).ok_or(Malformed::Length)?;
        self.0 = rest;
        Ok(string)
    }

    fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed::Length) }
    }
}

impl<'a> Message<'a> {
    /// Reads a whole message.
    ///
    /// # Errors
    /// [`Malformed::Truncated`], [`Malformed::Length`] where a string runs past the message or
    /// bytes are left over, [`Malformed::Value`] where it is another message or channel type.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Malformed> {
        let (number, rest) = payload.split_first().ok_or(Malformed::Truncated)?;
        let mut read = Reader(rest);
        let message = match number {
            90 => {
                if read.string()? != CHANNEL_TYPE {
                    return Err(Malformed::Value);
                }
                Message::Open {
                    channel: read.number()?,
                    window: read.number()?,
                    max_packet: read.number()?,
                    mode: read.number()?,
                    unit: read.number()?,
                }
            }
            91 => Message::Confirmation {
                recipient: read.number()?,
                channel: read.number()?,
                window: read.number()?,
                max_packet: read.number()?,
            },
            92 => {
                let (recipient, reason, text) = (read.number()?, read.number()?, read.string()?);
                read.string()?;
                Message::Failure { recipient, reason, text }
            }
            94 => Message::Data { recipient: read.number()?, content: read.string()? },
            _ => return Err(Malformed::Value),
        };
        read.end()?;
        Ok(message)
    }

    /// Writes the message; returns its length.
    ///
    /// # Errors
    /// [`Malformed::NoRoom`] where `out` is shorter, [`Malformed::Length`] where a string is longer
    /// than 32 bits can say.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, Malformed> {
        let length = |string: &[u8]| u32::try_from(string.len()).map_err(|_| Malformed::Length);
        match *self {
            Message::Open { channel, window, max_packet, mode, unit } => write(
                out,
                90,
                &[length(CHANNEL_TYPE)?],
                CHANNEL_TYPE,
                &[channel, window, max_packet, mode, unit],
            ),
            Message::Confirmation { recipient, channel, window, max_packet } => {
                write(out, 91, &[recipient, channel, window, max_packet], &[], &[])
            }
            Message::Failure { recipient, reason, text } => {
                write(out, 92, &[recipient, reason, length(text)?], text, &[0])
            }
            Message::Data { recipient, content } => {
                write(out, 94, &[recipient, length(content)?], content, &[])
            }
        }
    }
}

/// Writes a message number, numbers, a string's bytes and more numbers.
fn write(
    out: &mut [u8],
    message: u8,
    before: &[u32],
    string: &[u8],
    after: &[u32],
) -> Result<usize, Malformed> {
    let len = 1 + 4 * before.len() + string.len() + 4 * after.len();
    let room = out.get_mut(..len).ok_or(Malformed::NoRoom)?;
    let (first, room) = room.split_first_mut().ok_or(Malformed::NoRoom)?;
    *first = message;
    let (front, room) = room.split_at_mut(4 * before.len());
    let (middle, back) = room.split_at_mut(string.len());
    for (numbers, room) in [(before, front), (after, back)] {
        for (to, number) in room.as_chunks_mut::<4>().0.iter_mut().zip(numbers) {
            *to = number.to_be_bytes();
        }
    }
    middle.copy_from_slice(string);
    Ok(len)
}

/// What a data message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// An IPv4 packet.
    Ipv4(&'a [u8]),
    /// An IPv6 packet.
    Ipv6(&'a [u8]),
    /// An Ethernet frame.
    Ethernet(&'a [u8]),
}

impl<'a> Content<'a> {
    /// Reads what a data message of a channel in `mode` carries.
    ///
    /// # Errors
    /// [`Malformed::Truncated`] where not even its first header fits, [`Malformed::Value`] where the
    /// address family or mode is unknown, [`Malformed::Version`] where family and packet differ.
    pub fn parse(content: &'a [u8], mode: u32) -> Result<Self, Malformed> {
        if mode == MODE_ETHERNET {
            ethernet::Header::parse(content)?;
            return Ok(Content::Ethernet(content));
        }
        if mode != MODE_POINT_TO_POINT {
            return Err(Malformed::Value);
        }
        let (family, packet) = content.split_first_chunk::<4>().ok_or(Malformed::Truncated)?;
        let version = packet.first().map(|first| first >> 4);
        let (wanted, least, content) = match u32::from_be_bytes(*family) {
            FAMILY_IPV4 => (4, 20, Content::Ipv4(packet)),
            FAMILY_IPV6 => (6, 40, Content::Ipv6(packet)),
            _ => return Err(Malformed::Value),
        };
        match version {
            Some(version) if version != wanted => Err(Malformed::Version),
            Some(_) if packet.len() >= least => Ok(content),
            _ => Err(Malformed::Truncated),
        }
    }
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Message::Open { channel, mode, unit, .. } => {
                write!(f, "SSH tun open channel {channel} mode {mode} unit {unit}")
            }
            Message::Confirmation { recipient, channel, .. } => {
                write!(f, "SSH tun confirmation {recipient} channel {channel}")
            }
            Message::Failure { recipient, reason, .. } => {
                write!(f, "SSH tun failure {recipient} reason {reason}")
            }
            Message::Data { recipient, content } => {
                write!(f, "SSH tun data {recipient} len {}", content.len())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{emitted, hex};
    use super::*;

    #[test]
    fn messages_of_openssh_both_ways() {
        for (text, line) in [
            (
                "5a 0000000f 74756e406f70656e7373682e636f6d 00000000 00200000 00008000 00000001 0000001f",
                "SSH tun open channel 0 mode 1 unit 31",
            ),
            ("5b 00000000 00000000 00200000 00008000", "SSH tun confirmation 0 channel 0"),
            ("5c 00000003 00000001 00000002 6e6f 00000000", "SSH tun failure 3 reason 1"),
            ("5e 00000001 00000003 010203", "SSH tun data 1 len 3"),
        ] {
            let bytes = hex(text);
            let message = Message::parse(&bytes).unwrap();
            assert_eq!(message.to_string(), line);
            assert_eq!(emitted(bytes.len(), |out| message.emit(out)), bytes);
            for short in 0..bytes.len() {
                assert!(Message::parse(&bytes[..short]).is_err());
            }
        }
        assert_eq!(Message::parse(&hex("5e 00000001 00000001 0102")), Err(Malformed::Length));
        assert_eq!(Message::parse(&hex("5d 00000001 00000001")), Err(Malformed::Value));
    }

    #[test]
    fn the_address_family_agrees_with_the_packet() {
        let packet = |family: u8, version: u8| {
            let mut bytes = vec![0, 0, 0, family];
            bytes.extend([version << 4; 40]);
            bytes
        };
        let (four, six) = (packet(2, 4), packet(24, 6));
        assert_eq!(Content::parse(&four, 1), Ok(Content::Ipv4(&four[4..])));
        assert_eq!(Content::parse(&six, 1), Ok(Content::Ipv6(&six[4..])));
        assert_eq!(Content::parse(&packet(24, 4), 1), Err(Malformed::Version));
        assert_eq!(Content::parse(&packet(10, 6), 1), Err(Malformed::Value));
        assert_eq!(Content::parse(&six[..43], 1), Err(Malformed::Truncated));
        assert_eq!(Content::parse(&six[..2], 1), Err(Malformed::Truncated));
        assert_eq!(Content::parse(&six[..13], 2), Err(Malformed::Truncated));
        assert_eq!(Content::parse(&six, 2), Ok(Content::Ethernet(&six)));
        assert_eq!(Content::parse(&six, 3), Err(Malformed::Value));
    }
}
