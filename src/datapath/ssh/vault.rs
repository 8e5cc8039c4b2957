//! Keys of one run, in memory.
//!
//! They lie in the tmpfs that only this process and its children see ([`crate::netns::RUN_NETNS`]),
//! so they are written to no disk and are gone with the process, whatever ends it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::Error;
use super::programs::{Programs, UID, USER, known_as};
use crate::netns::RUN_NETNS;

/// Vaults made by this process so far.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// The files that both ends read.
#[derive(Debug)]
pub(super) struct Vault {
    dir: PathBuf,
    hosts: BTreeMap<String, usize>,
}

impl Vault {
    /// Makes one key for the client and one for each server, given by namespace and address. The
    /// caller has left the machine's namespaces, or it could not have made any.
    pub fn fill(programs: &Programs, servers: &BTreeSet<(&str, IpAddr)>) -> Result<Self, Error> {
        let dir = Path::new(RUN_NETNS).join(format!(".ssh{}", COUNT.fetch_add(1, Relaxed)));
        DirBuilder::new()
            .mode(0o700)
            .create(&dir)
            .map_err(|e| Error::system(format!("make {}", dir.display()), e))?;
        let mut vault = Vault { dir, hosts: BTreeMap::new() };
        make_key(&programs.keygen, &vault.user_key())?;
        let mut known = String::new();
        for (host, address) in servers {
            let next = vault.hosts.len();
            let number = *vault.hosts.entry((*host).to_owned()).or_insert(next);
            let key = vault.host_key(host);
            if number == next {
                make_key(&programs.keygen, &key)?;
            }
            let public = key.with_extension("pub");
            let public = fs::read_to_string(&public)
                .map_err(|e| Error::system(format!("read {}", public.display()), e))?;
            known.push_str(&format!("{} {}\n", known_as(*address), public.trim()));
        }
        vault.write(&vault.known_hosts(), &known)?;
        vault.write(&vault.passwd(), &format!("{USER}:*:{UID}:{UID}::/:/bin/sh\n"))?;
        // Changed on day 1, never expires.
        vault.write(&vault.shadow(), &format!("{USER}:*:1::::::\n"))?;
        Ok(vault)
    }

    /// The client's private key.
    pub fn user_key(&self) -> PathBuf {
        self.dir.join("user")
    }

    /// The keys a server lets in: the client's.
    pub fn authorized_keys(&self) -> PathBuf {
        self.dir.join("user.pub")
    }

    /// A server's private key.
    pub fn host_key(&self, host: &str) -> PathBuf {
        self.dir.join(format!("host{}", self.hosts.get(host).copied().unwrap_or_default()))
    }

    /// The servers' public keys.
    pub fn known_hosts(&self) -> PathBuf {
        self.dir.join("known_hosts")
    }

    /// What a server sees as `/etc/passwd`.
    pub fn passwd(&self) -> PathBuf {
        self.dir.join("passwd")
    }

    /// What a server sees as `/etc/shadow`.
    pub fn shadow(&self) -> PathBuf {
        self.dir.join("shadow")
    }

    /// A new file for what a process says.
    pub fn log(&self, name: &str) -> Result<(File, PathBuf), Error> {
        let path = self.dir.join(name);
        let file = File::create(&path)
            .map_err(|e| Error::system(format!("make {}", path.display()), e))?;
        Ok((file, path))
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), Error> {
        fs::write(path, text).map_err(|e| Error::system(format!("write {}", path.display()), e))
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            tracing::debug!(%error, "keys are left to the end of the process");
        }
    }
}

fn make_key(keygen: &Path, file: &Path) -> Result<(), Error> {
    let what = || format!("make a key with {}", keygen.display());
    let mut command = Command::new(keygen);
    command.args(["-q", "-t", "ed25519", "-N", "", "-C", ""]).arg("-f").arg(file);
    let output =
        command.stdin(Stdio::null()).output().map_err(|source| Error::system(what(), source))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::system(what(), io::Error::other(said)))
}
