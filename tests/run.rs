//! Whole runs of small labs, as root and as an ordinary user: what they find, what they write, how
//! they end, and that they leave nothing else.

mod support;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::{Home, Role, finish, json, open_directory, repository, roles, text};

/// Two tenants with the same addresses over VXLAN; takes about a second.
const SMALL: &str = "\
title: Small
topology: single-switch
carrier: { encap: vxlan }
tenants:
  - { name: red, vni: 864, subnet: 10.0.0.0/24, vms: { a: h1, b: h2 } }
  - { name: blue, vni: 865, subnet: 10.0.0.0/24, vms: { a: h1, b: h2 } }
traffic:
  - tcp: { from: red/a, to: red/b, for: 100ms }
measure: { rounds: 1 }
expect:
  - reachable: { within: red }
  - isolated: [red, blue]
";

/// The schema of result documents, as published.
static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let text = std::fs::read_to_string(repository("docs/schema/result.json")).unwrap();
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
});

fn assert_fits_the_schema(result: &Value) {
    let errors: Vec<_> = SCHEMA.iter_errors(result).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    assert_eq!(result["schema"], "overlab-result/2");
}

/// For each role that can run labs here: a home in which it does.
fn homes() -> impl Iterator<Item = Home> {
    roles().iter().map(|role| Home::new(*role)).filter(Home::can_run)
}

fn variant<'a>(result: &'a Value, name: &str) -> &'a Value {
    let variants = result["variants"].as_array().unwrap();
    variants.iter().find(|v| v["name"] == name).unwrap_or_else(|| panic!("no variant {name}"))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn assert_held(output: &Output) {
    let said = format!("{}\n{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}");
}

#[test]
fn hello_holds_what_it_promises() {
    for home in homes() {
        let lab = std::fs::read_to_string(repository("labs/hello.yaml")).unwrap();
        home.write("hello.yaml", &lab.replace("500ms", "100ms"));
        let output = home.output(&["run", "hello.yaml", "--json", "-", "--out", "hello"]);
        assert_held(&output);
        let result = json(&output);
        assert_fits_the_schema(&result);
        assert_eq!(result["complete"], true);
        assert_eq!(result["lab"], "hello.yaml");
        let verdicts = result["expectations"].as_array().unwrap();
        assert_eq!(verdicts.len(), 3);
        assert!(verdicts.iter().all(|v| v["held"] == true), "{verdicts:?}");

        let vxlan = variant(&result, "vxlan");
        assert_eq!(vxlan["baseline"], "plain-l3");
        assert_eq!(vxlan["mtu"]["probed"], 1450);
        assert!((number(&vxlan["mtu"]["overhead_counted"]) - 50.0).abs() < 0.5);
        let flow = &vxlan["flows"][0];
        assert_eq!(flow["rounds"].as_array().unwrap().len(), 3);
        assert!(flow["rounds"].as_array().unwrap().iter().all(|r| r["error"].is_null()), "{flow}");
        assert!(number(&flow["rate"]["median"]) > 0.0);
        assert!(number(&flow["ratio"]["median"]) > 0.0);
        assert!(number(&flow["engine_cpu_per_gb"]["median"]) > 0.0);
        assert!(number(&variant(&result, "plain-l3")["flows"][0]["rate"]["median"]) > 0.0);
        // The document printed is the document written.
        let written = std::fs::read(home.path().join("hello/result.json")).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), result);
    }
}

