//! Reports drawn from a fixed result document, and from arbitrary ones.

use std::fs;
use std::path::Path;

use overlab::measure::result::{
    DirectionTimeline, EventResult, IdSpaceResult, IsolationResult, LinkResult, NewTenantResult,
    NodeResult, OutageResult, RunResult, Spread, TimelineResult, VariantResult,
};
use overlab::report;

const TEXT: &str = include_str!("fixtures/result.json");

fn fixture() -> RunResult {
    report::read(TEXT).unwrap()
}

/// Checks that every element that is opened is closed in order, and that no text holds a bare `<`.
fn well_formed(page: &str) {
    const VOID: [&str; 3] = ["meta", "br", "hr"];
    let body = page.strip_prefix("<!DOCTYPE html>").expect("a document type");
    let mut open: Vec<&str> = Vec::new();
    let mut rest = body;
    while let Some(start) = rest.find('<') {
        let end = start + rest[start..].find('>').expect("a tag that ends");
        let tag = &rest[start + 1..end];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "at …{}", &rest[..end]);
        } else {
            let name = tag.split([' ', '\n', '/']).next().unwrap();
            assert!(name.starts_with(|c: char| c.is_ascii_alphabetic()), "tag `{tag}`");
            assert_eq!(tag.matches('"').count() % 2, 0, "attributes of `{tag}`");
            if !tag.ends_with('/') && !VOID.contains(&name) {
                open.push(name);
            }
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

#[test]
fn terminal_at_80_and_120_columns() {
    for width in [80, 120] {
        let text = report::terminal(&fixture(), width, false);
        assert!(!text.contains('\x1b'));
        insta::assert_snapshot!(format!("terminal_{width}"), text);
    }
}

#[test]
fn terminal_keeps_to_every_width_and_colours_change_no_letter() {
    for width in 40..160 {
        let bare = report::terminal(&fixture(), width, false);
        for line in bare.lines() {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
        let coloured = report::terminal(&fixture(), width, true);
        assert!(coloured.contains("\x1b[1;31m"), "a failed expectation is red");
        let mut stripped = String::new();
        let mut pieces = coloured.split('\x1b');
        stripped.push_str(pieces.next().unwrap());
        for piece in pieces {
            stripped.push_str(piece.split_once('m').unwrap().1);
        }
        let trim =
            |t: &str| t.lines().map(|l| l.trim_end().to_owned()).collect::<Vec<_>>().join("\n");
        assert_eq!(trim(&stripped), trim(&bare), "{width} columns");
    }
}

#[test]
fn a_long_name_stays_above_the_rule() {
    let mut run = fixture();
    run.variants[3].name = "vxlan-kernel-mtu9000-and-long".into();
    let text = report::terminal(&run, 80, false);
    let rule = text.lines().position(|l| l.starts_with("──")).unwrap();
    assert!(text.lines().nth(rule - 1).unwrap().ends_with("9000-and-long"), "{text}");
    assert_eq!(text.lines().nth(rule + 1), Some("tcp red/vm1→red/vm2"));
}

#[test]
fn markdown() {
    insta::assert_snapshot!(report::markdown(&fixture()));
}

#[test]
fn html_is_well_formed_and_self_contained() {
    let run = fixture();
    let page = report::html(&run);
    well_formed(&page);
    for variant in &run.variants {
        assert!(page.contains(&format!(">{}<", variant.name)), "{}", variant.name);
    }
    assert_eq!(page.matches("<figure>").count(), 15);
    assert_eq!(page.matches("role=\"img\" aria-label=\"").count(), 15 + 3);
    for foreign in ["<script", "<link", "src=", "url(", "@import"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

#[test]
fn text_of_a_lab_does_not_become_markup() {
    let mut run = fixture();
    run.title = "</title><script>alert(1)</script>".into();
    run.variants[1].name = "\"><b onclick=x>|`*".into();
    run.variants[1].flows[0].label = "<img src=x>".into();
    let page = report::html(&run);
    well_formed(&page);
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("<b onclick"));
    let text = report::markdown(&run);
    assert!(!text.contains("\"><b"));
}

#[test]
fn csv_has_a_line_per_figure() {
    let text = report::csv(&fixture());
    let lines: Vec<&str> = text.lines().collect();
    // tcp, udp, rr, rr under load, sizes, links of the fabric; and what five bulk flows cost, by part
    let plain = 2 * 2 + 3 * 4 + 5 + 6 + 7 + 4 + 5 * 8;
    // engines' CPU and isolation as well
    let carried = 2 * 3 + 3 * 5 + 5 + 6 + 7 + 4 + 4 + 5 * 12;
    let weighed: Vec<_> = fixture().variants.into_iter().flat_map(|v| v.ledger).collect();
    let layers = weighed.iter().map(|row| row.layers.len()).sum::<usize>();
    let ledger = 6 * weighed.len() + layers;
    assert!(layers > 0);
    assert_eq!(lines.len(), 1 + 2 * plain + 2 * carried + ledger);
    let fields = lines[0].split(',').count();
    assert!(lines.iter().all(|l| l.split(',').count() == fields));
    assert!(
        text.contains(
            "\nvxlan,vxlan,user,l3,plain-l3,,overhead_computed,B,50,50,50,,,,,,,,,true\n"
        )
    );
}

#[test]
fn read_refuses_with_the_reason() {
    let refuse = |text: &str| report::read(text).unwrap_err().to_string();
    assert!(refuse(&TEXT[..TEXT.len() / 2]).contains("no JSON document"));
    assert!(refuse("{}").contains("no `schema` field"));
    assert!(refuse(&TEXT.replace("result/2", "result/9")).contains("overlab-result/9"));
    let older = refuse(&TEXT.replace("result/2", "result/1"));
    assert!(older.contains("run the lab again (`overlab run labs/vlan-vs-vxlan.yaml`)"), "{older}");
    let missing = refuse(&TEXT.replacen("\"seed\"", "\"sead\"", 1));
    assert!(missing.contains("damaged") && missing.contains("seed"), "{missing}");
    let wrong = refuse(&TEXT.replacen("\"cpus\": 2", "\"cpus\": -2", 1));
    assert!(wrong.contains("damaged") && wrong.contains("line"), "{wrong}");
    assert!(
        refuse(&TEXT.replace("\"name\": \"plain-l3\"", "\"name\": \"x\""))
            .contains("`vxlan` is compared with `plain-l3`")
    );
    assert!(
        refuse(&TEXT.replace("\"name\": \"vlan\"", "\"name\": \"vxlan\""))
            .contains("two variants are called `vxlan`")
    );
}

#[test]
fn json_round_trips() {
    let run = fixture();
    assert_eq!(report::read(&report::json(&run).unwrap()).unwrap(), run);
}

#[test]
fn an_interrupted_run_says_so_first() {
    let mut run = fixture();
    run.complete = false;
    let text = report::terminal(&run, 80, false);
    assert!(text.lines().nth(1).unwrap().starts_with("Interrupted"), "{text}");
    assert!(report::markdown(&run).lines().nth(2).unwrap().contains("Interrupted"));
    assert!(report::html(&run).contains("Interrupted"));
    assert!(!report::html(&fixture()).contains("Interrupted"));
    assert!(report::csv(&run).lines().skip(1).all(|line| line.ends_with(",false")));
    assert!(report::csv(&fixture()).lines().skip(1).all(|line| line.ends_with(",true")));
    assert!(report::json(&run).unwrap().contains("\"complete\": false"));
}

#[test]
fn a_leak_and_a_dead_control_are_told() {
    let mut run = fixture();
    let isolation = |leaks, delivered_own| {
        let all = IsolationResult { probes: 96, expected_own: 96, ..IsolationResult::default() };
        Some(IsolationResult { leaks, delivered_own, ..all })
    };
    run.variants[1].isolation = isolation(3, 96);
    run.variants[3].isolation = isolation(0, 0);
    let text = report::terminal(&run, 200, false);
    assert!(text.contains("3 of 96 leaked"));
    assert!(text.contains("3 of 96 probes LEAKED"));
    assert!(text.contains("0 of 96 control probes reached their own tenant, so that this is weak"));
}

#[test]
fn every_attack_has_its_row_and_says_where_it_succeeds() {
    let mut run = fixture();
    run.variants[0].attacks = overlab::lab::Attack::ALL
        .map(|attack| overlab::measure::result::AttackResult {
            name: attack.name().into(),
            title: attack.title().into(),
            about: attack.words().into(),
            tried: 4321,
            succeeded: 1234,
            ..Default::default()
        })
        .into();
    let markdown = report::markdown(&run);
    let terminal = report::terminal(&run, 200, false);
    for attack in overlab::lab::Attack::ALL {
        let told = format!("{} ({}): succeeds in", attack.name(), attack.words());
        assert!(markdown.contains(&told.replace('>', "\\>")), "{told}");
        assert!(report::html(&run).contains(attack.name()));
    }
    // In the side-by-side table, and in the list.
    assert_eq!(markdown.matches("1,234 of 4,321").count(), 2 * overlab::lab::Attack::ALL.len());
    assert_eq!(terminal.matches("1,234 of 4,321").count(), overlab::lab::Attack::ALL.len());
}

/// The fixture's VLAN and VXLAN with what a lab for the wall finds out.
fn for_the_wall() -> RunResult {
    let mut run = fixture();
    let two = |v: &mut VariantResult, l3: bool| {
        v.vms = 20;
        v.ids = Some(IdSpaceResult { bits: 12, usable: if l3 { 2_f64.powi(64) } else { 4094.0 } });
        v.new_tenant = Some(NewTenantResult {
            like: "red".into(),
            hosts: 6,
            switches: if l3 { 0 } else { 5 },
            switch_entries: if l3 { 0 } else { 18 },
            host_entries: 6,
            peers: 0,
        });
        let node = |name: &str, kind: &str| NodeResult { name: name.into(), kind: kind.into() };
        let kind = if l3 { "router" } else { "switch" };
        v.nodes = vec![
            node("h1", "host"),
            node("leaf1", kind),
            node("spine1", kind),
            node("spine2", kind),
        ];
        v.tables = [("leaf1".to_owned(), 20), ("h1".to_owned(), 14)].into();
        let link = |spine: &str, bytes, blocked| LinkResult {
            name: format!("leaf1-{spine}"),
            ends: ["leaf1".into(), spine.into()],
            bytes: [bytes, bytes],
            blocked,
            ..LinkResult::default()
        };
        v.links = vec![
            link("spine1", 1_000_000, false),
            link("spine2", if l3 { 900_000 } else { 900 }, !l3),
        ];
        let again = |l: &LinkResult| LinkResult {
            ends: [l.ends[1].clone(), "x".into()],
            blocked: false,
            bytes: [0, 0],
            ..l.clone()
        };
        v.links.extend(v.links.clone().iter().map(again));
        let outage = OutageResult {
            flows: 8,
            downtime_ms: 73.0,
            down_from: Some(2.7),
            at_once_ms: Some(21.0),
            at_once_from: Some(1.0),
            healed: true,
            ..OutageResult::default()
        };
        v.events = vec![EventResult {
            number: 1,
            what: "red/vm2 moves to h4".into(),
            kind: "move".into(),
            watched: "red/vm1→red/vm2".into(),
            at: 1.0,
            there: outage.clone(),
            back: outage,
            ..EventResult::default()
        }];
        let counts = DirectionTimeline { sent: vec![20; 200], arrived: vec![20; 200] };
        v.timelines = vec![TimelineResult {
            watched: "red/vm1→red/vm2".into(),
            interval_ms: 20.0,
            there: counts.clone(),
            back: counts,
            tcp_bytes: vec![2000; 200],
        }];
    };
    two(&mut run.variants[1], false);
    two(&mut run.variants[3], true);
    run
}

#[test]
fn vlan_and_overlay_stand_against_each_other_where_a_run_has_both() {
    let run = for_the_wall();
    let text = report::markdown(&run);
    let row = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap().to_owned();
    assert!(row("| Tenants possible").contains("| 4,094 (computed); 12-bit id"), "{text}");
    assert!(row("| Tenants possible").contains("| 2⁶⁴ (computed)"), "{text}");
    assert!(row("| Links used").contains("1 of 4; 1 blocked by spanning tree"), "{text}");
    assert!(row("| Links used").contains("2 of 4; all may be used"), "{text}");
    assert!(
        row("| MAC addresses in a switch")
            .contains("| 20; leaf1 | 0 (computed); routers learn none |")
    );
    // What began with the event, not what came later.
    assert!(row("| Downtime of a moved VM").contains("| 21.0 ms; "), "{text}");
    assert!(
        row("| One more tenant")
            .contains("24 entries (computed); at 11 nodes: 18 at ports of 5 switches")
    );
    assert!(
        row("| One more tenant").contains("6 entries (computed); at 6 nodes: nothing at switches")
    );
    assert!(text.contains("- Not in this run: One broadcast"), "{text}");
    let page = report::html(&run);
    well_formed(&page);
    let [title, wall, side] = ["<h1>", "id=\"vlan-against-overlay\"", "id=\"side-by-side\""]
        .map(|part| page.find(part).unwrap());
    assert!(title < wall && wall < side, "the wall comes first");
    assert!(page.contains("<svg viewBox=\"0 0 1000 100\"") && page.contains("→ 21.0 ms"));
    let csv = report::csv(&run);
    for line in [
        "vlan,vlan,user,l2,plain-l2,,downtime_moved_vm,ms,21,",
        "vxlan,vxlan,user,l3,plain-l3,,tenants_possible,1,18446744073709552000,",
        "vlan,vlan,user,l2,plain-l2,,new_tenant_switch_entries,1,18,",
    ] {
        assert!(csv.contains(line), "{line}: {csv}");
    }
    for width in 40..160 {
        let text = report::terminal(&run, width, false);
        assert!(text.contains("VLAN against overlay"));
        assert!(text.lines().all(|line| line.chars().count() <= width), "{width}: {text}");
    }
    // Two answers are too few, and one side alone compares nothing.
    let mut few = run.clone();
    few.variants.iter_mut().for_each(|v| v.events.clear());
    let mut alone = run;
    alone.variants.remove(1);
    for run in [few, alone, fixture()] {
        assert!(!report::markdown(&run).contains("VLAN against overlay"));
    }
}

#[test]
fn what_failed_shows_its_reason_and_no_figure() {
    let mut run = fixture();
    for round in &mut run.variants[3].flows[0].rounds {
        round.error = Some("connection refused".into());
    }
    run.variants[1].flows.clear();
    let text = report::markdown(&run);
    let line = text.lines().find(|l| l.starts_with("| throughput")).unwrap();
    assert!(line.ends_with("| **failed · connection refused** |"), "{line}");
    assert!(line.contains("| – |"), "{line}");
    assert!(!report::csv(&run).contains("plain-l3,tcp red/vm1→red/vm2,rate"));
}

#[test]
fn no_winner_is_named_where_spreads_are_wider_than_the_difference() {
    let verdicts = |run: &RunResult| {
        let text = report::markdown(run);
        let of = |start| text.lines().find(|l| l.starts_with(start)).unwrap().to_owned();
        (of("| throughput"), of("| tcp red/vm1→red/vm2 | 2 | vxlan |"))
    };
    let (row, ranking) = verdicts(&fixture());
    assert!(row.contains("0.54× plain"), "{row}");
    assert!(ranking.contains("0.89 of vlan"), "{ranking}");
    let mut run = fixture();
    for v in [1, 3] {
        // Once faster than the plain path, once slower.
        for (n, round) in run.variants[v - 1].flows[0].rounds.clone().iter().enumerate() {
            run.variants[v].flows[0].rounds[n].bytes = round.bytes / 100 * [104, 97, 92][n];
            run.variants[v].flows[0].rounds[n].seconds = round.seconds;
        }
    }
    let text = report::markdown(&run);
    let row = text.lines().find(|l| l.starts_with("| throughput")).unwrap();
    assert_eq!(row.matches("no difference measurable here").count(), 2, "{row}");
    let told = "| tcp red/vm1→red/vm2 | 1 | vxlan | 0.97 ";
    let ranking = text.lines().find(|l| l.starts_with(told)).unwrap();
    assert!(ranking.ends_with("| no difference measurable from vlan |"), "{ranking}");
}

#[test]
fn files_appear_whole_and_nothing_else_does() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("new/run");
    for _ in 0..2 {
        let files = report::write(&dir, &fixture()).unwrap();
        assert_eq!(report::read(&fs::read_to_string(&files.json).unwrap()).unwrap(), fixture());
        let mut names: Vec<_> =
            fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["report.html", "report.md", "result.csv", "result.json"]);
        let closing = report::closing(&files, false);
        assert!(closing.contains(dir.join("report.html").to_str().unwrap()), "{closing}");
    }
    let blocked = place.path().join("file");
    fs::write(&blocked, "").unwrap();
    let error = report::write(&blocked, &fixture()).unwrap_err().to_string();
    assert!(error.contains(blocked.to_str().unwrap()), "{error}");
}

#[test]
fn a_refused_place_leaves_no_temporary_file() {
    let place = tempfile::tempdir().unwrap();
    // A directory where a file should go: the rename is refused.
    fs::create_dir(place.path().join("report.html")).unwrap();
    assert!(report::write(place.path(), &fixture()).is_err());
    let left: Vec<_> = fs::read_dir(place.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| n.contains(".tmp"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The published schema is the one of the types. `OVERLAB_BLESS=1 cargo test` writes it anew.
#[test]
fn published_schema_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/result.json");
    let schema = report::schema().unwrap();
    if std::env::var_os("OVERLAB_BLESS").is_some() {
        fs::write(&path, &schema).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap() == schema,
        "docs/schema/result.json is out of date: run `OVERLAB_BLESS=1 cargo test --test report`"
    );
}

/// What documents of this version have, one a line: `RunResult.seed: integer, always`. Lines may be added, of fields
/// that may be absent or of new types; a line that goes is another version.
#[test]
fn documents_of_one_version_can_be_read_by_one_program() {
    let schema: serde_json::Value = serde_json::from_str(&report::schema().unwrap()).unwrap();
    assert_eq!(schema["properties"]["schema"]["const"], "overlab-result/2");
    assert_eq!(schema["$id"], "urn:overlab:result:2");
    let mut lines = Vec::new();
    let all = schema["$defs"].as_object().unwrap().iter().map(|(name, of)| (name.as_str(), of));
    for (name, of) in std::iter::once(("RunResult", &schema)).chain(all) {
        let required = of["required"].as_array().cloned().unwrap_or_default();
        for (field, shape) in of["properties"].as_object().into_iter().flatten() {
            let mut shape = shape.clone();
            shape
                .as_object_mut()
                .unwrap()
                .retain(|key, _| !["description", "default"].contains(&&**key));
            let there =
                if required.contains(&field.as_str().into()) { "always" } else { "or absent" };
            lines.push(format!("{name}.{field}: {shape}, {there}"));
        }
        for choice in of["oneOf"].as_array().into_iter().flatten() {
            lines.push(format!("{name} = {}", choice["const"]));
        }
    }
    lines.sort();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schema/result-2.txt");
    if std::env::var_os("OVERLAB_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, lines.join("\n") + "\n").unwrap();
    }
    let held = fs::read_to_string(&path).unwrap();
    let held: Vec<&str> = held.lines().collect();
    let gone: Vec<_> = held.iter().filter(|line| !lines.iter().any(|l| l == *line)).collect();
    assert!(gone.is_empty(), "another version of documents, so raise SCHEMA: {gone:#?}");
    let types = |line: &str| line.split_once(['.', ' ']).unwrap().0.to_owned();
    let old: std::collections::BTreeSet<String> = held.iter().map(|line| types(line)).collect();
    for line in lines.iter().filter(|line| !held.contains(&line.as_str())) {
        assert!(
            !line.ends_with(", always") || !old.contains(&types(line)),
            "older documents do not have it, so give it `#[serde(default)]`: {line}"
        );
    }
    assert_eq!(
        lines.len(),
        held.len(),
        "new fields: run `OVERLAB_BLESS=1 cargo test --test report`"
    );
}

mod arbitrary {
    use super::*;
    use overlab::measure::bum::BroadcastResult;
    use overlab::measure::result::{
        Anatomy, AnatomyLayer, AttackResult, CostPart, CounterResult, CpuParts, DirectionTimeline,
        EventResult, Evidence, FlowCost, FlowResult, FlowRound, IdSpaceResult, IsolationPair,
        Latency, LedgerLayer, LedgerRow, LinkResult, LoadResult, LossResult, MtuResult,
        NewTenantResult, NodeResult, OutageResult, OverlayResult, PartCost, PayloadResult,
        ProbeResult, RoundMark, TimelineResult, TraceResult, TransferResult, TunnelResult,
    };
    use overlab::measure::stray::StrayResult;
    use overlab::measure::tables::TableCount;
    use overlab::measure::walk::WalkResult;
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    fn figure() -> impl Strategy<Value = f64> {
        prop_oneof![
            4 => 0.0..1e12,
            1 => Just(0.0),
            1 => Just(f64::NAN),
            1 => Just(f64::INFINITY),
            1 => any::<f64>(),
        ]
    }

    fn spread() -> impl Strategy<Value = Spread> {
        [figure(), figure(), figure()].prop_map(|[min, median, max]| Spread { min, median, max })
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof![Just("vxlan".to_owned()), Just("plain".to_owned()), Just(String::new()), ".*"]
    }

    fn round() -> impl Strategy<Value = FlowRound> {
        (figure(), any::<[u64; 4]>(), figure(), option::of(".*")).prop_map(
            |(seconds, [bytes, sent, received, retransmits], cpu, error)| FlowRound {
                seconds,
                bytes,
                sent,
                received,
                retransmits,
                reordered: retransmits,
                cpu_seconds: cpu,
                engine_seconds: cpu,
                error,
                load_bytes: Some(sent),
                cpu: Some(CpuParts {
                    sender: Some(cpu),
                    encap: Some(seconds),
                    ..CpuParts::default()
                }),
                mark: [None, Some(RoundMark::WarmUp), Some(RoundMark::Noisy)][sent as usize % 3],
                left_out: received % 2 == 1,
                foreign: Some(seconds),
            },
        )
    }

    fn flow() -> impl Strategy<Value = FlowResult> {
        let kind = prop_oneof!["tcp", "udp", "rr", ".*"];
        let latency = ([figure(), figure(), figure(), figure()], vec((figure(), figure()), 0..5))
            .prop_map(|([p50, p90, p99, max], cdf)| Latency { count: 1, p50, p90, p99, max, cdf });
        let spreads = (spread(), option::of(spread()), option::of(spread()), option::of(spread()));
        (name(), kind, vec(round(), 0..9), spreads, option::of(latency)).prop_map(
            |(label, kind, rounds, (rate, ratio, cpu, engine), latency)| FlowResult {
                cost: cpu.map(|per_gb| FlowCost {
                    packet_bytes: engine.map(|e| e.median),
                    parts: CostPart::ALL
                        .map(|part| PartCost { part, per_gb, per_packet: ratio })
                        .to_vec(),
                }),
                label,
                kind,
                together: None,
                rounds,
                rate,
                ratio,
                cpu_per_gb: cpu,
                engine_cpu_per_gb: engine,
                latency,
                size: Some(64),
                packet_rate: ratio,
                load: ratio.map(|rate| LoadResult { streams: 1, rate, idle: Some("vxlan".into()) }),
                packet_rate_interval: None,
                rate_interval: None,
                ratio_interval: None,
            },
        )
    }

    fn mtu() -> impl Strategy<Value = MtuResult> {
        (any::<[u32; 4]>(), any::<u64>(), option::of(figure()), option::of(figure())).prop_map(
            |([underlay, inner, probed, overhead], packets, counted, felt)| MtuResult {
                headers: Vec::new(),
                underlay,
                inner,
                probed: (probed > 0).then_some(probed),
                overhead_computed: overhead,
                overhead_counted: counted,
                counted_packets: packets,
                goodput_ceiling: counted,
                goodput_felt: felt,
                goodput_interval: None,
                told: [("ipv4".to_owned(), inner)].into(),
                dropped_by_search: packets,
            },
        )
    }

    fn isolation() -> impl Strategy<Value = IsolationResult> {
        let pair = (name(), name(), name(), any::<[u64; 4]>()).prop_map(
            |(from, to, kind, [probes, leaks, own_delivered, own_expected])| IsolationPair {
                from,
                to,
                kind,
                probes,
                leaks,
                own_delivered,
                own_expected,
            },
        );
        (any::<[u64; 4]>(), vec(pair, 0..4), vec(".*", 0..3)).prop_map(
            |([probes, leaks, expected_own, delivered_own], pairs, evidence)| IsolationResult {
                probes,
                leaks,
                expected_own,
                delivered_own,
                own: [("t".to_owned(), (delivered_own, expected_own))].into(),
                pairs,
                evidence,
                tenant_pairs: leaks,
                tenant_pairs_of: probes,
                missed: probes,
            },
        )
    }

    /// One that is known, and one that is not.
    fn attacks(n: u64) -> Vec<AttackResult> {
        let packet = Anatomy { frame: "0".into(), layers: vec![AnatomyLayer::default()] };
        let seen = Some(Evidence { place: "\n|<b>".into(), packet });
        let attack = AttackResult {
            tried: n,
            succeeded: u64::MAX,
            stopped_by: vec![CounterResult { by: "|".into(), tried: n, succeeded: n }; 2],
            seen,
            ..AttackResult::default()
        };
        ["mac-flood", "none"]
            .map(|name| AttackResult { name: name.into(), ..attack.clone() })
            .into()
    }

    fn broadcast() -> BroadcastResult {
        BroadcastResult { on_links: f64::NAN, delivered: u64::MAX, ..BroadcastResult::default() }
    }

    /// Something happened to a VM and to a link, whatever was felt of it.
    fn events(figure: f64, n: u64) -> Vec<EventResult> {
        let outage = OutageResult {
            sent: n,
            lost: n,
            downtime_ms: figure,
            down_from: Some(figure),
            healed: n.is_multiple_of(2),
            ..OutageResult::default()
        };
        let event = |kind: &str| EventResult {
            kind: kind.into(),
            what: "<b>|".into(),
            watched: "a→b".into(),
            at: figure,
            there: outage.clone(),
            back: outage.clone(),
            quiet_ms: figure,
            ..EventResult::default()
        };
        ["move", "cut", ""].map(event).into()
    }

    fn timelines(interval_ms: f64, n: u64) -> Vec<TimelineResult> {
        let counts = vec![u32::try_from(n % 100).unwrap(), u32::MAX, 0];
        let direction = DirectionTimeline { sent: counts.clone(), arrived: counts };
        vec![TimelineResult {
            watched: "a→b".into(),
            interval_ms,
            there: direction,
            back: DirectionTimeline::default(),
            tcp_bytes: vec![n, u64::MAX],
        }]
    }

    /// A row of a link and one of a port, whose figures fit nothing.
    fn ledger(hop: &str, n: u64) -> Vec<LedgerRow> {
        let bytes = i64::MIN + i64::try_from(n / 4).unwrap();
        let layers = vec![
            LedgerLayer { name: hop.into(), count: n, bytes, computed: true },
            LedgerLayer { name: "IPv4".into(), count: 0, bytes: i64::MAX, computed: false },
        ];
        let row = LedgerRow {
            pass: hop.into(),
            hop: hop.into(),
            frames: n / 3,
            inner: n,
            outer: u64::MAX,
            layers,
            ..LedgerRow::default()
        };
        let link = LedgerRow { hop: format!("{hop} → {hop}"), place: 1, lost: n, ..row.clone() };
        let other = LedgerRow { lost_behind: u64::MAX, doubled: n, place: 2, ..link.clone() };
        vec![row, link, other]
    }

    /// Every other end of a link is a node that there is.
    fn nodes_of(links: &[LinkResult]) -> Vec<NodeResult> {
        let ends = links.iter().flat_map(|link| &link.ends).step_by(2);
        ends.enumerate()
            .map(|(n, name)| {
                let kind = ["host", "switch", "router", ""][n % 4].to_owned();
                NodeResult { name: name.clone(), kind }
            })
            .collect()
    }

    fn variant() -> impl Strategy<Value = VariantResult> {
        let link = (name(), any::<[u64; 2]>(), any::<bool>()).prop_map(|(name, bytes, blocked)| {
            let loss = LossResult { configured: 0.01, offered: bytes, lost: bytes };
            LinkResult {
                ends: [name.clone(), "a".into()],
                name,
                bytes,
                packets: bytes,
                blocked,
                loss: Some(loss),
                observed: None,
            }
        });
        let encap = prop_oneof![Just("vlan".to_owned()), Just("vxlan".to_owned()), name()];
        let texts = (name(), encap, option::of(name()));
        let numbers = (any::<u64>(), figure());
        (texts, mtu(), vec(flow(), 0..4), option::of(isolation()), vec(link, 0..4), numbers)
            .prop_map(|((name, encap, baseline), mtu, flows, isolation, links, (n, x))| {
                VariantResult {
                    events: events(x, n),
                    timelines: timelines(x, n),
                    ids: Some(IdSpaceResult { bits: u32::MAX, usable: x }),
                    new_tenant: Some(NewTenantResult {
                        switch_entries: n,
                        host_entries: u64::MAX,
                        ..NewTenantResult::default()
                    }),
                    vms: usize::MAX,
                    name: name.clone(),
                    encap,
                    datapath: "user".into(),
                    fabric: "l3".into(),
                    baseline,
                    mtu,
                    flows,
                    isolation,
                    reachable: [(name.clone(), (u32::MAX, 1))].into(),
                    reachable_of: Some(n),
                    unmeasured: [(name.clone(), name.clone())].into(),
                    tenants: usize::try_from(n).unwrap(),
                    refused: Some((usize::MAX, name.clone())),
                    probes: vec![ProbeResult {
                        name: name.clone(),
                        sent: n,
                        answers: [(name.clone(), n)].into(),
                        ..ProbeResult::default()
                    }],
                    transfer: Some(TransferResult {
                        connected: true,
                        bytes: n,
                        ..TransferResult::default()
                    }),
                    payload: Some(PayloadResult { delivered: n, ..PayloadResult::default() }),
                    anatomy: Some(Anatomy {
                        frame: name.clone(),
                        layers: vec![AnatomyLayer {
                            protocol: name.clone(),
                            offset: usize::try_from(n).unwrap(),
                            length: 3,
                            fields: vec![(name.clone(), name.clone())],
                        }],
                    }),
                    overlay: OverlayResult {
                        traces: vec![TraceResult { from: name.clone(), ..TraceResult::default() }],
                        across: [(name.clone(), (1, 2))].into(),
                        ..OverlayResult::default()
                    },
                    fragments: Some(n),
                    ledger: ledger(&name, n),
                    nodes: nodes_of(&links),
                    links,
                    drops: [(name.clone(), n)].into(),
                    tables: [(name.clone(), n)].into(),
                    tunnels: [(
                        name.clone(),
                        TunnelResult { entries: n, ..TunnelResult::default() },
                    )]
                    .into(),
                    broadcasts: [(
                        name.clone(),
                        [(name, broadcast()), ("broadcast".into(), broadcast())].into(),
                    )]
                    .into(),
                    attacks: attacks(n),
                    walks: vec![WalkResult::default()],
                    switching: "switch".into(),
                    table_growth: vec![TableCount {
                        vms: n,
                        entries: [("s".to_owned(), n)].into(),
                    }],
                    strays: [("t".to_owned(), StrayResult { strays: n, ..StrayResult::default() })]
                        .into(),
                }
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_result_makes_a_report_panic(
            variants in vec(variant(), 0..5),
            width in 0_usize..200,
            seconds in figure(),
            text in ".*",
        ) {
            let run = RunResult {
                variants,
                seconds,
                title: text.clone(),
                notes: vec![text],
                complete: width % 2 == 0,
                ..fixture()
            };
            well_formed(&report::html(&run));
            let _ = report::markdown(&run);
            let _ = report::csv(&run);
            let _ = report::json(&run).unwrap();
            let terminal = report::terminal(&run, width, width % 2 == 1);
            prop_assert!(!terminal.is_empty());
        }
    }
}
