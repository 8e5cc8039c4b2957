//! `overlab endpoint`: one end of a tunnel, on this machine or in this namespace.

use std::fmt::Write as _;
use std::io::Write;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use serde_json::Value;

use crate::encap::Ttl;
use crate::encap::ecn::{Dscp, Ingress};
use crate::endpoint::{Endpoint, Error, GeneveOption, Request};
use crate::ids::Encap;

/// `overlab endpoint`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The encapsulation: vlan, qinq, ipip, 6in4, gre, gretap, vxlan, nvgre, stt, geneve, ssh.
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
    /// Make a TUN device (IP packets: ipip, 6in4, gre, ssh) of this name.
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
    /// Destination port, where not the registered one (vxlan, geneve, stt, ssh).
    #[arg(long)]
    pub port: Option<u16>,
    /// MTU of the device [default: what fits the interface below].
    #[arg(long)]
    pub mtu: Option<u32>,
    /// Drop what Linux and Open vSwitch drop where the standards do not; `--strict=false` takes what
    /// only careful receivers drop [default: as the standard].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    pub strict: Option<bool>,
    /// Carry frames with VLAN tags (vxlan; geneve and gretap carry them anyway, nvgre and stt never).
    #[arg(long)]
    pub inner_tags: bool,
    /// An option on every packet, known on receipt too (geneve): class, type (128 and above are
    /// critical), and data in hexadecimal digits. Several times for several.
    #[arg(long, value_name = "CLASS:TYPE[:HEX]", value_parser = geneve_option)]
    pub option: Vec<GeneveOption>,
    /// Outer TTL or hop limit: 1 to 255, or `inherit` for the inner packet's [default: 64].
    #[arg(long)]
    pub ttl: Option<Ttl>,
    /// Outer service class: 0 to 63, `uniform` (copied both ways) or `copy` (out only)
    /// [default: 0; copy for ipip].
    #[arg(long)]
    pub dscp: Option<Dscp>,
    /// Congestion marks on encapsulation: `normal`, or `compatibility` for a far end that does not
    /// know RFC 6040 [default: normal].
    #[arg(long, value_name = "MODE")]
    pub ecn: Option<Ingress>,
    /// Outer UDP checksums, `on` or `off` (vxlan, geneve) [default: on].
    #[arg(long, value_name = "SWITCH", value_parser = switch)]
    pub udp_csum: Option<bool>,
    /// Take zero UDP checksums over IPv6 (vxlan, geneve).
    #[arg(long)]
    pub udp6_zero: bool,
    /// The SSH server (ssh).
    #[arg(long, value_name = "[USER@]HOST")]
    pub destination: Option<String>,
    /// Number of the device at the SSH server, which calls it tunN or tapN [default: any].
    #[arg(long, value_name = "N")]
    pub unit: Option<u16>,
    /// An option of OpenSSH's client, as its -o takes it (ssh).
    #[arg(long, value_name = "KEY=VALUE")]
    pub ssh_option: Vec<String>,
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

/// `on` or `off`.
fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("write `on` or `off`".into()),
    }
}

/// Class, type and data of a Geneve option.
fn geneve_option(text: &str) -> Result<GeneveOption, String> {
    let wrong = || String::from("write CLASS:TYPE[:HEX], e.g. 0x0102:0x80:00000001");
    let mut parts = text.split(':');
    let mut id = || parts.next().and_then(|part| number(part).ok());
    let class = id().and_then(|class| u16::try_from(class).ok()).ok_or_else(wrong)?;
    let kind = id().and_then(|kind| u8::try_from(kind).ok()).ok_or_else(wrong)?;
    let digits = parts.next().unwrap_or_default().as_bytes();
    let pair = |pair: &[u8]| match pair {
        [a, b] => {
            let digit = |digit: u8| char::from(digit).to_digit(16).map(|digit| digit as u8);
            Some(digit(*a)? << 4 | digit(*b)?)
        }
        _ => None,
    };
    let data: Option<Vec<u8>> = digits.chunks(2).map(pair).collect();
    match (parts.next(), data) {
        (None, Some(data)) => Ok((class, kind, data)),
        _ => Err(wrong()),
    }
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
    for signal in
        [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGCHLD]
    {
        signals.add(signal);
    }
    signals.thread_block().map_err(|e| system("block signals")(e.into()))?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let signals =
        SignalFd::with_flags(&signals, flags).map_err(|e| system("take signals")(e.into()))?;
    let mut endpoint = Endpoint::start(&checked)?;
    let mut say =
        |text: &str| writeln!(out, "{text}").and_then(|()| out.flush()).map_err(system("write"));
    if options.json {
        say(&serde_json::json!({ "ready": endpoint.summary }).to_string())?;
    } else {
        say(&format!("ready {}", endpoint.summary))?;
    }
    loop {
        let event = wait(&signals, &mut endpoint).map_err(system("wait for signals"))?;
        let Some(event) = event else { continue };
        let counters = endpoint.counters();
        say(&if options.json { counters.to_string() } else { text(&counters) })?;
        match event {
            Event::Counters => {}
            Event::End => return endpoint.stop(),
            Event::Lost(why) => {
                endpoint.stop()?;
                return Err(Error::Ended(why));
            }
        }
    }
}

/// What happened to an endpoint.
enum Event {
    /// Its counters are asked for.
    Counters,
    /// It is to end.
    End,
    /// It cannot go on.
    Lost(String),
}

/// Waits for something to happen; `None` where it was nothing.
fn wait(signals: &SignalFd, endpoint: &mut Endpoint) -> std::io::Result<Option<Event>> {
    let mut ready = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    ready.extend(endpoint.lost().map(|lost| PollFd::new(lost, PollFlags::POLLIN)));
    match poll(&mut ready, PollTimeout::NONE) {
        Err(nix::Error::EINTR) => return Ok(None),
        done => done?,
    };
    let lost = ready.get(1).is_some_and(|lost| lost.any().unwrap_or(false));
    // A signal counts first: who deletes the device may well end us too.
    let signal = signals.read_signal()?.map(|signal| signal.ssi_signo.cast_signed());
    Ok(match signal {
        None if lost => {
            let device = endpoint.device();
            Some(Event::Lost(format!("the device {device} was deleted, so the endpoint ends")))
        }
        Some(libc::SIGUSR1) => Some(Event::Counters),
        Some(libc::SIGCHLD) if endpoint.ended() => {
            let why = "ssh has ended, and the tunnel with it; what it said stands above";
            Some(Event::Lost(why.into()))
        }
        None | Some(libc::SIGCHLD) => None,
        Some(_) => Some(Event::End),
    })
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
        inner_tags: options.inner_tags,
        options: options.option.clone(),
        ttl: options.ttl,
        dscp: options.dscp,
        ecn: options.ecn,
        udp_csum: options.udp_csum,
        udp6_zero: options.udp6_zero,
        destination: options.destination.clone(),
        unit: options.unit,
        ssh_options: options.ssh_option.clone(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_geneve_are_read() {
        assert_eq!(geneve_option("0x0102:128:00fFa501"), Ok((0x102, 0x80, vec![0, 255, 0xA5, 1])));
        assert_eq!(geneve_option("1:2"), Ok((1, 2, vec![])));
        for wrong in ["", "1", "65536:1", "1:256", "1:2:0", "1:2:0g", "1:2:00:3", "1:2:é"] {
            assert!(geneve_option(wrong).is_err(), "{wrong}");
        }
    }
}
