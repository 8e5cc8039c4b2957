//! Why a run ended without a result.

use crate::measure::MeasureError;
use crate::netns;
use crate::testbed::TestbedError;

/// What could not be built or measured.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Building or removing.
    #[error(transparent)]
    Testbed(#[from] TestbedError),
    /// Measuring.
    #[error(transparent)]
    Measure(#[from] MeasureError),
}

impl From<netns::Error> for RunError {
    fn from(error: netns::Error) -> Self {
        RunError::Testbed(error.into())
    }
}

impl RunError {
    /// Whether this machine cannot do it at all (exit status 3).
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(self, RunError::Testbed(error) if error.is_unsupported())
    }
}
