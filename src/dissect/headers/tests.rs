//! Every description against what `wire` emits: a field set to all ones changes exactly the bits
//! that its description names.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;
use crate::dissect::field::Description;
use crate::dissect::figure::figure;
use crate::wire::ethernet::Mac;
use crate::wire::{
    Malformed, arp, ethernet, geneve, gre, ipv4, ipv6, nvgre, ssh, stt, tcp, udp, vlan,
};
use crate::wire::{vxlan, vxlan_gpe};

const ALL: [&Description; 20] = [
    &ETHERNET,
    &VLAN,
    &ARP,
    &BPDU,
    &IPV4,
    &IPV6,
    &DESTINATION_OPTIONS,
    &FRAGMENT,
    &ICMP,
    &UDP,
    &TCP,
    &GRE,
    &NVGRE,
    &VXLAN,
    &VXLAN_GPE,
    &GENEVE,
    &GENEVE_OPTION,
    &STT_SEGMENT,
    &STT,
    &SSH_DATA,
];

fn emitted(emit: impl FnOnce(&mut [u8]) -> Result<usize, Malformed>) -> Vec<u8> {
    let mut out = vec![0; 512];
    let len = emit(&mut out).unwrap();
    out.truncate(len);
    out
}

/// Holds that `set` differs from `unset` exactly in the bits of the field called `key`, all of
/// which it has flipped; `apart` are bytes that a checksum changes too.
fn hold(of: &Description, key: &str, unset: &[u8], set: &[u8], apart: &[usize]) {
    let read = of.read(unset);
    let found = read.fields.iter().find(|f| f.field.key == key);
    let found = found.unwrap_or_else(|| panic!("{}: no field {key}", of.protocol));
    assert_eq!(unset.len(), set.len(), "{}.{key}", of.protocol);
    for bit in 0..unset.len() * 8 {
        if apart.contains(&(bit / 8)) {
            continue;
        }
        let flipped = (unset[bit / 8] ^ set[bit / 8]) >> (7 - bit % 8) & 1 == 1;
        let inside = (found.at..found.at + found.field.bits).contains(&bit);
        assert_eq!(flipped, inside, "{}.{key}: bit {bit}", of.protocol);
    }
}

/// Emits a header as it is and with one field changed.
macro_rules! hold {
    ($of:expr, $base:expr, $emit:expr, $apart:expr, { $($key:literal => $($field:ident).+ = $ones:expr;)* }) => {
        let base = $base;
        let unset = emitted(|out| $emit(&base, out));
        assert_eq!($of.read(&unset).len, unset.len(), "{}", $of.protocol);
        $(
            let mut other = base;
            other.$($field).+ = $ones;
            hold(&$of, $key, &unset, &emitted(|out| $emit(&other, out)), &$apart);
        )*
    };
}

#[test]
fn ethernet_tags_and_arp() {
    let ones = Mac::BROADCAST;
    hold!(ETHERNET, ethernet::Header { dst: Mac::ZERO, src: Mac::ZERO, ethertype: 0 }, ethernet::Header::emit, [], {
        "dst" => dst = ones; "src" => src = ones; "ethertype" => ethertype = 0xFFFF;
    });
    hold!(VLAN, vlan::Tag { tpid: 0, pcp: 0, dei: false, vid: 0 }, vlan::Tag::emit, [], {
        "tpid" => tpid = 0xFFFF; "pcp" => pcp = 7; "dei" => dei = true; "vid" => vid = 0xFFF;
    });
    let none = Ipv4Addr::UNSPECIFIED;
    let message = arp::Message {
        operation: 0,
        sender_mac: Mac::ZERO,
        sender_ip: none,
        target_mac: Mac::ZERO,
        target_ip: none,
    };
    hold!(ARP, message, arp::Message::emit, [], {
        "operation" => operation = 0xFFFF; "sender_mac" => sender_mac = ones; "sender_ip" => sender_ip = Ipv4Addr::BROADCAST;
        "target_mac" => target_mac = ones; "target_ip" => target_ip = Ipv4Addr::BROADCAST;
    });
}

