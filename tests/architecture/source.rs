//! Rust files as text in which only code is left.

use std::fs;
use std::path::Path;

/// A file of the tree.
pub struct Source {
    /// Path from the root of the repository.
    pub path: String,
    /// The whole text.
    pub text: String,
    /// The text with comments, literals and test-only items blanked; as long as `text`.
    pub code: String,
}

/// The files of `src` that are part of the program: not those that are compiled for tests only.
pub fn tree() -> Vec<Source> {
    let files = all("src");
    let test_only: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let dir = file.path.rsplit_once('/').map_or("", |(dir, _)| dir).to_owned();
            let mods = file.text.match_indices("#[cfg(test)]").filter_map(move |(at, mark)| {
                let rest = file.text[at + mark.len()..].trim_start();
                let rest = rest.strip_prefix("pub(crate) ").unwrap_or(rest);
                let name = rest.strip_prefix("mod ")?.split_once(';')?.0;
                name.chars().all(|c| c.is_alphanumeric() || c == '_').then(|| name.to_owned())
            });
            mods.map(move |name| format!("{dir}/{name}.rs")).collect::<Vec<_>>()
        })
        .collect();
    assert!(files.len() > 50, "only {} files found", files.len());
    files.into_iter().filter(|file| !test_only.contains(&file.path)).collect()
}

/// All Rust files below a directory of the repository, none where there is no such directory.
pub fn all(dir: &str) -> Vec<Source> {
    let mut found = Vec::new();
    collect(Path::new(env!("CARGO_MANIFEST_DIR")), dir, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn collect(root: &Path, dir: &str, found: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(root.join(dir)) else { return };
    for entry in entries {
        let entry = entry.unwrap();
        let path = format!("{dir}/{}", entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            collect(root, &path, found);
        } else if path.ends_with(".rs") {
            found.push(Source::of(&path, &fs::read_to_string(entry.path()).unwrap()));
        }
    }
}

impl Source {
    /// A file from its path and text.
    pub fn of(path: &str, text: &str) -> Source {
        let code = without_tests(&without_literals(text));
        assert_eq!(code.len(), text.len());
        Source { path: path.to_owned(), text: text.to_owned(), code }
    }

    /// The top module it belongs to; `None` for the crate roots.
    pub fn module(&self) -> Option<&str> {
        let rest = self.path.strip_prefix("src/")?;
        let name = rest.split('/').next()?.trim_end_matches(".rs");
        (!["lib", "main"].contains(&name)).then_some(name)
    }

    /// The number of the line at a byte.
    pub fn line(&self, at: usize) -> usize {
        self.text[..at].matches('\n').count() + 1
    }

    /// Where a word stands in the code.
    pub fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        let found = self.code.match_indices(word).map(|(at, _)| at);
        found.filter(|at| word_at(&self.code, *at, word.len()))
    }

    /// Top modules named by paths from the crate's root, with their lines: `crate::x`,
    /// `crate::{x, y::z}`, and `super::…` where it climbs to the root.
    pub fn imports(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for at in self.words("crate") {
            if let Some(rest) = self.code[at + 5..].strip_prefix("::") {
                found.extend(names(rest).into_iter().map(|name| (self.line(at), name)));
            }
        }
        let climb = "super::".repeat(self.depth());
        for at in self.words("super") {
            let begins = !self.code[..at].ends_with("::");
            if let Some(rest) = self.code[at..].strip_prefix(&climb).filter(|_| begins) {
                found.extend(names(rest).into_iter().map(|name| (self.line(at), name)));
            }
        }
        found.sort_by_key(|(line, _)| *line);
        found
    }

    /// How many modules it is below the crate's root.
    fn depth(&self) -> usize {
        let slashes = self.path.matches('/').count();
        if self.path.ends_with("/mod.rs") { slashes - 1 } else { slashes }
    }
}

/// The first names of a path's rest, which may be a group.
fn names(rest: &str) -> Vec<String> {
    let first = |text: &str| -> String {
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let Some(group) = rest.strip_prefix('{') else { return vec![first(rest)] };
    let mut names = Vec::new();
    let mut depth = 0;
    let mut begins = true;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => begins = true,
            c if begins && c.is_alphabetic() => {
                names.push(first(&group[at..]));
                begins = false;
            }
            _ => {}
        }
    }
    names
}

/// Whether the text at a byte is a word of its own.
pub fn word_at(text: &str, at: usize, length: usize) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    !text[..at].chars().next_back().is_some_and(part)
        && !text[at + length..].chars().next().is_some_and(part)
}

/// Comments, strings and characters as blanks of the same length; lines stay.
fn without_literals(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal(&text[at..], at.checked_sub(1).map(|before| bytes[before]));
        match end {
            Some(length) => {
                blank(&mut code[at..at + length]);
                at += length;
            }
            None => at += 1,
        }
        while !text.is_char_boundary(at) {
            at += 1;
        }
    }
    String::from_utf8(code).unwrap()
}

/// The length of the comment or literal that begins here; `None` where none does.
fn literal(rest: &str, before: Option<u8>) -> Option<usize> {
    let in_word = before.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment(rest));
    }
    if rest.starts_with('"') {
        return Some(quoted(rest));
    }
    let raw = rest.strip_prefix('b').unwrap_or(rest);
    if let Some(hashed) = raw.strip_prefix('r').filter(|_| !in_word) {
        let hashes = hashed.len() - hashed.trim_start_matches('#').len();
        if hashed[hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let begin = rest.len() - hashed.len() + hashes + 1;
            return Some(rest[begin..].find(&close).unwrap() + begin + close.len());
        }
    }
    // A character, and no lifetime: its quote is closed behind one character or an escape.
    let inner = rest.strip_prefix('\'')?;
    if let Some(escape) = inner.strip_prefix('\\') {
        let first = escape.chars().next().unwrap().len_utf8();
        return Some(2 + first + escape[first..].find('\'').unwrap() + 1);
    }
    let length = inner.chars().next()?.len_utf8();
    inner[length..].starts_with('\'').then_some(length + 2)
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    loop {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().unwrap().len_utf8();
        }
    }
}

fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Items under `#[cfg(test)]` as blanks.
fn without_tests(code: &str) -> String {
    let mut bytes = code.as_bytes().to_vec();
    for (at, _) in code.match_indices("#[cfg(test)]") {
        let mut depth = 0_usize;
        let end = code[at..].char_indices().find_map(|(offset, c)| {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            (depth == 0 && matches!(c, '}' | ';')).then_some(at + offset + 1)
        });
        blank(&mut bytes[at..end.unwrap()]);
    }
    String::from_utf8(bytes).unwrap()
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|b| **b != b'\n') {
        *byte = b' ';
    }
}
