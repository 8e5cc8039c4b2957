//! `overlab predict`: what a size needs, for each carrier.

use std::io::Write;
use std::path::PathBuf;

use clap::ValueEnum;
use tabled::builder::Builder;
use tabled::settings::Style;

use super::WRONG;
use crate::lab::{self, Topology};
use crate::plan::{self, CarrierPrediction, PlanError, Prediction, Scale};

/// Hosts where nothing says how many.
const HOSTS: u32 = 10_000;
/// VMs on each host, and of each tenant, where nothing says how many.
const VMS_PER_HOST: u64 = 50;
const VMS_PER_TENANT: u64 = 100;
/// The data centre where nothing says which: as many racks of 40 hosts as it takes.
const TOPOLOGY: &str = "leaf-spine: { leaves: 1, spines: 16, hosts: 40 }";

/// `overlab predict`.
#[derive(Debug, clap::Args)]
pub struct Predict {
    /// The lab file; without one a data centre of the size below is counted.
    #[arg(conflicts_with_all = ["topology", "hosts", "vms", "tenants", "placement"])]
    pub lab: Option<PathBuf>,
    /// A name, a file, or a text such as "fat-tree: { k: 8 }" [default: racks of 40 hosts under 16 spines].
    #[arg(long)]
    pub topology: Option<String>,
    /// Hosts; the topology's generator is grown to that many [default: the topology's, or 10000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub hosts: Option<u32>,
    /// VMs of all tenants [default: 50 on each host].
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u64).range(1..=MOST))]
    pub vms: Option<u64>,
    /// Tenants [default: one for each 100 VMs].
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u64).range(1..=MOST))]
    pub tenants: Option<u64>,
    /// Where the VMs of a tenant are.
    #[arg(long, value_enum, default_value_t)]
    pub placement: Placement,
    /// Print the prediction as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Most VMs and tenants: each VM is counted one by one.
const MOST: u64 = 100_000_000;

/// Where the VMs of a tenant are.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum Placement {
    /// On hosts far from each other.
    #[default]
    Spread,
    /// A host is filled before the next one.
    Packed,
}

/// Predicts and prints; returns the exit status.
///
/// # Errors
/// Where `out` cannot be written to.
pub fn run(options: &Predict, out: &mut dyn Write) -> anyhow::Result<u8> {
    let prediction = match &options.lab {
        Some(path) => match lab::load(path) {
            Ok(loaded) => plan::predict(&loaded.lab, &loaded.topology),
            Err(faults) => {
                eprintln!("{faults}");
                return Ok(WRONG);
            }
        },
        None => {
            let asked = options.topology.as_deref().unwrap_or(TOPOLOGY);
            let topology = lab::named_topology(asked);
            match topology.and_then(|topology| lab::bridged(asked, topology)) {
                Ok(topology) => of_scale(options, topology),
                Err(faults) => {
                    eprintln!("{faults}");
                    return Ok(WRONG);
                }
            }
        }
    };
    let prediction = match prediction {
        Ok(prediction) => prediction,
        Err(error) => {
            eprintln!("overlab: {error}");
            return Ok(WRONG);
        }
    };
    if options.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&prediction)?)?;
    } else {
        write!(out, "{}", text(&prediction))?;
    }
    Ok(0)
}

fn of_scale(options: &Predict, mut topology: Topology) -> Result<Prediction, PlanError> {
    let wanted = options.hosts.or(options.topology.is_none().then_some(HOSTS));
    let there = topology.counts().hosts;
    // A listed topology stays as large as it is.
    let hosts = match wanted {
        Some(hosts) if topology.grow(hosts) => u64::from(hosts),
        Some(hosts) => u64::from(hosts).min(there),
        None => there,
    };
    let vms = options.vms.unwrap_or(hosts.saturating_mul(VMS_PER_HOST).min(MOST));
    let tenants = options.tenants.unwrap_or((vms / VMS_PER_TENANT).max(1));
    let placement = match options.placement {
        Placement::Spread => plan::Placement::Spread,
        Placement::Packed => plan::Placement::Packed,
    };
    plan::predict_scale(&topology, &Scale { hosts, vms, tenants, placement })
}

