//! The fields of the vectors, read once more by our parsers and compared.

use overlab::wire::ethernet::{self, Mac};
use overlab::wire::{
    checksum, geneve, gre, ipv4, ipv6, nvgre, ssh, stp, stt, tcp, udp, vlan, vxlan, vxlan_gpe,
};
use serde_json::{Map, Value, json};

/// Compares all fields of all frames of a vector; returns how many there were.
pub fn compare(vector: &Value, frames: &[Vec<u8>]) -> usize {
    let id = vector["id"].as_str().unwrap();
    let protocol = vector["protocol"].as_str().unwrap();
    let one = |value: &Value| match value {
        Value::Array(all) => all.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    };
    let mut compared = 0;
    for (frame, expected) in frames.iter().zip(one(&vector["fields"])) {
        let ours = read(frame, protocol);
        // A layer that our parser refuses is one that must be dropped.
        let refused = expected.as_object().unwrap().keys().any(|layer| !ours.contains_key(layer));
        if refused {
            assert_ne!(vector["expect"], "decap", "{id}: {expected} but {ours:?}");
        }
        compared += subset(id, &Value::Object(ours), &expected);
    }
    for (frame, expected) in frames.iter().zip(one(&vector["checks"])) {
        compared += subset(id, &Value::Object(checks(frame)), &expected);
    }
    if let Some(expected) = vector.get("extra_fields") {
        let ours = if protocol == "stp" { bpdu(&frames[0]) } else { message(&frames[0]) };
        match ours {
            Some(ours) => compared += subset(id, &ours, expected),
            None => assert_eq!(vector["expect"], "drop", "{id}"),
        }
    }
    compared
}

