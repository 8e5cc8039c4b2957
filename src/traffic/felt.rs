//! Overhead as a user feels it: what one TCP stream gets through a link of limited rate.

use std::time::{Duration, Instant};

use super::ends::Ends;
use super::{TrafficError, tcp};
use crate::lab::{Flow, Span, TcpFlow, Tool};
use crate::measure::Place;
use crate::plan::{PlannedFlow, Variant};

/// Payload bits per second of one TCP stream from `from` to `to` (VM names of `tenant`), measured
/// for `span` after a ramp-up, in each of so many equal `parts`. The caller has put the shaper on the underlay
/// link between them; divide by its rate and compare with [`crate::measure::felt::goodput_ceiling`].
///
/// The span should hold many times the shaper's burst, which passes unshaped: at least a second.
///
/// # Errors
/// As for any TCP flow: unknown VMs, no connection, a stream in which nothing arrives.
pub fn goodput(
    place: &impl Place,
    variant: &Variant,
    tenant: &str,
    [from, to]: [&str; 2],
    port: u16,
    (span, parts): (Duration, u32),
) -> Result<Vec<f64>, TrafficError> {
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
    tcp::kept_full(place, &ends, 1, |bulk| {
        bulk.warm_up(span)?;
        let begun = bulk.bytes();
        let (mut last, mut each) = ((Instant::now(), begun), Vec::new());
        for _ in 0..parts.max(1) {
            bulk.wait(span / parts.max(1))?;
            let now = (Instant::now(), bulk.bytes());
            let seconds = now.0.duration_since(last.0).as_secs_f64();
            each.push((now.1 - last.1) as f64 * 8.0 / seconds);
            last = now;
        }
        if last.1 == begun {
            return Err(TrafficError::Silent { address: ends.target(), waited: span });
        }
        Ok(each)
    })
}
