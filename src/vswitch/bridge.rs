//! A VLAN-aware bridge (IEEE 802.1Q clause 8.6): what comes in, what is learned, and where it goes out.
//!
//! A port has the VLANs that pass with their tag, and perhaps one whose frames have none there. It
//! takes frames of its own VLANs only (ingress filtering); those without tag, and those with VID 0
//! (priority tags), are of its untagged VLAN. Spanning tree is somebody else's work: the bridge
//! obeys the states that it is told. It knows neither sockets nor clocks.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use super::MacTable;
use super::fdb::is_source;
use crate::encap::DropReason;
use crate::wire::ethernet::Mac;
use crate::wire::vlan::VID_RESERVED;

/// A tag as it stands in a frame: TPID and tag control information.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawTag {
    /// Tag protocol id, e.g. 0x8100.
    pub tpid: u16,
    /// Priority, drop-eligible bit and VLAN id.
    pub tci: u16,
}

/// A set of VIDs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VidSet(Box<[u64; 64]>);

impl Default for VidSet {
    fn default() -> Self {
        VidSet(Box::new([0; 64]))
    }
}

impl VidSet {
    /// Adds all from the first to the last one; 0 and 4095 name no VLAN and are left out.
    pub fn insert(&mut self, first: u16, last: u16) {
        for vid in first.max(1)..=last.min(VID_RESERVED - 1) {
            self.0[usize::from(vid / 64)] |= 1 << (vid % 64);
        }
    }

    /// Takes one out.
    pub fn remove(&mut self, vid: u16) {
        if let Some(word) = self.0.get_mut(usize::from(vid / 64)) {
            *word &= !(1 << (vid % 64));
        }
    }

    /// Whether it is in the set.
    #[must_use]
    pub fn contains(&self, vid: u16) -> bool {
        self.0.get(usize::from(vid / 64)).is_some_and(|word| word & 1 << (vid % 64) != 0)
    }
}

/// What spanning tree lets a port do (802.1D-2004 clause 17.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum PortState {
    /// Nothing: blocking, listening, or without link.
    Discarding,
    /// Learn addresses only.
    Learning,
    /// Learn and forward.
    Forwarding,
}

/// One port as it is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortConfig {
    /// VLANs that pass with their tag.
    pub tagged: VidSet,
    /// The VLAN whose frames have no tag here.
    pub untagged: Option<u16>,
}

#[derive(Debug)]
struct Port {
    tagged: VidSet,
    untagged: Option<u16>,
    state: AtomicU8,
}

/// A frame that was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// Its VLAN.
    pub vid: u16,
    /// Priority and drop-eligible bit, where the tag has them.
    priority: u16,
    /// A tag of another kind, which is payload here.
    inner: Option<RawTag>,
}

/// Where a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// To one port.
    To(usize),
    /// To every other port of its VLAN; the addressee is a group, or not known.
    Flood,
    /// Nowhere, as it must be: a port that does not forward.
    Nowhere,
    /// Nowhere, and it is counted why.
    Drop(DropReason),
}

/// A bridge.
#[derive(Debug)]
pub struct Bridge {
    tpid: u16,
    ports: Vec<Port>,
    table: MacTable,
    unknown: AtomicU64,
}

impl Bridge {
    /// A bridge of tags with this TPID, whose table holds at most `limit` entries. All its ports discard.
    #[must_use]
    pub fn new(tpid: u16, ports: Vec<PortConfig>, limit: usize) -> Self {
        let port = |PortConfig { mut tagged, untagged }| {
            if let Some(vid) = untagged {
                tagged.remove(vid);
            }
            Port { tagged, untagged, state: AtomicU8::new(PortState::Discarding as u8) }
        };
        Bridge {
            tpid,
            ports: ports.into_iter().map(port).collect(),
            table: MacTable::new(limit),
            unknown: AtomicU64::new(0),
        }
    }

