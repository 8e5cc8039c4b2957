//! Namespaces put away where they count against no limit of the process's open files.
//!
//! A namespace lives while a descriptor of it is open. The limit of descriptors (`RLIMIT_NOFILE`, getrlimit(2)) is
//! for each table of them, and a thread may have a table of its own (`CLONE_FILES`, unshare(2)). So one
//! thread keeps them all and does nothing else; others open one through `/proc` while they need it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Pid, close, gettid};

/// Descriptors that a thread keeps open in a table of its own, until this is dropped.
#[derive(Debug)]
pub struct Shelf {
    keeper: Pid,
    /// Hung up to end the keeper; nothing is ever sent.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Shelf {
    /// Puts files away. The caller's own descriptors of them may be closed afterwards.
    ///
    /// # Errors
    /// The thread cannot have a table of its own, or `/proc` cannot be read.
    pub fn of<'a>(files: impl Iterator<Item = &'a File>) -> io::Result<Shelf> {
        let kept: BTreeSet<RawFd> = files.map(AsRawFd::as_raw_fd).collect();
        let (end, ended) = channel::<()>();
        let (ready, begun) = channel();
        let thread = std::thread::Builder::new().name("shelf".into()).spawn(move || {
            let own = own_table(&kept);
            let failed = own.is_err();
            if ready.send(own.map(|()| gettid())).is_err() || failed {
                return;
            }
            keep(&kept, &ended);
        })?;
        let keeper =
            begun.recv().map_err(|_| io::Error::other("the thread that keeps them panicked"))??;
        Ok(Shelf { keeper, end: Some(end), thread: Some(thread) })
    }

    /// Where a file that had this number stands.
    #[must_use]
    pub fn path(&self, number: RawFd) -> PathBuf {
        format!("/proc/{}/task/{}/fd/{number}", std::process::id(), self.keeper).into()
    }

    /// Opens a file that had this number.
    ///
    /// # Errors
    /// There is none, or the limit of open files is reached after all.
    pub fn open(&self, number: RawFd) -> io::Result<OwnedFd> {
        File::open(self.path(number)).map(OwnedFd::from)
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        drop(self.end.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the keeper of namespaces panicked");
        }
    }
}

/// Gives the calling thread a table of its own, with only those files in it.
fn own_table(kept: &BTreeSet<RawFd>) -> io::Result<()> {
    unshare(CloneFlags::CLONE_FILES)?;
    let open: Vec<RawFd> = std::fs::read_dir("/proc/thread-self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for number in open.into_iter().filter(|number| !kept.contains(number)) {
        // The directory that was read is among them and closed already.
        let _ = close(number);
    }
    Ok(())
}

/// Waits for the end and closes them before it is known to others: a thread is joined before the
/// kernel closes its files.
fn keep(kept: &BTreeSet<RawFd>, ended: &Receiver<()>) {
    let _ = ended.recv();
    for number in kept {
        if let Err(error) = close(*number) {
            tracing::warn!(%error, number, "a namespace was not kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};

    use super::*;

    #[test]
    fn what_is_put_away_lives_without_a_descriptor_here_and_ends_with_the_shelf() {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"here").unwrap();
        let number = file.as_raw_fd();
        let pipe = File::from(writer);
        let end = pipe.as_raw_fd();
        let shelf = Shelf::of([&file, &pipe].into_iter()).unwrap();
        drop((file, pipe));
        let mut again = File::from(shelf.open(number).unwrap());
        again.rewind().unwrap();
        let mut text = String::new();
        again.read_to_string(&mut text).unwrap();
        assert_eq!(text, "here");
        // What was not put away is not there.
        assert!(shelf.open(reader.as_raw_fd()).is_err());
        let kept = shelf.path(end);
        assert!(kept.exists());
        drop(shelf);
        // The last one that could write is gone.
        assert_eq!(File::from(reader).read(&mut [0; 1]).unwrap(), 0);
        assert!(!kept.exists());
    }
}
