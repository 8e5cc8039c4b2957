//! `overlab schema`: the JSON Schemas of what is read and written.

use std::io::{self, Write};

/// What a schema describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Document {
    /// Lab and topology files.
    Lab,
    /// The result document of a run.
    Result,
}

/// Writes the schema.
///
/// # Errors
/// Where `out` cannot be written to.
pub fn run(document: Document, out: &mut dyn Write) -> io::Result<()> {
    match document {
        Document::Lab => {
            serde_json::to_writer_pretty(&mut *out, &crate::lab::schema())?;
            writeln!(out)
        }
        Document::Result => write!(out, "{}", crate::report::schema()?),
    }
}