#[test]
fn costs_are_told_by_stage_and_latency_under_load() {
    // Paced, so that no queue is full: on a busy machine all that counts might be lost behind it.
    let flows = "  - tcp: { from: red/a, to: red/b, for: 100ms }
  - udp: { from: red/a, to: red/b, for: 100ms, rate: 2M, size: [64, 1200] }
  - rr: { from: red/a, to: red/b, for: 100ms }
  - rr: { from: red/a, to: red/b, for: 200ms, load: 2 }
";
    for home in homes() {
        let lab = SMALL.replace("  - tcp: { from: red/a, to: red/b, for: 100ms }\n", flows);
        home.write("cost.yaml", &(lab + "  - slowdown: { at-least: 0.1 }\n"));
        let output = home.output(&["run", "cost.yaml", "--json", "-"]);
        assert_held(&output);
        let result = json(&output);
        assert_fits_the_schema(&result);
        let flow = |of: &str, label: &str| {
            let all = variant(&result, of)["flows"].as_array().unwrap();
            all.iter().find(|f| f["label"] == label).unwrap().clone()
        };
        let labels = ["tcp red/a→red/b", "udp 2M 64 B red/a→red/b", "udp 2M 1200 B red/a→red/b"];
        for (label, packet) in labels.into_iter().zip([1398.0, 64.0, 1200.0]) {
            let cost = &flow("vxlan", label)["cost"];
            assert_eq!(cost["packet_bytes"], packet);
            let parts = cost["parts"].as_array().unwrap();
            let names: Vec<_> = parts.iter().map(|p| p["part"].as_str().unwrap()).collect();
            let expected = ["sender", "encapsulate", "decapsulate", "receiver", "rest", "all"];
            assert_eq!(names, expected, "{label}");
            // Nothing passes without any of these; the rest may be too little to be seen.
            let worked = parts.iter().filter(|p| p["part"] != "rest");
            let figures = worked.map(|p| number(&p["per_packet"]["median"]));
            assert!(figures.into_iter().all(|ns| ns > 0.0), "{cost}");
        }
        assert!(number(&flow("vxlan", labels[1])["packet_rate"]["median"]) > 0.0);
        let plain = flow("plain-l3", labels[0])["cost"]["parts"].clone();
        assert!(plain.as_array().unwrap().iter().all(|p| p["part"] != "encapsulate"), "{plain}");
        let loaded = flow("vxlan", "rr 64 B beside tcp x2 red/a→red/b");
        assert_eq!(loaded["load"]["idle"], "rr 64 B red/a→red/b");
        assert!(number(&loaded["load"]["rate"]["median"]) > 0.0, "{loaded}");
        assert!(loaded["cpu_per_gb"].is_null() && loaded["cost"].is_null(), "{loaded}");
    }
}

#[test]
fn vlan_and_vxlan_stand_side_by_side() {
    for home in homes() {
        let lab = std::fs::read_to_string(repository("labs/vlan-vs-vxlan.yaml")).unwrap();
        let short = lab.replace("400ms", "200ms").replace("rounds: 3", "rounds: 1");
        assert_ne!(lab, short);
        home.write("short.yaml", &short);
        let output = home.output(&["run", "short.yaml", "--json", "-"]);
        assert_held(&output);
        let result = json(&output);
        assert_fits_the_schema(&result);
        for (name, baseline, overhead, inner) in
            [("vlan", "plain-l2", 4.0, 1500), ("vxlan", "plain-l3", 50.0, 1450)]
        {
            let found = variant(&result, name);
            assert_eq!(found["baseline"], baseline);
            assert!(variant(&result, baseline)["baseline"].is_null());
            assert!((number(&found["mtu"]["overhead_counted"]) - overhead).abs() < 0.5, "{name}");
            assert_eq!(found["mtu"]["probed"], inner, "{name}");
            assert!(number(&found["mtu"]["goodput_felt"]) > 0.0, "{name}");
            assert!(number(&found["mtu"]["goodput_ceiling"]) < 1.0, "{name}");
            for flow in found["flows"].as_array().unwrap() {
                let label = &flow["label"];
                assert!(flow["rounds"][0]["error"].is_null(), "{name}: {flow}");
                assert!(number(&flow["rate"]["median"]) > 0.0, "{name}: {label}");
                assert!(number(&flow["ratio"]["median"]) > 0.0, "{name}: {label}");
            }
            let latency = &found["flows"][4]["latency"];
            let percentiles = ["p50", "p90", "p99", "max"].map(|p| number(&latency[p]));
            assert!(percentiles.is_sorted() && percentiles[0] > 0.0, "{name}: {latency}");
            assert_isolated(name, &found["isolation"]);
            for tenant in ["red", "blue"] {
                assert_eq!(found["reachable"][tenant], serde_json::json!([12, 12]), "{name}");
            }
        }
        // The bridged fabric has a loop, which spanning tree cuts; the routed one uses all links.
        let blocked = |name: &str| {
            let links = variant(&result, name)["links"].as_array().unwrap();
            links.iter().filter(|link| link["blocked"] == true).count()
        };
        assert_eq!((blocked("vlan"), blocked("vxlan")), (1, 0));
        assert_one_report(&home, "short", &["tiny"]);
    }
}

