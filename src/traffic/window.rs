//! The measured window of a flow: what is read at its start and end.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::TrafficError;
use crate::measure::cpu::machine_busy;
use crate::measure::result::FlowRound;

/// Processor time so far, and the clock.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    at: Instant,
    machine: Duration,
    engines: Duration,
}

impl Mark {
    pub fn now(engine_cpu: &dyn Fn() -> Duration) -> Result<Mark, TrafficError> {
        // First, because flows that run together wait for each other in it.
        let engines = engine_cpu();
        let machine = machine_busy().map_err(TrafficError::Cpu)?;
        Ok(Mark { machine, engines, at: Instant::now() })
    }

    /// A round with the times between `self` and `end`.
    pub fn round(&self, end: &Mark) -> FlowRound {
        FlowRound {
            seconds: end.at.duration_since(self.at).as_secs_f64(),
            cpu_seconds: end.machine.saturating_sub(self.machine).as_secs_f64(),
            engine_seconds: end.engines.saturating_sub(self.engines).as_secs_f64(),
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
