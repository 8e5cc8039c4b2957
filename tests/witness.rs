//! What others say of the packets: tshark's dissectors, the kernel's own tunnel device, tcpdump
//! and iperf3. A witness that is not there is a loud skip, and a failure in CI.

mod support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{Home, Role, json, repository, skip, text, until};

/// Two tenants with the same addresses, TCP, UDP and request/response between the racks of one
/// switch, slow enough that all of it fits into the capture.
fn lab(encap: &str, offloads: &str) -> String {
    format!(
        "\
title: Witnessed
topology: {{ hosts: [h1, h2], switches: [sw1], links: [[h1, sw1], [h2, sw1]], rate: 50M }}
carrier: {{ encap: {encap}, offloads: {offloads} }}
capture: underlay
tenants:
  - {{ name: red, vid: 10, vni: 864, subnet: 192.168.0.0/24, vms: {{ vm1: h1, vm2: h2 }} }}
  - {{ name: blue, vid: 20, vni: 865, subnet: 192.168.0.0/24, vms: {{ vm1: h1, vm2: h2 }} }}
traffic:
  - tcp: {{ from: red/vm1, to: red/vm2, for: 300ms }}
  - udp: {{ from: blue/vm1, to: blue/vm2, for: 100ms, rate: 20M, size: 900 }}
  - udp: {{ from: blue/vm2, to: blue/vm1, for: 100ms, rate: 20M, size: 3000 }}
  - rr: {{ from: blue/vm2, to: blue/vm1, for: 100ms }}
measure: {{ rounds: 1, baseline: false }}
expect:
  - reachable: {{ within: red }}
  - isolated: [red, blue]
"
    )
}

/// Whether a program is here; says loudly if not.
fn witness(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        skip(&format!("{program} is not installed"));
    }
    found
}

/// Runs a lab with a capture and returns the file.
fn captured(encap: &str, offloads: &str) -> Option<(Home, PathBuf)> {
    let home = Home::new(Role::Myself);
    if !witness("tshark") || !home.can_run() {
        return None;
    }
    home.write("witnessed.yaml", &lab(encap, offloads));
    let output = home.output(&["run", "witnessed.yaml", "--out", "out", "--json", "-"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}\n{}", text(&output.stdout));
    let notes = json(&output)["notes"].to_string();
    for loss in ["had reached", "too fast"] {
        assert!(!notes.contains(loss), "the capture is not whole: {notes}");
    }
    let file = home.path().join("out/capture.pcapng");
    assert!(file.exists(), "no capture: {notes}");
    Some((home, file))
}

/// What tshark says of one packet. Of headers that occur twice a field has two values, the outer
/// one first.
#[derive(Debug)]
struct Packet(Vec<String>);

/// The fields that are asked for.
const FIELDS: &[&str] = &[
    "frame.number",
    "frame.len",
    "frame.protocols",
    "ip.src",
    "ip.flags.mf",
    "ip.checksum.status",
    "udp.checksum.status",
    "tcp.checksum.status",
    "udp.srcport",
    "udp.dstport",
    "tcp.dstport",
    "tcp.len",
    "vxlan.vni",
    "vxlan.flags",
    "vlan.id",
    "arp.src.proto_ipv4",
];
/// A checksum that tshark computed, and found right or wrong.
const RIGHT: &str = "1";
const WRONG: &str = "0";

impl Packet {
    fn all(&self, field: &str) -> impl Iterator<Item = &str> {
        let column = FIELDS.iter().position(|name| *name == field).unwrap();
        self.0[column].split(',').filter(|value| !value.is_empty())
    }

    fn outer(&self, field: &str) -> Option<&str> {
        self.all(field).next()
    }

    fn number(&self, field: &str) -> u64 {
        self.outer(field).and_then(|value| value.parse().ok()).unwrap_or(0)
    }

    fn has(&self, protocol: &str) -> bool {
        let protocols = FIELDS.iter().position(|name| *name == "frame.protocols").unwrap();
        self.0[protocols].split(':').any(|name| name == protocol)
    }

    /// Whether one of the tenants' addresses is in it.
    fn is_of_a_tenant(&self) -> bool {
        let mut addresses = self.all("ip.src").chain(self.all("arp.src.proto_ipv4"));
        addresses.any(|address| address.starts_with("192.168.0."))
    }
}

/// All packets of a file, with every checksum checked.
fn tshark(file: &Path) -> Vec<Packet> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-T", "fields"]);
    // STT is told from TCP only by looking into it first.
    command.args(["-o", "ip.try_heuristic_first:TRUE"]);
    for layer in ["ip", "udp", "tcp"] {
        command.args(["-o", &format!("{layer}.check_checksum:TRUE")]);
    }
    for field in FIELDS {
        command.args(["-e", field]);
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "tshark: {}", text(&output.stderr));
    let said = text(&output.stdout);
    let packets = said.lines().map(|line| Packet(line.split('\t').map(str::to_owned).collect()));
    let packets: Vec<Packet> = packets.collect();
    assert!(packets.iter().all(|packet| packet.0.len() == FIELDS.len()));
    packets
}

