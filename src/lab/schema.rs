//! The JSON Schema of lab and topology files.

use serde_json::Value;
pub fn schema() -> Value {
    serde_json::to_value(schemars::schema_for!(super::Lab)).unwrap_or_default()
}
