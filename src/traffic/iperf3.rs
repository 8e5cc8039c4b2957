//! `iperf3` instead of the built-in generators, where the lab names it.
//!
//! Server and client run inside the VMs' namespaces and die with the thread that started them.
//! The window is iperf3's own, its ramp-up included; so its figures compare with each other.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Deserialize;

use super::clocks::Clocks;
use super::ends::{End, Ends, PATIENCE};
use super::window::Mark;
use super::{Carrier, TrafficError};
use crate::measure::Place;
use crate::measure::result::FlowRound;

/// How long iperf3 may take beyond the flow's span to connect and to exchange results.
const GRACE: Duration = Duration::from_secs(10);

/// A process that does not outlive this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Either fails only where the process has ended and been waited for already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// iperf3 takes whole seconds only: a span is rounded up.
fn seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

/// Client arguments of a bulk flow.
pub fn tcp(span: Duration, streams: u32) -> Vec<String> {
    let (time, streams) = (seconds(span).to_string(), streams.to_string());
    ["-t", &time, "-P", &streams, "-C", "reno"].map(String::from).to_vec()
}

/// Client arguments of a datagram flow; rate 0 means as fast as it goes.
pub fn udp(span: Duration, rate: Option<u64>, size: u64) -> Vec<String> {
    let rate = rate.unwrap_or(0).to_string();
    let time = seconds(span).to_string();
    ["-u", "-t", &time, "-b", &rate, "-l", &size.to_string()].map(String::from).to_vec()
}

/// Runs a server at the receiver and a client with `arguments` at the sender.
pub fn run(
    place: &impl Place,
    ends: &Ends,
    span: Duration,
    arguments: &[String],
    carrier: Carrier<'_>,
) -> Result<FlowRound, TrafficError> {
    let (address, port) = (ends.to.address.to_string(), ends.port.to_string());
    let mut server = start(
        place,
        &ends.to,
        &["-s", "-1", "--forceflush", "-B", &address, "-p", &port].map(String::from),
    )?;
    await_listening(&mut server)?;
    let mut client_arguments = ["-J", "-c", &address, "-p", &port].map(String::from).to_vec();
    client_arguments.extend_from_slice(arguments);
    // Its processes are not told apart from the rest of the machine.
    let clocks = Clocks::default();
    let begin = Mark::now(carrier, &clocks)?;
    let mut client = start(place, &ends.from, &client_arguments)?;
    let text = read_all(&mut client, Duration::from_secs(seconds(span)) + GRACE)?;
    let times = begin.round(&Mark::now(carrier, &clocks)?);
    parse(&text, times)
}

