//! `clean`: removes what a killed run left, and only that.
//!
//! Namespaces, links and mounts vanish with the process that made them. What can be left is a
//! directory of an unfinished report; and, should a system share mounts against our will, a
//! mount. A directory is ours only if its name starts with `.run-` and it holds the marker that
//! [`mark`] writes; it is left alone while the process named there still runs.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::netns::{MOUNT_SOURCE, RUN_NETNS};

/// How the names of unfinished reports' directories start.
pub const UNFINISHED: &str = ".run-";
/// The file that makes such a directory ours: process id and start time of its run.
const MARKER: &str = ".overlab";

/// What was found and what became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cleaned {
    /// Directories and mounts that were removed.
    pub removed: Vec<PathBuf>,
    /// Directories of runs that still go on.
    pub running: Vec<PathBuf>,
    /// What looked like ours and was not touched, or could not be removed; each with the reason.
    pub left: Vec<(PathBuf, String)>,
}

/// Marks the directory of an unfinished report as this process's own.
///
/// # Errors
/// The marker cannot be written.
pub fn mark(directory: &Path) -> io::Result<()> {
    let pid = std::process::id();
    let started =
        start_time(pid).ok_or_else(|| io::Error::other("/proc/self/stat is unreadable"))?;
    fs::write(directory.join(MARKER), format!("{pid} {started}\n"))
}

/// Takes the mark away from a directory whose report is finished.
///
/// # Errors
/// The marker cannot be removed.
pub fn unmark(directory: &Path) -> io::Result<()> {
    fs::remove_file(directory.join(MARKER))
}

/// Looks for leftovers under `reports` and in the mount table, and removes them.
#[must_use]
pub fn clean(reports: &Path) -> Cleaned {
    let mut cleaned = Cleaned::default();
    let mut entries: Vec<PathBuf> =
        fs::read_dir(reports).into_iter().flatten().filter_map(|e| Some(e.ok()?.path())).collect();
    entries.sort();
    for path in entries {
        let ours = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(UNFINISHED));
        if ours {
            directory(&mut cleaned, path);
        }
    }
    mounts(&mut cleaned);
    cleaned
}

fn directory(cleaned: &mut Cleaned, path: PathBuf) {
    // A link could lead anywhere.
    if !fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_dir()) {
        cleaned.left.push((path, "is no directory".into()));
        return;
    }
    match fs::read_to_string(path.join(MARKER)) {
        Err(_) => cleaned.left.push((path, format!("has no {MARKER} file, so it is not ours"))),
        Ok(marker) if alive(&marker) => cleaned.running.push(path),
        Ok(_) => match fs::remove_dir_all(&path) {
            Ok(()) => cleaned.removed.push(path),
            Err(error) => cleaned.left.push((path, error.to_string())),
        },
    }
}

/// Whether the process that wrote a marker still runs. Process ids are used again, so its start
/// time counts too.
fn alive(marker: &str) -> bool {
    let mut words = marker.split_whitespace().map(str::parse::<u64>);
    let (Some(Ok(pid)), Some(Ok(started))) = (words.next(), words.next()) else { return false };
    u32::try_from(pid).ok().and_then(start_time) == Some(started)
}

/// Start of a process in clock ticks since boot: field 22 of `/proc/PID/stat`, counted from
/// behind the command's name, which may hold anything.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

fn mounts(cleaned: &mut Cleaned) {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    // The newest first, as they lie on top of each other.
    for path in our_mounts(&table).into_iter().rev() {
        match nix::mount::umount2(&path, nix::mount::MntFlags::MNT_DETACH) {
            Ok(()) => cleaned.removed.push(path),
            Err(error) => {
                cleaned.left.push((path, format!("cannot be unmounted: {}", error.desc())));
            }
        }
    }
}

/// Mount points of our tmpfs in a mount table (proc(5): fields, a dash, type and source), on
/// `/run/netns` or below `/run` only.
fn our_mounts(table: &str) -> Vec<PathBuf> {
    let ours = |line: &str| {
        let (fields, rest) = line.split_once(" - ")?;
        let mut rest = rest.split(' ');
        let (kind, source) = (rest.next()?, rest.next()?);
        let point = fields.split(' ').nth(4)?;
        let place = point == RUN_NETNS || point == "/run";
        (kind == "tmpfs" && source == MOUNT_SOURCE && place).then(|| PathBuf::from(point))
    };
    table.lines().filter_map(ours).collect()
}

impl fmt::Display for Cleaned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for path in &self.removed {
            writeln!(f, "removed {}", path.display())?;
        }
        for path in &self.running {
            writeln!(f, "left    {}: its run still goes on", path.display())?;
        }
        for (path, reason) in &self.left {
            writeln!(f, "left    {}: {reason}", path.display())?;
        }
        if self.removed.is_empty() && self.left.is_empty() {
            writeln!(f, "nothing was left behind")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finished_marked_directories_go() {
        let reports = tempfile::tempdir().unwrap();
        let make = |name: &str, marker: Option<&str>| {
            let path = reports.path().join(name);
            fs::create_dir(&path).unwrap();
            if let Some(marker) = marker {
                fs::write(path.join(MARKER), marker).unwrap();
            }
            fs::write(path.join("report.md"), "x").unwrap();
            path
        };
        let dead = make(".run-dead", Some("1 18446744073709551615\n"));
        let foreign = make(".run-foreign", None);
        let report = make("vlan-vs-vxlan", Some("1 1\n"));
        let mine = make(".run-mine", None);
        mark(&mine).unwrap();
        let link = reports.path().join(".run-link");
        std::os::unix::fs::symlink(&dead, &link).unwrap();
        let cleaned = clean(reports.path());
        assert_eq!(cleaned.removed, std::slice::from_ref(&dead));
        assert_eq!(cleaned.running, std::slice::from_ref(&mine));
        assert_eq!(cleaned.left.iter().map(|(p, _)| p).collect::<Vec<_>>(), [&foreign, &link]);
        assert!(!dead.exists() && foreign.exists() && report.exists() && mine.exists());
        assert_eq!(clean(Path::new("/nonexistent")), Cleaned::default());
    }

    #[test]
    fn only_our_own_mounts_are_named() {
        let table = "\
22 1 0:20 / /run rw - tmpfs tmpfs rw
30 22 0:30 / /run/netns rw,nosuid shared:5 - tmpfs overlab rw
31 22 0:31 / /home rw - tmpfs overlab rw
32 22 0:32 / /run/netns rw - tmpfs tmpfs rw
33 22 0:33 / /run/netns/overlab rw - ext4 overlab rw
";
        assert_eq!(our_mounts(table), [PathBuf::from("/run/netns")]);
    }
}