/// No packet has a wrong checksum, and checksums were really looked at.
fn assert_sound(packets: &[Packet]) {
    for (layer, least) in [("ip", 500), ("udp", 50), ("tcp", 100)] {
        let field = format!("{layer}.checksum.status");
        // A VM's kernel quotes in ICMP errors what it received from its virtual interface, where
        // checksums of UDP and TCP are left unfinished.
        let quotes = |packet: &Packet| layer != "ip" && packet.has("icmp");
        let mut checked = packets.iter().filter(|packet| !quotes(packet));
        let wrong = checked.find(|packet| packet.all(&field).any(|status| status == WRONG));
        assert!(wrong.is_none(), "a wrong checksum of {layer}: {wrong:?}");
        let right = packets.iter().flat_map(|p| p.all(&field)).filter(|s| *s == RIGHT).count();
        assert!(right >= least, "only {right} right checksums of {layer}");
    }
}

/// The different values of a field.
fn distinct<'a>(packets: &'a [Packet], field: &'a str) -> BTreeSet<&'a str> {
    packets.iter().flat_map(|packet| packet.all(field)).collect()
}

#[test]
fn tshark_reads_vxlan_with_the_tenants_vnis_and_right_checksums() {
    for offloads in ["on", "off"] {
        let Some((_home, file)) = captured("vxlan", offloads) else { return };
        let packets = tshark(&file);
        assert_sound(&packets);
        // Nothing of a tenant goes without a tunnel; all else is the fabric's own.
        let bare = packets.iter().find(|p| p.is_of_a_tenant() && !p.has("vxlan"));
        assert!(bare.is_none(), "not in a tunnel: {bare:?}");
        assert_eq!(distinct(&packets, "vxlan.vni"), BTreeSet::from(["864", "865"]));
        // RFC 7348, section 5: the I flag alone, port 4789, a source port of the dynamic range
        // that differs between inner flows; section 4.3: no fragments.
        assert_eq!(distinct(&packets, "vxlan.flags"), BTreeSet::from(["0x0800"]));
        let tunnelled = || packets.iter().filter(|p| p.has("vxlan"));
        assert!(tunnelled().all(|p| p.outer("udp.dstport") == Some("4789")));
        let ports: BTreeSet<u64> = tunnelled().map(|p| p.number("udp.srcport")).collect();
        assert!(ports.len() > 3 && ports.first() >= Some(&49152), "source ports {ports:?}");
        let cut = tunnelled().find(|p| !matches!(p.outer("ip.flags.mf"), Some("0" | "False")));
        assert!(cut.is_none(), "an outer fragment: {cut:?}");
        // Both tenants' traffic; full packets fill the underlay's MTU, and none is larger.
        for (vni, protocol) in [("864", "tcp"), ("865", "tcp"), ("865", "udp")] {
            let found = tunnelled().filter(|p| p.outer("vxlan.vni") == Some(vni));
            assert!(found.filter(|p| p.has(protocol)).count() > 20, "{protocol} in {vni}");
        }
        let largest = packets.iter().map(|p| p.number("frame.len")).max();
        assert_eq!(largest, Some(1514));
    }
}

