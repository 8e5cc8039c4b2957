//! The command line: help, exit statuses, and what goes to standard output. Nothing is built here.

mod support;

use std::io::pipe;
use std::process::{Command, Stdio};

use serde_json::Value;
use support::{Home, Role, finish, json, repository, roles, text};

const COMMANDS: &[&str] = &[
    "run",
    "plan",
    "report",
    "diff",
    "build",
    "graph",
    "predict",
    "check",
    "list",
    "claims",
    "doctor",
    "clean",
    "dissect",
    "endpoint",
    "explain",
    "schema",
    "completions",
];

#[test]
fn help_is_an_interface() {
    let home = Home::new(Role::Myself);
    let help = |arguments: &[&str]| {
        let output = home.output(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    insta::assert_snapshot!("help", help(&["--help"]));
    for command in COMMANDS {
        insta::assert_snapshot!(format!("help-{command}"), help(&[command, "--help"]));
    }
    // Every command that there is has its snapshot.
    let listed = help(&["-h"]);
    let commands = listed.split_once("Commands:\n").unwrap().1.split_once("\n\n").unwrap().0;
    let names = commands.lines().filter_map(|line| line.strip_prefix("  "));
    let names: Vec<&str> = names.filter_map(|line| line.split(' ').next()).collect();
    let named: Vec<&str> = names.into_iter().filter(|n| !n.is_empty() && *n != "help").collect();
    assert_eq!(named, COMMANDS);
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let home = Home::new(Role::Myself);
    for arguments in [
        &["run"][..],
        &["run", "x.yaml", "--fast"],
        &["fly"],
        &["completions", "tcl"],
        &["plan", "x.yaml", "y.yaml"],
        &[],
    ] {
        let output = home.output(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}: {}", text(&output.stdout));
        assert!(text(&output.stderr).contains("--help"), "{arguments:?}");
    }
    let output = home.output(&["run", "x.yaml", "--jsno"]);
    assert!(text(&output.stderr).contains("--json"), "{}", text(&output.stderr));
}

#[test]
fn every_shipped_lab_is_right_and_can_be_planned_by_anybody() {
    for role in roles() {
        let home = Home::new(*role);
        for lab in shipped() {
            let copy =
                home.write(&lab, &std::fs::read_to_string(repository(&lab_path(&lab))).unwrap());
            let copy = copy.to_str().unwrap();
            let output = home.output(&["check", copy]);
            assert_eq!(output.status.code(), Some(0), "{lab}: {}", text(&output.stderr));
            assert!(text(&output.stdout).contains("right, a lab of"), "{lab}");

            let output = home.output(&["plan", copy]);
            assert_eq!(output.status.code(), Some(0), "{lab}: {}", text(&output.stderr));
            assert!(output.stderr.is_empty(), "{lab}: {}", text(&output.stderr));
            assert!(text(&output.stdout).contains("h1"), "{lab}");
            let plan = json(&home.output(&["plan", copy, "--json"]));
            assert!(!plan["variants"].as_array().unwrap().is_empty(), "{lab}");
        }
        // Neither check nor plan left anything.
        let mut labs = shipped();
        labs.sort();
        assert_eq!(home.files(), labs);
    }
}

fn shipped() -> Vec<String> {
    let entries = std::fs::read_dir(repository("labs")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let labs: Vec<String> = names.filter(|name| name.ends_with(".yaml")).collect();
    assert!(labs.len() >= 4, "only {labs:?}");
    labs
}

fn lab_path(name: &str) -> String {
    format!("labs/{name}")
}

#[test]
fn a_lab_with_ten_faults_tells_all_ten_and_builds_nothing() {
    for role in roles() {
        let home = Home::new(*role);
        let faulty = std::fs::read_to_string(repository("tests/wrong/ten-faults.yaml")).unwrap();
        let lab = home.write("ten.yaml", &faulty);
        let lab = lab.to_str().unwrap();
        for command in ["check", "plan", "run"] {
            let output = home.output(&[command, lab]);
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{command}: {said}");
            assert!(output.stdout.is_empty(), "{command}");
            let faults = said.lines().filter(|line| line.contains("ten.yaml:")).count();
            assert_eq!(faults, 10, "{command}: {said}");
            assert!(said.contains("nothing was built"), "{command}: {said}");
        }
        assert_eq!(home.files(), ["ten.yaml"]);

        let output = home.output(&["check", lab, "--json"]);
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(json(&output)[0]["faults"].as_array().unwrap().len(), 10);
    }
}

#[test]
fn a_lab_that_is_not_there_ends_with_2() {
    let home = Home::new(Role::Myself);
    for command in ["check", "plan", "run"] {
        let output = home.output(&[command, "none.yaml"]);
        assert_eq!(output.status.code(), Some(2), "{command}");
        assert!(text(&output.stderr).contains("none.yaml"), "{command}");
    }
    let output = home.output(&["list", "nowhere"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("nowhere"));
    assert!(home.files().is_empty(), "{:?}", home.files());
}

#[test]
fn the_labs_are_listed_with_their_titles() {
    let home = Home::new(Role::Myself);
    let labs = repository("labs");
    let output = home.output(&["list", &labs]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("Hello, overlay"), "{}", text(&output.stdout));
    let listed = json(&home.output(&["list", &labs, "--json"]));
    assert_eq!(listed.as_array().unwrap().len(), shipped().len());
    for lab in listed.as_array().unwrap() {
        assert_eq!(lab["faults"], 0, "{lab}");
        assert!(lab["title"].as_str().is_some_and(|title| !title.is_empty()), "{lab}");
    }
}

#[test]
fn the_schema_is_a_schema_and_takes_the_shipped_labs() {
    let home = Home::new(Role::Myself);
    let schema = json(&home.output(&["schema"]));
    // A schema of several kinds of file: the lab's is chosen by its name.
    let mut lab = schema.clone();
    lab["$ref"] = "#/$defs/Lab".into();
    lab.as_object_mut().unwrap().retain(|key, _| ["$schema", "$defs", "$ref"].contains(&&**key));
    let lab = jsonschema::validator_for(&lab).unwrap();
    for name in shipped() {
        let text = std::fs::read_to_string(repository(&lab_path(&name))).unwrap();
        let value: Value = serde_yaml::from_str(&text).unwrap();
        let errors: Vec<_> = lab.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
    assert!(!lab.is_valid(&serde_json::json!({ "titel": "x" })));
}

#[test]
fn completions_are_scripts_that_their_shell_takes() {
    let home = Home::new(Role::Myself);
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = home.output(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        let script = text(&output.stdout);
        for command in COMMANDS {
            assert!(script.contains(command), "{shell} does not know {command}");
        }
        if shell == "bash" {
            let path = home.write("completions.bash", &script);
            let checked = Command::new("bash").arg("-n").arg(path).status().unwrap();
            assert!(checked.success(), "bash finds faults in its completions");
        }
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let home = Home::new(Role::Myself);
    let lab = repository("labs/hello.yaml");
    let labs = repository("labs");
    for arguments in [
        &["schema"][..],
        &["plan", &lab],
        &["plan", &lab, "--json"],
        &["check", &lab],
        &["list", &labs],
        &["completions", "zsh"],
        &["doctor"],
        &["clean"],
        &["--help"],
    ] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut command = home.command(arguments);
        let child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let output = finish(child);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_full_device_is_a_failure() {
    let home = Home::new(Role::Myself);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = home.command(&["schema"]);
    let output = finish(command.stdout(full).stderr(Stdio::piped()).spawn().unwrap());
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("No space left"), "{}", text(&output.stderr));
}

#[test]
fn a_machine_that_cannot_do_it_ends_with_3() {
    let home = Home::new(Role::Myself);
    let lab = home.write("lab.yaml", support::TINY);
    let run = home.command(&["run", lab.to_str().unwrap()]);
    // The limit counts for this user namespace alone.
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "sh", "-c"])
        .arg("echo 0 >/proc/sys/user/max_net_namespaces && exec \"$@\"")
        .arg("sh")
        .arg(run.get_program())
        .args(run.get_args())
        .current_dir(home.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = finish(command.spawn().unwrap());
    let said = text(&output.stderr);
    if said.contains("unshare failed") || said.contains("max_net_namespaces: ") {
        return support::skip(&format!("no user namespace to forbid namespaces in: {said}"));
    }
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(output.stdout.is_empty());
    assert!(said.contains("max_net_namespaces"), "no word of the setting: {said}");
    assert!(said.contains("overlab doctor"), "no word of doctor: {said}");
    assert_eq!(home.files(), ["lab.yaml"]);
}

const RESULT: &str = include_str!("fixtures/result.json");

#[test]
fn a_report_is_drawn_again_from_its_result() {
    let home = Home::new(Role::Myself);
    std::fs::create_dir(home.path().join("run")).unwrap();
    home.write("run/result.json", RESULT);
    let draw = |arguments: &[&str]| {
        let output = home.output(&[&["report", "run/result.json"], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    assert!(draw(&[]).starts_with("VLAN against VXLAN\n"));
    assert!(draw(&["--format", "md"]).starts_with("# VLAN against VXLAN\n"));
    assert!(draw(&["--format", "html"]).starts_with("<!DOCTYPE html>"));
    assert!(draw(&["--format", "csv"]).starts_with("variant,encap,"));
    let again: serde_json::Value = serde_json::from_str(&draw(&["--format", "json"])).unwrap();
    assert_eq!(again["schema"], "overlab-result/2");
    assert_eq!(draw(&["--format", "md", "-o", "again.md"]), "");
    let written = std::fs::read_to_string(home.path().join("again.md")).unwrap();
    assert_eq!(written, text(&home.output(&["report", "run", "--format", "md"]).stdout));
    let schema = text(&home.output(&["schema", "result"]).stdout);
    let published = std::fs::read_to_string(repository("docs/schema/result.json")).unwrap();
    assert!(schema == published, "docs/schema/result.json is another one");
}

#[test]
fn what_is_no_result_is_refused_with_the_reason() {
    let home = Home::new(Role::Myself);
    home.write("whole.json", RESULT);
    home.write("cut.json", &RESULT[..RESULT.len() / 2]);
    home.write("later.json", &RESULT.replace("overlab-result/2", "overlab-result/9"));
    home.write("older.json", &RESULT.replace("overlab-result/2", "overlab-result/1"));
    home.write("damaged.json", &RESULT.replacen("\"seed\"", "\"sead\"", 1));
    for (file, reason) in [
        ("cut.json", "no JSON document"),
        ("later.json", "schema `overlab-result/9`, this program reads `overlab-result/2`"),
        ("later.json", "newer program"),
        ("older.json", "(`overlab run labs/vlan-vs-vxlan.yaml`)"),
        ("damaged.json", "damaged"),
        ("absent.json", "cannot read absent.json"),
    ] {
        for arguments in [&["report", file][..], &["diff", "whole.json", file]] {
            let output = home.output(arguments);
            assert_eq!(output.status.code(), Some(2), "{arguments:?}");
            assert!(text(&output.stderr).contains(reason), "{}", text(&output.stderr));
            assert!(output.stdout.is_empty());
        }
    }
}

/// The fixture with what VXLAN delivered over TCP divided, and one expectation turned round.
fn slower(divisor: u64) -> String {
    let mut run: serde_json::Value = serde_json::from_str(RESULT).unwrap();
    let variants = run["variants"].as_array_mut().unwrap();
    let vxlan = variants.iter_mut().find(|v| v["name"] == "vxlan").unwrap();
    for round in vxlan["flows"][0]["rounds"].as_array_mut().unwrap() {
        round["bytes"] = (round["bytes"].as_u64().unwrap() / divisor).into();
    }
    vxlan["mtu"]["inner"] = 1430.into();
    run["machine"]["kernel"] = "Linux 7.0 x86_64".into();
    run.to_string()
}

#[test]
fn a_difference_says_what_changed_and_what_cannot_be_told() {
    let home = Home::new(Role::Myself);
    std::fs::create_dir(home.path().join("a")).unwrap();
    home.write("a/result.json", RESULT);
    home.write("b.json", &slower(2));
    let diff = |arguments: &[&str], status| {
        let output = home.output(&[&["diff"], arguments].concat());
        assert_eq!(output.status.code(), Some(status), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let same = diff(&["a", "a/result.json", "--fail-on-regression"], 0);
    assert!(same.contains("no difference measurable") && same.contains("\n0 of "), "{same}");
    let changed = diff(&["a", "b.json"], 0);
    let line = changed
        .split("· ")
        .find(|l| l.contains("ratio to plain") && l.starts_with("vxlan, tcp red"))
        .unwrap();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(line.contains("0.50 [") && line.contains("times: smaller"), "{line}");
    assert!(changed.contains("vxlan, inner MTU: 1,450 B → 1,430 B"), "{changed}");
    assert!(changed.contains("The kernels differ"), "{changed}");
    diff(&["a", "b.json", "--fail-on-regression"], 1);
    diff(&["b.json", "a", "--fail-on-regression"], 0);
    // A flow that failed has no figure, and is none the less a regression.
    let mut dead: serde_json::Value = serde_json::from_str(RESULT).unwrap();
    for variant in dead["variants"].as_array_mut().unwrap() {
        for round in variant["flows"][0]["rounds"].as_array_mut().unwrap() {
            round["error"] = "connection refused".into();
        }
    }
    home.write("dead.json", &dead.to_string());
    let said = diff(&["a", "dead.json", "--fail-on-regression"], 1);
    assert!(said.contains("connection refused (for the worse)"), "{said}");
    let markdown = diff(&["a", "b.json", "--format", "md"], 0);
    assert!(markdown.contains("| **smaller** |"), "{markdown}");
    let page = diff(&["a", "b.json", "--format", "html"], 0);
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>"), "{page}");
    for part in
        ["The kernels differ", ">smaller", ">1,430 B", "measurably, each by itself; ", "left:0.0%"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    for foreign in ["<script", "<link", "src=", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    let document: serde_json::Value =
        serde_json::from_str(&diff(&["a", "b.json", "--format", "json"], 0)).unwrap();
    let figures = document["figures"].as_array().unwrap();
    let told = |what: &str| {
        let one = |f: &&serde_json::Value| {
            f["variant"] == "vxlan" && f["what"] == what && f["flow"] == "tcp red/vm1→red/vm2"
        };
        figures.iter().find(one).unwrap()["told"].clone()
    };
    assert_eq!(told("ratio-to-plain"), "smaller");
    assert_eq!(told("rate"), "smaller");
}
