//! Tells the program which commit it was built from, so that results can name it.
//!
//! Only optimised builds ask git: figures of others are not to be compared, and say so.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let optimised = std::env::var("OPT_LEVEL").is_ok_and(|level| level != "0" && level != "1");
    let build =
        if optimised { commit().unwrap_or("unknown commit".into()) } else { "debug".into() };
    println!("cargo:rustc-env=OVERLAB_BUILD={build}");
}

/// The commit of this checkout, with a mark where files differ from it; nothing where this is no checkout of its own.
fn commit() -> Option<String> {
    let here = std::env::var("CARGO_MANIFEST_DIR").ok()?;
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != Path::new(&here).canonicalize().ok()? {
        return None;
    }
    // Every commit and checkout writes into this file; changes of what is built are changes of these.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    for changes in [log.as_str(), "src", "topologies", "Cargo.toml", "Cargo.lock"] {
        if Path::new(changes).exists() {
            println!("cargo:rerun-if-changed={changes}");
        }
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let differs = git(&[
        "status",
        "--porcelain",
        "--untracked-files=no",
        "--",
        "src",
        "topologies",
        "Cargo.toml",
        "Cargo.lock",
    ])?;
    Some(if differs.is_empty() { commit } else { format!("{commit}, changed") })
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
