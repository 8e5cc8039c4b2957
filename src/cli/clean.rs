//! `clean`: removes what a killed run left, and only that.
//!
//! Namespaces, links and mounts vanish with the process that made them. What can be left is a
//! directory of an unfinished report; and, should a system share mounts against our will, a
//! mount. Such a directory is called after its process ([`unfinished_name`]), and left alone while
//! that still runs.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::netns::{MOUNT_SOURCE, RUN_NETNS};

/// How the names of unfinished reports' directories start.
const UNFINISHED: &str = ".run-";

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

/// The name of this process's unfinished report: `.run-PID-START`, by which it is known for ours
/// and for over once no such process runs. Process ids are used again, so its start time counts too.
///
/// # Errors
/// `/proc/self/stat` cannot be read.
pub fn unfinished_name() -> io::Result<String> {
    let pid = std::process::id();
    let started =
        start_time(pid).ok_or_else(|| io::Error::other("/proc/self/stat is unreadable"))?;
    Ok(format!("{UNFINISHED}{pid}-{started}"))
}

/// Looks for leftovers under `reports` and in the mount table, and removes them.
#[must_use]
pub fn clean(reports: &Path) -> Cleaned {
    let mut cleaned = Cleaned::default();
    let mut entries: Vec<PathBuf> =
        fs::read_dir(reports).into_iter().flatten().filter_map(|e| Some(e.ok()?.path())).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(process) = name.and_then(|name| name.strip_prefix(UNFINISHED)) {
            let running = alive(process);
            directory(&mut cleaned, path, running);
        }
    }
    mounts(&mut cleaned);
    cleaned
}

/// One `.run-…` directory; `running` is `None` where its name is not one of ours.
fn directory(cleaned: &mut Cleaned, path: PathBuf, running: Option<bool>) {
    // A link could lead anywhere.
    if !fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_dir()) {
        cleaned.left.push((path, "is no directory".into()));
        return;
    }
    match running {
        None => cleaned.left.push((path, "is not called as ours are".into())),
        Some(true) => cleaned.running.push(path),
        Some(false) => match fs::remove_dir_all(&path) {
            Ok(()) => cleaned.removed.push(path),
            Err(error) => cleaned.left.push((path, error.to_string())),
        },
    }
}

/// Whether the process of `PID-START` still runs; `None` where that is not what the text is.
fn alive(process: &str) -> Option<bool> {
    let (pid, started) = process.split_once('-')?;
    let (pid, started): (u32, u64) = (pid.parse().ok()?, started.parse().ok()?);
    Some(start_time(pid) == Some(started))
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
    fn only_directories_of_dead_runs_go() {
        let reports = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let path = reports.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join("report.md"), "x").unwrap();
            path
        };
        let dead = make(".run-1-18446744073709551615");
        let foreign = make(".run-foreign");
        let report = make("vlan-vs-vxlan");
        let mine = make(&unfinished_name().unwrap());
        let link = reports.path().join(".run-1-18446744073709551614");
        std::os::unix::fs::symlink(&dead, &link).unwrap();
        let cleaned = clean(reports.path());
        assert_eq!(cleaned.removed, std::slice::from_ref(&dead));
        assert_eq!(cleaned.running, std::slice::from_ref(&mine));
        let left: Vec<_> = cleaned.left.iter().map(|(p, _)| p).collect();
        assert_eq!(left, [&link, &foreign]);
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
