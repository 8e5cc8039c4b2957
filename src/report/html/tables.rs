//! The page's tables.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::super::apart::{MANY, own, shown};
use super::super::figures::{self, carried};
use super::super::number::{NONE, bytes, count, plural};
use super::super::overlay::Sheet;
use super::super::table;
use super::{colors, tone};
use crate::measure::result::{IsolationResult, RunResult, VariantResult};

/// Tables of more variants print across the sheet.
const WIDE: usize = 4;
/// Units that stay with their figures.
const UNITS: [&str; 12] =
    ["s", "ms", "µs", "B", "kB", "MB", "GB", "%", "bit/s", "kbit/s", "Mbit/s", "Gbit/s"];

/// A place in which a wide table scrolls instead of the page.
fn scroll(label: &str, content: &Markup) -> Markup {
    html! { div.scroll role="region" aria-label=(label) tabindex="0" { (content) } }
}

pub fn side_by_side(run: &RunResult) -> Markup {
    let colors = colors(run);
    let title = |v: &VariantResult| match &v.baseline {
        Some(baseline) => {
            format!("{} datapath, {} fabric, against {baseline}", v.datapath, v.fabric)
        }
        None => format!("{} datapath, {} fabric", v.datapath, v.fabric),
    };
    let wide = run.variants.len() > WIDE;
    let how = html! {
        p.how {
            "User datapath: engines of this program; kernel: Linux's own. l2 fabric: bridges, which spanning tree keeps free of loops; "
            "l3: routers with equal-cost paths. Ratios are to the plain path in the same rounds."
        }
    };
    let table = scroll(
        "Side by side",
        &html! {
            table.compare.wide[wide] style={ "--columns:" (run.variants.len()) } {
                thead {
                    tr {
                        td {}
                        @for (v, color) in run.variants.iter().zip(&colors) {
                            th scope="col" {
                                span.key.{ "v" (color) } {} (v.name) small { (title(v)) }
                            }
                        }
                    }
                }
                @for group in table::side_by_side(run) {
                    tbody {
                        tr.group { th colspan=(run.variants.len() + 1) scope="rowgroup" { (group.title) } }
                        @for row in &group.rows {
                            tr {
                                th scope="row" { (row.figure) }
                                @for (cell, v) in row.cells.iter().zip(&run.variants) {
                                    // It is the comparison that cannot be told, not the figure.
                                    @let whole = if cell.ratio.is_some() { table::Tone::Plain } else { cell.tone };
                                    td.(tone(whole)) data-of=(v.name) {
                                        div {
                                            b { (cell.main) }
                                            @if let Some(ratio) = &cell.ratio { span.ratio.(tone(cell.tone)) { (ratio) } }
                                            @if let Some(spread) = &cell.spread { small { (spread) } }
                                            @if let Some(note) = &cell.note { small { (note) } }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        },
    );
    html! { (how) (table) }
}

pub fn expectations(run: &RunResult) -> Markup {
    scroll(
        "Expectations",
        &html! {
            table {
                thead { tr {
                    th scope="col" { "Held" } th scope="col" { "Variant" }
                    th scope="col" { "What must hold" } th scope="col" { "Theory" }
                    th scope="col" { "Measured" } th scope="col" { "Detail" } th scope="col" { "Claim" }
                } }
                tbody {
                    @for e in &run.expectations {
                        tr {
                            @if e.held { td.good { b { "✓ held" } } } @else { td.bad { b { "✗ failed" } } }
                            td { (e.variant) } td { (e.what) }
                            td { (e.theory.as_deref().unwrap_or("")) }
                            td { (e.measured.as_deref().unwrap_or("")) } td { (e.detail) }
                            td { (e.claim.as_deref().unwrap_or("")) }
                        }
                    }
                }
            }
        },
    )
}

pub fn isolation(run: &RunResult) -> Markup {
    html! {
        p.how {
            "Probes of the tenant at the left that were seen by the tenant above, of those sent. Nothing may be seen. Of its own probes a tenant has to receive all."
        }
        div.matrices {
            @for v in &run.variants {
                @if let Some(i) = &v.isolation { (matrix(&v.name, i)) }
            }
        }
    }
}

fn matrix(name: &str, isolation: &IsolationResult) -> Markup {
    let mut tenants: Vec<&str> = Vec::new();
    for tenant in isolation.pairs.iter().flat_map(|p| [&p.from, &p.to]) {
        if !tenants.contains(&tenant.as_str()) {
            tenants.push(tenant);
        }
    }
    if tenants.len() > MANY {
        tenants =
            shown(isolation).iter().flat_map(|p| [&p.from, &p.to]).map(String::as_str).collect();
        tenants.sort_unstable();
        tenants.dedup();
    }
    html! {
        div {
            h3 { (name) }
            p {
                (count(isolation.leaks)) " of " (plural(isolation.probes, "probe")) " leaked; control "
                (count(isolation.delivered_own)) " of " (count(isolation.expected_own)) " delivered"
                @if isolation.tenant_pairs < isolation.tenant_pairs_of {
                    "; " (count(isolation.tenant_pairs)) " of " (count(isolation.tenant_pairs_of))
                    " ordered pairs of tenants, drawn by the seed"
                }
            }
            @if !tenants.is_empty() { (scroll(&format!("Isolation of {name}"), &html! {
                table.matrix {
                    thead { tr {
                        td { "from ↓ seen by →" }
                        @for to in &tenants { th scope="col" { (to) } }
                    } }
                    tbody {
                        @for from in &tenants {
                            tr {
                                th scope="row" { (from) }
                                @for to in &tenants {
                                    @if from == to { (control(isolation, from)) } @else { (leaks(isolation, from, to)) }
                                }
                            }
                        }
                    }
                }
            })) }
            @if !isolation.evidence.is_empty() {
                ul.evidence { @for line in &isolation.evidence { li { (line) } } }
            }
        }
    }
}

fn leaks(isolation: &IsolationResult, from: &str, to: &str) -> Markup {
    let pairs: Vec<_> = isolation.pairs.iter().filter(|p| p.from == from && p.to == to).collect();
    let sum = |of: fn(&&&crate::measure::result::IsolationPair) -> u64| {
        pairs.iter().map(|p| of(&p)).fold(0_u64, u64::saturating_add)
    };
    let (leaked, sent) = (sum(|p| p.leaks), sum(|p| p.probes));
    let class = match (leaked, sent) {
        (1.., _) => "bad",
        (_, 0) => "unclear",
        _ => "good",
    };
    html! {
        td.(class) {
            b { @if leaked > 0 { "✗ " } @else if sent > 0 { "✓ " } (count(leaked)) " of " (count(sent)) }
            @for p in &pairs { small { (p.kind) " " (count(p.leaks)) "/" (count(p.probes)) } }
        }
    }
}

/// What the tenant received of its own probes.
fn control(isolation: &IsolationResult, tenant: &str) -> Markup {
    let kinds = own(isolation, tenant);
    let sum = |of: fn(&(&str, u64, u64)) -> u64| kinds.iter().map(of).fold(0, u64::saturating_add);
    html! {
        td.own {
            "own"
            @if !kinds.is_empty() {
                " " b { (count(sum(|k| k.1))) " of " (count(sum(|k| k.2))) }
                @for (kind, delivered, expected) in &kinds {
                    small { (kind) " " (count(*delivered)) "/" (count(*expected)) }
                }
            }
        }
    }
}

pub fn links(run: &RunResult) -> Markup {
    let colors = colors(run);
    html! {
        p.how { "Bytes over all rounds of the variant's flows; load is beside that of its busiest link." }
        div.links {
            @for (v, color) in run.variants.iter().zip(colors) {
                @if !v.links.is_empty() {
                    div { h3 { (v.name) } (variant_links(v, color)) }
                }
            }
        }
    }
}

fn variant_links(variant: &VariantResult, color: u8) -> Markup {
    let most = variant.links.iter().map(carried).fold(0.0, f64::max);
    scroll(
        &format!("Links of {}", variant.name),
        &html! {
            table.link {
                thead { tr {
                    th scope="col" { "Link a-b" } th scope="col" { "a → b" } th scope="col" { "b → a" }
                    th scope="col" { "Load" }
                } }
                tbody {
                    @for l in &variant.links {
                        tr {
                            th scope="row" { (l.name) @if l.blocked { " " b.unclear { "blocked" } } }
                            td { (bytes(l.bytes[0])) }
                            td { (bytes(l.bytes[1])) }
                            td {
                                @let share = if most > 0.0 { carried(l) / most * 100.0 } else { 0.0 };
                                div.bar title={ (format!("{share:.1}")) " %" } {
                                    div.{ "v" (color) } style=(format!("width:{share:.1}%")) {}
                                }
                            }
                        }
                    }
                }
            }
        },
    )
}

/// A text in which a figure and its unit stay on one line.
fn glued(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut words = text.split(' ').peekable();
    while let Some(word) = words.next() {
        out.push_str(word);
        let Some(next) = words.peek() else { break };
        let figure = word.ends_with(|c: char| c.is_ascii_digit());
        let unit = UNITS.contains(&next.trim_end_matches([',', ';', '.', ')']));
        out.push(if figure && unit { '\u{a0}' } else { ' ' });
    }
    out
}

/// A plain table.
pub fn sheet(sheet: &Sheet) -> Markup {
    scroll(
        sheet.title,
        &html! {
            table {
                thead { tr { @for name in &sheet.head { th scope="col" { (name) } } } }
                tbody {
                    @for row in &sheet.rows {
                        tr { @for cell in row { td { (glued(cell)) } } }
                    }
                }
            }
        },
    )
}

/// Counters by name and variant; `None` where none counted anything.
pub fn counters(
    run: &RunResult,
    what: &str,
    of: fn(&VariantResult) -> &BTreeMap<String, u64>,
) -> Option<Markup> {
    let (variants, rows) = figures::counters(run, of);
    (!rows.is_empty()).then(|| {
        scroll(
            what,
            &html! {
                table.numbers {
                    thead { tr {
                        th scope="col" { (what) }
                        @for v in &variants { th scope="col" { (v.name) } }
                    } }
                    tbody {
                        @for (name, numbers) in &rows {
                            tr {
                                th scope="row" { (name) }
                                @for n in numbers { td { (n.map_or(NONE.to_owned(), count)) } }
                            }
                        }
                    }
                }
            },
        )
    })
}