/// Leaks were tried in every way, none was seen, and the network was alive meanwhile.
/// h2 is a bare machine in blue's VLAN, which is the native one of the trunk.
const HOPPED: &str = "\
title: Hopped
topology:
  hosts: [h1, h2, h3]
  switches: [s1, s2]
  links: [[h1, s1], [h2, s1], [h3, s2], [s1, s2]]
  stp: off
  ports:
    - { at: s1, to: h2, access: 101 }
    - { at: s1, to: s2, trunk: [102], native: 101 }
    - { at: s2, to: s1, trunk: [102], native: 101 }
carrier: { encap: vlan }
tenants:
  - { name: blue, vid: 101, subnet: 10.0.0.0/24, vms: { a: h1, b: h3 } }
  - { name: red, vid: 102, subnet: 10.0.0.0/24, vms: { a: h1, b: h3 } }
measure: { rounds: 1, baseline: false, mtu: false, overhead: false, attacks: [vlan-hop] }
expect:
  - isolated: [blue, red]
  - { attack: { name: vlan-hop, succeeds: true } }
";

#[test]
fn a_frame_hops_vlans_and_loses_a_tag_at_each_switch() {
    for home in homes() {
        home.write("hopped.yaml", HOPPED);
        let output = home.output(&["run", "hopped.yaml", "--json", "-"]);
        assert_held(&output);
        let result = json(&output);
        let attack = &variant(&result, "vlan")["attacks"][0];
        let tags = |evidence: &str| -> Vec<u64> {
            let layers = attack[evidence]["packet"]["layers"].as_array().unwrap();
            let tags = layers.iter().filter(|layer| layer["protocol"] == "vlan");
            let vid = |tag: &Value| {
                let fields = tag["fields"].as_array().unwrap();
                let vid = fields.iter().find(|field| field[0] == "vid").unwrap();
                vid[1].as_str().unwrap().parse().unwrap()
            };
            tags.map(vid).collect()
        };
        let all = ["sent", "between", "seen"].map(tags);
        assert_eq!(all, [vec![101, 102], vec![102], vec![]], "{attack}");
        let notes = attack["notes"].as_array().unwrap();
        assert!(notes.iter().any(|note| note == "Of 5 answers 0 came back to the sender."));

        // Any one of the measures is enough, with a limit of addresses beside it or not.
        let careful = HOPPED.replace("succeeds: true", "succeeds: false");
        let access = "access: 101 }";
        for (from, to) in [
            (access, "access: 101, accept: untagged }"),
            ("trunk: [102], native: 101", "trunk: [101, 102], native: 999"),
            ("trunk: [102], native: 101", "trunk: [101, 102]"),
        ] {
            home.write(
                "careful.yaml",
                &careful.replace(from, to).replace("stp:", "mac_limit: 9\n  stp:"),
            );
            assert_held(&home.output(&["run", "careful.yaml"]));
        }
    }
}

/// A third host without VMs, from which VXLAN is attacked.
const ATTACKED: &str = "\
title: Attacked
topology: { single-switch: { hosts: 3 } }
carrier: { encap: vxlan }
tenants:
  - { name: blue, subnet: 10.0.0.0/24, vms: { a: h1, b: h2 } }
  - { name: red, subnet: 10.0.0.0/24, vms: { a: h1, b: h2, c: h2 } }
measure: { rounds: 1, baseline: false, mtu: false, overhead: false, isolation: false, attacks: all }
expect:
  - { attack: { name: forged-id, succeeds: false } }
  - { attack: { name: id-spray, succeeds: false } }
  - { attack: { name: spoofed-source, succeeds: true } }
  - { attack: { name: arp-poison, succeeds: true } }
  - { attack: { name: arp-poison-across, succeeds: false } }
";

