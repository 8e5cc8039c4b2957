//! What a user-mode Linux needs on processors that are newer than it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Lets `linux` hand over a process's registers whole, however many the processor has; what is
/// preloaded for that is compiled into `folder`.
pub fn all_registers(linux: &mut Command, folder: &Path) {
    let library = folder.join("registers.so");
    let mut compiler = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-x", "c", "-", "-o"])
        .arg(&library)
        .stdin(Stdio::piped())
        .spawn()
        .expect("start `cc`, which also links these tests");
    let mut source = compiler.stdin.take().expect("a pipe");
    source.write_all(include_bytes!("uml_registers.c")).expect("the compiler reads");
    drop(source);
    assert!(compiler.wait().expect("the compiler ends").success(), "`cc` failed");
    linux.env("LD_PRELOAD", library);
}
