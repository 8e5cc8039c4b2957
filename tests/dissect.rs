//! `overlab dissect` over the captures of the vectors: verdicts, inner bytes and fields as others
//! have them.

use std::path::PathBuf;
use std::time::Duration;

use overlab::dissect::capture::{Capture, Frame};
use overlab::dissect::{Judge, Settings, render};
use serde_json::Value;

fn vectors_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// All vectors that have a capture.
fn vectors() -> Vec<Value> {
    let text = std::fs::read_to_string(vectors_dir().join("vectors.json")).unwrap();
    let mut set: Value = serde_json::from_str(&text).unwrap();
    let Value::Array(all) = set["vectors"].take() else { panic!("no list of vectors") };
    all.into_iter().filter(|vector| vector["pcap"].is_string()).collect()
}

fn text<'a>(vector: &'a Value, key: &str) -> &'a str {
    vector[key].as_str().unwrap_or_default()
}

/// What the set's notes say of the receiver of single vectors; all else is as the packet has it.
fn settings(vector: &Value) -> Vec<&'static str> {
    let mut all = match text(vector, "protocol") {
        // GRE with a key and Ethernet may be either.
        "nvgre" => vec!["encap=nvgre"],
        "gretap" => vec!["encap=gretap"],
        _ => Vec::new(),
    };
    all.extend(match text(vector, "id") {
        "gretap-09-key-mismatch" | "gretap-10-keyless-on-keyed" => Some("key=456"),
        "vxlan-20-unknown-vni" => Some("vni=42"),
        "vxlan-06-linux-v6-zerocsum-vnimax" => Some("udp6-zero=yes"),
        "sit-08-wrong-outer-src" => Some("peer=192.0.2.1"),
        // As published its outer UDP checksum is wrong.
        "geneve-08-many-options" => Some("verify-udp=no"),
        _ => None,
    });
    all
}

fn judge_with(settings: &[&str]) -> Judge {
    let mut all = Settings::default();
    for setting in settings {
        all.set(setting).unwrap();
    }
    Judge::new(all)
}

/// The JSON objects of a vector's frames, read from its capture.
fn dissect(vector: &Value, more: &[&str]) -> Vec<Value> {
    let file = std::fs::read(vectors_dir().join(text(vector, "pcap"))).unwrap();
    let frames: Vec<Frame<'_>> = Capture::new(&file).map(Result::unwrap).collect();
    let mut settings = settings(vector);
    settings.extend(more);
    let mut judge = judge_with(&settings);
    let numbers = vector["pcap_frames"].as_array().unwrap();
    let objects = numbers.iter().map(|number| {
        let number = usize::try_from(number.as_u64().unwrap()).unwrap();
        let frame = &frames[number - 1];
        let judged = judge.judge(Duration::ZERO, frame.link, frame.bytes);
        assert!(!render::tree(number, frame, &judged, render::Colours::default()).is_empty());
        render::json(number, frame, &judged)
    });
    objects.collect()
}

/// One word for a vector of several frames: what was delivered in the end counts.
fn outcome(objects: &[Value]) -> String {
    let last = objects.iter().rev().find(|object| object["inner_hex"].is_string());
    let verdict = text(last.or(objects.last()).unwrap(), "verdict");
    // Nothing is delivered of a frame that never becomes whole.
    if verdict == "pending" { "drop".into() } else { verdict.into() }
}

