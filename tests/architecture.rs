//! The shape of the program: which module may import which, and the habits that every file keeps.
//!
//! Held on the source text: comments and literals are blanked first, so only code counts.

#[path = "architecture/source.rs"]
mod source;

use std::collections::{BTreeMap, BTreeSet};

use source::{Source, word_at};

/// Who may import whom. A module may always import itself; the modules of a row are all it may
/// import beside that. The order is the way of the data, and nothing reaches back up.
const IMPORTS: &[(&str, &[&str])] = &[
    // Types of identifiers, checked once where the lab is read: everything may import them.
    ("ids", &[]),
    ("wire", &[]),
    // What the running kernel is.
    ("system", &[]),
    ("encap", &["ids", "wire"]),
    // Captures taken apart: bytes in, findings out.
    ("dissect", &["encap", "ids", "wire"]),
    ("vswitch", &["encap", "ids", "wire"]),
    // What an encapsulation adds decides whether an MTU of the lab can fit.
    ("lab", &["encap", "ids"]),
    ("plan", &["encap", "ids", "lab"]),
    // Boxes and wires placed on a page, whatever they stand for.
    ("sketch", &[]),
    // A plan as a picture.
    ("draw", &["ids", "lab", "plan", "sketch"]),
    // Where to measure is said by the plan: namespaces, ports, addresses.
    ("measure", &["ids", "lab", "plan", "wire"]),
    // Namespaces are a place to measure in, which is a trait of `measure`.
    ("netns", &["ids", "lab", "measure", "plan", "system"]),
    // `kernel/` builds the kernel's own devices from a plan by netlink; `user/` imports the engines.
    ("datapath", &["encap", "ids", "lab", "measure", "netns", "plan", "system", "vswitch", "wire"]),
    // The stage between plan and runner: everything of one plan, built.
    (
        "testbed",
        &[
            "datapath", "encap", "ids", "lab", "measure", "netns", "plan", "system", "vswitch",
            "wire",
        ],
    ),
    // The engines' datapath under a device of the machine's own; it knows no labs.
    ("endpoint", &["datapath", "encap", "ids", "measure", "vswitch", "wire"]),
    ("traffic", &["ids", "lab", "measure", "plan"]),
    ("report", &["ids", "measure", "sketch"]),
    // The only one that sees the whole pipeline.
    ("runner", &["dissect", "ids", "lab", "measure", "netns", "plan", "testbed", "traffic"]),
    // Arguments and exit codes; privileges are taken here, while there is one thread.
    (
        "cli",
        &[
            "dissect", "draw", "encap", "endpoint", "ids", "lab", "measure", "netns", "plan",
            "report", "runner", "testbed",
        ],
    ),
];

/// Parts of modules with a narrower rule than their module: a path prefix and what it may import.
const NARROWER: &[(&str, &[&str])] = &[
    // The engines' datapath knows sockets and frames, and neither labs nor plans.
    ("src/datapath/user/", &["datapath", "encap", "ids", "system", "vswitch", "wire"]),
];

/// Files that may say `unsafe`, and what they need it for.
const UNSAFE: &[(&str, &str)] = &[
    ("src/datapath/ssh/device.rs", "ioctls without a wrapper"),
    (
        "src/datapath/ssh/processes.rs",
        "children in namespaces of their own that end with their parent",
    ),
    ("src/datapath/user/", "system calls over many frames at once, and their buffers"),
    ("src/measure/cpu.rs", "CPU clocks of threads"),
    ("src/measure/tap.rs", "packet sockets with virtio-net headers and timestamps"),
    ("src/netns/", "ioctls without a wrapper"),
    ("src/traffic/iperf3.rs", "a child that ends with its parent"),
    ("src/traffic/mmsg.rs", "sendmmsg and recvmmsg"),
    ("src/traffic/tcp.rs", "TCP_INFO"),
];

/// Lines of a file, at most.
const LINES: usize = 600;