#[test]
fn tshark_reads_every_segment_of_stt_and_no_connection() {
    let Some((_home, file)) = captured("stt", "on") else { return };
    let packets = tshark(&file);
    let to_port = || {
        let read = |p: &&Packet| p.has("stt") || p.all("tcp.dstport").any(|port| port == "7471");
        packets.iter().filter(read)
    };
    assert!(to_port().count() > 500, "only {} packets of the tunnel", to_port().count());
    // What is not STT to tshark is TCP: a handshake, or a segment that it could not make out.
    let alien = to_port().find(|p| !p.has("stt"));
    assert!(alien.is_none(), "no STT: {alien:?}");
    let bare = packets.iter().find(|p| p.is_of_a_tenant() && !p.has("stt"));
    assert!(bare.is_none(), "not in a tunnel: {bare:?}");
    // Full segments fill the underlay's MTU, and none is larger.
    let largest = packets.iter().map(|p| p.number("frame.len")).max();
    assert_eq!(largest, Some(1514));
}

#[test]
fn tshark_reads_vlan_with_the_tenants_vids_and_right_checksums() {
    let Some((_home, file)) = captured("vlan", "on") else { return };
    let packets = tshark(&file);
    assert_sound(&packets);
    let bare = packets.iter().find(|p| p.is_of_a_tenant() && !p.has("vlan"));
    assert!(bare.is_none(), "without a tag: {bare:?}");
    assert_eq!(distinct(&packets, "vlan.id"), BTreeSet::from(["10", "20"]));
    let twice = packets.iter().find(|p| p.all("vlan.id").count() > 1);
    assert!(twice.is_none(), "two tags: {twice:?}");
    for (vid, protocol) in [("10", "tcp"), ("20", "tcp"), ("20", "udp")] {
        let found = packets.iter().filter(|p| p.outer("vlan.id") == Some(vid));
        assert!(found.filter(|p| p.has(protocol)).count() > 20, "{protocol} in {vid}");
    }
    // Four bytes more than an untagged frame of full size.
    let largest = packets.iter().map(|p| p.number("frame.len")).max();
    assert_eq!(largest, Some(1518));
}

#[test]
fn the_kernels_device_and_our_engine_understand_each_other() {
    let home = Home::new(Role::Myself);
    if !home.can_run() {
        return;
    }
    let lab = std::fs::read_to_string(repository("labs/interop-kernel.yaml")).unwrap();
    let short = format!("{}\nmeasure: {{ rounds: 1 }}\n", lab.replace("500ms", "200ms"));
    home.write("interop.yaml", &short);
    let output = home.output(&["run", "interop.yaml", "--json", "-", "--out", "out"]);
    let said = text(&output.stderr);
    if output.status.code() == Some(3) {
        return skip(&format!("this kernel has no vxlan device: {said}"));
    }
    assert_eq!(output.status.code(), Some(0), "{said}\n{}", text(&output.stdout));
    let result = json(&output);
    let variants = result["variants"].as_array().unwrap();
    let vxlan = variants.iter().find(|variant| variant["encap"] == "vxlan").unwrap();
    let flows = vxlan["flows"].as_array().unwrap();
    assert_eq!(flows.len(), 4);
    for flow in flows {
        let round = &flow["rounds"][0];
        assert!(round["error"].is_null() && round["bytes"].as_u64() > Some(0), "{flow}");
    }
}

/// A process that ends with the test.
struct Background(Child);

