//! A YAML text as a tree in which every node knows its line and column.
//!
//! `serde_yaml` says what the text means (types of scalars, aliases, syntax errors) and
//! `saphyr-parser` where each node stands; both read the same text in the same order. Unlike
//! `serde_yaml::Value` the tree keeps a key that is given twice, so that it is one fault of
//! several rather than the end of reading.

use std::borrow::Cow;
use std::fmt;

use saphyr_parser::{Event, Parser};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A place in a text, both counted from 1; the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub line: u32,
    pub column: u32,
}

/// One value of the document.
#[derive(Debug)]
pub(crate) struct Node {
    pub at: Mark,
    pub kind: Kind,
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    /// A whole number, with the text it was written as.
    Int(i128, String),
    /// Any other number, as it was written.
    Float(String),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file; keys may repeat.
    Map(Vec<Entry>),
}

/// One key of a map with its value.
#[derive(Debug)]
pub(crate) struct Entry {
    pub key: String,
    pub at: Mark,
    pub value: Node,
}

/// Why a text is no YAML, and where.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub at: Option<Mark>,
    pub message: String,
}

impl Node {
    /// Reads a text that holds one document.
    pub fn parse(text: &str) -> Result<Node, SyntaxError> {
        let lines = Lines::of(text);
        let plain: Plain = serde_yaml::from_str(text).map_err(|error| syntax(&error, &lines))?;
        Ok(join(plain, spots(text, &lines).as_ref(), Mark { line: 1, column: 1 }))
    }

    /// What a person would call it.
    pub fn called(&self) -> &'static str {
        match self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "a truth value",
            Kind::Int(..) | Kind::Float(_) => "a number",
            Kind::Text(_) => "text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }
}

/// Where each line begins, in characters.
///
/// The parsers take more than `\n` for the end of a line (a lone `\r`, U+2028 and others), but
/// neither agrees with the other or with editors; so only their character positions are used.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let ends = text.chars().enumerate().filter(|(_, c)| *c == '\n').map(|(n, _)| n + 1);
        Lines(std::iter::once(0).chain(ends).collect())
    }

    fn mark(&self, position: usize) -> Mark {
        let line = self.0.partition_point(|start| *start <= position);
        let start = self.0.get(line.wrapping_sub(1)).copied().unwrap_or_default();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Mark { line: count(line), column: count(position.saturating_sub(start)).saturating_add(1) }
    }
}

fn syntax(error: &serde_yaml::Error, lines: &Lines) -> SyntaxError {
    let at = error.location().map(|l| lines.mark(l.index()));
    let mut message = error.to_string();
    if let Some(place) = message.find(" at line ") {
        let context = message[place..].find(", ").map(|n| message[place + n..].to_owned());
        message.truncate(place);
        message.push_str(&context.unwrap_or_default());
    }
    SyntaxError { at, message }
}

/// The meaning of a document without places.
enum Plain {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Plain>),
    Map(Vec<(Plain, Plain)>),
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Plainly)
    }
}

struct Plainly;

