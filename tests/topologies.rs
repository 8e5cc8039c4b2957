//! Every generated shape really built, bridged and routed: all VMs reach each other, and spanning
//! tree blocks the ports that were computed.

#[path = "support/openssh.rs"]
mod openssh;
mod support;

use std::sync::LazyLock;

use overlab::lab;
use overlab::plan::{SpanningTree, plan};
use serde_json::Value;
use support::{Home, Role, json, repository, roles, text};

/// VLANs on bridges and VXLAN over routers on one topology, a VM on each of `hosts`.
fn lab_on(topology: &str, encaps: &str, hosts: &[&str]) -> String {
    let vms = hosts.iter().enumerate().map(|(n, host)| format!("vm{n}: {host}"));
    let vms = vms.collect::<Vec<_>>().join(", ");
    format!(
        "title: Any shape\ntopology: {topology}\ncompare: {{ encap: [{encaps}] }}\ntenants:\n  \
         - {{ name: red, subnet: 10.1.0.0/24, subnet6: 'fd00::/64', vms: {{ {vms} }} }}\n\
         measure: {{ rounds: 1, baseline: false, mtu: false, overhead: false, isolation: false }}\n\
         expect:\n  - reachable: {{ within: red }}\n"
    )
}

/// The first role that can run labs here.
static ABLE: LazyLock<Option<Role>> =
    LazyLock::new(|| roles().iter().copied().find(|role| Home::new(*role).can_run()));

/// Runs a lab as the first role that can, and returns its result.
fn run(text_of_lab: &str) -> Option<Value> {
    let home = Home::new((*ABLE)?);
    home.write("shape.yaml", text_of_lab);
    let output = home.output(&["run", "shape.yaml", "--json", "-"]);
    let said = format!("{text_of_lab}\n{}\n{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}");
    Some(json(&output))
}

/// At least so many pairs were tried (more where both IP versions are carried), and all reached.
fn assert_all_reached(variant: &Value, pairs: u64) {
    let [reached, tried] = [0, 1].map(|n| variant["reachable"]["red"][n].as_u64().unwrap());
    assert!(reached == tried && tried >= pairs, "{}: {reached} of {tried}", variant["name"]);
}

/// Builds a topology in both ways and compares what spanning tree blocked.
fn stands(topology: &str, hosts: &[&str], blocked: usize) {
    let text = lab_on(topology, "vlan, vxlan", hosts);
    let Some(result) = run(&text) else { return };
    let loaded = lab::read_str("shape.yaml", &text).unwrap();
    let plan = plan(&loaded.lab, &loaded.topology).unwrap();
    for variant in &plan.variants {
        let found = result["variants"].as_array().unwrap();
        let found = found.iter().find(|v| v["name"] == variant.name.as_str()).unwrap();
        let tree: SpanningTree = variant.spanning_tree();
        for (n, (link, real)) in
            variant.links.iter().zip(found["links"].as_array().unwrap()).enumerate()
        {
            assert_eq!(real["name"], link.name.as_str());
            assert_eq!(real["blocked"], tree.blocks(n), "{} of {topology}", link.name);
        }
        let all = (0..variant.links.len()).filter(|n| tree.blocks(*n)).count();
        let wanted = if variant.name == "vlan" { blocked } else { 0 };
        assert_eq!(all, wanted, "{} on {topology}", variant.name);
    }
}

#[test]
fn single_switch() {
    stands("{ single-switch: { hosts: 3 } }", &["h1", "h2", "h3"], 0);
}

#[test]
fn linear() {
    stands("{ linear: { switches: 5, hosts: 1 } }", &["h1", "h3", "h5"], 0);
}

#[test]
fn tree() {
    stands("{ tree: { depth: 3, fanout: 2 } }", &["h1", "h4", "h8"], 0);
}

#[test]
fn leaf_spine() {
    let shape = "leaf-spine: { leaves: 3, spines: 2, hosts: 2, oversubscription: 2 }";
    // Uplinks are shaped, and all but one way to the second spine is cut.
    stands(&format!("{{ {shape}, rate: 100M }}"), &["h1", "h2", "h6"], 2);
}

#[test]
fn fat_tree() {
    // 20 switches and 32 links between them.
    stands("{ fat-tree: { k: 4 } }", &["h1", "h2", "h8", "h16"], 32 - 19);
}

#[test]
fn ring() {
    stands("{ ring: { switches: 5, hosts: 1 } }", &["h1", "h3", "h4"], 1);
}

#[test]
fn mesh() {
    stands("{ mesh: { switches: 4, hosts: 1 } }", &["h1", "h2", "h4"], 3);
}

#[test]
fn dual_homed() {
    let shape = "{ dual-homed: { pairs: 2, spines: 2, hosts: 2 } }";
    // Four leaves and two spines: eight links, five of which are a tree.
    stands(shape, &["h1", "h2", "h3", "h4"], 3);
}

#[test]
fn wide_area() {
    let topology = "{ wan: { sites: 3, hosts: 2, cores: 2, mtu: 1400, rate: 100M } }";
    let mut encaps = "none, ipip, 6in4, gre, gretap, vxlan".to_owned();
    match openssh::missing() {
        Some(why) => eprintln!("SKIPPED: sites joined by ssh: {why}"),
        None => encaps += ", ssh",
    }
    let Some(result) = run(&lab_on(topology, &encaps, &["h1", "h3", "h6"])) else { return };
    for variant in result["variants"].as_array().unwrap() {
        assert_eq!(variant["mtu"]["underlay"], 1400);
        assert_all_reached(variant, 6);
    }
}

#[test]
fn overlays_reach_hosts_with_two_links() {
    let topology = "{ dual-homed: { pairs: 2, spines: 1, hosts: 1 } }";
    let encaps = "none, ipip, gre, gretap, vxlan, nvgre, geneve";
    let Some(result) = run(&lab_on(topology, encaps, &["h1", "h2"])) else { return };
    for variant in result["variants"].as_array().unwrap() {
        assert_all_reached(variant, 2);
    }
}

#[test]
fn a_fabric_without_spanning_tree_forwards_at_once() {
    let topology = "{ tree: { depth: 2, fanout: 2 }, stp: off }";
    let Some(result) = run(&lab_on(topology, "vlan", &["h1", "h2", "h4"])) else { return };
    let vlan = &result["variants"][0];
    assert_all_reached(vlan, 6);
    // Spanning tree takes twice the forward delay of 4 s.
    let ready = result["testbed"]["ready_seconds"].as_f64().unwrap();
    assert!(ready < 7.0, "{result}");
}

#[test]
fn every_topology_file_can_be_planned() {
    for entry in std::fs::read_dir(repository("topologies")).unwrap() {
        let path = entry.unwrap().path();
        let topology = lab::load_topology(&path).unwrap_or_else(|faults| panic!("{faults}"));
        assert!(topology.title.is_some(), "{} has no title", path.display());
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        // VLANs by port, MAC tables and how they learn are for bridges.
        let routed = topology.ports.is_empty()
            && topology.mac_table.is_none()
            && topology.vlan_learning.is_none();
        let encap = if routed { "vxlan" } else { "vlan" };
        let lab = lab::read_str("x.yaml", &lab_on(&name, encap, &["h1", "h2"])).unwrap();
        let plan = plan(&lab.lab, &lab.topology).unwrap();
        let counts = topology.counts();
        assert_eq!(plan.variants[0].nodes.len() as u64, counts.nodes(), "{name}");
        assert_eq!(plan.variants[0].links.len() as u64, counts.links, "{name}");
    }
}
