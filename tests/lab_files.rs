//! Lab and topology files: those that are shipped are right, and wrong ones say all that is wrong.

use std::path::{Path, PathBuf};

use overlab::lab::{self, Faults};
use proptest::prelude::*;

const BASE: &str = "\
title: A right lab
topology: two-racks
carrier: { encap: vxlan }
tenants:
  - name: red
    vni: 864
    subnet: 192.168.0.0/24
    vms: { vm1: h1, vm2: { host: h2, ip: 192.168.0.9, mac: '06:00:00:00:00:09', mtu: 1400 } }
  - { name: blue, subnet: 192.168.0.0/24, vms: { vm1: h1, vm2: h2 } }
traffic:
  - tcp: { from: red/vm1, to: red/vm2, for: 1s, streams: 2 }
  - udp: { from: red/vm1, to: red/vm2, for: 1s, rate: 100M, size: 64 }
  - rr: { from: red/vm1, to: red/vm2, for: 1s }
measure: { rounds: 3, felt: 10M }
expect:
  - { reachable: { within: red }, claim: C1 }
  - isolated: [red, blue]
  - overhead: 50
  - mtu: 1450
  - throughput: { at-least: 0.3 }
    in: vxlan
seed: 7
";

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn yaml_files(dir: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(root(dir))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no files in {dir}");
    files
}

/// The validator of one kind of file, `Lab` or `Topology`.
fn validator(kind: &str) -> jsonschema::Validator {
    let mut schema = lab::schema();
    let map = schema.as_object_mut().unwrap();
    map.remove("anyOf");
    map.insert("$ref".into(), format!("#/$defs/{kind}").into());
    jsonschema::validator_for(&schema).unwrap()
}

fn assert_valid(validator: &jsonschema::Validator, text: &str) {
    let value: serde_json::Value = serde_yaml::from_str(text).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "the schema refuses what the reader takes: {errors:#?}\n{text}");
}

#[test]
fn every_lab_here_is_right() {
    let schema = validator("Lab");
    for path in yaml_files("labs") {
        let loaded = lab::load(&path).unwrap_or_else(|faults| panic!("{faults}"));
        assert_valid(&schema, &loaded.text);
    }
}

#[test]
fn every_topology_here_is_right() {
    let schema = validator("Topology");
    for path in yaml_files("topologies") {
        lab::load_topology(&path).unwrap_or_else(|faults| panic!("{faults}"));
        assert_valid(&schema, &std::fs::read_to_string(path).unwrap());
    }
}

#[test]
fn every_row_of_the_lesson_that_labs_name_exists_and_has_a_lab() {
    let mut named = std::collections::BTreeSet::new();
    for path in yaml_files("labs") {
        let loaded = lab::load(&path).unwrap_or_else(|faults| panic!("{faults}"));
        named.extend(loaded.lab.expect.into_iter().filter_map(|e| e.claim));
    }
    for id in &named {
        assert!(lab::lesson::claim(id).is_some(), "{id} is no row of the lesson");
    }
    for claim in lab::lesson::CLAIMS {
        assert!(named.contains(claim.id), "no lab is about {}: {}", claim.id, claim.says);
    }
}

#[test]
fn what_contradicts_the_lesson_names_its_row() {
    let with = |expectation: &str| {
        let text = BASE.replace("  - overhead: 50\n", &format!("  - {expectation}\n"));
        lab::read_str("x.yaml", &text)
    };
    let loaded = with("{ overhead: 50, claim: C19, contradicts: It is more. }").unwrap();
    assert_eq!(loaded.lab.expect[2].contradicts.as_deref(), Some("It is more."));
    let faults = with("{ overhead: 50, contradicts: It is more. }").unwrap_err().to_string();
    assert!(faults.contains("expect[2].contradicts") && faults.contains("`claim:`"), "{faults}");
}

