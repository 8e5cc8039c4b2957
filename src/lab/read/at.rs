//! A node on the way through a document: its value, its path and where to complain.

use std::collections::HashMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::names::{Names, suggestion};
use super::sink::{Sink, below};
use super::tree::{Entry, Kind, Mark, Node};
use crate::ids::IdError;

/// One node with its path.
#[derive(Debug)]
pub(crate) struct At<'a> {
    pub node: &'a Node,
    pub path: String,
    pub sink: &'a Sink<'a>,
}

/// The keys of a map.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    at: Mark,
    path: String,
    sink: &'a Sink<'a>,
    entries: Vec<&'a Entry>,
}

impl<'a> At<'a> {
    /// The whole document.
    pub fn root(node: &'a Node, sink: &'a Sink<'a>) -> Self {
        At { node, path: String::new(), sink }
    }

    /// Notes a fault here.
    pub fn wrong(&self, message: impl Into<String>) {
        self.sink.put(self.node.at, &self.path, message);
    }

    /// Notes that something else stands here; `wanted` says what should.
    fn instead<T>(&self, wanted: &str) -> Option<T> {
        match self.node.kind {
            Kind::Null => self.wrong(format!("has no value; write {wanted}")),
            _ => self.wrong(format!("{} stands here; write {wanted}", self.node.called())),
        }
        None
    }

