//! The one table every report starts with: figures by variant, the same for every format.

use std::cmp::Ordering;

use super::figures::{
    Compared, baseline, compared_by, cpu_per_gb, flow, good, in_fragments, labels, loss,
    overhead_apart, packet_rate, paired, small_packets, spread, streams,
};
use super::number::{NONE, Unit, bounds, count, fixed, plural};
use crate::measure::result::{FlowResult, RunResult, Spread, VariantResult};

/// How a cell is to be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    /// A figure.
    #[default]
    Plain,
    /// What should be.
    Good,
    /// What should not be.
    Bad,
    /// Nothing can be told.
    Unclear,
    /// Nothing was measured.
    Absent,
}

/// One figure of one variant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    /// The figure with its unit.
    pub main: String,
    /// Its ratio to the plain path, or that none can be told.
    pub ratio: Option<String>,
    /// Smallest and largest over the rounds.
    pub spread: Option<String>,
    /// What else belongs to the figure.
    pub note: Option<String>,
    /// How it is to be read.
    pub tone: Tone,
}

impl Cell {
    pub(super) fn none() -> Cell {
        Cell { main: NONE.to_owned(), tone: Tone::Absent, ..Cell::default() }
    }

    /// All of it on one line: `21.3 Gbit/s · 0.54× plain (21.0–21.9)`.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = self.main.clone();
        for part in [&self.ratio, &self.note].into_iter().flatten() {
            line.push_str(" · ");
            line.push_str(part);
        }
        if let Some(spread) = &self.spread {
            line.extend([" (", spread, ")"]);
        }
        line
    }
}

/// One figure of all variants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What the figure is.
    pub figure: String,
    /// One cell per variant.
    pub cells: Vec<Cell>,
}

/// The figures of one flow, or of one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The flow's label or the subject.
    pub title: String,
    /// Its figures.
    pub rows: Vec<Row>,
}

/// The side-by-side table of a run; columns are its variants in their order.
#[must_use]
pub fn side_by_side(run: &RunResult) -> Vec<Group> {
    let mut groups: Vec<Group> = labels(run).into_iter().map(|l| flow_group(run, l)).collect();
    groups.push(sizes(run));
    groups.extend(transfers(run));
    groups.push(tenants(run));
    groups.extend(super::attacks::group(&run.variants));
    groups
}

/// One variant's flow beside its plain path's.
#[derive(Clone, Copy)]
struct Pair<'a> {
    flow: Option<&'a FlowResult>,
    plain: Option<&'a FlowResult>,
}

impl Pair<'_> {
    /// The ratio of a figure that is computed from rounds.
    fn ratio(self, figure: fn(&crate::measure::result::FlowRound) -> f64) -> Option<Compared> {
        paired(self.flow?, self.plain?, figure)
    }

    /// The ratio of the flow's rate.
    fn rate(self) -> Option<Compared> {
        self.ratio(compared_by(&self.flow?.kind))
    }
}