/// Examples are fenced as ```` ```yaml lab ````, ```` ```yaml topology ```` or ```` ```yaml part ````
/// (keys of a lab, which are put in place of the base lab's).
#[test]
fn every_example_of_the_documentation_is_right() {
    let text = std::fs::read_to_string(root("docs/lab-file.md")).unwrap();
    let mut examples = 0;
    for (n, block) in text.split("```yaml ").skip(1).enumerate() {
        let (kind, block) = block.split_once('\n').unwrap();
        let block = block.split("```").next().unwrap();
        let name = format!("example {}", n + 1);
        match kind {
            "lab" => {
                lab::read_str(&name, block).unwrap_or_else(|faults| panic!("{faults}"));
                assert_valid(&validator("Lab"), block);
            }
            "topology" => {
                lab::read_topology_str(&name, block).unwrap_or_else(|faults| panic!("{faults}"));
                assert_valid(&validator("Topology"), block);
            }
            "part" => {
                let mut base: serde_yaml::Mapping = serde_yaml::from_str(BASE).unwrap();
                let part: serde_yaml::Mapping = serde_yaml::from_str(block).unwrap();
                if part.contains_key("compare") || part.contains_key("carrier") {
                    base.remove("expect");
                }
                base.extend(part);
                let whole = serde_yaml::to_string(&base).unwrap();
                lab::read_str(&name, &whole).unwrap_or_else(|faults| panic!("{block}\n{faults}"));
                assert_valid(&validator("Lab"), &whole);
            }
            kind => panic!("unknown kind of example `{kind}`"),
        }
        examples += 1;
    }
    assert!(examples >= 10, "only {examples} examples found");
}

#[test]
fn the_base_lab_is_right() {
    let loaded = lab::read_str("base.yaml", BASE).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(loaded.lab.tenants[0].vms[1].mtu, Some(1400));
    assert_eq!(loaded.topology.host_names(), ["h1", "h2", "h3", "h4"]);
    assert_valid(&validator("Lab"), BASE);
}

/// The faults of a file, as printed.
fn printed(path: &Path) -> String {
    let name = format!("wrong/{}", path.file_name().unwrap().to_str().unwrap());
    let text = std::fs::read_to_string(path).unwrap();
    let faults: Faults = if name.contains("topology") {
        lab::read_topology_str(&name, &text).unwrap_err()
    } else {
        lab::read_str(&name, &text).unwrap_err()
    };
    faults.to_string()
}

#[test]
fn wrong_files_say_all_that_is_wrong() {
    for path in yaml_files("tests/wrong") {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        insta::assert_snapshot!(name, printed(&path));
    }
}

#[test]
fn ten_faults_are_ten_faults() {
    let text = std::fs::read_to_string(root("tests/wrong/ten-faults.yaml")).unwrap();
    assert_eq!(lab::read_str("x", &text).unwrap_err().0.len(), 10);
}