#[test]
fn ip() {
    let v4 = ipv4::Header {
        header_len: 20,
        tos: 0,
        total_len: 0,
        id: 0,
        df: false,
        mf: false,
        fragment_offset: 0,
        ttl: 0,
        protocol: 0,
        src: Ipv4Addr::UNSPECIFIED,
        dst: Ipv4Addr::UNSPECIFIED,
    };
    hold!(IPV4, v4, ipv4::Header::emit, [10, 11], {
        "dscp" => tos = 0xFC; "ecn" => tos = 3; "total_len" => total_len = 0xFFFF; "id" => id = 0xFFFF;
        "df" => df = true; "mf" => mf = true; "frag_off" => fragment_offset = 0xFFF8; "ttl" => ttl = 0xFF;
        "proto" => protocol = 0xFF; "src" => src = Ipv4Addr::BROADCAST; "dst" => dst = Ipv4Addr::BROADCAST;
    });
    let ones = Ipv6Addr::from_bits(u128::MAX);
    let v6 = ipv6::Header {
        traffic_class: 0,
        flow_label: 0,
        payload_len: 0,
        next_header: 0,
        hop_limit: 0,
        src: Ipv6Addr::UNSPECIFIED,
        dst: Ipv6Addr::UNSPECIFIED,
    };
    hold!(IPV6, v6, ipv6::Header::emit, [], {
        "dscp" => traffic_class = 0xFC; "ecn" => traffic_class = 3; "flow_label" => flow_label = 0xF_FFFF;
        "payload_len" => payload_len = 0xFFFF; "next_header" => next_header = 0xFF; "hop_limit" => hop_limit = 0xFF;
        "src" => src = ones; "dst" => dst = ones;
    });
}

#[test]
fn udp_and_tcp() {
    hold!(UDP, udp::Header { src_port: 0, dst_port: 0, length: 0, checksum: 0 }, udp::Header::emit, [], {
        "sport" => src_port = 0xFFFF; "dport" => dst_port = 0xFFFF; "len" => length = 0xFFFF; "checksum" => checksum = 0xFFFF;
    });
    let header = tcp::Header {
        src_port: 0,
        dst_port: 0,
        seq: 0,
        ack: 0,
        header_len: 20,
        flags: 0,
        window: 0,
        checksum: 0,
        urgent: 0,
    };
    use tcp::flag;
    hold!(TCP, header, tcp::Header::emit, [], {
        "sport" => src_port = 0xFFFF; "dport" => dst_port = 0xFFFF; "seq" => seq = u32::MAX; "ack" => ack = u32::MAX;
        "cwr" => flags = flag::CWR; "ece" => flags = flag::ECE; "urg" => flags = flag::URG; "ack_flag" => flags = flag::ACK;
        "psh" => flags = flag::PSH; "rst" => flags = flag::RST; "syn" => flags = flag::SYN; "fin" => flags = flag::FIN;
        "window" => window = 0xFFFF; "checksum" => checksum = 0xFFFF; "urgent" => urgent = 0xFFFF;
    });
}

#[test]
fn gre_with_and_without_its_optional_fields() {
    let plain = gre::Header::default();
    hold!(GRE, plain, gre::Header::emit, [], { "protocol_type" => protocol = 0xFFFF; });
    let full = gre::Header { checksum: Some((0, 0)), key: Some(0), sequence: Some(0), ..plain };
    hold!(GRE, full, gre::Header::emit, [], {
        "protocol_type" => protocol = 0xFFFF; "checksum" => checksum = Some((0xFFFF, 0));
        "reserved1" => checksum = Some((0, 0xFFFF)); "key" => key = Some(u32::MAX); "seq" => sequence = Some(u32::MAX);
    });
    let key = gre::Header { key: Some(0), ..plain };
    hold!(GRE, key, gre::Header::emit, [], { "key" => key = Some(u32::MAX); });
    let sequence = gre::Header { sequence: Some(0), ..plain };
    hold!(GRE, sequence, gre::Header::emit, [], { "seq" => sequence = Some(u32::MAX); });
    // The bits that say so.
    for (key, with) in
        [("c", gre::Header { checksum: Some((0, 0)), ..plain }), ("k", key), ("s", sequence)]
    {
        let base = emitted(|out| plain.emit(out));
        hold(&GRE, key, &base, &emitted(|out| with.emit(out))[..4], &[]);
    }
    hold!(NVGRE, nvgre::Header { vsid: 0, flow_id: 0 }, nvgre::Header::emit, [], {
        "vsid" => vsid = 0xFF_FFFF; "flow_id" => flow_id = 0xFF;
    });
}

