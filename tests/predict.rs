//! Predictions beside what small labs measured, and pictures of labs.

mod support;

use std::collections::BTreeMap;

use overlab::lab;
use overlab::plan::{self, CarrierPrediction, Prediction, plan};
use serde_json::Value;
use support::{Home, json, repository, roles, text};

/// Seven VMs of two tenants on two racks; addresses differ, so that MACs do and no table is shared.
const LAB: &str = "\
title: Counted and measured
topology: { leaf-spine: { leaves: 2, spines: 2, hosts: 2 } }
compare: { encap: [vlan, gretap, vxlan], learning: [flood, multicast] }
tenants:
  - { name: red, subnet: 10.1.0.0/24, vms: { a: h1, b: h2, c: h3, d: h3 } }
  - { name: blue, subnet: 10.2.0.0/24, vms: { a: h1, b: h3, c: h4 } }
measure: { rounds: 1, baseline: false, mtu: false, overhead: false, isolation: false }
expect:
  - reachable: { within: red }
  - reachable: { within: blue }
";

fn of<'a>(prediction: &'a Prediction, name: &str) -> &'a CarrierPrediction {
    prediction.carriers.iter().find(|c| c.name == name).unwrap()
}

#[test]
fn small_labs_measure_what_was_predicted() {
    let loaded = lab::read_str("counted.yaml", LAB).unwrap();
    let predicted = plan::predict(&loaded.lab, &loaded.topology).unwrap();
    let plan = plan(&loaded.lab, &loaded.topology).unwrap();
    for variant in &plan.variants {
        let of = of(&predicted, &variant.name);
        assert_eq!(of.tunnels, variant.tunnels, "{}", variant.name);
        let lists = variant.edges.iter().flat_map(|e| &e.networks).map(|n| n.peers.len() as u64);
        assert_eq!(of.peers.total, lists.sum::<u64>(), "{}", variant.name);
        let routes =
            |name: &str| variant.nodes.iter().find(|n| n.name == name).unwrap().routes.len();
        assert_eq!(of.tor_routes.max, routes("leaf1") as u64, "{}", variant.name);
        assert_eq!(of.spine_routes.max, routes("spine2") as u64, "{}", variant.name);
    }

    let Some(home) = roles().iter().map(|role| Home::new(*role)).find(Home::can_run) else {
        return;
    };
    home.write("counted.yaml", LAB);
    let output = home.output(&["run", "counted.yaml", "--json", "-"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let result = json(&output);
    for variant in result["variants"].as_array().unwrap() {
        let name = variant["name"].as_str().unwrap();
        let predicted = of(&predicted, name);
        let tables: BTreeMap<String, u64> =
            serde_json::from_value(variant["tables"].clone()).unwrap();
        let hosts: Vec<u64> = ["h1", "h2", "h3", "h4"].map(|host| tables[host]).to_vec();
        // All VMs of both tenants at h1 and h3, of one at the others.
        assert_eq!(hosts, [7, 4, 7, 3], "{name}");
        assert_eq!(hosts.iter().sum::<u64>(), predicted.fdb.total, "{name}");
        assert_eq!(hosts.iter().max(), Some(&predicted.fdb.max), "{name}");
        for (switch, expected) in [
            ("leaf1", predicted.tor_macs.max),
            ("leaf2", predicted.tor_macs.max),
            ("spine1", predicted.spine_macs.max),
            ("spine2", predicted.spine_macs.max),
        ] {
            let learned = tables.get(switch).copied().unwrap_or_default();
            assert_eq!(learned, expected, "{name}: {switch} of {tables:?}");
        }
        // What engines hold: with a group one entry stands for all peers.
        let held = variant["tunnels"].as_object();
        let sum = |key: &str| {
            held.map_or(0, |all| all.values().map(|one| one[key].as_u64().unwrap()).sum::<u64>())
        };
        assert_eq!(sum("tunnels"), predicted.tunnels, "{name}");
        let places = match name {
            "vlan" => 0,
            // Three hosts of either tenant, and an entry at each.
            _ if name.ends_with("-multicast") => 3 + 3,
            _ => predicted.peers.total,
        };
        assert_eq!(sum("entries"), places, "{name}");
        assert!(held.is_none_or(|all| all.values().all(|one| one["planned"].is_null())), "{name}");
        let blocked = variant["links"].as_array().unwrap().iter().filter(|l| l["blocked"] == true);
        assert_eq!(blocked.count() as u64, predicted.blocked, "{name}");
    }
}

#[test]
fn a_data_centre_is_predicted_on_the_command_line() {
    let home = Home::new(roles()[0]);
    let asked = ["predict", "--hosts", "1000", "--vms", "50000", "--tenants", "5000", "--json"];
    let output = home.output(&asked);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let found = json(&output);
    assert_eq!((&found["hosts"], &found["vms"]), (&1000.into(), &50_000.into()));
    let carrier = |name: &str| -> Value {
        let all = found["carriers"].as_array().unwrap();
        all.iter().find(|c| c["name"] == name).unwrap().clone()
    };
    // Ten VMs of each tenant on ten hosts.
    assert_eq!(carrier("gretap")["tunnels"], 5000 * 45);
    assert_eq!(carrier("vlan")["ids"]["fits"], false);
    assert_eq!(carrier("vxlan")["ids"]["fits"], true);

    let output = home.output(&["predict", "--topology", "fat-tree: { k: 4 }"]);
    let said = text(&output.stdout);
    assert!(said.starts_with("16 hosts (16 with VMs), 8 top-of-rack switches, 12 above"), "{said}");
    for line in said.lines().filter(|line| line.contains('|')) {
        assert!(line.chars().count() <= 120, "{line}");
    }
    let output = home.output(&["predict", "--topology", "fat-tree: { k: 5 }"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("5 is odd"), "{}", text(&output.stderr));
    let output = home.output(&["predict", "--topology", "two-rags"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("two-racks"), "{}", text(&output.stderr));
}

fn shipped(name: &str) -> Prediction {
    let loaded = lab::load(repository(name).as_ref()).unwrap();
    plan::predict(&loaded.lab, &loaded.topology).unwrap()
}

#[test]
fn bounded_tables_and_ports_are_seen() {
    // The lab holds these sixteen of 24 VMs, and the six hosts of VXLAN, to what it measures.
    let found = shipped("labs/mac-tables.yaml");
    let macs = |name| [of(&found, name).tor_macs.max, of(&found, name).spine_macs.max];
    assert_eq!([macs("vlan"), macs("vxlan")], [[16, 16], [6, 6]]);
    let says = |found: &Prediction, part: &str| found.notes.iter().any(|n| n.contains(part));
    assert!(says(&found, "is full") && says(&found, "Every trunk"));
    let found = shipped("labs/vlan-ports.yaml");
    assert!(!says(&found, "is full") && !says(&found, "Every trunk"), "{:?}", found.notes);
    assert!(says(&found, "`ports` are not counted with"));
}

/// A circle in which nothing would stop a broadcast.
const STORM: &str = "ring: { switches: 4, hosts: 1 }\nstp: off\n";

fn assert_refused_as_a_storm(arguments: &[&str]) {
    let home = Home::new(roles()[0]);
    home.write("storm.yaml", STORM);
    let output = home.output(arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for part in ["storm.yaml", "sw4-sw1 closes a loop", "leave `stp` out"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(output.stdout.is_empty());
}

#[test]
fn a_loop_that_nothing_cuts_is_not_built() {
    assert_refused_as_a_storm(&["build", "storm.yaml"]);
}

#[test]
fn a_loop_that_nothing_cuts_is_not_drawn() {
    assert_refused_as_a_storm(&["graph", "storm.yaml"]);
}

#[test]
fn a_loop_that_nothing_cuts_is_not_counted() {
    assert_refused_as_a_storm(&["predict", "--topology", "storm.yaml"]);
}

#[test]
fn routers_and_trees_need_no_spanning_tree() {
    let home = Home::new(roles()[0]);
    home.write("tree.yaml", "tree: { depth: 2, fanout: 2 }\nstp: off\n");
    home.write("wan.yaml", "wan: { sites: 2, hosts: 1, cores: 2 }\nstp: off\n");
    for file in ["tree.yaml", "wan.yaml"] {
        let output = home.output(&["graph", file]);
        assert_eq!(output.status.code(), Some(0), "{file}: {}", text(&output.stderr));
    }
}

#[test]
fn a_topology_is_built_tried_and_gone() {
    for home in roles().iter().map(|role| Home::new(*role)).filter(Home::can_run) {
        let output = home.output(&["build", "tree-2x2", "--json"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let found = json(&output);
        // Four hosts and three switches; each host to each other one.
        assert_eq!((&found["namespaces"], &found["ends"]), (&7.into(), &4.into()));
        for pairs in ["tried", "reached", "of"] {
            assert_eq!(found[pairs], 12, "{found}");
        }
        assert!(found["up_seconds"].as_f64() > Some(0.0) && found["down_seconds"].is_number());
    }
}

#[test]
fn every_lab_and_topology_is_drawn() {
    let home = Home::new(roles()[0]);
    for dir in ["labs", "topologies"] {
        for entry in std::fs::read_dir(repository(dir)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let copy = home.write(name, &std::fs::read_to_string(&path).unwrap());
            let output = home.output(&["graph", copy.to_str().unwrap()]);
            assert_eq!(output.status.code(), Some(0), "{name}: {}", text(&output.stderr));
            let svg = text(&output.stdout);
            assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{name}");
            assert!(svg.len() < 400_000, "{name}: {} bytes", svg.len());
            // Nothing that a browser would have to fetch or to calculate.
            assert!(
                !svg.contains("NaN") && !svg.contains("inf\"") && !svg.contains("href"),
                "{name}"
            );
        }
    }
    let gateway = std::fs::read_to_string(repository("labs/gateway.yaml")).unwrap();
    home.write("gateway.yaml", &gateway);
    let drawn = text(&home.output(&["graph", "gateway.yaml", "--variant", "vxlan"]).stdout);
    for part in ["VLAN 10 old-red", "VLAN 20 old-blue", "· server1", "· server2"] {
        assert!(drawn.contains(part), "{part}");
    }
    assert!(!drawn.contains("red/server1") && drawn.contains("red/vm2"), "machines stand apart");
    let dot = ["graph", "gateway.yaml", "--variant", "vxlan", "-o", "gateway.dot"];
    assert_eq!(home.output(&dot).status.code(), Some(0));
    let dot = std::fs::read_to_string(home.path().join("gateway.dot")).unwrap();
    assert!(dot.contains("\"vxlan.h4\" -- \"vxlan.segment old-red\""), "{dot}");
    assert!(dot.contains("old-blue\\nblue, VLAN 20\\nblue/server1"), "{dot}");

    let lab = home.write("counted.yaml", LAB);
    let lab = lab.to_str().unwrap();
    let all = text(&home.output(&["graph", lab]).stdout);
    for part in ["VLAN 101", "VNI 5001", "key 5001", "red/a", ">root<", "spanning tree blocks"] {
        assert!(all.contains(part), "{part}");
    }
    let one = text(&home.output(&["graph", lab, "--variant", "vxlan-flood"]).stdout);
    assert!(one.contains("VNI 5001") && !one.contains("VLAN 101") && !one.contains("blocks"));
    assert_eq!(home.output(&["graph", lab, "--variant", "vxlam"]).status.code(), Some(2));
    assert_eq!(home.output(&["graph", lab, "-o", "x.dot"]).status.code(), Some(0));
    let dot = std::fs::read_to_string(home.path().join("x.dot")).unwrap();
    assert!(
        dot.starts_with("graph ") && dot.contains("\"vlan.leaf1\" -- \"vlan.spine1\""),
        "{dot}"
    );
    assert_eq!(dot.matches('{').count(), dot.matches('}').count());
}
