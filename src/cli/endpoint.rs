//! `overlab endpoint`: one end of a tunnel, on this machine or in this namespace.

use std::fmt::Write as _;
use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;

use nix::sys::signal::{SigSet, Signal};
use serde_json::Value;

use crate::endpoint::{Endpoint, Error, Request};
use crate::ids::Encap;

/// `overlab endpoint`.
#[derive(Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools)] // independent flags
pub struct Options {
    /// The encapsulation: vlan, qinq, ipip, 6in4, gre, gretap, vxlan, nvgre, stt, geneve.
    #[arg(long)]
    pub encap: Encap,
    /// Our address, where the tunnel starts.
    #[arg(long, value_name = "ADDRESS")]
    pub local: Option<IpAddr>,
    /// The other end; several times for head-end replication.
    #[arg(long, value_name = "ADDRESS")]
    pub remote: Vec<IpAddr>,
    /// Make a TAP device (Ethernet frames) of this name.
    #[arg(long, value_name = "NAME")]
    pub tap: Option<String>,
    /// Make a TUN device (IP packets: ipip, 6in4, gre) of this name.
    #[arg(long, value_name = "NAME")]
    pub tun: Option<String>,
    /// Interface below; for tunnels the one with the local address.
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,
    /// VLAN id (vlan, qinq).
    #[arg(long, value_parser = number)]
    pub vid: Option<u64>,
    /// Service VLAN id (qinq) [default: 100].
    #[arg(long, value_name = "VID", value_parser = number)]
    pub service: Option<u64>,
    /// Network id (vxlan, geneve).
    #[arg(long, value_parser = number)]
    pub vni: Option<u64>,
    /// Virtual subnet id (nvgre).
    #[arg(long, value_parser = number)]
    pub vsid: Option<u64>,
    /// Context id (stt).
    #[arg(long, value_parser = number)]
    pub context: Option<u64>,
    /// Key (gre, gretap); none is not the same as 0.
    #[arg(long, value_parser = number)]
    pub key: Option<u64>,
    /// Send checksums (gre, gretap).
    #[arg(long)]
    pub csum: bool,
    /// Send sequence numbers, and enforce their order (gre, gretap).
    #[arg(long)]
    pub seq: bool,
    /// Destination port, where not the registered one (vxlan, geneve, stt).
    #[arg(long)]
    pub port: Option<u16>,
    /// MTU of the device [default: what fits the interface below].
    #[arg(long)]
    pub mtu: Option<u32>,
    /// Drop what Linux and Open vSwitch drop where the standards do not.
    #[arg(long)]
    pub strict: bool,
    /// Capture the interface below into this pcapng file.
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
    /// Print counters as JSON.
    #[arg(long)]
    pub json: bool,
}

/// A number in decimal or, after 0x, in hexadecimal.
fn number(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| "a number is expected, in decimal or as 0x and hexadecimal digits".into())
}

/// Runs an endpoint until SIGINT or SIGTERM: prints one line when it is ready, and its counters on
/// SIGUSR1 and at the end.
///
/// # Errors
/// As [`Request::check`] and [`Endpoint::start`]; an output that cannot be written ends it as well.
pub fn run(options: &Options, out: &mut dyn Write) -> Result<(), Error> {
    let checked = request(options).check()?;
    let system = |operation: &'static str| {
        move |source: std::io::Error| Error::System { operation: operation.into(), source }
    };
    // Before there are other threads, so that all of them leave the signals to this one.
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGUSR1] {
        signals.add(signal);
    }
    signals.thread_block().map_err(|e| system("block signals")(e.into()))?;
    let endpoint = Endpoint::start(&checked)?;
    let mut say =
        |text: &str| writeln!(out, "{text}").and_then(|()| out.flush()).map_err(system("write"));
    if options.json {
        say(&serde_json::json!({ "ready": endpoint.summary }).to_string())?;
    } else {
        say(&format!("ready {}", endpoint.summary))?;
    }
    loop {
        let signal = signals.wait().map_err(|e| system("wait for signals")(e.into()))?;
        let counters = endpoint.counters();
        say(&if options.json { counters.to_string() } else { text(&counters) })?;
        if signal != Signal::SIGUSR1 {
            return endpoint.stop();
        }
    }
}

fn request(options: &Options) -> Request {
    Request {
        encap: Some(options.encap),
        local: options.local,
        remotes: options.remote.clone(),
        tap: options.tap.clone(),
        tun: options.tun.clone(),
        interface: options.interface.clone(),
        vid: options.vid,
        service: options.service,
        vni: options.vni,
        vsid: options.vsid,
        context: options.context,
        key: options.key,
        csum: options.csum,
        seq: options.seq,
        port: options.port,
        mtu: options.mtu,
        strict: options.strict,
        pcap: options.pcap.clone(),
    }
}

/// Counters for people, a line for each direction.
fn text(counters: &Value) -> String {
    let mut text = String::new();
    for (key, name) in [("encap", "into the tunnel"), ("decap", "out of it")] {
        let direction = &counters[key];
        let _ = write!(
            text,
            "{name:<15} {} packets, {} bytes",
            direction["packets"], direction["bytes"]
        );
        let drops = direction["drops"].as_object().into_iter().flatten();
        let drops: Vec<_> = drops.map(|(reason, count)| format!("{reason} {count}")).collect();
        if !drops.is_empty() {
            let _ = write!(text, "; dropped: {}", drops.join(", "));
        }
        text.push('\n');
    }
    text.trim_end().to_owned()
}
