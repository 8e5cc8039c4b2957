//! OpenSSH's client as one end of a tunnel outside any lab, to a server of somebody else's.
//!
//! The client makes the TUN or TAP device itself and calls it `tunN` or `tapN`; once it has logged
//! in it runs a command of ours that tells that name (`LocalCommand` with `%T`). The device goes
//! with the client, and the client with this process.

use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Child, Command};

use super::device::Mode;
use super::error::Error;
use super::{processes, programs};

/// A connection to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// Path of `ssh`.
    pub program: PathBuf,
    /// What the tunnel carries.
    pub mode: Mode,
    /// `[USER@]HOST`, or a name of the user's configuration.
    pub destination: String,
    /// The server's port, where not the usual one.
    pub port: Option<u16>,
    /// Address that the connection is made from.
    pub local: Option<IpAddr>,
    /// Number of the device at the server; any that is free where absent.
    pub unit: Option<u16>,
    /// More options, as `-o` takes them.
    pub options: Vec<String>,
}

/// A client that has logged in. It ends when this is dropped.
#[derive(Debug)]
pub struct Client {
    child: Child,
    device: String,
}

impl Connect {
    /// The command; what the user configured for `ssh` holds.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["-N", "-T", "-n", "-S", "none", "-x"]);
        for option in &self.options {
            command.args(["-o", option]);
        }
        for option in [
            format!("Tunnel={}", self.mode.option()),
            // Else a server that refuses the tunnel would leave a connection without one.
            "ExitOnForwardFailure=yes".into(),
            "PermitLocalCommand=yes".into(),
            "LocalCommand=echo %T".into(),
            "ServerAliveInterval=15".into(),
        ] {
            command.args(["-o", &option]);
        }
        let unit = self.unit.map_or_else(|| "any".into(), |unit| unit.to_string());
        command.args(["-w", &format!("any:{unit}")]);
        if let Some(port) = self.port {
            command.args(["-p", &port.to_string()]);
        }
        if let Some(local) = self.local {
            command.args(["-b", &local.to_string()]);
        }
        command.args(["--", &self.destination]);
        command
    }

    /// Connects and logs in, asking for a password on the terminal if need be. The client says on
    /// standard error what it has to say.
    ///
    /// # Errors
    /// [`Error::System`] where it cannot be started; [`Error::NoTunnel`] where it ended before it had
    /// made the device.
    pub fn start(&self) -> Result<Client, Error> {
        let mut child = processes::attend(self.command())
            .map_err(|source| Error::System { operation: "start ssh".into(), source })?;
        let mut device = String::new();
        let read = match child.stdout.take() {
            Some(out) => BufReader::new(out).read_line(&mut device),
            None => Ok(0),
        };
        let client = Client { child, device: device.trim().to_owned() };
        match read {
            Ok(1..) if client.device != "NONE" && !client.device.is_empty() => Ok(client),
            _ => Err(Error::NoTunnel),
        }
    }
}

impl Client {
    /// The device's name as OpenSSH made it.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Whether the client has ended.
    pub fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// CPU time used so far.
    #[must_use]
    pub fn cpu(&self) -> std::time::Duration {
        processes::cpu(self.child.id())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        processes::end_one(&mut self.child);
    }
}

/// Where `ssh` is.
///
/// # Errors
/// [`Error::Missing`].
pub fn client_program() -> Result<PathBuf, Error> {
    programs::find("ssh", "openssh-client")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_says_what_was_asked() {
        let connect = Connect {
            program: "/usr/bin/ssh".into(),
            mode: Mode::Ethernet,
            destination: "root@h".into(),
            port: Some(2222),
            local: "192.0.2.1".parse().ok(),
            unit: Some(5),
            options: vec!["User=x".into()],
        };
        let command = connect.command();
        let said: Vec<_> = command.get_args().map(|a| a.to_string_lossy()).collect();
        let said = said.join(" ");
        for part in ["-o User=x -o Tunnel=ethernet", "-w any:5 -p 2222 -b 192.0.2.1 -- root@h"] {
            assert!(said.contains(part), "{said}");
        }
        let any = Connect { unit: None, ..connect };
        assert!(any.command().get_args().any(|argument| argument == "any:any"));
    }
}
