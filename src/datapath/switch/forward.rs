//! From one port of a switch to others.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use super::Switch;
use crate::datapath::user::rx::{Received, RxBatch, Span};
use crate::datapath::user::tx::TxBatch;
use crate::datapath::user::vnet;
use crate::encap::DropReason;
use crate::vswitch::{Admitted, Decision, RawTag};
use crate::wire::ethernet::Mac;
use crate::wire::stp::{self, Bpdu, Kind};
use crate::wire::vlan;

/// Bytes of the MAC addresses.
const MACS: usize = vlan::OFFSET;
/// Most bytes written for a frame: offload metadata, addresses and two tags.
const HEADER: usize = vnet::LEN + MACS + 2 * vlan::LEN;
/// The flag of a configuration BPDU that says the topology is changing.
const CHANGING: u8 = 0x01;

/// Takes one batch of frames from a port to where they go.
///
/// # Errors
/// What the port's socket says.
pub(super) fn from_port(
    switch: &Switch,
    port: usize,
    rx: &mut RxBatch,
    tx: &mut TxBatch,
    now: u64,
) -> io::Result<()> {
    let Some(socket) = switch.ports.get(port) else { return Ok(()) };
    let count = rx.receive(socket.as_fd())?;
    let mut way = Way { switch, port, rx, tx, now };
    for i in 0..count {
        let (received, span) = way.rx.message(i);
        if let Err(reason) = way.frame(&received, span) {
            switch.counters.dropped(reason);
        }
    }
    way.flush();
    Ok(())
}

struct Way<'a> {
    switch: &'a Switch,
    port: usize,
    rx: &'a RxBatch,
    tx: &'a mut TxBatch,
    now: u64,
}

impl Way<'_> {
    fn flush(&mut self) {
        let Switch { outlet, counters, .. } = self.switch;
        self.tx.flush(self.rx, outlet, counters, DropReason::PortFull);
    }

    fn frame(&mut self, received: &Received, span: Span) -> Result<(), DropReason> {
        if received.truncated {
            return Err(DropReason::TooBig);
        }
        let bytes = self.rx.bytes(span).ok_or(DropReason::Truncated)?;
        let addresses = bytes.first_chunk::<MACS>().ok_or(DropReason::Truncated)?;
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5] = *addresses;
        let (dst, src) = (Mac([d0, d1, d2, d3, d4, d5]), Mac([s0, s1, s2, s3, s4, s5]));
        if dst == stp::GROUP {
            self.bpdu(bytes);
            return Ok(());
        }
        let bridge = &self.switch.bridge;
        let tag = received.tag.map(|tag| RawTag { tpid: tag.tpid, tci: tag.tci });
        let frame = bridge.admit(self.port, tag)?;
        let all = match bridge.forward(self.port, &frame, dst, src, self.now) {
            Decision::Nowhere => return Ok(()),
            Decision::Drop(reason) => return Err(reason),
            Decision::To(port) => port..port + 1,
            Decision::Flood => 0..bridge.ports(),
        };
        let packets = received.vnet.packets(span.len.saturating_sub(received.vnet.hdr_len.into()));
        self.switch.counters.carried(packets, span.len as u64);
        let from = self.port;
        for to in all.filter(|to| *to != from) {
            if self.switch.bridge.leaves(to, frame.vid)
                && let Err(reason) = self.send(to, &frame, received, span)
            {
                self.switch.counters.dropped(reason);
            }
        }
        Ok(())
    }

    fn send(
        &mut self,
        to: usize,
        frame: &Admitted,
        received: &Received,
        span: Span,
    ) -> Result<(), DropReason> {
        if !self.tx.has_room(1, HEADER) {
            self.flush();
        }
        let Some(socket) = self.switch.ports.get(to) else { return Ok(()) };
        let tags = self.switch.bridge.tags(to, frame);
        let count = tags.iter().flatten().count();
        if count == 0 {
            let space = self.tx.header_space(vnet::LEN).ok_or(DropReason::PortFull)?;
            space.copy_from_slice(&received.vnet.to_bytes());
            self.tx.push_frame(socket.as_raw_fd(), vnet::LEN, [span]);
            return Ok(());
        }
        let macs = self.rx.bytes(span.take(MACS)).ok_or(DropReason::Truncated)?;
        let shift = u16::try_from(count * vlan::LEN).map_err(|_| DropReason::TooBig)?;
        let len = vnet::LEN + MACS + usize::from(shift);
        let space = self.tx.header_space(len).ok_or(DropReason::PortFull)?;
        space[..vnet::LEN].copy_from_slice(&received.vnet.shifted(shift).to_bytes());
        space[vnet::LEN..vnet::LEN + MACS].copy_from_slice(macs);
        let places = space[vnet::LEN + MACS..].chunks_exact_mut(vlan::LEN);
        for (tag, place) in tags.into_iter().flatten().zip(places) {
            place[..2].copy_from_slice(&tag.tpid.to_be_bytes());
            place[2..].copy_from_slice(&tag.tci.to_be_bytes());
        }
        self.tx.push_frame(socket.as_raw_fd(), len, [span.skip(MACS)]);
        Ok(())
    }

    /// The kernel's spanning tree has it too; here it only says whether the topology changes.
    fn bpdu(&self, bytes: &[u8]) {
        let Ok(bpdu) = Bpdu::parse(bytes) else { return };
        let changing = bpdu.vector.is_some_and(|vector| vector.flags & CHANGING != 0);
        if changing || bpdu.kind == Kind::TopologyChange {
            self.switch.topology_changed(self.now);
        }
    }
}

impl Switch {
    /// Where there is a spanning tree, entries age fast for a while, as they do in the kernel's bridge: the root announces the change
    /// for max age and forward delay, and meanwhile twice the forward delay is the age.
    pub(super) fn topology_changed(&self, now: u64) {
        let Some(timers) = self.timers else { return };
        let until = now + timers.max_age_ms + timers.forward_delay_ms;
        self.bridge.table().hurry(until, 2 * timers.forward_delay_ms);
    }
}
