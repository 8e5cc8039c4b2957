//! `overlab build`: how fast something is up and gone again, and nothing else.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::{CANNOT, FAILED, WRONG};
use crate::lab::{self, FileKind};
use crate::measure::sample::{self, Sample};
use crate::measure::{self, MeasureError};
use crate::netns;
use crate::plan::{NodeKind, Plan, PortRole, TenantPlan, Variant, VmPlan, plan_wiring};
use crate::testbed::Testbed;

/// `overlab build`.
#[derive(Debug, clap::Args)]
pub struct Build {
    /// A lab file; or a topology as a file, a name, or written here, e.g. `tree: { depth: 2, fanout: 32 }`.
    pub what: String,
    /// Ordered pairs of hosts, or of VMs within their tenants, that are tried.
    #[arg(long, default_value_t = 200, value_name = "PAIRS")]
    pub sample: u32,
    /// Seed of the sample.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Print the figures as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What building took.
#[derive(Debug, Default, serde::Serialize)]
struct Figures {
    /// Namespaces.
    namespaces: usize,
    /// Of which hosts and VMs with addresses.
    ends: usize,
    /// Seconds until every namespace, link, address and engine stood, and every link forwarded.
    up_seconds: f64,
    /// Pairs tried, reached, and all there are.
    tried: u64,
    reached: u64,
    of: u64,
    /// Seconds that trying took.
    reach_seconds: f64,
    /// Seconds until all was gone.
    down_seconds: f64,
    /// Bytes by which memory in use on the machine grew.
    memory_bytes: u64,
    /// Bytes that the program holds itself.
    resident_bytes: u64,
    /// Descriptors open.
    descriptors: usize,
    /// Threads.
    threads: usize,
}

/// Builds, tries, removes and tells; returns the exit status.
///
/// # Errors
/// What could not be built or measured.
pub fn run(options: &Build) -> anyhow::Result<u8> {
    let Some(plan) = load(&options.what) else { return Ok(WRONG) };
    let world = match netns::enter() {
        Ok(world) => world,
        Err(error) => {
            eprintln!("overlab: {error}");
            return Ok(CANNOT);
        }
    };
    let used = measure::memory_in_use();
    let begun = Instant::now();
    let testbed = match Testbed::build(&world, &plan) {
        Ok(testbed) => testbed,
        Err(error) => {
            eprintln!("overlab: {error}");
            return Ok(if error.is_unsupported() { CANNOT } else { FAILED });
        }
    };
    for variant in &plan.variants {
        testbed.ready(variant, &AtomicBool::new(false))?;
    }
    let mut figures = Figures {
        up_seconds: begun.elapsed().as_secs_f64(),
        namespaces: testbed.namespaces(),
        descriptors: entries("/proc/self/fd"),
        threads: entries("/proc/self/task"),
        memory_bytes: measure::memory_in_use().saturating_sub(used),
        resident_bytes: measure::resident_memory(),
        ..Figures::default()
    };
    let begun = Instant::now();
    for variant in &plan.variants {
        let tenants =
            if variant.tenants.is_empty() { hosts(variant) } else { variant.tenants.clone() };
        figures.ends += tenants.iter().map(|tenant| tenant.vms.len()).sum::<usize>();
        let (reached, sample) = reach(&testbed, variant, tenants, options)?;
        figures.reached += reached;
        figures.tried += sample.pairs.len() as u64;
        figures.of += sample.of;
    }
    figures.reach_seconds = begun.elapsed().as_secs_f64();
    figures.down_seconds = testbed.close()?.as_secs_f64();
    let mut out = io::stdout().lock();
    if options.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&figures)?)?;
    } else {
        writeln!(out, "{}", text(&plan.title, &figures))?;
    }
    Ok(if figures.reached == figures.tried { 0 } else { FAILED })
}

fn load(what: &str) -> Option<Plan> {
    let path = PathBuf::from(what);
    if path.exists() && matches!(lab::kind_of(&path), Ok(FileKind::Lab)) {
        return super::run::load(&path).map(|(_, plan)| plan);
    }
    let topology =
        if path.exists() { lab::load_topology(&path) } else { lab::named_topology(what) };
    let topology = match topology.and_then(|topology| lab::bridged(what, topology)) {
        Ok(topology) => topology,
        Err(faults) => {
            eprintln!("{faults}");
            return None;
        }
    };
    let title = topology.title.clone().unwrap_or_else(|| what.to_owned());
    match plan_wiring(&topology, &title) {
        Ok(mut plan) => {
            for variant in &mut plan.variants {
                let blocked = |ends: &[PortRole; 2]| ends.contains(&PortRole::Blocked);
                variant.stp = variant.spanning_tree().roles.iter().any(blocked);
                variant
                    .nodes
                    .iter_mut()
                    .filter(|_| !variant.stp)
                    .for_each(|n| n.stp_priority = None);
            }
            Some(plan)
        }
        Err(error) => {
            eprintln!("overlab: {what}: {error}; nothing was built");
            None
        }
    }
}

/// The hosts of a bare topology as if they were the VMs of one tenant.
fn hosts(variant: &Variant) -> Vec<TenantPlan> {
    let hosts = variant.nodes.iter().filter(|node| node.kind == NodeKind::Host);
    let ends = hosts.filter_map(|node| {
        let own = node.loopback.first().copied().or_else(|| {
            let ends = variant.links.iter().flat_map(|link| &link.ends);
            ends.filter(|end| end.node == node.name).find_map(|end| end.addresses.first().copied())
        });
        Some(VmPlan {
            name: node.name.clone(),
            tenant: String::new(),
            host: node.name.clone(),
            node: node.name.clone(),
            port: String::new(),
            address: own?,
            address6: None,
            mac: String::new(),
            mtu: variant.underlay_mtu,
        })
    });
    vec![TenantPlan { name: String::new(), id: 0, vms: ends.collect() }]
}

fn reach(
    testbed: &Testbed,
    variant: &Variant,
    tenants: Vec<TenantPlan>,
    options: &Build,
) -> Result<(u64, Sample), MeasureError> {
    let ends = Variant { tenants, ..variant.clone() };
    let sample = sample::vms(&ends, options.seed, options.sample, &[]);
    let forget = |namespace: &str| testbed.forget_neighbours(namespace);
    let found = measure::reachable_of(testbed, &ends, &sample, &forget)?;
    Ok((found.values().map(|(reached, _)| u64::from(*reached)).sum(), sample))
}

fn entries(directory: &str) -> usize {
    std::fs::read_dir(Path::new(directory)).map_or(0, Iterator::count)
}

fn text(title: &str, figures: &Figures) -> String {
    let Figures { namespaces, ends, tried, reached, of, descriptors, threads, .. } = figures;
    let each = |bytes: u64| bytes as f64 / 1e6 / (*ends).max(1) as f64;
    format!(
        "{title}: {namespaces} namespaces, {ends} of them hosts or VMs that are tried\n\
         up      {:.3} s\n\
         reached {reached} of {tried} pairs ({of} in all) in {:.3} s\n\
         down    {:.3} s\n\
         memory  {:.1} MB of the machine, {:.2} MB for each; {:.1} MB of the program's own\n\
         open    {descriptors} descriptors, {threads} threads",
        figures.up_seconds,
        figures.reach_seconds,
        figures.down_seconds,
        figures.memory_bytes as f64 / 1e6,
        each(figures.memory_bytes),
        figures.resident_bytes as f64 / 1e6,
    )
}