#[test]
fn every_verdict_is_the_expected_one() {
    let mut wrong = Vec::new();
    for vector in vectors() {
        let objects = dissect(&vector, &[]);
        let verdicts: Vec<_> = objects.iter().map(|object| text(object, "verdict")).collect();
        let expect = text(&vector, "expect");
        let right = match &vector["extra_expect"] {
            Value::Array(each) => {
                verdicts.iter().eq(each.iter().filter_map(Value::as_str).collect::<Vec<_>>().iter())
            }
            // Whether a critical option is known is a setting, and here none is.
            _ if expect == "policy" && text(&vector, "protocol") == "geneve" => {
                matches!(outcome(&objects).as_str(), "policy" | "drop")
            }
            _ => outcome(&objects) == expect,
        };
        if !right {
            let reasons: Vec<_> = objects.iter().map(|it| text(it, "reason")).collect();
            wrong.push(format!("{}: {expect}, but {verdicts:?} {reasons:?}", text(&vector, "id")));
        }
        for object in &objects {
            assert_eq!(
                object["verdict"] == "drop",
                object["reason"].is_string() && object["verdict"] != "policy"
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn inner_bytes_are_the_expected_ones() {
    let mut compared = 0;
    for vector in vectors() {
        let id = text(&vector, "id");
        for object in dissect(&vector, &["option=0xffff:0x80", "option=0:0x80"]) {
            if !object["inner_hex"].is_string() {
                continue;
            }
            if vector["inner_hex"].is_string() {
                compared += 1;
                assert_eq!(object["inner_hex"], vector["inner_hex"], "{id}");
            }
            if vector["inner_final_hex"].is_string() && text(&vector, "expect") != "drop" {
                compared += 1;
                let last = object.get("inner_final_hex").unwrap_or(&object["inner_hex"]);
                assert_eq!(*last, vector["inner_final_hex"], "{id}");
            }
            if vector["inner_gso_hex"].is_array() {
                compared += 1;
                assert_eq!(object["inner_gso_hex"], vector["inner_gso_hex"], "{id}");
            }
            if vector["inner_kind"].is_string() {
                compared += 1;
                assert_eq!(object["inner_kind"], vector["inner_kind"], "{id}");
            }
            if vector["inner_offset_confirmed_by_tshark"] == true {
                compared += 1;
                let layers = object["layers"].as_array().unwrap();
                assert!(layers.iter().any(|it| it["offset"] == vector["inner_offset"]), "{id}");
            }
        }
    }
    assert_eq!(compared, 281, "as many as the captures hold");
}

#[test]
fn fields_and_checksums_are_read_as_others_read_them() {
    let mut compared = 0;
    for vector in vectors() {
        let id = text(&vector, "id");
        let list = |key: &str| match &vector[key] {
            Value::Array(all) => all.clone(),
            Value::Null => Vec::new(),
            one => vec![one.clone()],
        };
        let objects = dissect(&vector, &[]);
        for (object, expected) in objects.iter().zip(list("fields")) {
            compared += fields(id, object, &expected);
        }
        for (object, expected) in objects.iter().zip(list("checks")) {
            for (key, layers) in [
                ("outer_ip_checksum", &["ipv4"][..]),
                ("udp_checksum", &["udp"]),
                ("tcp_checksum", &["stt-segment", "tcp"]),
                ("gre_checksum", &["gre"]),
            ] {
                let Some(layer) = first(object, layers) else { continue };
                if let (Some(ours), Some(theirs)) =
                    (layer.get("checksum_status"), expected.get(key))
                {
                    compared += 1;
                    assert_eq!(ours, theirs, "{id}: {key}");
                }
            }
        }
        if let (Some(layer), Some(expected)) =
            (first(&objects[0], &["stp"]), vector.get("extra_fields"))
        {
            compared += subset(id, layer, expected);
        }
    }
    assert!(compared > 4500, "only {compared} compared");
}

/// The first layer of one of these protocols.
fn first<'a>(object: &'a Value, protocols: &[&str]) -> Option<&'a Value> {
    let layers = object["layers"].as_array().unwrap();
    layers.iter().find(|layer| protocols.contains(&text(layer, "protocol")))
}

/// Compares the layers with the generator's fields; returns how many both have.
fn fields(id: &str, object: &Value, expected: &Value) -> usize {
    let layers = object["layers"].as_array().unwrap();
    let mut compared = 0;
    for (theirs, ours) in [("eth_dst", "dst"), ("eth_src", "src"), ("ethertype", "ethertype")] {
        if let (Some(ours), Some(theirs)) = (layers[0].get(ours), expected.get(theirs)) {
            compared += 1;
            assert_eq!(ours, theirs, "{id}");
        }
    }
    if let Value::Array(tags) = &expected["vlan_tags"] {
        let ours: Vec<_> = layers.iter().filter(|layer| layer["protocol"] == "vlan").collect();
        assert!(ours.len() >= tags.len(), "{id}: tags");
        compared += ours.iter().zip(tags).map(|(ours, tag)| subset(id, ours, tag)).sum::<usize>();
    }
    for (key, names) in [
        ("outer", &["ipv4", "ipv6"][..]),
        ("udp", &["udp"]),
        ("gre", &["gre", "nvgre"]),
        ("vxlan", &["vxlan", "vxlan-gpe"]),
        ("geneve", &["geneve"]),
        ("stt_tcp", &["stt-segment"]),
        ("stt", &["stt"]),
    ] {
        let Some(theirs) = expected.get(key) else { continue };
        match first(object, names) {
            Some(ours) => compared += subset(&format!("{id}.{key}"), ours, theirs),
            None => assert_ne!(text(object, "verdict"), "decap", "{id}: no {key}"),
        }
    }
    compared
}

/// Compares what both have; two names are ours because `protocol` and `offset` are the layer's.
fn subset(id: &str, ours: &Value, expected: &Value) -> usize {
    let Value::Object(expected) = expected else { panic!("{id}: no object") };
    let mut compared = 0;
    for (key, theirs) in expected {
        let name = match key.as_str() {
            "protocol" => "protocol_type",
            "offset" => "segment_offset",
            other => other,
        };
        match (ours.get(name), theirs) {
            (Some(Value::Array(ours)), Value::Array(theirs)) => {
                for (ours, theirs) in ours.iter().zip(theirs) {
                    compared += subset(&format!("{id}.{key}"), ours, theirs);
                }
            }
            (Some(ours), theirs) => {
                compared += 1;
                assert_eq!(ours, theirs, "{id}.{key}");
            }
            (None, _) => {}
        }
    }
    compared
}

#[test]
fn every_truncation_and_flipped_byte_is_survived() {
    for vector in vectors() {
        let file = std::fs::read(vectors_dir().join(text(&vector, "pcap"))).unwrap();
        let number = usize::try_from(vector["pcap_frames"][0].as_u64().unwrap()).unwrap();
        let frame = Capture::new(&file).nth(number - 1).unwrap().unwrap();
        let mut judge = judge_with(&[]);
        let most = frame.bytes.len().min(200);
        for len in 0..most {
            let mut flipped = frame.bytes.to_vec();
            flipped[len] ^= 0xFF;
            for bytes in [&frame.bytes[..len], &flipped] {
                let judged = judge.judge(Duration::ZERO, 1, bytes);
                let covered: usize = judged.layers.iter().map(|layer| layer.length).sum();
                assert!(covered <= bytes.len(), "{}: {len}", text(&vector, "id"));
                let frame = Frame { bytes, ..frame };
                assert!(render::json(1, &frame, &judged).is_object());
            }
        }
    }
}

#[test]
fn tunnels_in_tunnels_are_shown_and_bounded() {
    let file = std::fs::read(vectors_dir().join("vxlan.pcap")).unwrap();
    let inner = Capture::new(&file).next().unwrap().unwrap().bytes;
    let mut frame = inner.to_vec();
    let mut depth = 1;
    while depth < 12 {
        // VXLAN without checksums nests by putting the headers before once more.
        let mut outer = inner[..50].to_vec();
        let total = u16::try_from(36 + frame.len()).unwrap();
        outer[16..18].copy_from_slice(&total.to_be_bytes());
        outer[38..40].copy_from_slice(&(total - 20).to_be_bytes());
        frame = [outer, frame].concat();
        depth += 1;
        let judged = judge_with(&[]).judge(Duration::ZERO, 1, &frame);
        let tunnels = judged.layers.iter().filter(|layer| layer.protocol == "vxlan").count();
        assert_eq!(tunnels, depth.min(8), "{depth}");
        let covered: usize = judged.layers.iter().map(|layer| layer.length).sum();
        assert_eq!(covered, frame.len());
    }
}