/// One change to the base lab, the path of the one fault it makes, and a part of its message.
const MISTAKES: &[(&str, &str, &str, &str)] = &[
    ("title: A right lab", "titel: A right lab", "title", "`title` is missing"),
    ("seed: 7", "seed: 7\nseeds: 8", "seeds", "did you mean `seed`?"),
    ("seed: 7", "seed: -7", "seed", "between 0 and"),
    ("seed: 7", "seed: 7\nseed: 8", "seed", "given twice"),
    ("topology: two-racks", "topology: two-rags", "topology", "did you mean `two-racks`?"),
    ("encap: vxlan }", "encap: vxlam }", "carrier.encap", "did you mean `vxlan`?"),
    ("encap: vxlan }", "encap: vxlan, port: 0 }", "carrier.port", "between 1 and 65535"),
    ("encap: vxlan }", "encap: vxlan, offloads: true }", "carrier.offloads", "known are on, off"),
    (
        "encap: vxlan }",
        "encap: vxlan, datapath_on: { h7: kernel } }",
        "carrier.datapath_on.h7",
        "no host `h7`",
    ),
    ("vni: 864", "vni: 16777216", "tenants[0].vni", "between 0 and 16777215 (24 bits)"),
    ("vni: 864", "vid: 0", "tenants[0].vid", "between 1 and 4094"),
    ("vni: 864", "vid: 4095", "tenants[0].vid", "4095 is reserved"),
    ("vni: 864", "vsid: 4095", "tenants[0].vsid", "between 4096 and 16777214"),
    ("vni: 864", "vni: '864'", "tenants[0].vni", "without quotes"),
    ("vni: 864", "vni: 1.5", "tenants[0].vni", "whole number"),
    ("vni: 864", "vni: -1", "tenants[0].vni", "negative"),
    ("vni: 864", "vni: ", "tenants[0].vni", "no value"),
    ("- { name: blue,", "- { name: blue, vni: 864,", "tenants[1].vni", "vni of tenants[0] already"),
    ("- { name: blue,", "- { name: b lue,", "tenants[1].name", "e.g. `b-lue`"),
    ("0.0/24\n", "0.0/33\n", "tenants[0].subnet", "no IPv4 subnet"),
    ("0.0/24\n", "0.0/31\n", "tenants[0].subnet", "between /8 and /30"),
    ("0.0/24\n", "0.7/24\n", "tenants[0].subnet", "`192.168.0.0/24`"),
    ("vm1: h1, vm2: {", "vm1: h11, vm2: {", "tenants[0].vms.vm1", "did you mean `h1`?"),
    ("host: h2,", "host: h22,", "tenants[0].vms.vm2.host", "did you mean `h2`?"),
    ("0.9,", "1.9,", "tenants[0].vms.vm2.ip", "192.168.0.1 to 192.168.0.254"),
    ("0.9,", "0.0,", "tenants[0].vms.vm2.ip", "network's own"),
    ("0.9,", "0.255,", "tenants[0].vms.vm2.ip", "broadcast"),
    (
        "vm1: h1, vm2: {",
        "vm1: { host: h1, ip: 192.168.0.9 }, vm2: {",
        "tenants[0].vms.vm2.ip",
        "address of `vm1` already",
    ),
    (
        "vm1: h1, vm2: {",
        "vm1: { host: h1, mac: '06:00:00:00:00:09' }, vm2: {",
        "tenants[0].vms.vm2.mac",
        "MAC of `vm1` already",
    ),
    ("'06:", "'07:", "tenants[0].vms.vm2.mac", "e.g. `06:00:00:00:00:09`"),
    ("'06:", "'2:", "tenants[0].vms.vm2.mac", "six bytes"),
    (
        "mtu: 1400",
        "mtu: 1451",
        "tenants[0].vms.vm2.mtu",
        "at most 1450, or raise the underlay's `mtu` to 1501",
    ),
    (
        "to: red/vm2, for: 1s, streams",
        "to: red/vm1, for: 1s, streams",
        "traffic[0].tcp.to",
        "where the flow comes from",
    ),
    (
        "to: red/vm2, for: 1s, streams",
        "to: blue/vm2, for: 1s, streams",
        "traffic[0].tcp.to",
        "do not reach each other",
    ),
    (
        "to: red/vm2, for: 1s, streams",
        "to: red/vm7, for: 1s, streams",
        "traffic[0].tcp.to",
        "no VM `vm7`",
    ),
    (
        "to: red/vm2, for: 1s, streams",
        "to: rad/vm2, for: 1s, streams",
        "traffic[0].tcp.to",
        "did you mean `red`?",
    ),
    (
        "to: red/vm2, for: 1s, streams",
        "to: vm2, for: 1s, streams",
        "traffic[0].tcp.to",
        "write `tenant/vm`, e.g. `red/vm1`",
    ),
    ("streams: 2", "streams: 0", "traffic[0].tcp.streams", "between 1 and 128"),
    ("for: 1s, rate", "for: 1, rate", "traffic[1].udp.for", "with its unit"),
    ("rate: 100M", "rate: 100X", "traffic[1].udp.rate", "`500k`"),
    ("size: 64", "size: 0", "traffic[1].udp.size", "between 1 and 65507"),
    ("size: 64", "size: []", "traffic[1].udp.size", "names no size"),
    ("size: 64", "size: [64, 0]", "traffic[1].udp.size[1]", "between 1 and 65507"),
    ("size: 64", "size: [64, 512, 64]", "traffic[1].udp.size[2]", "in this list already"),
    (
        "for: 1s }\nmeasure",
        "for: 1s, tool: iperf3 }\nmeasure",
        "traffic[2].rr.tool",
        "iperf3 does not measure",
    ),
    (
        "for: 1s }\nmeasure",
        "for: 1s, load: 0 }\nmeasure",
        "traffic[2].rr.load",
        "between 1 and 128",
    ),
    (
        "  - rr: { from: red/vm1, to: red/vm2, for: 1s }\n",
        "  - together: [tcp: { from: red/vm1, to: red/vm2, for: 1s }, \
         udp: { from: red/vm1, to: red/vm2, for: 1s, size: [64, 512] }]\n",
        "traffic[2].together[1].udp.size",
        "run one after another",
    ),
    ("- mtu: 1450", "- slowdown: { at-least: 2 }", "expect[3].slowdown", "load: 4"),
    ("- mtu: 1450", "- slowdown: {}", "expect[3].slowdown", "says nothing"),
    (
        "- mtu: 1450",
        "- cost: { size: 64, of: 1400, at-least: 2 }",
        "expect[3].cost.of",
        "no UDP flow of the lab, by itself, has datagrams of 1400 bytes",
    ),
    ("- mtu: 1450", "- cost: { size: 64, at-least: 2 }", "expect[3].cost.of", "is missing"),
    ("rounds: 3", "rounds: 0", "measure.rounds", "between 1 and 1000"),
    ("rounds: 3", "isolation: false", "expect[1].isolated", "cannot be shown"),
    ("rounds: 3", "overhead: false", "expect[2].overhead", "cannot be shown"),
    ("rounds: 3", "mtu: false", "expect[3].mtu", "cannot be shown"),
    ("rounds: 3", "baseline: false", "expect[4].throughput", "ratio to the plain path"),
    ("rounds: 3", "mtu: yes", "measure.mtu", "true or false"),
    ("within: red", "within: rot", "expect[0].reachable.within", "known are red, blue"),
    ("claim: C1", "claim: C21", "expect[0].claim", "C1 to C20"),
    ("[red, blue]", "[red, red]", "expect[1].isolated[1]", "in this list already"),
    ("[red, blue]", "[red]", "expect[1].isolated", "fewer than two"),
    ("overhead: 50", "overhead: 54", "expect[2].overhead", "vxlan adds 50 bytes"),
    ("- mtu: 1450", "- mtu: 1451", "expect[3].mtu", "leaves 1450 bytes"),
    ("at-least: 0.3", "at-least: 0", "expect[4].throughput.at-least", "above 0"),
    ("in: vxlan", "in: vlan", "expect[4].in", "never runs vlan"),
    ("in: vxlan", "in: qinq", "expect[4].in", "never runs qinq"),
    ("encap: vxlan }", "encap: vxlan, mtu_mode: icpm }", "carrier.mtu_mode", "mean `icmp`?"),
    ("encap: vxlan }", "encap: vxlan, underlay: ipv5 }", "carrier.underlay", "did you mean"),
    ("vxlan }", "vxlan, engine: { ttl: 0 } }", "carrier.engine.ttl", "from 1 to 255"),
    ("vxlan }", "vxlan, engine: { dscp: 64 } }", "carrier.engine.dscp", "from 0 to 63"),
    ("vxlan }", "vxlan, engine: { ecn: on } }", "carrier.engine.ecn", "`compatibility`"),
    ("vxlan }", "vxlan, engine: { udp_csum: no } }", "carrier.engine.udp_csum", "setting of"),
    ("vxlan }", "vxlan, engine: { udp6_zero: true } }", "carrier.engine.udp6_zero", "always taken"),
    (
        "encap: vxlan }",
        "encap: vxlan, engine: { csum: true } }",
        "carrier.engine.csum",
        "a setting of gre, gretap",
    ),
    (
        "encap: vxlan }",
        "encap: vxlan, engine: { options: [{ class: 1, type: 2, data: abc }] } }",
        "carrier.engine.options[0].data",
        "in hexadecimal digits",
    ),
    (
        "encap: vxlan }",
        "encap: vxlan, engine: { seqq: true } }",
        "carrier.engine.seqq",
        "mean `seq`?",
    ),
    (
        "- { name: blue,",
        "- { name: blue, subnet6: 'fe80::/64',",
        "tenants[1].subnet6",
        "of their own",
    ),
    (
        "- { name: blue,",
        "- { name: blue, id_on: { h77: 1 },",
        "tenants[1].id_on.h77",
        "no host `h77`",
    ),
    (
        "- mtu: 1450",
        "- drops: { unknown_netwrk: 1 }",
        "expect[3].drops.unknown_netwrk",
        "did you mean `unknown_network`?",
    ),
    (
        "encap: vxlan }\ntenants",
        "encap: vxlan }\ncompare: { learning: [flood, multicast, flood] }\ntenants",
        "compare.learning[2]",
        "in this list already",
    ),
    (
        "encap: vxlan }",
        "encap: vxlan, vtep: { h9: 192.0.2.1 } }",
        "carrier.vtep.h9",
        "no host `h9`",
    ),
    (
        "encap: vxlan }",
        "encap: vxlan, vtep: { h1: 239.0.0.1 } }",
        "carrier.vtep.h1",
        "no address that a host can have",
    ),
    (
        "encap: vxlan }",
        "encap: vxlan, vtep: { h1: 192.168.0.200 } }",
        "carrier.vtep.h1",
        "in the subnet of `red`",
    ),
    (
        "encap: vxlan }",
        "encap: vxlan, vtep: { h1: '2001:db8::1' } }",
        "carrier.vtep.h1",
        "another IP version",
    ),
    (
        "encap: vxlan }",
        "encap: vxlan, vtep: { h1: 192.0.2.1, h2: 192.0.2.1 } }",
        "carrier.vtep.h2",
        "of `h1` already",
    ),
    (
        "encap: vxlan }",
        "encap: vxlan, fabric: l2, vtep: { h1: 192.0.2.1 } }",
        "carrier.vtep",
        "write `fabric: l3`",
    ),
    ("encap: vxlan }", "encap: vxlan, ecmp: innner }", "carrier.ecmp", "did you mean `inner`?"),
    (
        "encap: vxlan }",
        "encap: vxlan, engine: { nve_addresses: 4 } }",
        "carrier.engine.nve_addresses",
        "a setting of nvgre",
    ),
    (
        "encap: vxlan }",
        "encap: vxlan, engine: { source_ports: 0 } }",
        "carrier.engine.source_ports",
        "between 1 and 64",
    ),
    (
        "encap: vxlan }\ntenants",
        "encap: vxlan }\ncompare: { rate: [1G, 0] }\ntenants",
        "compare.rate[1]",
        "a rate of 0 carries nothing",
    ),
    (
        "encap: vxlan }\ntenants",
        "encap: vxlan }\ncompare: { datapath_on: [h1] }\ntenants",
        "compare.datapath_on",
        "datapath",
    ),
    (
        "encap: vxlan }\ntenants",
        "encap: vxlan }\ncompare: { nve_addresses: [1, 2] }\ntenants",
        "compare.nve_addresses",
        "a setting of nvgre",
    ),
    (
        "    vni: 864",
        "    vni: 864\n    group: 192.0.2.1",
        "tenants[0].group",
        "no multicast group",
    ),
    (
        "    vni: 864",
        "    vni: 864\n    group: 224.0.0.9",
        "tenants[0].group",
        "never leaves its link",
    ),
    (
        "    vni: 864",
        "    vni: 864\n    group: 239.0.0.9",
        "tenants[0].group",
        "learning: multicast",
    ),
    (
        "- mtu: 1450",
        "- spread: { links: [a], at-least: 0.1 }",
        "expect[3].spread.links",
        "two or more",
    ),
    (
        "- mtu: 1450",
        "- spread: { links: [a, b], at-least: 0.6 }",
        "expect[3].spread.at-least",
        "at most 0.500",
    ),
    ("- mtu: 1450", "- spread: { links: [a, b] }", "expect[3].spread", "at-most: 0.05"),
    ("- mtu: 1450", "- tunnels: { rot: 1 }", "expect[3].tunnels.rot", "no tenant `rot`"),
    ("- mtu: 1450", "- tunnels: none", "expect[3].tunnels", "whole number"),
    ("- mtu: 1450", "- copies: { within: red }", "expect[3].copies", "counts nothing"),
    ("- mtu: 1450", "- copies: { within: red, arp: x }", "expect[3].copies.arp", "whole number"),
    (
        "- mtu: 1450",
        "- broadcast: { within: rot }",
        "expect[3].broadcast.within",
        "no tenant `rot`",
    ),
    (
        "- mtu: 1450",
        "- no-broadcast: { within: rot }",
        "expect[3].no-broadcast.within",
        "no tenant `rot`",
    ),
    ("- mtu: 1450", "- walk: { from: red/vm1, to: red/vm3 }", "expect[3].walk.to", "no VM `vm3`"),
    ("- mtu: 1450", "- walk: { from: red/vm1, to: blue/vm2 }", "expect[3].walk", "one tenant"),
    ("in: vxlan", "mtu: 1400", "expect[4]", "one thing, not mtu and throughput"),
    (
        "topology: two-racks",
        "topology: { fat-tree: { k: 5 } }",
        "topology.fat-tree.k",
        "5 is odd; take 4 or 6",
    ),
    (
        "topology: two-racks",
        "topology: { tree: { depth: 2, fanout: 2 }, rate: 0 }",
        "topology.rate",
        "a rate of 0 carries nothing",
    ),
    (
        "topology: two-racks\ncarrier: { encap: vxlan",
        "topology: { mesh: { switches: 4, hosts: 1 }, stp: off }\ncarrier: { encap: vxlan, fabric: l2",
        "topology.stp",
        "sw2-sw3 closes a loop, and 2 others with it",
    ),
    (
        "topology: two-racks\ncarrier: { encap: vxlan",
        "topology: wan-2\ncarrier: { encap: vxlan, fabric: l2",
        "carrier.fabric",
        "joined by routers",
    ),
];

