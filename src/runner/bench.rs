//! One variant while everything but its flows is measured, and what could not be measured of it.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::Progress;
use crate::measure::result::VariantResult;
use crate::plan::{Plan, Variant};
use crate::testbed::Testbed;

/// All that measuring needs, and where it is written.
pub(super) struct Bench<'a> {
    pub testbed: &'a Testbed,
    pub plan: &'a Plan,
    pub variant: &'a Variant,
    pub result: &'a mut VariantResult,
    pub notes: &'a mut Vec<String>,
    pub progress: &'a dyn Progress,
    pub stop: &'a AtomicBool,
}

impl Bench<'_> {
    /// Measures one thing. One that fails takes nothing with it that was found before: it is left out,
    /// with the reason. Nothing is begun once the run is to end.
    pub fn measure(&mut self, part: &str, work: impl FnOnce(&mut Self) -> anyhow::Result<()>) {
        if self.stopped() {
            interrupted(self.result, part);
            return;
        }
        self.progress.step(part);
        if let Err(error) = work(self) {
            self.leave_out(part, &error);
        }
    }

    /// Whether the run is to end.
    pub fn stopped(&self) -> bool {
        self.stop.load(Relaxed)
    }

    /// Leaves something out, and says why.
    pub fn leave_out(&mut self, part: &str, why: &dyn Display) {
        leave_out(self.result, self.notes, part, why);
    }

    /// Says that something was measured without some of the frames that there were.
    pub fn missed(&mut self, part: &str, frames: u64) {
        if frames > 0 {
            let why = format!("{frames} frames came too fast to be looked at");
            self.note(&format!("not all was seen: {part}"), &why);
        }
    }

    /// Says something that a reader must know.
    pub fn note(&mut self, what: &str, why: &dyn Display) {
        self.notes.push(format!("{}: {what}: {why}", self.variant.name));
    }
}

/// Leaves something out of a variant's result, and says why in words for readers and for verdicts.
pub(super) fn leave_out(
    result: &mut VariantResult,
    notes: &mut Vec<String>,
    part: &str,
    why: &dyn Display,
) {
    notes.push(format!("{}: not measured: {part}: {why}", result.name));
    result.unmeasured.insert(part.to_owned(), why.to_string());
}

/// Leaves something out because the run is to end, which readers are told once for all.
pub(super) fn interrupted(result: &mut VariantResult, part: &str) {
    let why = "the run was interrupted before it came to that".to_owned();
    result.unmeasured.insert(part.to_owned(), why);
}
