//! From files to a lab that can be planned.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::check::{self, Whole};
use super::fault::{Fault, Faults};
use super::joined::ComparedTopology;
use super::limits::FILE;
use super::many;
use super::model::{Lab, Topology, TopologyRef};
use super::read::{self, At, Kind, Node, Sink, suggestion};
use super::shipped::TOPOLOGIES;

/// A lab without faults, and what it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// What is built and tried.
    pub lab: Lab,
    /// The wiring the lab names or holds.
    pub topology: Topology,
    /// The lab file as it was named.
    pub path: PathBuf,
    /// The text of the lab file.
    pub text: String,
    /// Where the topology came from: a file, `topologies/NAME.yaml` of the program, or the lab itself.
    pub topology_from: String,
}

/// What kind of file a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A lab.
    Lab,
    /// A topology.
    Topology,
}

/// A file that a lab points at: its name for people, and its text.
type Found = (String, String);

/// Reads and checks a lab file and the topology it names.
///
/// # Errors
/// All faults of both files.
pub fn load(path: &Path) -> Result<Loaded, Faults> {
    let name = path.display().to_string();
    let text = text(path, &name)?;
    read_with(&name, &text, &|reference| follow(path, reference))
}

/// Reads and checks a topology file.
///
/// # Errors
/// All faults of the file.
pub fn load_topology(path: &Path) -> Result<Topology, Faults> {
    let name = path.display().to_string();
    read_topology_str(&name, &text(path, &name)?)
}

/// Reads and checks the text of a lab without touching any file; names are those of shipped topologies.
///
/// # Errors
/// All faults of the text; `name` stands for the file in them.
pub fn read_str(name: &str, text: &str) -> Result<Loaded, Faults> {
    read_with(name, text, &|reference| {
        shipped(reference).ok_or_else(|| unknown_topology(reference))
    })
}

/// Reads and checks the text of a topology.
///
/// # Errors
/// All faults of the text; `name` stands for the file in them.
pub fn read_topology_str(name: &str, text: &str) -> Result<Topology, Faults> {
    let (topology, _, faults) = topology_text(name, text);
    match topology {
        Some(topology) if faults.is_empty() => Ok(topology),
        _ => Err(Faults(faults)),
    }
}

/// A topology as a command line names it: the path of a file, a name from `topologies/` or of those
/// that come with the program, or the text of a topology itself, e.g. `fat-tree: { k: 8 }`.
///
/// # Errors
/// All faults of the topology, or that there is none of that name.
pub fn named_topology(reference: &str) -> Result<Topology, Faults> {
    if reference.contains(": ") {
        return read_topology_str("the topology", reference);
    }
    let (name, text) =
        follow(Path::new(""), reference).map_err(|error| Faults::whole("--topology", error))?;
    read_topology_str(&name, &text)
}

/// A topology that is to be built, drawn or counted by itself, and so is bridged: refused where it
/// has a loop that nothing cuts. Within a lab it may be routed.
///
/// # Errors
/// The loop; `name` stands for the topology.
pub fn bridged(name: &str, topology: Topology) -> Result<Topology, Faults> {
    match check::storm(&topology) {
        Some(found) => Err(Faults::whole(name, format!("stp: {found}"))),
        None => Ok(topology),
    }
}

/// Whether a file looks like a lab or like a topology; anything unclear is a lab.
///
/// # Errors
/// Where the file cannot be read.
pub fn kind_of(path: &Path) -> Result<FileKind, Faults> {
    let text = text(path, &path.display().to_string())?;
    let Ok(Node { kind: Kind::Map(entries), .. }) = Node::parse(&text) else {
        return Ok(FileKind::Lab);
    };
    let has = |keys: &[&str]| entries.iter().any(|e| keys.contains(&e.key.as_str()));
    let wired = has(&["hosts", "switches", "links"]) || has(&Topology::GENERATORS);
    Ok(if wired && !has(&["tenants", "topology"]) { FileKind::Topology } else { FileKind::Lab })
}

/// The text of a file, where it is a text of sensible length.
fn text(path: &Path, name: &str) -> Result<String, Faults> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(FILE + 1).read_to_end(&mut bytes)).map_err(
        |error| {
            let hint = match error.kind() {
                std::io::ErrorKind::NotFound => "; `overlab list` shows the labs here",
                _ => "",
            };
            Faults::whole(name, format!("cannot be read: {error}{hint}"))
        },
    )?;
    if bytes.len() as u64 > FILE {
        return Err(Faults::whole(name, format!("is larger than {FILE} bytes; no lab needs that")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = String::from_utf8_lossy(good).matches('\n').count() + 1;
        Faults::whole(name, format!("line {line} is not UTF-8; save the file as UTF-8 text"))
    })
}

