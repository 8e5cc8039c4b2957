//! Rows of the lesson that a run's expectations are about.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the lesson says in one row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimResult {
    /// The row, e.g. `C10`.
    pub id: String,
    /// What the lesson says.
    pub says: String,
    /// Theory's figure, or what theory expects.
    pub theory: String,
    /// What standards say otherwise; absent where they agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}