#[test]
fn modules_import_only_what_they_may() {
    let known: BTreeMap<_, _> = IMPORTS.iter().copied().collect();
    let mut wrong = Vec::new();
    for file in source::tree() {
        let Some(module) = file.module() else { continue };
        let Some(allowed) = known.get(module) else {
            wrong.push(format!("{}: the table knows no module `{module}`", file.path));
            continue;
        };
        for (line, import) in file.imports() {
            let narrow = NARROWER.iter().find(|(prefix, _)| file.path.starts_with(prefix));
            let may = (import == module || allowed.contains(&import.as_str()))
                && narrow.is_none_or(|(_, allowed)| allowed.contains(&import.as_str()));
            if !may {
                wrong.push(format!("{}:{line}: may not import `{import}`", file.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The table of `docs/architecture.md`: names and imports of each of its rows.
fn told() -> Vec<(Vec<String>, BTreeSet<String>)> {
    let text = std::fs::read_to_string("docs/architecture.md").unwrap();
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    let table = text.lines().skip_while(|line| !line.starts_with("| module |")).skip(2);
    let rows = table.take_while(|line| line.starts_with('|')).map(|line| {
        let cells: Vec<&str> = line.split(" | ").collect();
        let imports: Vec<String> = names(cells.last().unwrap());
        (names(cells[0]), imports.into_iter().collect())
    });
    rows.collect()
}

#[test]
fn the_document_tells_the_same_imports() {
    let mut told_of: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (names, imports) in told() {
        let module = names[0].split("::").next().unwrap();
        told_of.entry(module.to_owned()).or_default().extend(imports);
    }
    for (module, imports) in IMPORTS {
        let imports: BTreeSet<String> = imports.iter().map(|&import| import.to_owned()).collect();
        assert_eq!(told_of.get(*module), Some(&imports), "`{module}` in docs/architecture.md");
    }
}

#[test]
fn the_rule_itself_has_no_cycle() {
    // Each row names only rows above it.
    let mut above = BTreeSet::new();
    for (module, imports) in IMPORTS {
        for import in *imports {
            assert!(above.contains(import), "`{module}` imports `{import}`, which comes after it");
        }
        assert!(above.insert(module), "`{module}` twice");
    }
}

#[test]
fn imports_are_found_in_every_form() {
    let text = "use crate::{lab::{self, Lab}, plan};\nuse crate::netns::x;\n\
                fn f() { crate::ids::g(\"crate::wire\") } // crate::encap\n";
    let file = Source::of("src/runner/x.rs", text);
    let found: Vec<_> = file.imports().into_iter().map(|(_, name)| name).collect();
    assert_eq!(found, ["lab", "plan", "netns", "ids"]);
    let climbing = Source::of("src/a/b.rs", "use super::super::plan::Plan;\nuse super::c;\n");
    assert_eq!(climbing.imports(), [(1, "plan".to_owned())]);
    let top = Source::of("src/a/mod.rs", "use super::{plan, lab::Lab};\n");
    assert_eq!(top.imports(), [(1, "plan".to_owned()), (1, "lab".to_owned())]);
}

#[test]
fn unsafe_stays_where_its_reason_is_listed() {
    let mut used = BTreeSet::new();
    for file in source::tree() {
        let Some(at) = file.words("unsafe").next() else { continue };
        let listed = UNSAFE.iter().find(|(prefix, _)| file.path.starts_with(prefix));
        let Some((prefix, _)) = listed else {
            panic!("{}:{}: `unsafe` is not for this file", file.path, file.line(at));
        };
        used.insert(*prefix);
    }
    for (prefix, _) in UNSAFE {
        assert!(used.contains(prefix), "{prefix} is listed, but has no `unsafe` any more");
    }
}

#[test]
fn every_unsafe_block_says_why_it_is_sound() {
    for file in source::tree() {
        for at in file.words("unsafe") {
            let line = file.line(at);
            // The reason stands above the statement; attributes and the statement's begin may be
            // between.
            let above: Vec<&str> = file.text.lines().take(line).collect();
            let near = &above[above.len().saturating_sub(8)..];
            assert!(
                near.iter().any(|l| l.contains("SAFETY:")),
                "{}:{line}: no `SAFETY:` above this `unsafe`",
                file.path
            );
        }
    }
}

#[test]
fn nothing_gives_up_outside_tests() {
    const FORBIDDEN: &[&str] = &["unwrap", "expect", "panic", "todo", "unimplemented", "dbg"];
    let mut wrong = Vec::new();
    for file in source::tree() {
        for word in FORBIDDEN {
            for at in file.words(word) {
                let call = file.code[at + word.len()..].chars().next();
                if matches!(call, Some('(' | '!')) {
                    wrong.push(format!("{}:{}: `{word}`", file.path, file.line(at)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_and_stays_small() {
    let mut lengths = Vec::new();
    for file in source::all("src") {
        let lines = file.text.lines().count();
        assert!(file.text.starts_with("//! "), "{} does not begin with its doc", file.path);
        assert!(lines <= LINES, "{} has {lines} lines, more than {LINES}", file.path);
        lengths.push(lines);
    }
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median < 200, "half of the files have {median} lines or more");
}

#[test]
fn nothing_is_left_to_do() {
    for file in ["src", "tests", "benches", "examples"].into_iter().flat_map(source::all) {
        for mark in ["TODO", "FIXME", "XXX", "HACK"].map(str::to_owned) {
            let found = file.text.match_indices(&mark).find(|(at, _)| {
                word_at(&file.text, *at, mark.len()) && !file.path.contains("tests/architecture")
            });
            assert!(found.is_none(), "{} has a {mark}", file.path);
        }
    }
}

#[test]
fn literals_comments_and_tests_do_not_count_as_code() {
    let text = "fn f<'a>(x: &'a str) -> char { g(r#\"unsafe \"x\" \"#); '\"' }\n\
                /* unsafe /* unsafe */ unsafe */ fn g() {}\n\
                #[cfg(test)]\nmod tests { fn h() { unsafe {} } }\nfn i() { unsafe {} }\n";
    let file = Source::of("src/x.rs", text);
    let lines: Vec<_> = file.words("unsafe").map(|at| file.line(at)).collect();
    assert_eq!(lines, [5]);
}
