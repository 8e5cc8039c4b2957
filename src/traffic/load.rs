//! Bulk TCP beside a flow that is measured under load.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::ends::Ends;
use super::{TrafficError, tcp};
use crate::measure::Place;
use crate::measure::result::FlowRound;

/// What a flow of requests and responses gives.
type Found = (FlowRound, Histogram<u64>);

/// Keeps `streams` connections between the same ends full from before `work` begins until after it has
/// ended. `work` is given what tells the bytes that they have delivered so far.
///
/// # Errors
/// As of bulk flows and of `work`; and nothing that was delivered during `work`'s window is no load.
pub fn beside(
    place: &impl Place,
    ends: &Ends,
    streams: u32,
    span: Duration,
    work: impl FnOnce(&dyn Fn() -> u64) -> Result<Found, TrafficError>,
) -> Result<Found, TrafficError> {
    // The system chooses a port that is free.
    let ends = Ends { port: 0, ..ends.clone() };
    tcp::kept_full(place, &ends, streams, |bulk| {
        bulk.warm_up(span)?;
        let mut found = work(&|| bulk.bytes())?;
        // Engines and the machine worked for the load as well.
        found.0.cpu = None;
        bulk.sound()?;
        if found.0.load_bytes.is_none_or(|bytes| bytes == 0) {
            return Err(TrafficError::Unloaded { streams });
        }
        Ok(found)
    })
}