#[test]
fn attacks_are_tried_told_and_judged() {
    for home in homes() {
        home.write("attacked.yaml", ATTACKED);
        let output = home.output(&["run", "attacked.yaml", "--json", "-"]);
        assert_held(&output);
        let result = json(&output);
        assert_fits_the_schema(&result);
        let attacks = variant(&result, "vxlan")["attacks"].as_array().unwrap();
        assert_eq!(attacks.len(), overlab::lab::Attack::ALL.len(), "every attack has its place");
        let attack = |name: &str| attacks.iter().find(|a| a["name"] == name).unwrap();
        let spoofed = attack("spoofed-source");
        assert_eq!((&spoofed["tried"], &spoofed["succeeded"]), (&20.into(), &20.into()));
        assert_eq!(spoofed["stopped_by"][0]["succeeded"], 0, "{spoofed}");
        // The evidence is a VXLAN packet of the attacker and what the VM got of it.
        let layers = spoofed["sent"]["packet"]["layers"].as_array().unwrap();
        assert!(layers.iter().any(|layer| layer["protocol"] == "vxlan"), "{spoofed}");
        assert_eq!(spoofed["sent"]["place"], "vxlan.h3 eth0");
        assert!(spoofed["seen"]["place"].as_str().unwrap().starts_with("vxlan.red."));
        assert_eq!(attack("id-spray")["drops"]["unknown_peer"], attack("id-spray")["tried"]);
        assert!(attack("gre-desync")["does_not_apply"].is_string());

        // What must not succeed and does is a failure.
        let wrong =
            ATTACKED.replace("spoofed-source, succeeds: true", "spoofed-source, succeeds: false");
        home.write("wrong.yaml", &wrong.replace("attacks: all", "attacks: [spoofed-source]"));
        let output = home.output(&["run", "wrong.yaml", "--json", "-"]);
        assert_eq!(output.status.code(), Some(2), "the others are expected and not tried");
        let only = wrong
            .lines()
            .filter(|line| !line.contains("attack:") || line.contains("spoofed-source"));
        let only = only.collect::<Vec<_>>().join("\n");
        home.write("wrong.yaml", &only.replace("attacks: all", "attacks: [spoofed-source]"));
        let output = home.output(&["run", "wrong.yaml", "--json", "-"]);
        assert_eq!(output.status.code(), Some(1));
    }
}

fn assert_isolated(name: &str, isolation: &Value) {
    let count = |key: &str| isolation[key].as_u64().unwrap();
    assert!(count("probes") > 0, "{name}");
    assert_eq!(count("leaks"), 0, "{name}: {isolation}");
    assert!(count("expected_own") > 0, "{name}");
    assert_eq!(count("delivered_own"), count("expected_own"), "{name}");
    let pairs = isolation["pairs"].as_array().unwrap();
    for (from, to) in [("red", "blue"), ("blue", "red")] {
        for kind in ["unicast", "unknown", "broadcast", "multicast", "arp"] {
            let tried = |p: &&Value| p["from"] == from && p["to"] == to && p["kind"] == kind;
            let pair = pairs.iter().find(tried);
            let pair = pair.unwrap_or_else(|| panic!("{name}: no {kind} from {from} to {to}"));
            assert!(pair["probes"].as_u64().unwrap() > 0, "{name}: {pair}");
        }
    }
}

/// `reports/` holds one whole report named after the lab and the time, and nothing else is new.
fn assert_one_report(home: &Home, stem: &str, others: &[&str]) {
    let entries = std::fs::read_dir(home.path().join("reports")).unwrap();
    let names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names.len(), 1, "{names:?}");
    let time = names[0].strip_prefix(&format!("{stem}-")).unwrap();
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "00000000-000000", "{time}");
    let report = home.path().join("reports").join(&names[0]);
    assert_whole(&report);
    let found = home.files();
    let rest: Vec<_> = found
        .iter()
        .filter(|name| !name.starts_with("reports") && !name.ends_with(".yaml"))
        .filter(|name| !others.iter().any(|other| name.starts_with(other)))
        .collect();
    assert!(rest.is_empty(), "{rest:?}");
}

fn assert_whole(report: &std::path::Path) {
    let entries = std::fs::read_dir(report).unwrap();
    let mut files: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files, ["report.html", "report.md", "result.csv", "result.json"]);
    let result = std::fs::read_to_string(report.join("result.json")).unwrap();
    assert_fits_the_schema(&serde_json::from_str(&result).unwrap());
    let html = std::fs::read_to_string(report.join("report.html")).unwrap();
    assert!(html.trim_end().ends_with("</html>"));
}