/// Compares what both sides have; lists element by element.
fn subset(id: &str, ours: &Value, expected: &Value) -> usize {
    match (ours, expected) {
        (Value::Object(ours), Value::Object(expected)) => {
            let both =
                expected.iter().filter_map(|(key, value)| Some((key, ours.get(key)?, value)));
            both.map(|(key, ours, value)| subset(&format!("{id}.{key}"), ours, value)).sum()
        }
        (Value::Array(ours), Value::Array(expected)) => {
            assert_eq!(ours.len(), expected.len(), "{id}: {ours:?} {expected:?}");
            ours.iter().zip(expected).map(|(ours, value)| subset(id, ours, value)).sum()
        }
        _ => {
            assert_eq!(ours, expected, "{id}");
            1
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn read(frame: &[u8], protocol: &str) -> Map<String, Value> {
    let mut all = Map::new();
    let Ok(header) = ethernet::Header::parse(frame) else { return all };
    let mut tags = Vec::new();
    let mut at = 12;
    while let Ok(tag) = vlan::Tag::parse(&frame[at..]) {
        tags.push(json!({ "tpid": format!("0x{:04x}", tag.tpid), "pcp": tag.pcp, "dei": u8::from(tag.dei), "vid": tag.vid }));
        at += 4;
    }
    if vlan::is_tpid(header.ethertype) && tags.is_empty() {
        return all;
    }
    let ethertype = u16::from_be_bytes([frame[at], frame[at + 1]]);
    all.insert("eth_dst".into(), json!(header.dst.to_string()));
    all.insert("eth_src".into(), json!(header.src.to_string()));
    all.insert("ethertype".into(), json!(format!("0x{ethertype:04x}")));
    if !tags.is_empty() {
        all.insert("vlan_tags".into(), json!(tags));
    }
    let Some((outer, payload)) = network(&frame[at + 2..], &mut all) else { return all };
    match outer {
        17 => datagram(payload, protocol, &mut all),
        47 => {
            if let Some(gre) = generic(payload) {
                all.insert("gre".into(), gre);
            }
        }
        6 if protocol == "stt" => segment(payload, &mut all),
        _ => {}
    }
    all
}

/// The outer IP header; returns the protocol and payload of what is no fragment.
fn network<'a>(packet: &'a [u8], all: &mut Map<String, Value>) -> Option<(u8, &'a [u8])> {
    if let Ok(ip) = ipv4::Header::parse(packet) {
        let outer = json!({
            "version": 4, "ihl": ip.header_len, "tos": format!("0x{:02x}", ip.tos), "dscp": ip.tos >> 2,
            "ecn": ip.tos & 3, "total_len": ip.total_len, "id": ip.id, "df": u8::from(ip.df),
            "mf": u8::from(ip.mf), "frag_off": ip.fragment_offset / 8, "ttl": ip.ttl,
            "proto": ip.protocol, "src": ip.src.to_string(), "dst": ip.dst.to_string(),
        });
        all.insert("outer".into(), outer);
        let payload = ip.payload(packet).ok()?;
        return (!ip.is_fragment()).then_some((ip.protocol, payload));
    }
    let ip = ipv6::Header::parse(packet).ok()?;
    let outer = json!({
        "version": 6, "tc": format!("0x{:02x}", ip.traffic_class), "dscp": ip.traffic_class >> 2,
        "ecn": ip.traffic_class & 3, "flow_label": ip.flow_label, "payload_len": ip.payload_len,
        "next_header": ip.next_header, "hop_limit": ip.hop_limit, "src": ip.src.to_string(),
        "dst": ip.dst.to_string(),
    });
    all.insert("outer".into(), outer);
    let upper = ipv6::upper_layer(packet, ip.next_header).ok()?;
    if ip.next_header == 60 {
        all.insert("dest_opts_hex".into(), json!(hex(&packet[40..upper.offset])));
    }
    Some((upper.protocol, packet.get(upper.offset..40 + usize::from(ip.payload_len))?))
}

fn datagram(payload: &[u8], protocol: &str, all: &mut Map<String, Value>) {
    let Ok(header) = udp::Header::parse(payload) else { return };
    let fields = json!({
        "sport": header.src_port, "dport": header.dst_port, "len": header.length,
        "checksum": format!("0x{:04x}", header.checksum),
    });
    all.insert("udp".into(), fields);
    let rest = &payload[8..];
    if protocol.starts_with("vxlan") {
        let Ok(header) = vxlan::Header::parse(rest) else { return };
        let mut fields = json!({
            "flags": format!("0x{:02x}", header.flags), "i": 1, "reserved1": format!("{:06x}", header.reserved1),
            "vni": header.vni, "reserved2": header.reserved2,
        });
        if let (Ok(gpe), "vxlan-gpe") = (vxlan_gpe::Header::parse(rest), protocol) {
            fields["o"] = json!(u8::from(gpe.oam));
            fields["next_protocol"] = json!(gpe.next_protocol);
        }
        all.insert("vxlan".into(), fields);
    }
    if protocol == "geneve" {
        let Ok(header) = geneve::Header::parse(rest) else { return };
        let options: Result<Vec<_>, _> = header.options(rest).collect();
        let mut fields = json!({
            "ver": 0, "opt_len_bytes": header.options_len, "o": u8::from(header.control),
            "c": u8::from(header.critical), "protocol": format!("0x{:04x}", header.protocol), "vni": header.vni,
        });
        if let Ok(options) = options {
            fields["options"] = options
                .iter()
                .map(|option| {
                    json!({
                        "class": format!("0x{:04x}", option.class), "type": format!("0x{:02x}", option.kind),
                        "critical": u8::from(option.is_critical()), "len_bytes": option.data.len(),
                        "data": hex(option.data),
                    })
                })
                .collect();
        }
        all.insert("geneve".into(), fields);
    }
}

fn generic(payload: &[u8]) -> Option<Value> {
    let header = gre::Header::parse(payload).ok()?;
    let mut fields = json!({
        "flags_ver": format!("0x{:04x}", header.flags()), "protocol": format!("0x{:04x}", header.protocol),
        "c": u8::from(header.checksum.is_some()), "k": u8::from(header.key.is_some()),
        "s": u8::from(header.sequence.is_some()), "ver": 0,
    });
    if let Some((sum, reserved)) = header.checksum {
        fields["checksum"] = json!(format!("0x{sum:04x}"));
        fields["reserved1"] = json!(reserved);
    }
    if let Some(key) = header.key {
        fields["key"] = json!(key);
        fields["key_hex"] = json!(format!("0x{key:08x}"));
    }
    if let Some(sequence) = header.sequence {
        fields["seq"] = json!(sequence);
    }
    if let Ok(header) = nvgre::Header::parse(payload) {
        fields["vsid"] = json!(header.vsid);
        fields["flow_id"] = json!(header.flow_id);
    }
    Some(fields)
}

fn segment(payload: &[u8], all: &mut Map<String, Value>) {
    let (Ok(segment), Ok(raw)) = (stt::Segment::parse(payload), tcp::Header::parse(payload)) else {
        return;
    };
    let fields = json!({
        "sport": segment.src_port, "dport": segment.dst_port, "frame_len": segment.frame_len,
        "offset": segment.offset, "frame_id": format!("0x{:08x}", segment.frame_id),
        "doff": segment.header_len / 4, "tcp_flags": format!("0x{:02x}", segment.flags),
        "window": raw.window, "urg": raw.urgent,
    });
    all.insert("stt_tcp".into(), fields);
    if segment.offset != 0 {
        return;
    }
    let Ok(header) = stt::Header::parse(&payload[segment.header_len..]) else { return };
    let bit = |bit: u8| u8::from(header.flags & bit != 0);
    let fields = json!({
        "version": 0, "flags": format!("0x{:02x}", header.flags), "csum_verified": bit(1),
        "csum_partial": bit(2), "ipv4": bit(4), "tcp": bit(8), "l4_offset": header.l4_offset,
        "mss": header.mss, "pcp": header.tci >> 13, "v": header.tci >> 12 & 1, "vid": header.tci & 0xFFF,
        "context_id": format!("0x{:016x}", header.context),
    });
    all.insert("stt".into(), fields);
}

fn checks(frame: &[u8]) -> Map<String, Value> {
    let word = |right: bool| json!(if right { "ok" } else { "bad" });
    let mut all = Map::new();
    let mut at = 14;
    while vlan::Tag::parse(&frame[at - 2..]).is_ok() {
        at += 4;
    }
    let packet = frame.get(at..).unwrap_or_default();
    let mut ignored = Map::new();
    let is_fragment = ipv4::Header::parse(packet).is_ok_and(|ip| ip.is_fragment());
    if ipv4::Header::parse(packet).is_ok() {
        all.insert("outer_ip_checksum".into(), word(ipv4::Header::parse_verified(packet).is_ok()));
    }
    let Some((protocol, payload)) = network(packet, &mut ignored) else { return all };
    let length = u32::try_from(payload.len()).unwrap();
    let pseudo = match (ipv4::Header::parse(packet), ipv6::Header::parse(packet)) {
        (Ok(ip), _) => checksum::pseudo_v4(ip.src, ip.dst, protocol, length),
        (_, Ok(ip)) => checksum::pseudo_v6(ip.src, ip.dst, protocol, length),
        _ => return all,
    };
    let sum = checksum::sum(payload, pseudo);
    match protocol {
        17 if udp::Header::parse(payload).is_ok_and(|udp| udp.checksum == 0) => {
            all.insert("udp_checksum".into(), json!("zero"));
        }
        17 => {
            all.insert("udp_checksum".into(), word(checksum::is_right(sum)));
        }
        6 if !is_fragment => {
            all.insert("tcp_checksum".into(), word(checksum::is_right(sum)));
        }
        47 if gre::Header::parse(payload).is_ok_and(|gre| gre.checksum.is_some()) => {
            all.insert("gre_checksum".into(), word(gre::checksum_is_right(payload)));
        }
        _ => {}
    }
    all
}

fn bpdu(frame: &[u8]) -> Option<Value> {
    let bpdu = stp::Bpdu::parse(frame).ok()?;
    let header = ethernet::Header::parse(frame).ok()?;
    let kind = match bpdu.kind {
        stp::Kind::Config => "0x00",
        stp::Kind::TopologyChange => "0x80",
        stp::Kind::Rapid => "0x02",
    };
    assert_eq!(header.dst, Mac([1, 0x80, 0xC2, 0, 0, 0]));
    let mut fields = json!({
        "dst": header.dst.to_string(), "len_field": header.ethertype, "llc": "424203",
        "protocol_id": 0, "version": bpdu.version, "type": kind,
    });
    if let Some(v) = bpdu.vector {
        let more = json!({
            "flags": format!("0x{:02x}", v.flags), "root_prio": v.root.priority(),
            "root_mac": v.root.mac().to_string(), "root_cost": v.cost,
            "bridge_prio": v.bridge.priority(), "bridge_mac": v.bridge.mac().to_string(),
            "port_id": format!("0x{:04x}", v.port), "msg_age_256ths": v.message_age,
            "max_age_256ths": v.max_age, "hello_256ths": v.hello, "fwd_delay_256ths": v.forward_delay,
        });
        fields.as_object_mut()?.extend(more.as_object()?.clone());
    }
    Some(fields)
}

fn message(payload: &[u8]) -> Option<Value> {
    Some(match ssh::Message::parse(payload).ok()? {
        ssh::Message::Open { channel, window, max_packet, mode, unit } => json!({
            "msg": 90, "type": "tun@openssh.com", "channel": channel, "window": window,
            "max_packet": max_packet, "mode": mode, "unit": unit,
        }),
        ssh::Message::Confirmation { window, max_packet, .. } => {
            json!({ "msg": 91, "window": window, "max_packet": max_packet })
        }
        ssh::Message::Failure { .. } => json!({ "msg": 92 }),
        ssh::Message::Data { recipient, content } => {
            let family = u32::from_be_bytes(*content.first_chunk()?);
            json!({ "msg": 94, "channel": recipient, "string_len": content.len(), "address_family": family })
        }
    })
}
