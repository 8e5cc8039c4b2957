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

/// Frames that a port takes (IEEE 802.1Q clause 6.9, acceptable frame types), the last kind beside the
/// standard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Acceptable {
    /// Those of its VLANs, with tag or without.
    #[default]
    All,
    /// Those without tag, and priority tags.
    PriorityTagged,
    /// Those without tag.
    Untagged,
}

/// One port as it is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortConfig {
    /// VLANs that pass with their tag.
    pub tagged: VidSet,
    /// The VLAN whose frames have no tag here.
    pub untagged: Option<u16>,
    /// Which frames it takes.
    pub accept: Acceptable,
    /// Most MAC addresses that may be behind it; frames from others are dropped.
    pub mac_limit: Option<usize>,
}

#[derive(Debug)]
struct Port {
    config: PortConfig,
    state: AtomicU8,
}

impl Port {
    /// Whether frames of a VLAN pass.
    fn carries(&self, vid: u16) -> bool {
        self.config.untagged == Some(vid) || self.config.tagged.contains(vid)
    }
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
    shared: bool,
    unknown: AtomicU64,
}

impl Bridge {
    /// A bridge of tags with this TPID, whose table holds at most `limit` entries. All its ports discard.
    #[must_use]
    pub fn new(tpid: u16, ports: Vec<PortConfig>, limit: usize) -> Self {
        let port = |mut config: PortConfig| {
            if let Some(vid) = config.untagged {
                config.tagged.remove(vid);
            }
            Port { config, state: AtomicU8::new(PortState::Discarding as u8) }
        };
        Bridge {
            tpid,
            ports: ports.into_iter().map(port).collect(),
            table: MacTable::new(limit),
            shared: false,
            unknown: AtomicU64::new(0),
        }
    }

    /// The same with one table for all VLANs instead of one for each (shared VLAN learning).
    #[must_use]
    pub fn sharing(self) -> Self {
        Bridge { shared: true, ..self }
    }

