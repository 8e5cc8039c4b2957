//! What one expectation found in one variant.

use std::fmt::Display;

/// Whether it held, and the figures that say so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Finding {
    /// Whether it held.
    pub held: bool,
    /// What theory says, with its unit.
    pub theory: Option<String>,
    /// What was measured, with its unit.
    pub measured: Option<String>,
    /// What else belongs to it, or why nothing was measured.
    pub detail: String,
}

impl Finding {
    /// A verdict with words only.
    pub fn new(held: bool, detail: impl Into<String>) -> Finding {
        Finding { held, detail: detail.into(), ..Finding::default() }
    }

    /// What could not be found out does not hold.
    pub fn unknown(why: impl Into<String>) -> Finding {
        Finding::new(false, why)
    }

    /// What must not be there, or not so often, may be among frames that nobody looked at: then it does not hold.
    pub fn unless_missed(mut self, frames: u64) -> Finding {
        if frames > 0 {
            self.held = false;
            let gap = if self.detail.is_empty() { "" } else { "; " };
            self.detail +=
                &format!("{gap}{frames} frames came too fast to be looked at, and may be of those");
        }
        self
    }

    /// The two figures beside each other.
    pub fn figures(mut self, theory: impl Display, measured: impl Display) -> Finding {
        self.theory = Some(theory.to_string());
        self.measured = Some(measured.to_string());
        self
    }
}
