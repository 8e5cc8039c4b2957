//! An SSH tunnel as an endpoint: OpenSSH's client carries it and makes the device.

use std::net::IpAddr;

use super::machine::Below;
use super::{Carried, Checked, Error, Request};
use crate::datapath::ssh::{Connect, Mode, client_program};

/// MTU where none is asked for: a stream has no room to run out of.
const MTU: u32 = 1500;

impl Request {
    /// What is asked of OpenSSH.
    ///
    /// # Errors
    /// [`Error::Wrong`] and [`Error::Missing`], as [`Request::check`].
    pub(super) fn over_ssh(
        &self,
        device: String,
        bare: bool,
        interfaces: &[Below],
    ) -> Result<Checked, Error> {
        let wrong = |what: String| Err(Error::Wrong(what));
        let Some(destination) = self.destination.clone() else {
            return wrong("--encap ssh needs --destination, [USER@]HOST of the server".into());
        };
        // It would be taken for an option.
        if destination.is_empty() || destination.starts_with('-') {
            return wrong(format!("--destination {destination}: write [USER@]HOST"));
        }
        let mtu = self.mtu.unwrap_or(MTU);
        // A message holds one packet of at most 32 KiB with its headers (OpenSSH PROTOCOL 2.3).
        if !(68..=32_750).contains(&mtu) {
            return wrong(format!("--mtu {mtu}: an SSH tunnel's MTU lies between 68 and 32750"));
        }
        let nic = self.beneath(interfaces)?;
        let program = client_program().map_err(|error| Error::Missing(error.to_string()))?;
        let connect = Connect {
            program,
            mode: if bare { Mode::Ip } else { Mode::Ethernet },
            destination,
            port: self.port,
            local: self.local,
            unit: self.unit,
            options: self.ssh_options.clone(),
        };
        Ok(Checked {
            carried: Carried::Ssh(connect),
            device,
            bare,
            network: 0,
            local: self.local,
            remotes: Vec::new(),
            nic,
            mtu,
            pcap: self.pcap.clone(),
        })
    }

    /// The interface below, empty where nobody asks for it.
    fn beneath(&self, interfaces: &[Below]) -> Result<String, Error> {
        let has = |address: IpAddr| {
            let found = interfaces.iter().find(|below| below.addresses.contains(&address));
            found.ok_or_else(|| {
                Error::Wrong(format!("--local {address} is no address of this namespace"))
            })
        };
        let of_local = self.local.map(has).transpose()?;
        match (&self.interface, of_local, &self.pcap) {
            (Some(name), ..) if interfaces.iter().any(|below| below.name == *name) => {
                Ok(name.clone())
            }
            (Some(name), ..) => Err(Error::Wrong(format!("--interface {name}: there is none"))),
            (None, Some(below), _) => Ok(below.name.clone()),
            (None, None, Some(_)) => Err(Error::Wrong(
                "--pcap captures the interface below: say which with --interface or --local".into(),
            )),
            (None, None, None) => Ok(String::new()),
        }
    }
}