    /// In which table a VLAN's addresses are.
    fn filtering_id(&self, vid: u16) -> u16 {
        if self.shared { 0 } else { vid }
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
    /// no untagged VLAN. [`DropReason::ReservedId`]: VID 4095. [`DropReason::InnerTag`]: it has a
    /// tag that the port does not take.
    pub fn admit(&self, port: usize, tag: Option<RawTag>) -> Result<Admitted, DropReason> {
        let port = self.ports.get(port).ok_or(DropReason::UnknownNetwork)?;
        let (own, inner) = match tag {
            Some(tag) if tag.tpid == self.tpid => (Some(tag), None),
            other => (None, other),
        };
        let tci = own.map_or(0, |tag| tag.tci);
        let (vid, priority) = (tci & 0xFFF, tci & 0xF000);
        let refused = match port.config.accept {
            Acceptable::All => false,
            Acceptable::PriorityTagged => vid != 0,
            Acceptable::Untagged => own.is_some(),
        };
        let vid = match vid {
            _ if refused => return Err(DropReason::InnerTag),
            0 => port.config.untagged.ok_or(DropReason::UnknownNetwork)?,
            VID_RESERVED => return Err(DropReason::ReservedId),
            vid => vid,
        };
        if !port.carries(vid) {
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
        let most = self.ports.get(port).and_then(|port| port.config.mac_limit);
        let table = self.filtering_id(frame.vid);
        if !self.table.learn(table, src, port, most.unwrap_or(usize::MAX), now) {
            return Decision::Drop(DropReason::MacLimit);
        }
        if !self.may(port, PortState::Forwarding) {
            return Decision::Nowhere;
        }
        if dst.is_group() {
            return Decision::Flood;
        }
        match self.table.lookup(table, dst, now) {
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
        self.may(port, PortState::Forwarding) && self.carries(port, vid)
    }

    /// Whether a VLAN is allowed at a port, with or without tag.
    #[must_use]
    pub fn carries(&self, port: usize, vid: u16) -> bool {
        self.ports.get(port).is_some_and(|port| port.carries(vid))
    }

    /// The tags that a frame has when it leaves by a port, the outermost first; its priority stays
    /// in a tag, and is lost without one.
    #[must_use]
    pub fn tags(&self, port: usize, frame: &Admitted) -> [Option<RawTag>; 2] {
        let bare = self.ports.get(port).is_some_and(|p| p.config.untagged == Some(frame.vid));
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    const C_TAG: u16 = 0x8100;
    const S_TAG: u16 = 0x88A8;
    const ALL: Mac = Mac([0xFF; 6]);

    fn mac(last: u8) -> Mac {
        Mac([2, 0, 0, 0, 0, last])
    }

    fn port(tagged: &[(u16, u16)], untagged: Option<u16>) -> PortConfig {
        let mut set = VidSet::default();
        for (first, last) in tagged {
            set.insert(*first, *last);
        }
        PortConfig { tagged: set, untagged, ..PortConfig::default() }
    }

    #[allow(clippy::unnecessary_wraps)] // as it is asked for
    fn tag(tci: u16) -> Option<RawTag> {
        Some(RawTag { tpid: C_TAG, tci })
    }

    /// Access to 10, a trunk of 10 and 20 to 29 with native 30, and one of 20 only; all forward.
    fn bridge(limit: usize) -> Bridge {
        let ports = vec![
            port(&[], Some(10)),
            port(&[(10, 10), (20, 29)], Some(30)),
            port(&[(20, 20)], None),
        ];
        let bridge = Bridge::new(C_TAG, ports, limit);
        for port in 0..3 {
            assert!(bridge.set_state(port, PortState::Forwarding));
        }
        bridge
    }

    #[test]
    fn a_port_takes_its_own_vlans_only() {
        let bridge = bridge(10);
        let vid = |port, tag| bridge.admit(port, tag).map(|frame| frame.vid);
        // The access port: its VLAN without tag, with VID 0, and with its own tag.
        assert_eq!([None, tag(0), tag(0xE000), tag(10)].map(|tag| vid(0, tag)), [Ok(10); 4]);
        assert_eq!(vid(0, tag(20)), Err(DropReason::UnknownNetwork));
        // The trunk.
        assert_eq!((vid(1, None), vid(1, tag(25)), vid(1, tag(30))), (Ok(30), Ok(25), Ok(30)));
        assert_eq!(vid(1, tag(19)), Err(DropReason::UnknownNetwork));
        assert_eq!(vid(1, tag(0xFFF)), Err(DropReason::ReservedId));
        // Without a native VLAN.
        assert_eq!(vid(2, None), Err(DropReason::UnknownNetwork));
        assert_eq!(vid(2, tag(0x6000)), Err(DropReason::UnknownNetwork));
        assert_eq!(vid(9, None), Err(DropReason::UnknownNetwork), "no such port");
    }

    #[test]
    fn frames_leave_with_the_tag_of_the_port() {
        let bridge = bridge(10);
        let frame = bridge.admit(1, tag(0xB00A)).unwrap();
        assert_eq!(bridge.tags(1, &frame), [tag(0xB00A), None], "priority and DEI stay");
        assert_eq!(bridge.tags(0, &frame), [None, None]);
        let native = bridge.admit(1, None).unwrap();
        assert_eq!(bridge.tags(1, &native), [None, None]);
        assert_eq!((0..3).map(|p| bridge.leaves(p, 30)).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!((0..3).map(|p| bridge.leaves(p, 20)).collect::<Vec<_>>(), [false, true, true]);
    }

    #[test]
    fn a_tag_of_another_kind_is_payload() {
        let bridge = bridge(10);
        let service = Some(RawTag { tpid: S_TAG, tci: 20 });
        let frame = bridge.admit(0, service).unwrap();
        assert_eq!(frame.vid, 10);
        assert_eq!(bridge.tags(0, &frame), [service, None]);
        assert_eq!(bridge.tags(1, &frame), [tag(10), service]);
        let provider = Bridge::new(S_TAG, vec![port(&[(100, 100)], None)], 10);
        let customer = provider.admit(0, tag(100));
        assert_eq!(customer, Err(DropReason::UnknownNetwork), "a C-tag is no S-tag");
        let both = provider.admit(0, Some(RawTag { tpid: S_TAG, tci: 100 }));
        assert_eq!(both.map(|frame| frame.vid), Ok(100));
    }

    #[test]
    fn addresses_are_learned_in_each_vlan_by_itself() {
        let bridge = bridge(10);
        let frame = |port, tag| bridge.admit(port, tag).unwrap();
        let (ten, twenty) = (frame(1, tag(10)), frame(1, tag(20)));
        assert_eq!(bridge.forward(0, &frame(0, None), ALL, mac(1), 0), Decision::Flood);
        assert_eq!(bridge.forward(2, &frame(2, tag(20)), ALL, mac(1), 0), Decision::Flood);
        assert_eq!(bridge.forward(1, &ten, mac(1), mac(2), 0), Decision::To(0));
        assert_eq!(bridge.forward(1, &twenty, mac(1), mac(2), 0), Decision::To(2));
        assert_eq!(
            bridge.forward(0, &ten, mac(1), mac(9), 0),
            Decision::Drop(DropReason::SplitHorizon)
        );
        assert_eq!((bridge.unknown(), bridge.table().entries(0)), (0, 5));
    }

    #[test]
    fn in_a_shared_table_the_last_vlan_to_name_an_address_has_it() {
        let ports =
            || vec![port(&[(10, 20)], None), port(&[(10, 20)], None), port(&[(10, 20)], None)];
        let made = [Bridge::new(C_TAG, ports(), 9), Bridge::new(C_TAG, ports(), 9).sharing()];
        let to = made.map(|bridge| {
            for port in 0..3 {
                bridge.set_state(port, PortState::Forwarding);
            }
            let [ten, twenty] = [10, 20].map(|vid| bridge.admit(0, tag(vid)).unwrap());
            let _ = bridge.forward(1, &twenty, ALL, mac(1), 0);
            let _ = bridge.forward(0, &ten, ALL, mac(1), 0);
            bridge.forward(2, &twenty, mac(1), mac(2), 0)
        });
        assert_eq!(to, [Decision::To(1), Decision::To(0)], "the way of VLAN 10 in VLAN 20");
    }

    #[test]
    fn a_full_table_floods_what_it_does_not_know() {
        let bridge = bridge(1);
        let ten = bridge.admit(0, None).unwrap();
        let _ = bridge.forward(0, &ten, ALL, mac(1), 0);
        let _ = bridge.forward(1, &ten, ALL, mac(2), 0);
        assert_eq!(bridge.forward(1, &ten, mac(1), mac(2), 0), Decision::To(0));
        assert_eq!(bridge.forward(0, &ten, mac(2), mac(1), 0), Decision::Flood);
        assert_eq!((bridge.unknown(), bridge.table().entries(0)), (1, 1));
    }

    #[test]
    fn states_are_obeyed() {
        let bridge = bridge(10);
        let ten = bridge.admit(0, None).unwrap();
        assert!(
            bridge.set_state(0, PortState::Discarding)
                && !bridge.set_state(0, PortState::Discarding)
        );
        assert_eq!(bridge.forward(0, &ten, ALL, mac(1), 0), Decision::Nowhere);
        assert_eq!(bridge.table().entries(0), 0);
        bridge.set_state(0, PortState::Learning);
        assert_eq!(bridge.forward(0, &ten, ALL, mac(1), 0), Decision::Nowhere);
        assert_eq!(bridge.table().entries(0), 1);
        assert!(!bridge.leaves(0, 10) && bridge.leaves(1, 10));
        assert!(!bridge.set_state(7, PortState::Forwarding), "no such port");
    }

    #[test]
    fn a_port_may_refuse_tags_and_has_as_many_addresses_as_it_may() {
        let access = |accept| PortConfig { accept, mac_limit: Some(1), ..port(&[], Some(10)) };
        let (standard, strict) = (Acceptable::PriorityTagged, Acceptable::Untagged);
        let ports = vec![access(standard), port(&[], Some(10)), access(strict)];
        let bridge = Bridge::new(C_TAG, ports, 10);
        for port in 0..3 {
            bridge.set_state(port, PortState::Forwarding);
        }
        let vid = |port, tag| bridge.admit(port, tag).map(|frame| frame.vid);
        let refused = Err(DropReason::InnerTag);
        assert_eq!([None, tag(0), tag(0xE000)].map(|tag| vid(0, tag)), [Ok(10); 3]);
        assert_eq!([tag(10), tag(20)].map(|tag| vid(0, tag)), [refused; 2]);
        assert_eq!([None, tag(0), tag(10)].map(|tag| vid(2, tag)), [Ok(10), refused, refused]);
        let service = Some(RawTag { tpid: S_TAG, tci: 10 });
        assert_eq!([0, 2].map(|port| vid(port, service)), [Ok(10); 2], "payload");
        let frame = bridge.admit(0, None).unwrap();
        let from = |last| bridge.forward(0, &frame, ALL, mac(last), 0);
        assert_eq!(from(1), Decision::Flood);
        assert_eq!((from(2), from(1)), (Decision::Drop(DropReason::MacLimit), Decision::Flood));
        assert_eq!(bridge.forward(1, &frame, ALL, mac(2), 0), Decision::Flood, "no limit there");
    }

    #[test]
    fn bpdus_and_impossible_sources_go_nowhere() {
        let bridge = bridge(10);
        let ten = bridge.admit(0, None).unwrap();
        let bpdu = Mac([1, 0x80, 0xC2, 0, 0, 0]);
        assert_eq!(bridge.forward(0, &ten, bpdu, mac(1), 0), Decision::Drop(DropReason::Reserved));
        assert_eq!(bridge.forward(0, &ten, mac(1), ALL, 0), Decision::Drop(DropReason::BadSource));
        assert_eq!(bridge.table().entries(0), 0);
    }

    fn ports() -> impl Strategy<Value = Vec<PortConfig>> {
        let range = (1..4095_u16, 0..50_u16).prop_map(|(first, more)| (first, first + more));
        let one = (prop::collection::vec(range, 0..4), prop::option::of(1..4095_u16));
        prop::collection::vec(one.prop_map(|(tagged, untagged)| port(&tagged, untagged)), 2..5)
    }

    proptest! {
        /// What leaves by a port would be let in by it again, in the same VLAN and with the same priority
        /// where it has a tag: cables join ports alike.
        #[test]
        fn what_leaves_comes_in_again(
            ports in ports(),
            tci in any::<u16>(),
            tagged in any::<bool>(),
            tpid in prop::sample::select(vec![C_TAG, S_TAG]),
        ) {
            let bridge = Bridge::new(C_TAG, ports, 10);
            for port in 0..bridge.ports() {
                bridge.set_state(port, PortState::Forwarding);
            }
            let Ok(frame) = bridge.admit(0, tagged.then_some(RawTag { tpid, tci })) else {
                return Ok(());
            };
            for port in (0..bridge.ports()).filter(|port| bridge.leaves(*port, frame.vid)) {
                let [outer, _] = bridge.tags(port, &frame);
                let again = bridge.admit(port, outer);
                let again = again.unwrap();
                prop_assert_eq!(again.vid, frame.vid);
                if outer.is_some_and(|tag| tag.tpid == C_TAG) {
                    prop_assert_eq!(again.priority, frame.priority);
                }
            }
        }

        /// A frame never goes to a port outside its VLAN, nor back.
        #[test]
        fn no_frame_leaves_its_vlan(
            ports in ports(),
            frames in prop::collection::vec((0..5_usize, any::<u16>(), 0..6_u8, 0..6_u8), 1..60),
            limit in 1..6_usize,
        ) {
            let bridge = Bridge::new(C_TAG, ports, limit);
            for port in 0..bridge.ports() {
                bridge.set_state(port, PortState::Forwarding);
            }
            for (now, (port, tci, dst, src)) in frames.into_iter().enumerate() {
                let Ok(frame) = bridge.admit(port, tag(tci)) else { continue };
                match bridge.forward(port, &frame, mac(dst), mac(src), now as u64) {
                    Decision::To(to) => {
                        prop_assert!(to != port && bridge.leaves(to, frame.vid));
                    }
                    Decision::Flood | Decision::Drop(_) => {}
                    Decision::Nowhere => prop_assert!(false, "all ports forward"),
                }
                prop_assert!(bridge.table().entries(now as u64) <= limit);
            }
        }
    }
}