#[test]
fn vxlan_and_geneve() {
    let header = vxlan::Header { flags: 0, reserved1: 0, vni: 0, reserved2: 0 };
    hold!(VXLAN, header, vxlan::Header::emit, [], {
        "i" => flags = vxlan::FLAG_VNI; "reserved1" => reserved1 = 0xFF_FFFF; "vni" => vni = vxlan::MAX_VNI; "reserved2" => reserved2 = 0xFF;
    });
    let header = vxlan_gpe::Header { next_protocol: 0, replicated: false, oam: false, vni: 0 };
    hold!(VXLAN_GPE, header, vxlan_gpe::Header::emit, [], {
        "b" => replicated = true; "o" => oam = true; "next_protocol" => next_protocol = 0xFF; "vni" => vni = 0xFF_FFFF;
    });
    let header =
        geneve::Header { options_len: 0, control: false, critical: false, protocol: 0, vni: 0 };
    let emit = |header: &geneve::Header, out: &mut [u8]| header.emit(&[], out);
    hold!(GENEVE, header, emit, [], {
        "o" => control = true; "c" => critical = true; "protocol_type" => protocol = 0xFFFF; "vni" => vni = 0xFF_FFFF;
    });
    let full = geneve::Header { options_len: geneve::MAX_OPTIONS, ..header };
    let full = emitted(|out| full.emit(&[0; geneve::MAX_OPTIONS], out));
    hold(&GENEVE, "opt_len_bytes", &emitted(|out| header.emit(&[], out)), &full[..8], &[]);
    assert_eq!(GENEVE.read(&full).number("opt_len_bytes"), Some(252));
    let option = geneve::GeneveOption { class: 0, kind: 0, data: &[] };
    hold!(GENEVE_OPTION, option, geneve::GeneveOption::emit, [], {
        "class" => class = 0xFFFF; "critical" => kind = geneve::CRITICAL;
    });
}

#[test]
fn stt_segments_and_frames() {
    let segment = stt::Segment {
        src_port: 0,
        dst_port: 0,
        frame_len: 0,
        offset: 0,
        frame_id: 0,
        header_len: 20,
        flags: 0,
    };
    let emit = |segment: &stt::Segment, out: &mut [u8]| segment.emit(0, out);
    hold!(STT_SEGMENT, segment, emit, [], {
        "sport" => src_port = 0xFFFF; "dport" => dst_port = 0xFFFF; "frame_len" => frame_len = 0xFFFF;
        "segment_offset" => offset = 0xFFFF; "frame_id" => frame_id = u32::MAX; "tcp_flags" => flags = 0xFF;
    });
    use stt::flag;
    hold!(STT, stt::Header::default(), stt::Header::emit, [], {
        "csum_verified" => flags = flag::VERIFIED; "csum_partial" => flags = flag::PARTIAL; "ipv4" => flags = flag::IPV4;
        "tcp" => flags = flag::TCP; "l4_offset" => l4_offset = 0xFF; "mss" => mss = 0xFFFF;
        "pcp" => tci = 0xE000; "v" => tci = 0x1000; "vid" => tci = 0x0FFF; "context_id" => context = u64::MAX;
    });
}

#[test]
fn ssh_messages() {
    let data = |recipient, content: &[u8]| {
        emitted(|out| ssh::Message::Data { recipient, content }.emit(out))
    };
    hold(&SSH_DATA, "channel", &data(0, &[0; 4]), &data(u32::MAX, &[0; 4]), &[]);
    hold(&SSH_DATA, "address_family", &data(0, &[0; 4]), &data(0, &[0xFF; 4]), &[]);
    assert_eq!(SSH_DATA.read(&data(7, &[0; 4])).number("string_len"), Some(4));
}

#[test]
fn names_are_unique_and_every_label_fits_its_place() {
    for description in ALL {
        let mut keys: Vec<_> = description.fields.iter().map(|f| f.key).collect();
        keys.extend(description.groups.iter().map(|g| g.key));
        keys.retain(|key| !key.is_empty());
        let all = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), all, "{}", description.protocol);
        for reserved in ["protocol", "offset", "length", "malformed", "checksum_status"] {
            assert!(!keys.contains(&reserved), "{}: {reserved}", description.protocol);
        }
        let drawn = figure(description);
        assert!(drawn.lines().all(|line| line.len() <= 65), "{drawn}");
        for field in description.fields {
            assert!(drawn.contains(field.label), "{}: {}", field.label, drawn);
        }
        assert!(description.groups.iter().all(|g| g.at + g.bits <= description.max_len() * 8));
    }
}

#[test]
fn the_figure_of_vxlan() {
    let expected = " 0                   1                   2                   3
 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|R|R|R|R|I|R|R|R|                   Reserved                    |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|        VXLAN Network Identifier (VNI)         |   Reserved    |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+";
    assert_eq!(figure(&VXLAN), expected);
}
