//! Messages of OpenSSH's device forwarding.

use super::{Delivered, Verdict};
use crate::encap::{DropReason, InnerKind, trim};
use crate::wire::ssh::{Content, Message};

/// Takes one decrypted SSH message of a channel in `mode` (1 IP, 2 Ethernet). A failure to open is
/// consumed: it ends the attempt and carries nothing.
#[must_use]
pub fn receive_ssh(payload: &[u8], mode: u32) -> Verdict {
    read(payload, mode).unwrap_or_else(Verdict::Drop)
}

fn read(payload: &[u8], mode: u32) -> Result<Verdict, DropReason> {
    let (recipient, content) = match Message::parse(payload)? {
        Message::Open { .. } | Message::Confirmation { .. } => return Ok(Verdict::Open),
        Message::Failure { .. } => return Ok(Verdict::Consume),
        Message::Data { recipient, content } => (recipient, content),
    };
    let (kind, packet) = match Content::parse(content, mode)? {
        Content::Ipv4(packet) => (InnerKind::Ipv4, packet),
        Content::Ipv6(packet) => (InnerKind::Ipv6, packet),
        Content::Ethernet(frame) => (InnerKind::Ethernet, frame),
    };
    Ok(Verdict::Decap(Delivered {
        network: u64::from(recipient),
        kind,
        carried: packet.to_vec(),
        delivered: trim(kind, packet)?.to_vec(),
        packets: Vec::new(),
    }))
}
