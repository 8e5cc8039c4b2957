//! Labs about single packets, sizes and loss: run as root and as an ordinary user, and run again
//! with each expectation turned into one that must fail.

mod support;

use serde_json::Value;
use support::{Home, json, repository, roles, text};

/// For each role that can run labs here: a home in which it does.
fn homes() -> impl Iterator<Item = Home> {
    roles().iter().map(|role| Home::new(*role)).filter(Home::can_run)
}

/// Runs a lab; its exit status and its result.
fn run(home: &Home, lab: &str) -> (Option<i32>, Value) {
    home.write("lab.yaml", lab);
    let output = home.output(&["run", "lab.yaml", "--json", "-", "--out", "found"]);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", text(&output.stderr));
    (output.status.code(), json(&output))
}

/// A lab of the program without its flows, which are not what is looked at here.
fn shipped(name: &str) -> String {
    std::fs::read_to_string(repository(&format!("labs/{name}.yaml"))).unwrap()
}

fn verdicts(result: &Value) -> Vec<(String, bool)> {
    let all = result["expectations"].as_array().unwrap();
    let one = |v: &Value| {
        let what = format!("{}: {}", v["variant"], v["what"]);
        (what, v["held"].as_bool().unwrap())
    };
    all.iter().map(one).collect()
}

/// The expectations that are about something of this name, or not.
fn assert_only_failed(result: &Value, about: &str) {
    for (what, held) in verdicts(result) {
        assert_eq!(held, !what.contains(about), "{what}: held {held}");
    }
}

