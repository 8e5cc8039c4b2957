use std::process::ExitCode;

fn main() -> ExitCode {
    overlab::cli::main()
}
