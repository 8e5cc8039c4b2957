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
    PortConfig { tagged: set, untagged }
}

fn tag(tci: u16) -> Option<RawTag> {
    Some(RawTag { tpid: C_TAG, tci })
}

/// Access to 10, a trunk of 10 and 20 to 29 with native 30, and one of 20 only; all forward.
fn bridge(limit: usize) -> Bridge {
    let ports =
        vec![port(&[], Some(10)), port(&[(10, 10), (20, 29)], Some(30)), port(&[(20, 20)], None)];
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
        bridge.set_state(0, PortState::Discarding) && !bridge.set_state(0, PortState::Discarding)
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