#[test]
fn outer_checksums_are_treated_alike_by_engine_and_kernel() {
    for home in homes() {
        let lab = shipped("vxlan-checksums");
        let (status, result) = run(&home, &lab);
        assert_eq!(status, Some(0), "{:#}", result["expectations"]);
        for variant in ["vxlan", "vxlan-kernel"] {
            let all = result["variants"].as_array().unwrap();
            let found = all.iter().find(|v| v["name"] == variant).unwrap();
            let delivered: Vec<_> = found["probes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|p| p["delivered"].clone())
                .collect();
            assert_eq!(delivered, [10, 10, 0], "{variant}");
        }
        // What the engine and the kernel do is what the expectations hang on.
        let turned = lab.replace("delivered: 0, dropped: bad_checksum", "delivered: 10");
        let (status, result) = run(&home, &turned);
        assert_eq!(status, Some(1));
        assert_only_failed(&result, "`wrong`");
    }
}

#[test]
fn tagged_frames_are_refused_and_untagged_ones_are_not() {
    for home in homes() {
        let lab = shipped("nvgre-inner-tags");
        assert_eq!(run(&home, &lab).0, Some(0));
        let untagged = lab.replace(", tag: 5", "");
        let (status, result) = run(&home, &untagged);
        assert_eq!(status, Some(1));
        assert_only_failed(&result, "`tagged");
    }
}

#[test]
fn a_host_without_the_tunnel_says_so() {
    for home in homes() {
        let lab = shipped("anatomy");
        let (status, result) = run(&home, &lab);
        assert_eq!(status, Some(0), "{:#}", result["expectations"]);
        for variant in result["variants"].as_array().unwrap() {
            let layers = variant["anatomy"]["layers"].as_array().unwrap();
            let names: Vec<_> = layers.iter().map(|l| l["protocol"].as_str().unwrap()).collect();
            assert_eq!(names[..2], ["ethernet", "ipv4"], "{variant:#}");
            assert!(names.contains(&"udp"), "the VM's datagram is inside: {names:?}");
            let mut at = 0;
            for layer in layers {
                assert_eq!(layer["offset"], at, "layers follow each other: {names:?}");
                at += layer["length"].as_u64().unwrap();
            }
        }
        // To a host that has such a tunnel: it does not answer.
        let understood = lab.replace("outer: { from: h1, to: h3 }", "outer: { from: h1, to: h2 }");
        let (status, result) = run(&home, &understood);
        assert_eq!(status, Some(1));
        assert_only_failed(&result, "`nobody`");
    }
}

#[test]
fn each_way_with_large_packets_does_as_it_says() {
    for home in homes() {
        let lab: String = shipped("nvgre-path-mtu")
            .replace("traffic:\n  - tcp: { from: red/vm1, to: red/vm2, for: 300ms }\n", "");
        let (status, result) = run(&home, &lab);
        assert_eq!(status, Some(0), "{:#}", result["expectations"]);
        for variant in result["variants"].as_array().unwrap() {
            // What the search for the largest packet made the edges drop is not in `drops`.
            let drops = variant["drops"]["too_big"].as_u64().unwrap_or(0);
            let searched = variant["mtu"]["dropped_by_search"].as_u64().unwrap();
            match variant["name"].as_str().unwrap() {
                "nvgre-icmp" | "nvgre-blackhole" => assert!(searched > 3 && drops < 100),
                _ => assert_eq!(drops, 0),
            }
        }
        // With the modes the other way round nothing of it holds.
        let turned = lab
            .replace("variant: nvgre-icmp, claim", "variant: nvgre-TEMP, claim")
            .replace("variant: nvgre-blackhole", "variant: nvgre-fragment")
            .replace("variant: nvgre-TEMP, claim", "variant: nvgre-blackhole, claim");
        let (status, result) = run(&home, &turned);
        assert_eq!(status, Some(1));
        for (what, held) in verdicts(&result) {
            let turned = what.starts_with("\"nvgre-blackhole")
                && (what.contains("told") || what.contains("transfer"))
                || what.starts_with("\"nvgre-fragment") && what.contains("stalls");
            assert_eq!(held, !turned, "{what}: held {held}");
        }
    }
}

/// Five in a hundred on each of two links.
const LOSSY: &str = "\
title: Lossy
topology: { hosts: [h1, h2], switches: [s], links: [[h1, s], [h2, s]], loss: 5% }
carrier: { encap: vxlan }
tenants:
  - { name: red, subnet: 10.0.0.0/24, vms: { a: h1, b: h2 } }
traffic:
  - udp: { from: red/a, to: red/b, for: 1s, rate: 16M, size: 1000 }
measure: { rounds: 1, baseline: false }
expect:
  - reachable: { within: red }
  - delivered: { at-least: 0.8, at-most: 0.97 }
";

#[test]
fn links_lose_as_much_as_they_are_to() {
    for home in homes() {
        let (status, result) = run(&home, LOSSY);
        assert_eq!(status, Some(0), "{:#}", result["expectations"]);
        for link in result["variants"][0]["links"].as_array().unwrap() {
            let loss = &link["loss"];
            assert_eq!(loss["configured"], 0.05);
            // The datagrams go one way: up to 2000 of them, fewer on a busy machine. Of 400, 20 are
            // lost with a standard deviation of 4.4; the bounds are 4 and 57.
            let sum = |key: &str| {
                loss[key].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>()
            };
            let (offered, lost) = (sum("offered"), sum("lost"));
            assert!(offered > 400, "{link}");
            assert!(lost * 100 > offered && lost * 7 < offered, "{link}");
        }
        let (status, _) = run(&home, &LOSSY.replace("loss: 5%", "loss: 0%"));
        assert_eq!(status, Some(1), "without loss all datagrams arrive");
    }
}

#[test]
fn stt_leaves_as_large_sends_without_a_handshake() {
    for home in homes() {
        let flow = "traffic:\n  - tcp: { from: red/vm1, to: red/vm2, for: 500ms }\n";
        let lab = shipped("stt").replace(flow, "");
        let (status, result) = run(&home, &lab);
        assert_eq!(status, Some(0), "{:#}", result["expectations"]);
        // With every packet by itself there is no large send, and nothing else changes.
        let cut = lab.replace("carrier: { encap: stt }", "carrier: { encap: stt, offloads: off }");
        let (status, result) = run(&home, &cut);
        assert_eq!(status, Some(1));
        assert_only_failed(&result, "one send of");
    }
}