#[test]
fn checksums_are_left_out_where_receivers_know() {
    let without = BASE.split("expect:").next().unwrap();
    let faults = |carrier: &str| {
        let lab = without.replacen("{ encap: vxlan }", carrier, 1);
        lab::read_str("x.yaml", &lab).map(|_| ()).map_err(|faults| faults.to_string())
    };
    let zero = faults("{ encap: vxlan, underlay: ipv6, engine: { udp_csum: off } }").unwrap_err();
    assert!(zero.contains("x.yaml:3:") && zero.contains("carrier.engine.udp_csum"), "{zero}");
    assert!(zero.contains("`udp6_zero: true`"), "{zero}");
    let told = "{ encap: vxlan, underlay: ipv6, engine: { udp_csum: off, udp6_zero: true } }";
    assert_eq!(faults(told), Ok(()));
    let stt = faults("{ encap: stt, engine: { udp_csum: off } }").unwrap_err();
    assert!(stt.contains("a setting of vxlan, geneve"), "{stt}");
}

#[test]
fn one_mistake_is_one_fault_at_its_place() {
    let mut wrong = Vec::new();
    for (from, to, path, part) in MISTAKES {
        assert!(BASE.contains(from), "`{from}` is not in the base lab");
        match lab::read_str("x.yaml", &BASE.replacen(from, to, 1)) {
            Ok(_) => wrong.push(format!("`{to}` was taken")),
            Err(faults) => {
                let said = faults.0.iter().any(|f| f.path == *path && f.message.contains(part));
                // A required key that is misspelt is missing too.
                let expected = if *from == "title: A right lab" { 2 } else { 1 };
                if !said || faults.0.len() != expected {
                    wrong.push(format!("`{to}` should say {path}: {part}, but:\n{faults}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_sends_to_no_group_is_refused_with_groups() {
    let fault = |carrier: &str| {
        let text = BASE.replacen("carrier: { encap: vxlan }", carrier, 1);
        let text = text.split("expect:").next().unwrap().to_owned();
        lab::read_str("x.yaml", &text).unwrap_err().to_string()
    };
    for (carrier, part) in [
        ("carrier: { encap: gre, learning: multicast }", "one tunnel to each host"),
        ("carrier: { encap: vlan, learning: multicast }", "there are no groups"),
    ] {
        let said = fault(carrier);
        assert!(said.contains("carrier.learning") && said.contains(part), "{said}");
    }
}

#[test]
fn a_vlan_has_no_room_for_4095_tenants() {
    let tenants = |n: u32, encap: &str| {
        let mut text = format!(
            "title: Many\ntopology: single-switch\ncarrier: {{ encap: {encap} }}\ntenants:\n"
        );
        let tenant = |n| format!("  - {{ name: t{n}, subnet: 10.0.0.0/24, vms: {{ a: h1 }} }}\n");
        text.extend((1..=n).map(tenant));
        lab::read_str("many.yaml", &text)
    };
    assert!(tenants(4094, "vlan").is_ok());
    assert!(tenants(4095, "vxlan").is_ok());
    let faults = tenants(4095, "vlan").unwrap_err();
    assert_eq!(faults.0.len(), 1);
    assert_eq!((faults.0[0].path.as_str(), faults.0[0].line), ("tenants[4094]", Some(4099)));
    let said = &faults.0[0].message;
    for part in ["12 bits less two reserved ids are 4094", "an overlay has 24 bits"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_topology_is_found_by_path_and_by_name() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("labs")).unwrap();
    std::fs::create_dir_all(dir.path().join("topologies")).unwrap();
    let lab_file = dir.path().join("labs/x.yaml");
    let topology = "hosts: [h1, h2]\nswitches: [sw1]\nlinks: [[h1, sw1], [h2, sw1]]\nmtu: 9000\n";
    std::fs::write(dir.path().join("topologies/mine.yaml"), topology).unwrap();
    std::fs::write(dir.path().join("topologies/bad.yaml"), "hosts: [h1, h2, h2]\n").unwrap();
    let load = |reference: &str| {
        std::fs::write(&lab_file, BASE.replace("two-racks", reference)).unwrap();
        lab::load(&lab_file)
    };
    assert_eq!(load("mine").unwrap().topology.mtu, 9000);
    assert_eq!(load("../topologies/mine.yaml").unwrap().topology.mtu, 9000);
    assert_eq!(load("two-racks").unwrap().topology_from, "topologies/two-racks.yaml");
    let faults = load("bad").unwrap_err().to_string();
    assert!(faults.contains("topologies/bad.yaml:1:17: hosts[2]: `h2` is the name of"), "{faults}");
    let faults = load("../none.yaml").unwrap_err().to_string();
    assert!(faults.contains("x.yaml:2:11: topology: `"), "{faults}");
    assert!(faults.contains("none.yaml` cannot be read: No such file"), "{faults}");
}

#[test]
fn files_that_are_no_text_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.yaml");
    std::fs::write(&path, b"title: a\nabout: \xff\n").unwrap();
    assert!(lab::load(&path).unwrap_err().0[0].message.contains("line 2 is not UTF-8"));
    assert!(lab::load(Path::new("/dev/zero")).unwrap_err().0[0].message.contains("larger than"));
    assert!(lab::load(dir.path()).unwrap_err().0[0].message.contains("cannot be read"));
}

/// Changes as people and editors make them: text cut, doubled, moved and overwritten.
fn mutated() -> impl Strategy<Value = String> {
    let change =
        (any::<prop::sample::Index>(), 0_usize..30, "[a-z0-9:{}\\[\\], \n\t'\"&*!-]{0,6}", 0..3_u8);
    prop::collection::vec(change, 1..6).prop_map(|changes| {
        let mut text: Vec<char> = BASE.chars().collect();
        for (at, length, with, how) in changes {
            let start = at.index(text.len() + 1);
            let end = text.len().min(start + length);
            let part: Vec<char> = text[start..end].to_vec();
            match how {
                0 => drop(text.splice(start..end, with.chars())),
                1 => drop(text.splice(start..start, part)),
                _ => drop(text.splice(start..start, with.chars())),
            }
        }
        text.into_iter().collect()
    })
}

fn assert_faults_have_places(faults: &Faults, text: &str) {
    assert!(!faults.0.is_empty());
    let lines = u32::try_from(text.lines().count()).unwrap();
    for fault in &faults.0 {
        assert!(fault.line.is_none_or(|line| (1..=lines + 1).contains(&line)), "{fault:?}");
        assert!(!fault.message.is_empty());
    }
    assert!(faults.to_string().ends_with("nothing was built"));
}

proptest! {
    #[test]
    fn no_text_ends_the_reader(text in "\\PC{0,200}|[-a-z:{}\\[\\]\n &*!|>'\"%@`?#,]{0,200}") {
        if let Err(faults) = lab::read_str("x.yaml", &text) {
            assert_faults_have_places(&faults, &text);
        }
        if let Err(faults) = lab::read_topology_str("x.yaml", &text) {
            assert_faults_have_places(&faults, &text);
        }
    }

    #[test]
    fn no_bytes_end_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = lab::read_str("x.yaml", &text).map_err(|faults| assert_faults_have_places(&faults, &text));
    }

    #[test]
    fn a_changed_lab_is_refused_with_places_or_fits_the_schema(text in mutated()) {
        let read = lab::read_str("x.yaml", &text);
        if let Err(faults) = read {
            assert_faults_have_places(&faults, &text);
        } else {
            thread_local!(static LAB: jsonschema::Validator = validator("Lab"));
            LAB.with(|schema| assert_valid(schema, &text));
        }
    }
}

/// The rows of the tables in the document on attacks: attack, variant, and what is said of them.
fn attacks_documented() -> Vec<(String, String, String)> {
    let text = std::fs::read_to_string(root("docs/attacks.md")).unwrap();
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut said = Vec::new();
    let mut variants: Vec<String> = Vec::new();
    for line in text.lines() {
        if line.starts_with("| attack |") {
            variants = cells(line);
        } else if !line.starts_with("| ") {
            // The line of dashes below the head keeps the table going.
            variants.truncate(if line.starts_with("|---") { variants.len() } else { 0 });
        } else if !variants.is_empty() {
            let row = cells(line);
            assert_eq!(row.len(), variants.len(), "{line}");
            let rest = variants.iter().zip(&row).skip(1);
            said.extend(rest.map(|(v, cell)| (row[0].clone(), v.clone(), cell.clone())));
        }
    }
    said
}

#[test]
fn what_the_document_says_of_attacks_is_what_labs_expect() {
    let mut expected = std::collections::BTreeMap::new();
    for path in yaml_files("labs") {
        let loaded = lab::load(&path).unwrap_or_else(|faults| panic!("{faults}"));
        if loaded.lab.measure.attacks.is_none() {
            continue;
        }
        let plan = overlab::plan::plan(&loaded.lab, &loaded.topology).unwrap();
        for expectation in &plan.expect {
            let lab::Expected::Attack(attack) = &expectation.what else { continue };
            for variant in &plan.variants {
                let about = expectation.only.is_none_or(|encap| encap == variant.encap)
                    && expectation.variant.as_ref().is_none_or(|name| *name == variant.name)
                    && (variant.encap != overlab::ids::Encap::None
                        || expectation.variant.is_some());
                let key = (attack.name.name().to_owned(), variant.name.clone());
                if !about {
                    continue;
                }
                let before = expected.insert(key, attack.succeeds);
                let name = attack.name.name();
                assert!(
                    before != Some(!attack.succeeds),
                    "{}: labs expect both of {name}",
                    variant.name
                );
            }
        }
    }
    let documented = attacks_documented();
    assert!(documented.len() > 200, "the tables were not found");
    for (attack, variant, cell) in documented {
        let known = expected.get(&(attack.clone(), variant.clone()));
        let word = match known {
            Some(true) => "yes",
            Some(false) => "no",
            None => "–",
        };
        // A star leads to a remark below the table.
        let said = cell.trim_end_matches('*');
        assert_eq!(said, word, "{attack} in {variant}");
    }
}