#[test]
fn the_table_is_printed_and_progress_stays_out_of_it() {
    for home in homes() {
        home.write("small.yaml", SMALL);
        let output = home.output(&["run", "small.yaml"]);
        assert_held(&output);
        let (table, progress) = (text(&output.stdout), text(&output.stderr));
        for part in ["Small", "All 2 expectations held", "0 of 60 leaked", "reports/small-"] {
            assert!(table.contains(part), "no `{part}` in\n{table}");
        }
        assert!(!table.contains('\x1b'), "colours where there is no terminal");
        assert!(progress.contains("building namespaces") && progress.contains("removing"));
        assert_one_report(&home, "small", &["tiny"]);
    }
}

#[test]
fn three_runs_at_the_same_time_do_not_meet() {
    for home in homes() {
        home.write("small.yaml", SMALL);
        let run = || {
            let mut command = home.command(&["run", "small.yaml", "--json", "-"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let children = [run(), run(), run()];
        for child in children {
            let output = finish(child);
            assert_held(&output);
            assert_isolated("vxlan", &variant(&json(&output), "vxlan")["isolation"]);
        }
        let entries = std::fs::read_dir(home.path().join("reports")).unwrap();
        let reports: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        assert_eq!(reports.len(), 3, "{reports:?}");
        for report in &reports {
            assert_whole(report);
        }
    }
}

#[test]
fn an_expectation_that_fails_is_exit_status_1() {
    for home in homes() {
        home.write("fails.yaml", &format!("{SMALL}  - throughput: {{ at-least: 1000 }}\n"));
        let output = home.output(&["run", "fails.yaml", "--out", "found"]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        let table = text(&output.stdout);
        assert!(table.contains("✗ vxlan: TCP reaches at least 1000"), "{table}");
        // The report is there all the same.
        assert_whole(&home.path().join("found"));
    }
}

/// Starts a run and returns when it says that it is in a stage, with what is still to be read.
fn started(home: &Home, lab: &str, stage: &str) -> (Child, BufReader<impl Read + use<>>) {
    let mut command = home.command(&["run", lab, "--json", "-"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut progress = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.lines().last().unwrap_or_default().contains(stage) {
        assert!(progress.read_line(&mut said).unwrap() > 0, "it ended before `{stage}`: {said}");
    }
    (child, progress)
}

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
}

const LONG: &str = "measure: { rounds: 1000 }";

#[test]
fn an_interrupted_run_reports_what_it_has() {
    for home in homes() {
        home.write("long.yaml", &SMALL.replace("measure: { rounds: 1 }", LONG));
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            let (child, mut progress) = started(&home, "long.yaml", "traffic, round 2");
            send(&child, signal);
            let mut said = String::new();
            progress.read_to_string(&mut said).unwrap();
            let output = finish(child);
            assert_eq!(output.status.code(), Some(130), "{said}");
            assert!(said.contains("interrupted"), "{said}");
            let result = json(&output);
            assert_fits_the_schema(&result);
            assert_eq!(result["complete"], false);
            let rounds = result["variants"][0]["flows"][0]["rounds"].as_array().unwrap().len();
            assert!((1..1000).contains(&rounds), "{rounds} rounds");
            assert_one_report(&home, "long", &["tiny"]);
            std::fs::remove_dir_all(home.path().join("reports")).unwrap();
        }
    }
}

#[test]
fn a_run_interrupted_where_no_flows_run_says_so() {
    let flow = "traffic:\n  - tcp: { from: red/a, to: red/b, for: 100ms }\n";
    let attacked = SMALL.replace("rounds: 1", "rounds: 1, attacks: all");
    let cases = [(attacked, "attacks"), (SMALL.replace(flow, ""), "sizes, reachability")];
    for home in homes() {
        for (lab, stage) in &cases {
            home.write("calm.yaml", lab);
            let (child, mut progress) = started(&home, "calm.yaml", stage);
            send(&child, Signal::SIGINT);
            let mut said = String::new();
            progress.read_to_string(&mut said).unwrap();
            let output = finish(child);
            assert_eq!(output.status.code(), Some(130), "in `{stage}`: {said}");
            let result = json(&output);
            assert_fits_the_schema(&result);
            assert_eq!(result["complete"], false);
        }
    }
}

/// What fails late must not take with it what was found before, nor what comes after.
#[test]
fn a_measurement_that_fails_is_left_out_with_the_reason() {
    for home in homes() {
        let lab = SMALL.replace("rounds: 1", "rounds: 1, attacks: [forged-id]");
        home.write("late.yaml", &(lab + "  - attack: { name: forged-id, succeeds: false }\n"));
        let (child, mut progress) = started(&home, "late.yaml", "traffic, round 1");
        // Whoever looks at this VM from now on finds no interface.
        send(&child, Signal::SIGSTOP);
        let pid = child.id().to_string();
        // As root it has no user namespace of its own.
        let ways: [&[&str]; 2] = [&["-m"], &["-m", "-U", "--preserve-credentials"]];
        let delete = ["ip", "-n", "vxlan.blue.b", "link", "delete", "eth0"];
        let deleted = ways
            .map(|way| Command::new("nsenter").args(["-t", &pid]).args(way).args(delete).output());
        send(&child, Signal::SIGCONT);
        let mut said = String::new();
        progress.read_to_string(&mut said).unwrap();
        let output = finish(child);
        if !deleted.iter().flatten().any(|deleted| deleted.status.success()) {
            return support::skip(&format!("no interface could be deleted: {deleted:?}"));
        }
        assert_eq!(output.status.code(), Some(1), "{said}");
        let result = json(&output);
        assert_fits_the_schema(&result);
        assert_eq!(result["complete"], true);
        let found = variant(&result, "vxlan");
        let why = found["unmeasured"]["attack `forged-id`"].as_str().unwrap();
        assert!(result["notes"].to_string().contains("attack `forged-id`"), "{result}");
        let verdicts = result["expectations"].as_array().unwrap();
        let held: Vec<_> = verdicts.iter().map(|v| v["held"] == true).collect();
        assert_eq!(held, [true, true, false], "{verdicts:?}");
        assert!(verdicts[2]["detail"].as_str().unwrap().contains(why), "{verdicts:?}");
        assert!(found["flows"][0]["rounds"][0]["error"].is_null(), "{found}");
    }
}

#[test]
fn tenants_on_one_host_are_tried_all_the_same() {
    for home in homes() {
        let lab = SMALL.replace("b: h2", "b: h1");
        let probe = "probes:\n  - { name: bare, inner: { from: red/a, to: red/b }, count: 3 }\n";
        let expect = "  - probe: { name: bare, delivered: 3 }\n  - mtu: 1450\n";
        home.write("near.yaml", &(lab.replace("expect:\n", &format!("{probe}expect:\n")) + expect));
        let output = home.output(&["run", "near.yaml", "--json", "-"]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        let result = json(&output);
        let verdicts = result["expectations"].as_array().unwrap();
        let held: Vec<_> = verdicts.iter().map(|v| v["held"] == true).collect();
        assert_eq!(held, [true, true, true, false], "{verdicts:?}");
        let why = "no tenant has VMs on two hosts";
        assert!(verdicts[3]["detail"].as_str().unwrap().contains(why), "{verdicts:?}");
        assert!(result["notes"].to_string().contains(why), "{result}");
    }
}

#[test]
fn a_run_interrupted_before_it_began_says_so() {
    for home in homes() {
        // Spanning tree makes it wait for eight seconds.
        home.write("long.yaml", &SMALL.replace("encap: vxlan", "encap: vlan"));
        let (child, mut progress) = started(&home, "long.yaml", "namespaces stand");
        send(&child, Signal::SIGINT);
        let mut said = String::new();
        progress.read_to_string(&mut said).unwrap();
        let output = finish(child);
        assert_eq!(output.status.code(), Some(130), "{said}");
        assert!(!said.contains("reachability"), "it went on: {said}");
        assert_eq!(json(&output)["complete"], false);
    }
}

#[test]
fn a_second_signal_ends_a_run_at_once() {
    for home in homes() {
        let lab = SMALL.replace("measure: { rounds: 1 }", LONG).replace("100ms", "60s");
        home.write("long.yaml", &lab);
        let (child, mut progress) = started(&home, "long.yaml", "traffic, round 1");
        send(&child, Signal::SIGINT);
        // The second must not come before the first was taken, or both are one.
        let mut said = String::new();
        while !said.contains("interrupted") {
            assert!(progress.read_line(&mut said).unwrap() > 0, "{said}");
        }
        let second = std::time::Instant::now();
        send(&child, Signal::SIGINT);
        let output = finish(child);
        assert_eq!(output.status.code(), Some(130));
        assert!(second.elapsed().as_secs() < 30, "it finished its flow of a minute");
        assert!(output.stdout.is_empty());
        // What it had begun to write goes with the next command.
        home.output(&["clean"]);
        let reports = home.files().into_iter().filter(|name| name.starts_with("reports/")).count();
        assert_eq!(reports, 0, "{:?}", home.files());
    }
}

#[test]
fn a_place_that_cannot_be_written_is_told_before_anything_is_built() {
    for role in roles() {
        let home = Home::new(*role);
        home.write("small.yaml", SMALL);
        home.write("file", "");
        let refused = |arguments: &[&str], place: &str| {
            let output = home.output(&[&["run", "small.yaml"], arguments].concat());
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
            assert!(said.contains(place) && said.contains("nothing was built"), "{said}");
            assert!(!said.contains("building"), "{said}");
            assert!(output.stdout.is_empty());
        };
        refused(&["--out", "/proc/reports"], "/proc/reports");
        refused(&["--out", "file/reports"], "file/reports");
        refused(&["--out", "file"], "file");
        refused(&["--json", "nowhere/result.json"], "nowhere/result.json");
        refused(&["--json", "tmp"], "tmp");
        assert_eq!(home.files(), ["file", "small.yaml"]);
    }
}

#[test]
fn out_may_be_a_directory_that_has_other_files() {
    for home in homes() {
        home.write("small.yaml", SMALL);
        let out = home.path().join("out");
        open_directory(&out);
        std::fs::write(out.join("mine.txt"), "kept").unwrap();
        for _ in 0..2 {
            let output = home.output(&["run", "small.yaml", "--out", "out", "--json", "r.json"]);
            assert_held(&output);
        }
        assert_eq!(std::fs::read_to_string(out.join("mine.txt")).unwrap(), "kept");
        std::fs::remove_file(out.join("mine.txt")).unwrap();
        assert_whole(&out);
        let [a, b] = ["out/result.json", "r.json"].map(|f| std::fs::read(home.path().join(f)));
        assert_eq!(
            serde_json::from_slice::<Value>(&a.unwrap()).unwrap(),
            serde_json::from_slice::<Value>(&b.unwrap()).unwrap()
        );
        assert!(!home.path().join("reports").exists());
    }
}

#[test]
fn a_closed_pipe_does_not_undo_a_run() {
    let home = Home::new(Role::Myself);
    if !home.can_run() {
        return;
    }
    home.write("small.yaml", SMALL);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = home.command(&["run", "small.yaml"]);
    let output = finish(command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_one_report(&home, "small", &["tiny"]);
}

#[test]
fn a_directory_of_labs_runs_them_all_and_claims_shows_what_they_found() {
    for home in homes() {
        std::fs::create_dir(home.path().join("labs")).unwrap();
        let labs = home.write(
            "labs/first.yaml",
            &SMALL.replace("within: red }", "within: red }\n    claim: C1"),
        );
        let labs = labs.parent().unwrap().to_str().unwrap().to_owned();
        home.write(
            "labs/second.yaml",
            &SMALL.replace("  - isolated", "  - mtu: 1400\n    claim: C19\n  - isolated"),
        );
        // A topology among them is no lab.
        home.write("labs/wires.yaml", "title: Wires\nlinear: { switches: 2 }\n");
        let output = home.output(&["run", &labs, "--all", "--again", "1", "--out", "found"]);
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{said}\n{}", text(&output.stderr));
        let line = |name: &str| said.lines().find(|l| l.contains(name)).unwrap().to_owned();
        assert!(
            line("first.yaml").contains("held") && line("first.yaml").contains("2 of 2"),
            "{said}"
        );
        assert!(line("second.yaml").contains("FAILED"), "{said}");
        assert!(said.contains("✗ vxlan: the largest inner packet is 1400 bytes"), "{said}");
        assert!(said.contains("1 of 2 labs held, 1 failed.") && said.contains("found/"), "{said}");
        // What failed was run again, and both are kept.
        assert_eq!(said.lines().filter(|l| l.contains("second.yaml")).count(), 2, "{said}");
        let files = ["first/report.html", "first/run.log", "second/result.json"];
        for file in files.into_iter().chain(["second-failed-1/result.json"]) {
            assert!(home.path().join("found").join(file).exists(), "{file}: {:?}", home.files());
        }

        let output = home.output(&["claims", &labs, "--results", "found"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let said = text(&output.stdout);
        assert!(
            said.contains("✓ C1 ") && said.contains("✗ C19") && said.contains("– A1 "),
            "{said}"
        );
        assert!(said.contains("FAILED: vxlan: the largest inner packet is 1400 bytes"), "{said}");

        let output = home.output(&["run", &labs, "--keep"]);
        assert_eq!(output.status.code(), Some(2));
        let output = home.output(&["run", "labs/first.yaml", "--all"]);
        assert_eq!(output.status.code(), Some(2), "a file is no directory");
    }
}

/// A move, a link cut and mended, and a router that dies, over IPv6 in both datapaths.
const EVENTFUL: &str = "\
title: Eventful
topology: two-racks
carrier: { encap: vxlan, underlay: ipv6 }
compare: { datapath: [user, kernel] }
tenants:
  - { name: red, vni: 864, subnet: 10.0.0.0/24, vms: { a: h1, b: h2 } }
watch: { ends: [red/a -> red/b], for: 9s }
events:
  - { at: 500ms, move: red/b, to: h4, name: away }
  - { at: 3s, cut: leaf1-spine1 }
  - { at: 5s, restore: leaf1-spine1 }
  - { at: 7s, kill: spine2 }
measure: { baseline: false, overhead: false, mtu: false, isolation: false }
expect:
  - { survives: { event: away, tcp: true } }
";

#[test]
fn networks_heal_after_events() {
    for home in homes() {
        home.write("eventful.yaml", EVENTFUL);
        let output = home.output(&["run", "eventful.yaml", "--json", "-"]);
        assert_held(&output);
        let result = json(&output);
        assert_fits_the_schema(&result);
        for name in ["vxlan", "vxlan-kernel"] {
            let events = variant(&result, name)["events"].as_array().unwrap();
            assert_eq!(events.len(), 4, "{name}");
            for event in events {
                for way in ["there", "back"] {
                    assert_eq!(event[way]["healed"], true, "{name}: {event}");
                    assert!(number(&event[way]["sent"]) > 0.0, "{name}: {event}");
                }
            }
            let routes = events.iter().map(|event| event["routes_changed"].as_u64().unwrap());
            let routes: Vec<_> = routes.collect();
            assert_eq!(routes[0], 0, "a move changes none");
            assert!(routes[1..].iter().all(|changed| *changed > 0), "{name}: {routes:?}");
            assert!(number(&events[0]["there"]["lost"]) > 0.0, "the VM was nowhere for a moment");
        }
        assert!(text(&output.stderr).contains("4 events during"));
    }
}

#[test]
fn interrupted_events_leave_nothing() {
    for home in homes() {
        home.write("eventful.yaml", &EVENTFUL.replace("for: 9s", "for: 60s"));
        let (child, mut progress) = started(&home, "eventful.yaml", "4 events during");
        send(&child, Signal::SIGINT);
        let mut said = String::new();
        progress.read_to_string(&mut said).unwrap();
        let output = finish(child);
        assert_eq!(output.status.code(), Some(130), "{said}");
        let result = json(&output);
        assert_eq!(result["complete"], false);
        assert!(variant(&result, "vxlan")["events"].is_null(), "none was watched to the end");
    }
}

#[test]
fn flows_together_have_a_sum() {
    for home in homes() {
        let flow = "  - tcp: { from: red/a, to: red/b, for: 100ms }";
        let both = "  - together:\n      - tcp: { from: red/a, to: red/b, for: 300ms }\n      \
                    - udp: { from: blue/b, to: blue/a, for: 300ms, rate: 1M }";
        home.write(
            "both.yaml",
            &SMALL.replace(flow, both).replace("rounds: 1", "rounds: 1, baseline: false"),
        );
        let output = home.output(&["run", "both.yaml", "--json", "-"]);
        assert_held(&output);
        let result = json(&output);
        let flows = variant(&result, "vxlan")["flows"].as_array().unwrap();
        assert_eq!(flows.len(), 3);
        let bytes = |n: usize| number(&flows[n]["rounds"][0]["bytes"]);
        assert_eq!(flows[0]["label"], "2 flows together");
        assert!(flows[0]["together"].is_null() && flows[1]["together"] == flows[0]["label"]);
        assert!((bytes(0) - bytes(1) - bytes(2)).abs() < 0.5, "{flows:?}");
        assert!(bytes(1) > 0.0 && bytes(2) > 0.0, "{flows:?}");
    }
}
