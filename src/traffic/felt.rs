//! Overhead as a user feels it: what one TCP stream gets through a link of limited rate.

use std::time::Duration;

use super::ends::Ends;
use super::{TrafficError, tcp};
use crate::lab::{Flow, Span, TcpFlow, Tool};
use crate::measure::Place;
use crate::measure::cpu::CarrierTime;
use crate::plan::{PlannedFlow, Variant};

/// Payload bits per second of one TCP stream from `from` to `to` (VM names of `tenant`), measured
/// for `span` after a ramp-up. The caller has put the shaper on the underlay link between them;
/// divide by its rate and compare with [`crate::measure::felt::goodput_ceiling`].
///
/// The span should hold many times the shaper's burst, which passes unshaped: at least a second.
///
/// # Errors
/// As for any TCP flow: unknown VMs, no connection, a stalled stream.
pub fn goodput(
    place: &impl Place,
    variant: &Variant,
    tenant: &str,
    [from, to]: [&str; 2],
    port: u16,
    span: Duration,
) -> Result<f64, TrafficError> {
    let (from, to) = (from.to_owned(), to.to_owned());
    let tcp = TcpFlow {
        from: format!("{tenant}/{from}"),
        to: format!("{tenant}/{to}"),
        span: Span(span),
        streams: 1,
        tool: Tool::Builtin,
    };
    let label = format!("felt {tenant}/{from}→{tenant}/{to}");
    let tenant = tenant.to_owned();
    let (to_tenant, together, flow) = (None, None, Flow::Tcp(tcp));
    let flow = PlannedFlow { label, tenant, from, to, to_tenant, span, flow, together };
    let ends = Ends::of(variant, &flow, port)?;
    let round = tcp::run(place, &ends, 1, span, &CarrierTime::default)?;
    Ok(round.bytes as f64 * 8.0 / round.seconds)
}