    /// Its table.
    #[must_use]
    pub fn table(&self) -> &MacTable {
        &self.table
    }

    /// Unicast frames flooded so far because nobody knew where their addressee is.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.unknown.load(Relaxed)
    }

    /// Tells what spanning tree lets a port do; returns whether it was something else before.
    pub fn set_state(&self, port: usize, state: PortState) -> bool {
        let Some(port) = self.ports.get(port) else { return false };
        port.state.swap(state as u8, Relaxed) != state as u8
    }

    fn may(&self, port: usize, least: PortState) -> bool {
        self.ports.get(port).is_some_and(|port| port.state.load(Relaxed) >= least as u8)
    }

    /// Whether a frame with this tag may come in by a port, and in which VLAN it then is.
    ///
    /// # Errors
    /// [`DropReason::UnknownNetwork`]: its VLAN is none of the port's, or it has no tag and the port
    /// no untagged VLAN. [`DropReason::ReservedId`]: VID 4095.
    pub fn admit(&self, port: usize, tag: Option<RawTag>) -> Result<Admitted, DropReason> {
        let port = self.ports.get(port).ok_or(DropReason::UnknownNetwork)?;
        let (own, inner) = match tag {
            Some(tag) if tag.tpid == self.tpid => (Some(tag), None),
            other => (None, other),
        };
        let tci = own.map_or(0, |tag| tag.tci);
        let (vid, priority) = (tci & 0xFFF, tci & 0xF000);
        let vid = match vid {
            0 => port.untagged.ok_or(DropReason::UnknownNetwork)?,
            VID_RESERVED => return Err(DropReason::ReservedId),
            vid => vid,
        };
        if port.untagged != Some(vid) && !port.tagged.contains(vid) {
            return Err(DropReason::UnknownNetwork);
        }
        Ok(Admitted { vid, priority, inner })
    }

    /// Where a frame goes that came in by a port: learns its source, and looks for its destination.
    #[must_use]
    pub fn forward(&self, port: usize, frame: &Admitted, dst: Mac, src: Mac, now: u64) -> Decision {
        if !self.may(port, PortState::Learning) {
            return Decision::Nowhere;
        }
        if !is_source(src) {
            return Decision::Drop(DropReason::BadSource);
        }
        if dst.is_bridge_reserved() {
            return Decision::Drop(DropReason::Reserved);
        }
        self.table.learn(frame.vid, src, port, now);
        if !self.may(port, PortState::Forwarding) {
            return Decision::Nowhere;
        }
        if dst.is_group() {
            return Decision::Flood;
        }
        match self.table.lookup(frame.vid, dst, now) {
            Some(to) if to == port => Decision::Drop(DropReason::SplitHorizon),
            Some(to) => Decision::To(to),
            None => {
                self.unknown.fetch_add(1, Relaxed);
                Decision::Flood
            }
        }
    }

    /// Whether frames of a VLAN leave by a port now.
    #[must_use]
    pub fn leaves(&self, port: usize, vid: u16) -> bool {
        self.may(port, PortState::Forwarding)
            && self
                .ports
                .get(port)
                .is_some_and(|port| port.untagged == Some(vid) || port.tagged.contains(vid))
    }

    /// The tags that a frame has when it leaves by a port, the outermost first; its priority stays
    /// in a tag, and is lost without one.
    #[must_use]
    pub fn tags(&self, port: usize, frame: &Admitted) -> [Option<RawTag>; 2] {
        let bare = self.ports.get(port).is_some_and(|port| port.untagged == Some(frame.vid));
        if bare {
            return [frame.inner, None];
        }
        [Some(RawTag { tpid: self.tpid, tci: frame.priority | frame.vid }), frame.inner]
    }

    /// How many ports it has.
    #[must_use]
    pub fn ports(&self) -> usize {
        self.ports.len()
    }
}

#[cfg(test)]
mod tests;
