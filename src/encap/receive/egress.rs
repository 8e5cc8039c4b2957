//! The work left once a packet is out of its tunnel.

use super::Delivered;
use super::config::Config;
use crate::encap::stt::Stt;
use crate::encap::{
    Decap, DropReason, Engine, Offload, Outer, Transport, ecn, finish_checksum, segment, trim,
};
use crate::wire::vlan::{self, Tag};

/// Cuts off padding, carries congestion marks over, finishes a checksum or cuts a super-frame, and
/// puts the tag on that STT's header names.
pub(super) fn finish(
    engine: &dyn Engine,
    payload: &[u8],
    decap: &Decap,
    outer: &Outer,
    config: &Config,
) -> Result<Delivered, DropReason> {
    let carried = payload.get(decap.offset..).ok_or(DropReason::Truncated)?;
    let trimmed = trim(decap.kind, carried)?;
    let mut delivered = trimmed.to_vec();
    // RFC 4213 cuts to the inner length while taking the packet out; GRE leaves that to the IP layer.
    let bare = matches!(engine.transport(), Transport::Ip { .. }) && decap.offset == 0;
    let carried = if bare { trimmed } else { carried }.to_vec();
    ecn::decap(decap.kind, &mut delivered, outer.tos, config.dscp)?;
    let mut packets = Vec::new();
    if let Some(offload) = engine.offload(payload)? {
        if offload.mss != 0 {
            segment(&delivered, &offload, |header, part| packets.push([header, part].concat()))?;
        }
        finish_checksum(&mut delivered, &Offload { mss: 0, ..offload })?;
    }
    if let Transport::Stt { .. } = engine.transport()
        && let Some(tag) = Stt::tag(payload)?
    {
        for frame in packets.iter_mut().chain([&mut delivered]) {
            insert_tag(frame, tag)?;
        }
    }
    Ok(Delivered { network: decap.network, kind: decap.kind, carried, delivered, packets })
}

/// Puts a tag behind the MAC addresses.
fn insert_tag(frame: &mut Vec<u8>, tag: Tag) -> Result<(), DropReason> {
    let mut bytes = [0; vlan::LEN];
    tag.emit(&mut bytes)?;
    if frame.len() < vlan::OFFSET {
        return Err(DropReason::Truncated);
    }
    frame.splice(vlan::OFFSET..vlan::OFFSET, bytes);
    Ok(())
}
