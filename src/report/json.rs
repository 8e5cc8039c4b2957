//! The result document as text, and back.

use std::collections::BTreeSet;

use crate::measure::result::{RunResult, SCHEMA};

/// Why a text is no result document of this version.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No JSON, or cut short.
    #[error("the result is no JSON document: {0}; it may have been cut short, run the lab again")]
    Json(serde_json::Error),
    /// JSON, but something else.
    #[error("the document has no `schema` field: it is no result of overlab (expected `{SCHEMA}`)")]
    NoSchema,
    /// A result of another version.
    #[error("the result has schema `{found}`, this program reads `{SCHEMA}`: {what_to_do}")]
    Schema {
        /// What the document says it is.
        found: String,
        /// What helps.
        what_to_do: String,
    },
    /// A field is missing or of the wrong shape.
    #[error("the result is damaged: {0}")]
    Shape(serde_json::Error),
    /// Two variants of one name.
    #[error("the result is damaged: two variants are called `{0}`")]
    Twice(String),
    /// A variant is compared with one that is not there.
    #[error(
        "the result is damaged: variant `{variant}` is compared with `{baseline}`, which is not in it"
    )]
    Baseline {
        /// The variant.
        variant: String,
        /// The plain path it names.
        baseline: String,
    },
}

/// The result document, indented, with a line feed at its end. A figure that is not finite becomes
/// `null`, which [`read`] refuses.
///
/// # Errors
/// None in practice: all of a result serialises.
pub fn json(run: &RunResult) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(run)? + "\n")
}

/// Reads a result document.
///
/// # Errors
/// Text that is no JSON, another schema version, a field that is missing or damaged, and names that
/// do not fit together.
pub fn read(text: &str) -> Result<RunResult, ReadError> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(ReadError::Json)?;
    match value.get("schema").and_then(|s| s.as_str()) {
        Some(SCHEMA) => {}
        Some(found) => {
            let lab = value.get("lab").and_then(|lab| lab.as_str()).unwrap_or("LAB");
            return Err(ReadError::Schema {
                found: found.to_owned(),
                what_to_do: help(found, lab),
            });
        }
        None => return Err(ReadError::NoSchema),
    }
    // From the text once more: only then does the error name line and column.
    let run: RunResult = serde_json::from_str(text).map_err(ReadError::Shape)?;
    let mut names = BTreeSet::new();
    if let Some(twice) = run.variants.iter().find(|v| !names.insert(&v.name)) {
        return Err(ReadError::Twice(twice.name.clone()));
    }
    for variant in &run.variants {
        if let Some(baseline) = variant.baseline.as_ref().filter(|b| !names.contains(b)) {
            return Err(ReadError::Baseline {
                variant: variant.name.clone(),
                baseline: baseline.clone(),
            });
        }
    }
    Ok(run)
}

/// What to do with a result of another version.
fn help(found: &str, lab: &str) -> String {
    let number =
        |schema: &str| schema.strip_prefix("overlab-result/").and_then(|n| n.parse::<u32>().ok());
    let again = format!("run the lab again (`overlab run {lab}`)");
    match (number(found), number(SCHEMA)) {
        (Some(found), Some(own)) if found < own => {
            format!("it is of an older program, and its figures may mean something else; {again}")
        }
        (Some(_), _) => format!("it is of a newer program; use that one, or {again}"),
        (None, _) => format!("it is no result of overlab; {again}"),
    }
}

/// The JSON Schema of the result document, as published in `docs/schema/result.json`.
///
/// # Errors
/// None in practice: every schema serialises.
pub fn schema() -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(&schemars::schema_for!(RunResult))? + "\n")
}