fn start(place: &impl Place, end: &End, arguments: &[String]) -> Result<Running, TrafficError> {
    let parent = nix::unistd::getpid();
    let spawn = || {
        let mut command = Command::new("iperf3");
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        // SAFETY: between fork and exec only prctl and getppid are called, both async-signal-safe.
        unsafe {
            command.pre_exec(move || {
                nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
                // The parent may have died before the line above.
                if nix::unistd::getppid() == parent {
                    Ok(())
                } else {
                    Err(io::Error::from_raw_os_error(libc::ESRCH))
                }
            });
        }
        command.spawn()
    };
    match place.within(&end.namespace, spawn).and_then(|spawned| spawned) {
        Ok(child) => Ok(Running(child)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(TrafficError::NoIperf3),
        Err(error) => Err(TrafficError::socket("start iperf3", &end.namespace)(error)),
    }
}

/// Reads the server's output until it says that it listens.
fn await_listening(server: &mut Running) -> Result<(), TrafficError> {
    let output = server.0.stdout.as_mut().ok_or_else(|| failed("its output is not there"))?;
    let deadline = Instant::now() + PATIENCE;
    let (mut said, mut part) = (Vec::new(), [0; 1024]);
    while readable(output, deadline).map_err(failed)? {
        let read = output.read(&mut part).map_err(failed)?;
        said.extend_from_slice(part.get(..read).unwrap_or_default());
        let text = String::from_utf8_lossy(&said);
        if text.contains("listening") {
            return Ok(());
        }
        if read == 0 {
            return Err(failed(format!("the server ended at once: {}", text.trim())));
        }
    }
    Err(failed("the server did not start to listen"))
}

/// All a process writes until it ends or `patience` is over.
fn read_all(process: &mut Running, patience: Duration) -> Result<Vec<u8>, TrafficError> {
    let deadline = Instant::now() + patience;
    let mut output = process.0.stdout.take().ok_or_else(|| failed("its output is not there"))?;
    let (mut text, mut part) = (Vec::new(), [0; 16 * 1024]);
    while readable(&output, deadline).map_err(failed)? {
        match output.read(&mut part).map_err(failed)? {
            0 => return Ok(text),
            read => text.extend_from_slice(part.get(..read).unwrap_or_default()),
        }
    }
    Err(failed(format!("the client was not done within {patience:?}")))
}

/// Waits until there is something to read; `false` at the deadline.
fn readable(output: &ChildStdout, deadline: Instant) -> io::Result<bool> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut watched = [PollFd::new(output.as_fd(), PollFlags::POLLIN)];
        match poll(&mut watched, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
            Ok(ready) => return Ok(ready > 0),
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn failed(why: impl ToString) -> TrafficError {
    TrafficError::Iperf3(why.to_string())
}

#[derive(Deserialize)]
struct Report {
    error: Option<String>,
    #[serde(default)]
    end: ReportEnd,
}

#[derive(Deserialize, Default)]
struct ReportEnd {
    sum: Option<Sum>,
    sum_sent: Option<Sum>,
    sum_received: Option<Sum>,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(default)]
struct Sum {
    seconds: f64,
    bytes: u64,
    retransmits: u64,
    packets: u64,
    lost_packets: i64,
}

/// The figures of the receiver. Processor times are of the client's whole life.
fn parse(text: &[u8], times: FlowRound) -> Result<FlowRound, TrafficError> {
    let report: Report = serde_json::from_slice(text)
        .map_err(|error| failed(format!("its report cannot be read: {error}")))?;
    if let Some(error) = report.error {
        return Err(failed(error));
    }
    let end = report.end;
    let round = match (end.sum, end.sum_sent, end.sum_received) {
        // Only a UDP report has a plain `sum`: what was sent, and what of it was lost.
        (Some(sum), ..) => {
            let lost = u64::try_from(sum.lost_packets).unwrap_or(0).min(sum.packets);
            let size = sum.bytes.checked_div(sum.packets).unwrap_or(0);
            let received = sum.packets - lost;
            let (sent, seconds) = (sum.packets, sum.seconds);
            FlowRound { bytes: received * size, sent, received, seconds, ..times }
        }
        (None, Some(sent), Some(received)) => FlowRound {
            bytes: received.bytes,
            seconds: received.seconds,
            retransmits: sent.retransmits,
            ..times
        },
        _ => return Err(failed("its report has no sums")),
    };
    if round.bytes == 0 || round.seconds <= 0.0 {
        return Err(failed("nothing arrived"));
    }
    Ok(round)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_the_receivers() {
        let tcp = br#"{"end":{"sum_sent":{"seconds":1.0,"bytes":900,"retransmits":3},
                        "sum_received":{"seconds":2.0,"bytes":800,"bits_per_second":3200}}}"#;
        let round = parse(tcp, FlowRound::default()).unwrap();
        assert_eq!((round.bytes, round.retransmits, round.seconds), (800, 3, 2.0));
        let udp = br#"{"end":{"sum":{"seconds":1.0,"bytes":1000,"packets":10,"lost_packets":4},
                        "sum_sent":{"bytes":1000},"sum_received":{"bytes":600}}}"#;
        let round = parse(udp, FlowRound::default()).unwrap();
        assert_eq!((round.bytes, round.sent, round.received), (600, 10, 6));
    }

    #[test]
    fn its_own_errors_are_passed_on() {
        let text = br#"{"error":"unable to connect to server: Connection refused"}"#;
        let error = parse(text, FlowRound::default()).unwrap_err().to_string();
        assert!(error.contains("Connection refused"), "{error}");
        assert!(parse(b"nonsense", FlowRound::default()).is_err());
    }

    #[test]
    fn spans_are_rounded_up_to_whole_seconds() {
        assert_eq!(tcp(Duration::from_millis(1200), 4), ["-t", "2", "-P", "4", "-C", "reno"]);
        assert_eq!(udp(Duration::from_secs(1), None, 64), ["-u", "-t", "1", "-b", "0", "-l", "64"]);
    }
}
