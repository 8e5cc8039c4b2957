//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

/// A network-namespace testbed: build a multi-tenant data centre from one YAML lab, carry its
/// tenants over VLANs and tunnels, and measure throughput, MTU overhead and isolation.
#[derive(Debug, Parser)]
#[command(
    name = "overlab",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = "Exit status: 0 all expectations held, 1 one failed or a run broke off, \
                  2 the lab or the command line is wrong, 3 this machine cannot do it, \
                  130 interrupted.\n\n\
                  Start with: overlab run labs/vlan-vs-vxlan.yaml"
)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Say more about what is done: -v steps, -vv every kernel request (also by `OVERLAB_LOG=debug`).
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build a lab, push traffic through it, measure, report, and remove everything again.
    ///
    /// Works as root, and as an ordinary user where the system allows user namespaces.
    Run(Run),
    /// Show what would be built, without building it. Needs no privileges.
    Plan {
        /// The lab file.
        lab: PathBuf,
        /// Print the plan as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Draw a report again from the result of a run. Needs no privileges.
    ///
    /// A result of another version, or a damaged one, is refused with the reason (exit status 2).
    Report(super::report::Options),
    /// Compare the results of two runs: what changed, and whether that can be told from chance.
    ///
    /// Exit status 0 whatever changed, unless asked otherwise; 2 for what is no result of this version.
    Diff(super::diff::Options),
    /// Build a lab or a bare topology, try a sample of pairs, remove it again, and say how long each took
    /// and how much memory.
    ///
    /// Of a topology the hosts are built, with an address each, on bridges; spanning tree is left off where
    /// there is no loop. Works as root, and as an ordinary user where the system allows user namespaces.
    Build(super::build::Build),
    /// Draw a lab: its wiring, blocked ports, tenants and tunnels. Needs no privileges.
    Graph(super::graph::Graph),
    /// Predict what a size needs: tunnels, table entries, routes and packets, for each carrier.
    ///
    /// Of a lab, or of a topology with so many hosts, VMs and tenants, which may be more than any
    /// machine could build. Needs no privileges and builds nothing.
    Predict(super::predict::Predict),
    /// Check lab and topology files, and report all their faults.
    Check {
        /// Lab or topology files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Print the faults as JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the labs, or the topologies, in a directory with their titles.
    List {
        /// The directory.
        #[arg(default_value = "labs")]
        dir: PathBuf,
        /// Print the list as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the lesson's claims: for each its labs, theory's figure, what was measured, the verdict.
    Claims(super::claims::Claims),
    /// Say what this machine can do: kernel features, privileges, tools, and for each
    /// encapsulation and datapath what is missing.
    Doctor {
        /// Print the findings as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Remove what a killed run left behind; only what is ours.
    Clean {
        /// Directory of the reports, where a killed run may have left unfinished files.
        #[arg(long, default_value = "reports", value_name = "DIR")]
        out: PathBuf,
    },
    /// Take a capture apart: every frame layer by layer, and what a receiver makes of it.
    Dissect(super::dissect::Options),
    /// Be one end of a tunnel, outside any lab: a TAP or TUN device on this machine.
    Endpoint(Box<super::endpoint::Options>),
    /// Explain an encapsulation: header, fields, overhead, limits, traps; without a name, list all.
    Explain {
        /// The encapsulation, e.g. vxlan.
        protocol: Option<String>,
    },
    /// Print the JSON Schema of lab and topology files, or of results.
    Schema {
        /// What is described.
        #[arg(value_enum, default_value_t = super::schema::Document::Lab)]
        document: super::schema::Document,
    },
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// `overlab run`.
#[derive(Debug, clap::Args)]
pub struct Run {
    /// The lab file, or a directory: every lab in it, one after the other.
    pub lab: PathBuf,
    /// Run all labs of the directory, which is what a directory means anyway.
    #[arg(long)]
    pub all: bool,
    /// Of a directory: run a lab that fails again, up to so many times; what failed is kept beside.
    #[arg(long, value_name = "TIMES", default_value_t = 0)]
    pub again: u32,
    /// Also write the result document to this file; `-` prints it instead of the table.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Directory for the report [default: reports/<lab>-<time>]; of a directory of labs, for all reports.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write what crosses the underlay to capture.pcapng beside the report, as on a cable: cut into
    /// packets, checksums finished. Takes processor time, so the figures suffer.
    #[arg(long)]
    pub capture: bool,
    /// Keep the testbed after the run, print how to enter it, and wait for Ctrl-C.
    #[arg(long)]
    pub keep: bool,
}
