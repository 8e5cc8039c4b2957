//! Traffic generators and sinks inside tenants' VMs.
//!
//! A flow is one of [`tcp`], [`udp`] or [`rr`], or is handed to `iperf3`; all come back as one
//! [`FlowRound`]. Sockets are opened in the VMs' namespaces through [`Place`]; blocking threads
//! outside then work on them. Every wait has a deadline, so a dead peer is an error in the round
//! and never a hang.

mod clocks;
mod ends;
mod error;
mod felt;
mod iperf3;
mod load;
mod mmsg;
mod rr;
mod tcp;
mod udp;
pub mod watch;
mod window;

use hdrhistogram::Histogram;

pub use error::TrafficError;
pub use felt::goodput;

use crate::lab::{Flow, Tool};
use crate::measure::Place;
use crate::measure::cpu::CarrierTime;
use crate::measure::result::FlowRound;
use crate::plan::{PlannedFlow, Variant};
use ends::Ends;

/// Tells the processor time that what carries tenants' frames has used so far.
pub type Carrier<'a> = &'a dyn Fn() -> CarrierTime;

/// What one round of one flow came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its figures; all 0 where `error` is set.
    pub round: FlowRound,
    /// Round trips in nanoseconds, of a request/response flow.
    pub latency: Option<Histogram<u64>>,
}

/// Runs one round of `flow` in `variant`, the receiver listening on `port` of its VM.
///
/// Takes the flow's window in that variant plus a short ramp-up. `carrier` tells the processor time that engines have
/// used so far. A failure is the round's `error`, with every figure 0.
pub fn run_flow(
    place: &impl Place,
    variant: &Variant,
    flow: &PlannedFlow,
    port: u16,
    carrier: Carrier<'_>,
) -> Outcome {
    run(place, variant, flow, port, carrier).unwrap_or_else(|error| Outcome {
        round: FlowRound { error: Some(error.to_string()), ..FlowRound::default() },
        latency: None,
    })
}

fn run(
    place: &impl Place,
    variant: &Variant,
    flow: &PlannedFlow,
    port: u16,
    carrier: Carrier<'_>,
) -> Result<Outcome, TrafficError> {
    let ends = Ends::of(variant, flow, port)?;
    let plain = |round| Outcome { round, latency: None };
    let window = flow.window(variant);
    match &flow.flow {
        Flow::Tcp(tcp) if tcp.tool == Tool::Iperf3 => {
            let arguments = iperf3::tcp(window, tcp.streams);
            iperf3::run(place, &ends, window, &arguments, carrier).map(plain)
        }
        Flow::Udp(udp) if udp.tool == Tool::Iperf3 => {
            let arguments = iperf3::udp(window, udp.rate.map(|rate| rate.0), udp.size.first().0);
            iperf3::run(place, &ends, window, &arguments, carrier).map(plain)
        }
        Flow::Tcp(tcp) => tcp::run(place, &ends, tcp.streams, window, carrier).map(plain),
        Flow::Udp(udp) => {
            let rate = udp.rate.map(|rate| rate.0);
            udp::run(place, &ends, rate, udp.size.first().0, window, carrier).map(plain)
        }
        Flow::Together(_) => Err(TrafficError::Together { label: flow.label.clone() }),
        Flow::Rr(rr) => {
            let (size, span) = (rr.size.0, window);
            let found = match rr.load {
                None => rr::run(place, &ends, size, span, carrier, None),
                Some(streams) => load::beside(place, &ends, streams, span, |bytes| {
                    rr::run(place, &ends, size, span, carrier, Some(bytes))
                }),
            };
            found.map(|(round, latency)| Outcome { round, latency: Some(latency) })
        }
    }
}