/// Reads the text of a lab, following a reference to a topology by `find`.
fn read_with(
    name: &str,
    text: &str,
    find: &dyn Fn(&str) -> Result<Found, String>,
) -> Result<Loaded, Faults> {
    let root = parse(name, text)?;
    let sink = Sink::new(name, text, &root);
    let lab = read::lab(&At::root(&root, &sink));
    let Some(mut lab) = lab else { return Err(Faults(sink.into_faults())) };

    let mut elsewhere = Vec::new();
    let mut from = name.to_owned();
    let (topology, hosts) = match &lab.topology {
        TopologyRef::Inline(topology) => {
            (Some(topology.clone()), check::topology(topology, "topology", &sink))
        }
        // Not read; its fault is noted.
        TopologyRef::Named(reference) if reference.is_empty() => (None, None),
        TopologyRef::Named(reference) => match find(reference) {
            Ok((file, text)) => {
                let (topology, hosts, faults) = topology_text(&file, &text);
                from = file;
                elsewhere = faults;
                (topology, hosts)
            }
            Err(message) => {
                sink.rule("topology", message);
                (None, None)
            }
        },
    };
    many::write_out(&mut lab, hosts.as_deref(), &sink);
    check::lab(&Whole { lab: &lab, topology: topology.as_ref(), hosts, sink: &sink });
    let others = compared(&lab, find, &sink, &mut elsewhere);
    for (other, topology) in lab.compare.topology.iter_mut().zip(others) {
        other.topology = topology;
    }
    let mut faults = sink.into_faults();
    faults.append(&mut elsewhere);
    match topology {
        Some(topology) if faults.is_empty() => Ok(Loaded {
            lab,
            topology,
            path: PathBuf::from(name),
            text: text.to_owned(),
            topology_from: from,
        }),
        _ => Err(Faults(faults)),
    }
}

/// The topologies that are compared, each of which all rules must hold on.
fn compared(
    lab: &Lab,
    find: &dyn Fn(&str) -> Result<Found, String>,
    sink: &Sink<'_>,
    elsewhere: &mut Vec<Fault>,
) -> Vec<Option<Topology>> {
    let one = |(n, compared): (usize, &ComparedTopology)| {
        let path = format!("compare.topology[{n}]");
        let earlier = &lab.compare.topology[..n];
        if earlier.iter().any(|other| other.label() == compared.label()) {
            let message = format!(
                "another one is called `{}` too; variants could not be told apart",
                compared.label()
            );
            sink.rule(&path, message);
        }
        let (file, text) = find(&compared.reference).map_err(|m| sink.rule(&path, m)).ok()?;
        let (topology, hosts, mut faults) = topology_text(&file, &text);
        check::lab(&Whole { lab, topology: topology.as_ref(), hosts, sink });
        elsewhere.append(&mut faults);
        topology
    };
    lab.compare.topology.iter().enumerate().map(one).collect()
}

/// A topology file: what could be read, its hosts where known for certain, and its faults.
fn topology_text(name: &str, text: &str) -> (Option<Topology>, Option<Vec<String>>, Vec<Fault>) {
    let root = match parse(name, text) {
        Ok(root) => root,
        Err(faults) => return (None, None, faults.0),
    };
    let sink = Sink::new(name, text, &root);
    let topology = read::topology(&At::root(&root, &sink));
    let hosts = topology.as_ref().and_then(|t| check::topology(t, "", &sink));
    (topology, hosts, sink.into_faults())
}

fn parse(name: &str, text: &str) -> Result<Node, Faults> {
    let root = Node::parse(text).map_err(|error| {
        let mut message = format!("is no YAML: {}", error.message);
        match error.at {
            None => Faults::whole(name, message),
            Some(at) => {
                let line = (at.line as usize).checked_sub(1).and_then(|n| text.lines().nth(n));
                if line.is_some_and(|line| line.trim_start_matches(' ').starts_with('\t')) {
                    message
                        .push_str("; the line begins with a tab, and YAML is indented with blanks");
                }
                Faults(vec![Fault {
                    file: name.to_owned(),
                    line: Some(at.line),
                    column: Some(at.column),
                    path: String::new(),
                    message,
                    source: Some(line.unwrap_or_default().to_owned()),
                }])
            }
        }
    })?;
    if matches!(root.kind, Kind::Null) {
        return Err(Faults::whole(name, "is empty; `docs/lab-file.md` shows how a lab looks"));
    }
    Ok(root)
}

/// The file a lab's `topology` points at: a path relative to the lab, or a name.
///
/// A name is looked for in `topologies/` beside the directory of the lab, then in the current
/// directory's, then among the shipped ones.
fn follow(lab: &Path, reference: &str) -> Result<Found, String> {
    let beside = lab.parent().unwrap_or(Path::new(""));
    let read = |path: &Path| {
        let name = path.display().to_string();
        text(path, &name).map(|text| (name, text)).map_err(|faults| {
            faults
                .0
                .into_iter()
                .next()
                .map_or_else(String::new, |f| format!("`{}` {}", f.file, f.message))
        })
    };
    if is_path(reference) {
        return read(&beside.join(reference));
    }
    let file = format!("{reference}.yaml");
    let places =
        [beside.join("..").join("topologies").join(&file), Path::new("topologies").join(&file)];
    if let Some(path) = places.iter().find(|path| path.exists()) {
        return read(path);
    }
    shipped(reference).ok_or_else(|| unknown_topology(reference))
}

fn is_path(reference: &str) -> bool {
    let yaml = Path::new(reference).extension().is_some_and(|e| e == "yaml" || e == "yml");
    reference.contains('/') || yaml
}

fn shipped(reference: &str) -> Option<Found> {
    let (name, text) = TOPOLOGIES.iter().find(|(name, _)| *name == reference)?;
    Some((format!("topologies/{name}.yaml"), (*text).to_owned()))
}

fn unknown_topology(reference: &str) -> String {
    let near = suggestion(reference, TOPOLOGIES.iter().map(|(name, _)| *name));
    format!("there is no topology `{reference}` in `topologies/`{near}")
}