impl Background {
    fn spawn(command: &mut Command) -> Background {
        Background(command.stdin(Stdio::null()).spawn().unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id().cast_signed()), signal).unwrap();
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn traffic_capture_and_dissector_of_others_find_the_same() {
    let home = Home::new(Role::Myself);
    let all = ["tshark", "tcpdump", "iperf3", "nsenter", "ip"].map(witness);
    if !all.iter().all(|found| *found) || !home.can_run() {
        return;
    }
    let quiet = lab("vxlan", "off").replace("capture: underlay\n", "");
    let (before, after) = quiet.split_once("traffic:").unwrap();
    let expect = after.split_once("measure:").unwrap().1;
    home.write("kept.yaml", &format!("{before}traffic: []\nmeasure:{expect}"));
    let mut command = home.command(&["run", "kept.yaml", "--keep", "--out", "out"]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut run = Background::spawn(&mut command);
    // What the program says about how to enter its namespaces is what is done here.
    let mut progress = BufReader::new(run.0.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("Press Ctrl-C") {
        assert!(progress.read_line(&mut said).unwrap() > 0, "it ended: {said}");
    }
    let shell = said.lines().find(|line| line.contains("nsenter")).unwrap().trim();
    let (enter, last) = shell.split_once("ip netns exec ").unwrap();
    assert!(last.starts_with("vxlan") && last.ends_with(" bash"), "{shell}");
    let within = |namespace: &str, program: &[&str]| {
        let mut words = enter.split_whitespace();
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(["ip", "netns", "exec", namespace]).args(program);
        command
    };
    let (h1, client, server) = ("vxlan.h1", "vxlan.red.vm1", "vxlan.red.vm2");
    for namespace in [h1, client, server] {
        let entered = within(namespace, &["true"]).output().unwrap();
        assert!(entered.status.success(), "`{enter}`: {}", text(&entered.stderr));
    }
    let file = home.path().join("tmp/others.pcap");
    let mut capture = within(h1, &["tcpdump", "-U", "-n", "-i", "eth0", "-w"]);
    capture.arg(&file).stderr(Stdio::piped());
    let mut capture = Background::spawn(&mut capture);
    let mut told = BufReader::new(capture.0.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("listening on") {
        assert!(told.read_line(&mut line).unwrap() > 0, "tcpdump: {line}");
    }
    let mut server = within(server, &["iperf3", "-s", "--one-off"]);
    let _server = Background::spawn(server.stdout(Stdio::null()));
    let bytes = until("iperf3", || {
        let test = ["iperf3", "-J", "-c", "192.168.0.2", "-t", "1"];
        let output = within(client, &test).output().unwrap();
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        found["end"]["sum_received"]["bytes"].as_u64().ok_or_else(|| text(&output.stdout))
    });
    assert!(bytes > 100_000, "{bytes} bytes");
    capture.signal(Signal::SIGINT);
    let mut rest = String::new();
    told.read_to_string(&mut rest).unwrap();
    assert!(capture.0.wait().unwrap().success(), "tcpdump: {rest}");
    assert!(rest.contains("0 packets dropped by kernel"), "tcpdump: {rest}");

    assert_stream(&tshark(&file), bytes);
    run.signal(Signal::SIGINT);
    progress.read_to_string(&mut said).unwrap();
    let status = run.0.wait().unwrap();
    assert_eq!(status.code(), Some(0), "{said}");
}

/// iperf3's stream in red's network alone, with right checksums.
fn assert_stream(packets: &[Packet], bytes: u64) {
    assert_sound(packets);
    let of_iperf3 = || packets.iter().filter(|p| p.outer("tcp.dstport") == Some("5201"));
    assert!(of_iperf3().all(|p| p.outer("vxlan.vni") == Some("864")));
    let payload: u64 = of_iperf3().map(|p| p.number("tcp.len")).sum();
    // tcpdump ends without those that still wait for it.
    assert!(payload > bytes / 2, "{payload} bytes on the wire, {bytes} received");
}

#[test]
fn a_capture_names_its_interfaces_and_says_what_it_is() {
    let Some((_home, file)) = captured("vxlan", "on") else { return };
    let output = Command::new("tshark")
        .args(["-n", "-T", "fields", "-E", "separator=/t"])
        .args(["-e", "frame.interface_name", "-e", "frame.interface_description", "-r"])
        .arg(&file)
        .output()
        .unwrap();
    let said = text(&output.stdout);
    let mut seen: Vec<&str> = said.lines().collect();
    seen.sort_unstable();
    seen.dedup();
    // Every packet has one of them, and every host its own.
    assert!(seen.len() >= 2, "{seen:?}");
    for (line, host) in seen.iter().zip(["h1", "h2"]) {
        let (name, about) = line.split_once('\t').unwrap();
        assert!(name.contains(&format!(".{host}:")), "{line}");
        assert!(
            about.contains(&format!("host {host} towards ")) && about.contains("VTEP"),
            "{line}"
        );
    }
    if !witness("capinfos") {
        return;
    }
    let output = Command::new("capinfos").arg(&file).output().unwrap();
    let said = text(&output.stdout);
    for part in
        ["overlab", "Linux", "each packet is one that a cable could have carried", "Name = "]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
}
