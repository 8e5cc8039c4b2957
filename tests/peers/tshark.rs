//! What Wireshark's dissectors say of packets.

use std::collections::BTreeMap;
use std::path::Path;

use crate::tools::run;

/// All checksums verified, and STT tried before TCP, which has no port of its own for it.
const OPTIONS: [&str; 6] = [
    "ip.check_checksum:TRUE",
    "tcp.check_checksum:TRUE",
    "udp.check_checksum:TRUE",
    "tcp.desegment_tcp_streams:FALSE",
    "tcp.analyze_sequence_numbers:FALSE",
    "data.show_as_text:FALSE",
];

/// One packet: each field asked for, with one value per occurrence, outermost first.
pub type Packet = BTreeMap<String, Vec<String>>;

/// Reads fields of every packet of a capture file that passes a display filter (empty: all).
pub fn packets(file: &Path, filter: &str, more: &[&str], fields: &[&str]) -> Vec<Packet> {
    let mut arguments = vec!["-n", "-r", crate::text(file), "-T", "fields"];
    arguments.extend(["-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=;"]);
    for option in OPTIONS.iter().chain(more) {
        arguments.extend(["-o", option]);
    }
    if !filter.is_empty() {
        arguments.extend(["-Y", filter]);
    }
    for field in fields {
        arguments.extend(["-e", field]);
    }
    // A tunnel's source port may be any number, and tshark would read the packet as whatever is
    // known by it (67: DHCP); so the tunnels are all it may know over UDP.
    let decodes = run("tshark", &["-G", "decodes"]);
    let over_udp = decodes.lines().filter_map(|line| {
        let mut words = line.split('\t');
        (words.next() == Some("udp.port")).then(|| words.nth(1)).flatten()
    });
    for protocol in over_udp.filter(|n| !n.starts_with("vxlan") && !["geneve", "gre"].contains(n)) {
        arguments.extend(["--disable-protocol", protocol]);
    }
    let lines = run("tshark", &arguments);
    let values = |text: &str| match text {
        "" => Vec::new(),
        text => text.split(';').map(str::to_owned).collect(),
    };
    let packet = |line: &str| {
        let texts = line.split('\t').chain(std::iter::repeat(""));
        fields.iter().map(|field| (*field).to_owned()).zip(texts.map(values)).collect()
    };
    lines.lines().map(packet).collect()
}

/// Writes frames as a classic capture file (Ethernet, microseconds).
pub fn write(file: &Path, frames: &[Vec<u8>]) {
    let mut bytes = Vec::new();
    for word in [0xA1B2_C3D4u32, 0x0004_0002, 0, 0, 0x4_0000, 1] {
        bytes.extend(word.to_le_bytes());
    }
    for (number, frame) in (0u32..).zip(frames) {
        let len = frame.len() as u32;
        for word in [number, 0, len, len] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(frame);
    }
    std::fs::write(file, bytes).expect("write the capture");
}