impl<'de> Visitor<'de> for Plainly {
    type Value = Plain;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without a YAML tag")
    }
    fn visit_unit<E>(self) -> Result<Plain, E> {
        Ok(Plain::Null)
    }
    fn visit_none<E>(self) -> Result<Plain, E> {
        Ok(Plain::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Plain, E> {
        Ok(Plain::Bool(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Plain, E> {
        Ok(Plain::Int(i128::from(value)))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Plain, E> {
        Ok(Plain::Int(i128::from(value)))
    }
    fn visit_i128<E>(self, value: i128) -> Result<Plain, E> {
        Ok(Plain::Int(value))
    }
    fn visit_u128<E>(self, value: u128) -> Result<Plain, E> {
        Ok(Plain::Int(i128::try_from(value).unwrap_or(i128::MAX)))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Plain, E> {
        Ok(Plain::Float(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<Plain, E> {
        Ok(Plain::Text(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Plain, E> {
        Ok(Plain::Text(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Plain, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Plain::List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Plain, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Plain::Map(map))
    }
}

/// Where a node stands, and its parts in order: items of a list, keys and values of a map in turn.
struct Spot<'a> {
    at: Mark,
    text: Cow<'a, str>,
    parts: Vec<Spot<'a>>,
}

/// The places of all nodes; as many as could be found.
fn spots<'a>(text: &'a str, lines: &Lines) -> Option<Spot<'a>> {
    let mut open: Vec<Spot<'a>> = Vec::new();
    let mut parser = Parser::new_from_str(text);
    while let Some(Ok((event, span))) = parser.next_event() {
        let at = lines.mark(span.start.index());
        let closed = match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                open.push(Spot { at, text: "".into(), parts: Vec::new() });
                continue;
            }
            Event::Scalar(text, ..) => Spot { at, text, parts: Vec::new() },
            Event::Alias(_) => Spot { at, text: "".into(), parts: Vec::new() },
            Event::SequenceEnd | Event::MappingEnd => open.pop()?,
            _ => continue,
        };
        match open.last_mut() {
            Some(parent) => parent.parts.push(closed),
            None => return Some(closed),
        }
    }
    // The second parser gave up where the first did not: the places so far still help.
    while let Some(child) = open.pop() {
        match open.last_mut() {
            Some(parent) => parent.parts.push(child),
            None => return Some(child),
        }
    }
    None
}

/// Puts meaning and place together; what has no place of its own takes its parent's.
fn join(plain: Plain, spot: Option<&Spot<'_>>, parent: Mark) -> Node {
    let at = spot.map_or(parent, |s| s.at);
    let part = |n: usize| spot.and_then(|s| s.parts.get(n));
    let written = |value: String| match spot {
        Some(spot) if !spot.text.is_empty() => spot.text.to_string(),
        _ => value,
    };
    let kind = match plain {
        Plain::Null => Kind::Null,
        Plain::Bool(value) => Kind::Bool(value),
        Plain::Int(value) => Kind::Int(value, written(value.to_string())),
        Plain::Float(value) => Kind::Float(written(value.to_string())),
        Plain::Text(value) => Kind::Text(value),
        Plain::List(items) => Kind::List(
            items.into_iter().enumerate().map(|(n, item)| join(item, part(n), at)).collect(),
        ),
        Plain::Map(entries) => Kind::Map(
            entries
                .into_iter()
                .enumerate()
                .map(|(n, (key, value))| {
                    let key = join(key, part(2 * n), at);
                    let value = join(value, part(2 * n + 1), key.at);
                    Entry { at: key.at, key: key_text(key.kind), value }
                })
                .collect(),
        ),
    };
    Node { at, kind }
}

/// A key as text: `1: h1` names a VM `1`.
fn key_text(kind: Kind) -> String {
    match kind {
        Kind::Text(text) | Kind::Int(_, text) | Kind::Float(text) => text,
        Kind::Bool(value) => value.to_string(),
        Kind::Null => "~".into(),
        Kind::List(_) => "[…]".into(),
        Kind::Map(_) => "{…}".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(line: u32, column: u32) -> Mark {
        Mark { line, column }
    }

    #[test]
    fn every_node_knows_its_place() {
        let node = Node::parse("title: x\ntenants:\n  - { name: red, vni: 1_0 }\n").unwrap();
        let Kind::Map(top) = node.kind else { panic!() };
        assert_eq!((top[1].at, top[1].value.at.line), (mark(2, 1), 3));
        let Kind::List(tenants) = &top[1].value.kind else { panic!() };
        let Kind::Map(red) = &tenants[0].kind else { panic!() };
        assert_eq!((red[1].at, red[1].value.at), (mark(3, 18), mark(3, 23)));
    }

    #[test]
    fn places_count_characters_and_lines_as_editors_do() {
        let node = Node::parse("title: größer \u{2028} so\r\nü: { ä: 1 }\r\n").unwrap();
        let Kind::Map(top) = node.kind else { panic!() };
        let Kind::Map(inner) = &top[1].value.kind else { panic!() };
        assert_eq!((top[1].at, inner[0].value.at), (mark(2, 1), mark(2, 9)));
        let error = Node::parse("a: ü\r\nb: {\u{2028}").unwrap_err();
        assert!(error.at.is_some_and(|at| at.line == 2), "{error:?}");
    }

    #[test]
    fn keys_given_twice_are_kept() {
        let node = Node::parse("a: 1\nb: 2\na: 3\n").unwrap();
        let Kind::Map(top) = node.kind else { panic!() };
        assert_eq!(top.iter().map(|e| e.at.line).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn what_an_alias_holds_stands_where_the_alias_is() {
        let node = Node::parse("a: &x { k: v }\nb: *x\n").unwrap();
        let Kind::Map(top) = node.kind else { panic!() };
        let Kind::Map(copied) = &top[1].value.kind else { panic!() };
        assert_eq!(copied[0].value.at, mark(2, 4));
    }

    #[test]
    fn numbers_keep_how_they_were_written() {
        let node = Node::parse("[007, 0x10, 1e3]").unwrap();
        let Kind::List(items) = node.kind else { panic!() };
        assert!(matches!(&items[0].kind, Kind::Text(t) if t == "007"));
        assert!(matches!(&items[1].kind, Kind::Int(16, t) if t == "0x10"));
        assert!(matches!(&items[2].kind, Kind::Float(t) if t == "1e3"));
    }

    #[test]
    fn a_text_that_is_no_yaml_says_where() {
        let error = Node::parse("a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert!(error.at.is_some_and(|at| at.line >= 2), "{error:?}");
        let from =
            "did not find expected ',' or ']', while parsing a flow sequence at line 2 column 4";
        assert_eq!(error.message, from);
        assert!(Node::parse("a: !tag 1").is_err());
        assert!(Node::parse(&"[".repeat(10_000)).is_err());
    }
}