    /// The items of a list; `wanted` says of what, with an example.
    pub fn list(&self, wanted: &str) -> Option<Vec<At<'a>>> {
        let Kind::List(items) = &self.node.kind else { return self.instead(wanted) };
        let at = |(n, node)| At { node, path: format!("{}[{n}]", self.path), sink: self.sink };
        Some(items.iter().enumerate().map(at).collect())
    }

    /// A map with any keys, each at most once.
    pub fn entries(&self, wanted: &str) -> Option<Vec<(String, At<'a>)>> {
        let Kind::Map(entries) = &self.node.kind else { return self.instead(wanted) };
        let mut first: HashMap<&str, Mark> = HashMap::new();
        let mut kept = Vec::new();
        for entry in entries {
            let path = below(&self.path, &entry.key);
            if let Some(earlier) = first.get(entry.key.as_str()) {
                self.sink.put(
                    entry.at,
                    &path,
                    format!(
                        "`{}` is given twice; it stands on line {} already",
                        entry.key, earlier.line
                    ),
                );
                continue;
            }
            first.insert(&entry.key, entry.at);
            kept.push((entry.key.clone(), At { node: &entry.value, path, sink: self.sink }));
        }
        Some(kept)
    }

    /// A map of which all keys are known.
    pub fn fields(&self, wanted: &str, known: &[&str]) -> Option<Fields<'a>> {
        let Kind::Map(entries) = &self.node.kind else { return self.instead(wanted) };
        self.entries(wanted)?;
        for entry in entries.iter().filter(|e| !known.contains(&e.key.as_str())) {
            let path = below(&self.path, &entry.key);
            if self.sink.clean(&path) {
                let near = suggestion(&entry.key, known.iter().copied());
                self.sink.put(entry.at, &path, format!("unknown key `{}`{near}", entry.key));
            }
        }
        Some(Fields {
            at: self.node.at,
            path: self.path.clone(),
            sink: self.sink,
            entries: entries.iter().collect(),
        })
    }

    /// Text; a number counts as the text it was written as.
    pub fn text(&self, wanted: &str) -> Option<String> {
        match &self.node.kind {
            Kind::Text(text) | Kind::Int(_, text) | Kind::Float(text) => Some(text.clone()),
            Kind::Bool(value) => {
                let quotes = format!("in quotes if it must be `{value}`");
                self.wrong(format!("{value} is a truth value here; write {wanted}, {quotes}"));
                None
            }
            _ => self.instead(wanted),
        }
    }

    /// A name that is allowed.
    pub fn name(&self, names: Names) -> Option<String> {
        let name = self.text(&format!("the name of a {}", names.what))?;
        if let Some(objection) = names.objection(&name) {
            self.wrong(objection);
            return None;
        }
        Some(name)
    }

    /// Text that is parsed, e.g. a rate; the parser's message is the fault.
    pub fn parsed<T: FromStr>(&self, wanted: &str) -> Option<T>
    where
        T::Err: Display,
    {
        let text = self.text(wanted)?;
        text.parse().map_err(|error: T::Err| self.wrong(error.to_string())).ok()
    }

    /// A whole number of `what` between two limits.
    pub fn number(&self, what: &str, range: &RangeInclusive<u32>) -> Option<u32> {
        let (min, max) = (range.start(), range.end());
        match &self.node.kind {
            Kind::Int(value, written) => match u32::try_from(*value) {
                Ok(value) if range.contains(&value) => Some(value),
                _ => {
                    self.wrong(format!(
                        "{written} is no {what}: it must lie between {min} and {max}"
                    ));
                    None
                }
            },
            _ => self.whole(what),
        }
    }

    /// A tenant network's id.
    pub fn id<T: TryFrom<u64, Error = IdError>>(&self, what: &str) -> Option<T> {
        let Kind::Int(value, written) = &self.node.kind else { return self.whole(what) };
        match u64::try_from(*value).map(T::try_from) {
            Ok(Ok(id)) => return Some(id),
            Ok(Err(error)) => self.wrong(error.to_string()),
            Err(_) if *value < 0 => self.wrong(format!("{written} is no {what}: it is negative")),
            Err(_) => self.wrong(format!("{written} is no {what}: it does not fit in 64 bits")),
        }
        None
    }

    /// What stands where a whole number should.
    fn whole<T>(&self, what: &str) -> Option<T> {
        match &self.node.kind {
            Kind::Float(written) => {
                self.wrong(format!("{written} is no {what}: write a whole number"));
                None
            }
            Kind::Text(text) if text.trim().parse::<u64>().is_ok() => {
                self.wrong(format!("`{text}` is text; write the number without quotes"));
                None
            }
            Kind::Text(text) => {
                self.wrong(format!("`{text}` is no {what}: write a whole number"));
                None
            }
            _ => self.instead(&format!("a whole number ({what})")),
        }
    }

    /// A number above 0.
    pub fn positive(&self, what: &str) -> Option<f64> {
        let (Kind::Float(written) | Kind::Int(_, written)) = &self.node.kind else {
            return self.instead(&format!("a number ({what})"));
        };
        match written.parse::<f64>() {
            Ok(value) if value.is_finite() && value > 0.0 => Some(value),
            _ => {
                self.wrong(format!("{written} is no {what}: it must be above 0"));
                None
            }
        }
    }

    /// `true` or `false`.
    pub fn truth(&self) -> Option<bool> {
        match self.node.kind {
            Kind::Bool(value) => Some(value),
            _ => self.instead("true or false"),
        }
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&self, what: &str, choices: &[(&str, T)]) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let text = match &self.node.kind {
            Kind::Bool(value) => value.to_string(),
            _ => self.text(&format!("one of {}", words.join(", ")))?,
        };
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let near = suggestion(&text, words.iter().copied());
            self.wrong(format!("`{text}` is no {what}{near}"));
        }
        found
    }
}

impl<'a> Fields<'a> {
    /// The value of a key that may be absent.
    pub fn get(&self, key: &str) -> Option<At<'a>> {
        let entry = self.entries.iter().find(|e| e.key == key)?;
        Some(At { node: &entry.value, path: below(&self.path, key), sink: self.sink })
    }

    /// The value of a key that must be there; `wanted` says what to write.
    pub fn need(&self, key: &str, wanted: &str) -> Option<At<'a>> {
        let found = self.get(key);
        if found.is_none() {
            let path = below(&self.path, key);
            self.sink.put(self.at, &path, format!("`{key}` is missing; give {wanted}"));
        }
        found
    }
}
