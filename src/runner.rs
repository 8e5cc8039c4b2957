//! The whole pipeline, from a lab file to a written report.