fn flow_group(run: &RunResult, label: &str) -> Group {
    let pairs: Vec<Pair<'_>> = run
        .variants
        .iter()
        .map(|v| Pair {
            flow: flow(v, label),
            plain: baseline(run, v).and_then(|b| flow(b, label)),
        })
        .collect();
    let first = pairs.iter().find_map(|p| p.flow);
    let kind = first.map_or("", |f| f.kind.as_str());
    let mut rows = match kind {
        "rr" => vec![
            latency("p50 latency", &pairs, |l| l.p50),
            latency("p99 latency", &pairs, |l| l.p99),
            rate_row("transactions", &pairs),
        ]
        .into_iter()
        .chain(load_row(&pairs))
        .collect(),
        "udp" => {
            // Of datagrams of one size both rates have the same ratio: it stands where readers look.
            let small = pairs.iter().filter_map(|p| p.flow).any(small_packets);
            let ratio = |p: Pair<'_>| small.then(|| p.ratio(packet_rate)).flatten();
            let packets = spreads("packet rate", &pairs, Unit::packets, |p| {
                (p.flow.and_then(|f| spread(f, packet_rate)), ratio(p))
            });
            let delivered = spreads("delivered", &pairs, Unit::bits, |p| {
                (p.flow.map(|f| f.rate), if small { None } else { p.rate() })
            });
            let lost = spreads(
                "lost",
                &pairs,
                |_| Unit::PERCENT,
                |p| (p.flow.and_then(|f| spread(f, loss)), None),
            );
            if small { vec![packets, delivered, lost] } else { vec![delivered, packets, lost] }
        }
        _ => vec![rate_row("throughput", &pairs)],
    };
    if kind == "tcp" {
        rows.push(spreads(
            "CPU per GB",
            &pairs,
            |_| Unit::CPU,
            |p| (p.flow.and_then(|f| f.cpu_per_gb), p.ratio(cpu_per_gb)),
        ));
        if pairs.iter().filter_map(|p| p.flow).any(|f| f.engine_cpu_per_gb.is_some()) {
            rows.push(spreads(
                "… of engines",
                &pairs,
                |_| Unit::CPU,
                |p| (p.flow.and_then(|f| f.engine_cpu_per_gb), None),
            ));
        }
    }
    // The parts of a sum have no processor time of their own.
    let said = |row: &Row| row.cells.iter().any(|cell| cell.tone != Tone::Absent);
    let head = rows.first().cloned();
    rows.retain(said);
    if rows.is_empty() {
        rows.extend(head);
    }
    // Why a flow failed is told once.
    for cell in rows.iter_mut().skip(1).flat_map(|r| &mut r.cells) {
        if cell.tone == Tone::Bad {
            cell.note = None;
        }
    }
    Group { title: label.to_owned(), rows }
}

fn rate_row(figure: &'static str, pairs: &[Pair<'_>]) -> Row {
    let transactions = pairs.iter().filter_map(|p| p.flow).any(|f| f.kind == "rr");
    let unit = if transactions { |_| Unit::TRANSACTIONS } else { Unit::bits };
    spreads(figure, pairs, unit, |p| (p.flow.map(|f| f.rate), p.rate()))
}