fn text(found: &Prediction) -> String {
    let mut text = format!(
        "{} hosts ({} with VMs), {} top-of-rack switches, {} above them, {} links\n\
         {} VMs of {} tenants\n",
        grouped(found.hosts),
        grouped(found.hosts_used),
        grouped(found.tors),
        grouped(found.spines),
        grouped(found.links),
        grouped(found.vms),
        grouped(found.tenants),
    );
    let rows = |row: &dyn Fn(&CarrierPrediction) -> Vec<String>| -> Vec<Vec<String>> {
        found.carriers.iter().map(row).collect()
    };
    text += "\nAt the hosts' edges\n";
    text += &table(
        &[
            "carrier",
            "fabric",
            "ids",
            "tunnels",
            "VTEPs",
            "peers per host",
            "table entries per host",
        ],
        rows(&|c| {
            vec![
                c.name.clone(),
                c.fabric.to_uppercase(),
                ids(c),
                none(c.tunnels),
                none(c.endpoints),
                none_or(c.peers.max, &c.peers),
                c.fdb.to_string(),
            ]
        }),
    );
    text += "\nIn the fabric, per switch or router\n";
    text += &table(
        &[
            "carrier",
            "MACs per ToR",
            "MACs above",
            "routes per ToR",
            "routes above",
            "blocked links",
        ],
        rows(&|c| {
            vec![
                c.name.clone(),
                none_or(c.tor_macs.max, &c.tor_macs),
                none_or(c.spine_macs.max, &c.spine_macs),
                none_or(c.tor_routes.max, &c.tor_routes),
                none_or(c.spine_routes.max, &c.spine_routes),
                none(c.blocked),
            ]
        }),
    );
    text += "\nOne broadcast in a tenant\n";
    text += &table(
        &["carrier", "packets sent", "on links", "hosts that get it", "without a VM of it"],
        rows(&|c| {
            let b = &c.broadcast;
            [&b.copies, &b.crossings, &b.reached, &b.bothered]
                .iter()
                .map(|many| none_or(many.max, many))
                .fold(vec![c.name.clone()], |mut row, cell| {
                    row.push(cell);
                    row
                })
        }),
    );
    text.push('\n');
    for note in &found.notes {
        text += &format!("{}\n", wrapped(note));
    }
    text
}

/// A note in lines of at most 100 columns.
fn wrapped(note: &str) -> String {
    let mut text = String::from("·");
    let mut column = 1;
    for word in note.split(' ') {
        let width = word.chars().count() + 1;
        if column + width > 100 {
            text.push_str("\n ");
            column = 1;
        }
        text.push(' ');
        text.push_str(word);
        column += width;
    }
    text
}

/// How many ids there are, and whether they are enough.
fn ids(carrier: &CarrierPrediction) -> String {
    let ids = &carrier.ids;
    let there = match ids.available {
        Some(available) if available > 1 << 34 => {
            format!("2^{}", u128::BITS - 1 - available.leading_zeros())
        }
        Some(available) => grouped(available),
        None if ids.fits => return "not needed".to_owned(),
        None => "none".to_owned(),
    };
    if ids.fits { there } else { format!("{there}: {} are too many", grouped(ids.needed)) }
}

fn none(count: u64) -> String {
    if count == 0 { "-".to_owned() } else { grouped(count) }
}

fn none_or(max: u64, many: &plan::Many) -> String {
    if max == 0 { "-".to_owned() } else { many.to_string() }
}

fn grouped<N: Into<u128>>(number: N) -> String {
    plan::grouped(number)
}

fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut builder = Builder::default();
    builder.push_record(head.iter().copied());
    for row in rows {
        builder.push_record(row);
    }
    format!("{}\n", builder.build().with(Style::psql()))
}
