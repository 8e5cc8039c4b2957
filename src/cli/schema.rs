//! `overlab schema`: the JSON Schema of lab and topology files.

use std::io::{self, Write};

/// Writes the schema.
///
/// # Errors
/// Where `out` cannot be written to.
pub fn run(out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &crate::lab::schema())?;
    writeln!(out)
}
