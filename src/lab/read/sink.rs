//! Where faults of one file are collected.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use super::tree::{Kind, Mark, Node};
use crate::lab::fault::Fault;

/// One file being read, and what was found wrong in it.
#[derive(Debug)]
pub(crate) struct Sink<'a> {
    file: &'a str,
    lines: Vec<&'a str>,
    places: HashMap<String, Mark>,
    faults: RefCell<Vec<Fault>>,
    faulty: RefCell<HashSet<String>>,
    /// The entry of the file that each tenant came from, where entries stand for many.
    origins: RefCell<Vec<usize>>,
}

impl<'a> Sink<'a> {
    /// A file by its name, its text and its tree.
    pub fn new(file: &'a str, text: &'a str, root: &Node) -> Self {
        let mut places = HashMap::new();
        collect(root, String::new(), &mut places);
        Sink {
            file,
            lines: text.lines().collect(),
            places,
            faults: RefCell::default(),
            faulty: RefCell::default(),
            origins: RefCell::default(),
        }
    }

    /// Notes a fault at a place of its own.
    pub fn put(&self, at: Mark, path: &str, message: impl Into<String>) {
        let line = self.lines.get((at.line as usize).saturating_sub(1));
        self.faulty.borrow_mut().insert(path.to_owned());
        self.faults.borrow_mut().push(Fault {
            file: self.file.to_owned(),
            line: Some(at.line),
            column: Some(at.column),
            path: path.to_owned(),
            message: message.into(),
            source: Some(line.copied().unwrap_or_default().to_owned()),
        });
    }

    /// Notes what a rule found at a path; nothing where reading the value there failed already.
    pub fn rule(&self, path: &str, message: impl Into<String>) {
        let path = self.origin(path);
        if !self.faulty.borrow().contains(&*path) {
            self.put(self.place(&path), &path, message);
        }
    }

    /// Says which entry of the file each tenant came from: from here on paths name tenants by their
    /// place among all, and what is noted of one stands for the others of its entry too.
    pub fn written_out(&self, origins: Vec<usize>) {
        self.origins.replace(origins);
    }

    /// The entry of the file that a tenant came from.
    pub fn entry(&self, tenant: usize) -> usize {
        self.origins.borrow().get(tenant).copied().unwrap_or(tenant)
    }

    /// The path as it is in the file.
    fn origin<'p>(&self, path: &'p str) -> Cow<'p, str> {
        let origins = self.origins.borrow();
        let numbered = path.strip_prefix("tenants[").and_then(|rest| rest.split_once(']'));
        let entry = numbered.and_then(|(number, rest)| {
            let entry = origins.get(number.parse::<usize>().ok()?)?;
            Some(format!("tenants[{entry}]{rest}"))
        });
        entry.map_or(Cow::Borrowed(path), Cow::Owned)
    }

    /// Whether no fault is known at the path or below it.
    pub fn clean(&self, path: &str) -> bool {
        let path = &*self.origin(path);
        let below = |p: &String| {
            p.strip_prefix(path).is_some_and(|rest| {
                path.is_empty() || rest.is_empty() || rest.starts_with(['.', '['])
            })
        };
        !self.faulty.borrow().iter().any(below)
    }

    /// Whether a fault is known at the path itself.
    pub fn faulty_at(&self, path: &str) -> bool {
        self.faulty.borrow().contains(&*self.origin(path))
    }

    /// Whether the document has a value at the path.
    pub fn has(&self, path: &str) -> bool {
        self.places.contains_key(&*self.origin(path))
    }

    /// The faults in the order of the file.
    pub fn into_faults(self) -> Vec<Fault> {
        let mut faults = self.faults.into_inner();
        faults.sort_by_key(|fault| (fault.line, fault.column));
        faults
    }

    /// Where the value of a path stands, or the nearest value around it.
    fn place(&self, path: &str) -> Mark {
        let mut path = path;
        loop {
            match (self.places.get(path), path.rfind(['.', '['])) {
                (Some(mark), _) => return *mark,
                (None, Some(end)) => path = &path[..end],
                (None, None) if path.is_empty() => return Mark { line: 1, column: 1 },
                (None, None) => path = "",
            }
        }
    }
}

/// The path of a key below a path.
pub(crate) fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn collect(node: &Node, path: String, places: &mut HashMap<String, Mark>) {
    match &node.kind {
        Kind::List(items) => {
            for (n, item) in items.iter().enumerate() {
                collect(item, format!("{path}[{n}]"), places);
            }
        }
        Kind::Map(entries) => {
            for entry in entries {
                collect(&entry.value, below(&path, &entry.key), places);
            }
        }
        _ => {}
    }
    // A key given twice keeps the place of the first, which is the one that is read.
    places.entry(path).or_insert(node.at);
}
