//! Where OpenSSH's programs are, and how they are told what to do.

use std::env;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::vault::Vault;
use super::{Error, Mode, PORT, Tunnel};

/// The one user that exists for a server; see [`super::processes::serve`].
pub(super) const USER: &str = "overlab";
/// The user's number there.
pub(super) const UID: u32 = 65534;
/// Fixed, so that the bytes of a packet on the wire can be computed ([`super::overhead`]); it is
/// also what OpenSSH itself prefers.
const CIPHER: &str = "chacha20-poly1305@openssh.com";

/// Paths of the programs.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    pub ssh: PathBuf,
    pub sshd: PathBuf,
    pub keygen: PathBuf,
}

impl Programs {
    /// Looks along `PATH` and where systems keep servers.
    ///
    /// # Errors
    /// [`Error::Missing`].
    pub fn find() -> Result<Self, Error> {
        Ok(Programs {
            ssh: find("ssh", "openssh-client")?,
            sshd: find("sshd", "openssh-server")?,
            keygen: find("ssh-keygen", "openssh-client")?,
        })
    }

    /// The client's command for a tunnel.
    pub fn client(&self, vault: &Vault, tunnel: &Tunnel) -> Command {
        let mut command = Command::new(&self.ssh);
        command.args(["-F", "none", "-N", "-T", "-n", "-S", "none", "-c", CIPHER]);
        command.args(["-p", &PORT.to_string(), "-b", &tunnel.client.address.to_string()]);
        option(&mut command, "Tunnel", tunnel.mode.option());
        // Behind `Tunnel`, which it would otherwise set.
        command.args(["-w", &format!("{}:{}", tunnel.client.unit, tunnel.server.unit)]);
        path(&mut command, "IdentityFile", &vault.user_key());
        path(&mut command, "UserKnownHostsFile", &vault.known_hosts());
        for (key, value) in [
            ("IdentitiesOnly", "yes"),
            ("IdentityAgent", "none"),
            ("GlobalKnownHostsFile", "/dev/null"),
            ("StrictHostKeyChecking", "yes"),
            ("UpdateHostKeys", "no"),
            ("PreferredAuthentications", "publickey"),
            ("BatchMode", "yes"),
            ("ExitOnForwardFailure", "yes"),
            ("IPQoS", "none"),
            ("LogLevel", "INFO"),
            // The fabric may still be on its way up.
            ("ConnectTimeout", "5"),
            ("ConnectionAttempts", "60"),
        ] {
            option(&mut command, key, value);
        }
        command.arg(format!("{USER}@{}", tunnel.server.address));
        command
    }

    /// The server's command for one connection on its standard input.
    pub fn server(&self, vault: &Vault, host: &str, mode: Mode) -> Command {
        let mut command = Command::new(&self.sshd);
        command.args(["-i", "-e", "-f", "/dev/null"]);
        path(&mut command, "HostKey", &vault.host_key(host));
        path(&mut command, "AuthorizedKeysFile", &vault.authorized_keys());
        option(&mut command, "PermitTunnel", mode.option());
        for (key, value) in [
            // It would refuse keys in a directory that others may list.
            ("StrictModes", "no"),
            ("AuthenticationMethods", "publickey"),
            ("UsePAM", "no"),
            ("AllowTcpForwarding", "no"),
            ("AllowStreamLocalForwarding", "no"),
            ("AllowAgentForwarding", "no"),
            ("X11Forwarding", "no"),
            ("PermitTTY", "no"),
            ("PermitUserRC", "no"),
            ("ForceCommand", "/bin/false"),
            ("UseDNS", "no"),
            ("PidFile", "none"),
            ("IPQoS", "none"),
            // It says there why it ends a connection.
            ("LogLevel", "INFO"),
            // Should the client vanish with its network, and no word of it arrive.
            ("ClientAliveInterval", "5"),
            ("ClientAliveCountMax", "2"),
        ] {
            option(&mut command, key, value);
        }
        command
    }
}

/// A program's path.
///
/// # Errors
/// [`Error::Missing`].
pub(super) fn find(program: &'static str, package: &'static str) -> Result<PathBuf, Error> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from))
        // sshd starts itself again and insists on an absolute path.
        .filter(|place| place.is_absolute())
        .map(|place| place.join(program))
        .find(|file| file.is_file());
    found.ok_or(Error::Missing { program, package })
}

/// How a server is called in `known_hosts`: port 22 goes without brackets.
pub(super) fn known_as(address: IpAddr) -> String {
    address.to_string()
}

fn option(command: &mut Command, key: &str, value: &str) {
    command.arg("-o").arg(format!("{key}={value}"));
}

fn path(command: &mut Command, key: &str, value: &Path) {
    // Our own file names, without blanks.
    option(command, key, &value.to_string_lossy());
}