/// What the load beside requests and responses carried, where there is one.
fn load_row(pairs: &[Pair<'_>]) -> Option<Row> {
    let load = |p: Pair<'_>| p.flow.and_then(|f| f.load.as_ref()).map(|load| load.rate);
    pairs
        .iter()
        .any(|p| load(*p).is_some())
        .then(|| spreads("load carried", pairs, Unit::bits, |p| (load(p), None)))
}

/// A row of spreads over rounds, all in the unit that fits the largest.
fn spreads(
    figure: &'static str,
    pairs: &[Pair<'_>],
    unit: fn(f64) -> Unit,
    of: impl Fn(Pair<'_>) -> (Option<Spread>, Option<Compared>),
) -> Row {
    let found: Vec<_> = pairs.iter().map(|p| of(*p)).collect();
    let largest = found.iter().filter_map(|(s, _)| s.as_ref()).fold(0.0, |m, s| s.median.max(m));
    let unit = unit(largest);
    let cells = pairs
        .iter()
        .zip(found)
        .map(|(pair, (spread, ratio))| spread_cell(*pair, spread, ratio, unit))
        .collect();
    Row { figure: figure.to_owned(), cells }
}

fn spread_cell(
    pair: Pair<'_>,
    spread: Option<Spread>,
    ratio: Option<Compared>,
    unit: Unit,
) -> Cell {
    let Some(flow) = pair.flow else { return Cell::none() };
    let rounds = good(flow).count();
    if rounds == 0 {
        return failed(flow);
    }
    let Some(spread) = spread else { return Cell::none() };
    let (ratio, tone) = ratio_text(ratio);
    let failed = flow.rounds.iter().filter(|r| r.error.is_some()).count();
    Cell {
        main: unit.show(spread.median),
        ratio,
        spread: Some(if rounds > 1 { unit.range(spread) } else { "1 round".to_owned() }),
        note: (failed > 0).then(|| format!("{failed} of {} failed", flow.rounds.len())),
        tone,
    }
}

/// The cell of a flow without a round that ended well.
fn failed(flow: &FlowResult) -> Cell {
    match flow.rounds.iter().find_map(|r| r.error.as_ref()) {
        Some(why) => Cell {
            main: "failed".to_owned(),
            note: Some(why.clone()),
            tone: Tone::Bad,
            ..Cell::default()
        },
        None => Cell { main: "not run".to_owned(), tone: Tone::Absent, ..Cell::default() },
    }
}

fn ratio_text(ratio: Option<Compared>) -> (Option<String>, Tone) {
    match ratio {
        Some(r) if r.apart == Some(Ordering::Equal) => {
            (Some("no difference measurable here".to_owned()), Tone::Unclear)
        }
        Some(r) => {
            let within = r.interval.map(|i| format!(" {}", bounds(i))).unwrap_or_default();
            (Some(format!("{}× plain{within}", fixed(r.spread.median, 2))), Tone::Plain)
        }
        None => (None, Tone::Plain),
    }
}

/// Percentiles carry no spread over rounds; whether they differ is told by the transaction rate's.
fn latency(
    figure: &'static str,
    pairs: &[Pair<'_>],
    of: fn(&crate::measure::result::Latency) -> f64,
) -> Row {
    let cell = |pair: &Pair<'_>| {
        let Some(flow) = pair.flow else { return Cell::none() };
        let Some(latency) = &flow.latency else {
            return if good(flow).next().is_none() { failed(flow) } else { Cell::none() };
        };
        let plain = pair.plain.and_then(|p| p.latency.as_ref()).map(of).filter(|p| *p > 0.0);
        let (told, tone) = ratio_text(pair.rate());
        let ratio = plain.and_then(|p| {
            if tone == Tone::Unclear {
                told
            } else {
                ratio_text(Compared::of(&[of(latency) / p])).0
            }
        });
        Cell {
            main: Unit::MICROS.show(of(latency)),
            tone: if ratio.is_some() { tone } else { Tone::Plain },
            ratio,
            ..Cell::default()
        }
    };
    Row { figure: figure.to_owned(), cells: pairs.iter().map(cell).collect() }
}

fn row(run: &RunResult, figure: &'static str, cell: fn(&VariantResult) -> Cell) -> Row {
    Row { figure: figure.to_owned(), cells: run.variants.iter().map(cell).collect() }
}

fn sizes(run: &RunResult) -> Group {
    let overhead = row(run, "overhead", |v| {
        if streams(v) {
            return Cell { note: Some("a stream".to_owned()), ..Cell::none() };
        }
        let counted = v.mtu.overhead_counted;
        let apart = overhead_apart(&v.mtu);
        Cell {
            main: format!("{} B", count(v.mtu.overhead_computed)),
            note: Some(match counted {
                Some(c) if apart => format!("counted {} B: apart", fixed(c, 1)),
                Some(c) => format!("counted {} B", fixed(c, 1)),
                None => "not counted".to_owned(),
            }),
            tone: if apart { Tone::Bad } else { Tone::Plain },
            ..Cell::default()
        }
    });
    let inner = row(run, "inner MTU", |v| {
        let apart = v.mtu.probed.is_some_and(|p| p != v.mtu.inner) && !in_fragments(v);
        Cell {
            main: format!("{} B", count(v.mtu.inner)),
            note: Some(match v.mtu.probed {
                Some(p) if apart => format!("probed {} B: apart", count(p)),
                Some(p) if in_fragments(v) => format!("{} B passed in fragments", count(p)),
                Some(p) => format!("probed {} B", count(p)),
                None => "not probed".to_owned(),
            }),
            tone: if apart { Tone::Bad } else { Tone::Plain },
            ..Cell::default()
        }
    });
    let mut rows = vec![overhead, inner];
    if run.variants.iter().any(|v| !v.ledger.is_empty()) {
        rows.push(row(run, "ledger", ledger));
    }
    if run.variants.iter().any(|v| v.mtu.goodput_felt.is_some()) {
        rows.push(row(run, "goodput", |v| match v.mtu.goodput_felt {
            None => Cell::none(),
            Some(felt) => Cell {
                main: Unit::PERCENT.show(felt),
                note: v.mtu.goodput_ceiling.map(|c| format!("ceiling {}", Unit::PERCENT.show(c))),
                ..Cell::default()
            },
        }));
    }
    Group { title: "Bytes per packet, and goodput of the shaped link".to_owned(), rows }
}

/// What sizes do to a bulk transfer, where one was tried.
fn transfers(run: &RunResult) -> Option<Group> {
    if run.variants.iter().all(|v| v.transfer.is_none()) {
        return None;
    }
    let rows = vec![
        row(run, "bulk transfer", |v| super::transfers::cells(v)[0].clone()),
        row(run, "sender told", |v| super::transfers::cells(v)[1].clone()),
    ];
    Some(Group { title: "A bulk transfer of full segments".to_owned(), rows })
}

/// Whether bytes and headers add up at every hop.
fn ledger(v: &VariantResult) -> Cell {
    let rows = v.ledger.len() as u64;
    let wrong = v.ledger.iter().filter(|row| !row.adds_up()).count() as u64;
    let lost = v.ledger.iter().map(|row| row.lost.saturating_add(row.lost_behind));
    let lost = lost.fold(0, u64::saturating_add);
    match (rows, wrong) {
        (0, _) => Cell::none(),
        (_, 0) => Cell {
            main: "adds up".to_owned(),
            note: Some(match lost {
                0 => plural(rows, "row"),
                lost => format!("{}, {} lost", plural(rows, "row"), plural(lost, "frame")),
            }),
            tone: Tone::Good,
            ..Cell::default()
        },
        (_, wrong) => Cell {
            main: "✗ does not add up".to_owned(),
            note: Some(format!("{} of {}", count(wrong), plural(rows, "row"))),
            tone: Tone::Bad,
            ..Cell::default()
        },
    }
}

fn tenants(run: &RunResult) -> Group {
    let leaks = row(run, "leaks", |v| match &v.isolation {
        None => Cell { main: "not tried".to_owned(), tone: Tone::Absent, ..Cell::default() },
        Some(i) => Cell {
            main: format!("{} of {} leaked", count(i.leaks), count(i.probes)),
            note: Some(format!(
                "control {} of {} delivered",
                count(i.delivered_own),
                count(i.expected_own)
            )),
            tone: match i {
                _ if i.leaks > 0 => Tone::Bad,
                _ if i.probes == 0 || i.missed > 0 => Tone::Unclear,
                _ if i.delivered_own < i.expected_own => Tone::Unclear,
                _ => Tone::Good,
            },
            ..Cell::default()
        },
    });
    let reachable = row(run, "reachable", |v| {
        let sum = |of: fn(&(u32, u32)) -> u32| v.reachable.values().map(|p| u64::from(of(p))).sum();
        let (reached, tried): (u64, u64) = (sum(|p| p.0), sum(|p| p.1));
        if tried == 0 {
            return Cell::none();
        }
        Cell {
            main: match v.reachable_of {
                Some(of) => {
                    format!("{} of {} tried (of {})", count(reached), count(tried), count(of))
                }
                None => format!("{} of {}", count(reached), plural(tried, "pair")),
            },
            tone: if reached < tried { Tone::Bad } else { Tone::Good },
            ..Cell::default()
        }
    });
    Group { title: "Tenants apart, and each in one piece".to_owned(), rows: vec![leaks, reachable] }
}
