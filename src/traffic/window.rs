//! The measured window of a flow: what is read at its start and end.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::clocks::Clocks;
use super::{Carrier, TrafficError};
use crate::measure::cpu::{CarrierTime, machine_busy};
use crate::measure::result::{CpuParts, FlowRound};

/// Processor time so far, and the clock.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    at: Instant,
    machine: Duration,
    carrier: CarrierTime,
    /// Of the flow's own threads: senders and receivers.
    sides: [Option<Duration>; 2],
}

impl Mark {
    pub fn now(carrier: Carrier<'_>, clocks: &Clocks) -> Result<Mark, TrafficError> {
        // First, because flows that run together wait for each other in it.
        let carrier = carrier();
        let machine = machine_busy().map_err(TrafficError::Cpu)?;
        let sides = [clocks.sender.time(), clocks.receiver.time()];
        Ok(Mark { machine, carrier, sides, at: Instant::now() })
    }

    /// A round with the times between `self` and `end`.
    pub fn round(&self, end: &Mark) -> FlowRound {
        let since = |then: Option<Duration>, now: Option<Duration>| {
            Some(now?.saturating_sub(then?).as_secs_f64())
        };
        let way = |at: usize| {
            let of = |mark: &Mark| mark.carrier.ways.map(|ways| ways[at]);
            since(of(self), of(end))
        };
        let cpu = CpuParts {
            sender: since(self.sides[0], end.sides[0]),
            receiver: since(self.sides[1], end.sides[1]),
            encap: way(0),
            decap: way(1),
            switches: since(self.carrier.switches, end.carrier.switches),
            others: None,
        };
        FlowRound {
            seconds: end.at.duration_since(self.at).as_secs_f64(),
            cpu_seconds: end.machine.saturating_sub(self.machine).as_secs_f64(),
            engine_seconds: end.carrier.edges.saturating_sub(self.carrier.edges).as_secs_f64(),
            cpu: Some(cpu),
            ..FlowRound::default()
        }
    }
}

/// The time of ramp-up before a window: enough for windows and queues to open, little of the flow.
pub fn ramp(span: Duration) -> Duration {
    (span / 5).clamp(Duration::from_millis(50), Duration::from_millis(300))
}

/// What a worker thread tells.
#[derive(Debug)]
pub enum Event {
    /// The first bytes arrived.
    Started,
    /// It cannot go on.
    Failed(TrafficError),
}

/// Waits until `count` workers have started, or one has failed, or `patience` is over (`false`).
pub fn started(
    events: &Receiver<Event>,
    count: usize,
    patience: Duration,
) -> Result<bool, TrafficError> {
    let deadline = Instant::now() + patience;
    for _ in 0..count {
        match events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Event::Started) => {}
            Ok(Event::Failed(error)) => return Err(error),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(false),
        }
    }
    Ok(true)
}

/// Lets `span` pass, unless a worker fails meanwhile.
pub fn pass(events: &Receiver<Event>, span: Duration) -> Result<(), TrafficError> {
    let deadline = Instant::now() + span;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        match events.recv_timeout(left) {
            Ok(Event::Started) => {}
            Ok(Event::Failed(error)) => return Err(error),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}
