//! Arguments, progress and exit codes.

pub mod clean;
pub mod doctor;

use std::process::ExitCode;

/// Runs the command line; the exit status is 0 held, 1 an expectation failed, 2 wrong input, 3 this machine cannot.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
