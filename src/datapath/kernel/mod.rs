//! Edges made of the kernel's own devices: the baseline in reports and the twin of our engines.
//!
//! An edge joins the VMs' ports of one host to the underlay. Everything it is made of lives in
//! the host's namespace and vanishes with it, so there is nothing to hold on to and nothing to
//! take down. This module may import `netns` (verbs) and `plan`.

mod dock;
mod plain;
mod vlan;
mod vxlan;

pub use dock::dock;

use crate::ids::Encap;
use crate::lab::Fabric;
use crate::netns::link::{self, LinkState};
use crate::netns::{Error, Namespaces, Netlink, Request, Result};
use crate::plan::{Edge, EdgeNetwork, Variant};

/// MAC ageing of edge bridges in seconds, 802.1D's default.
const AGEING: u32 = 300;

/// Builds one host's edge. The namespaces must have been built by [`crate::netns::build`].
///
/// # Errors
/// [`Error::Unsupported`] (exit status 3) where this kernel lacks the device or this program
/// carries the encapsulation by its own engines only; otherwise what the kernel refused.
pub fn attach(namespaces: &Namespaces, variant: &Variant, edge: &Edge) -> Result<()> {
    let namespace = variant.namespace(&edge.host);
    namespaces.inside(&namespace, || {
        let mut host = Host::read(&namespace)?;
        match (variant.encap, variant.fabric) {
            (Encap::None, Fabric::L3) => plain::routed(edge),
            (Encap::None, _) => plain::bridged(&mut host, edge),
            (Encap::Vlan, _) => vlan::attach(&mut host, edge),
            (Encap::Vxlan, _) => vxlan::attach(&mut host, variant, edge),
            _ => Err(Error::Unsupported {
                operation: format!("carry tenants over {} in the kernel", variant.encap),
                namespace: namespace.clone(),
                feature: "an edge for it in this program",
                remedy: "Take `datapath: user`.",
            }),
        }
    })
}

/// A host's netlink socket and its interfaces as they were found.
struct Host {
    netlink: Netlink,
    links: Vec<LinkState>,
}

impl Host {
    fn read(namespace: &str) -> Result<Host> {
        let mut netlink = Netlink::open(namespace)?;
        let links = link::list(&mut netlink)?;
        Ok(Host { netlink, links })
    }

    fn index(&self, interface: &str) -> Result<u32> {
        let found = self.links.iter().find(|link| link.name == interface);
        found.map(|link| link.index).ok_or_else(|| Error::UnknownInterface {
            interface: interface.to_owned(),
            namespace: self.netlink.namespace().to_owned(),
        })
    }

    /// Makes a link and returns its index.
    fn make(&mut self, request: Request, name: &str) -> Result<u32> {
        self.netlink.one(request)?;
        let made = link::find(&mut self.netlink, name)?;
        let index = made.index;
        self.links.push(made);
        Ok(index)
    }

    /// Makes a bridge without spanning tree (it has one way out and cannot loop) that joins the
    /// ports of one tenant network; returns its index.
    fn bridge(&mut self, name: &str, network: &EdgeNetwork) -> Result<u32> {
        let bridge = self.make(link::bridge(name, 0, None, AGEING), name)?;
        let mut requests = Vec::with_capacity(network.ports.len() + 1);
        for port in &network.ports {
            requests.push(link::enslave(self.index(port)?, port, bridge));
        }
        requests.push(link::up(bridge, name));
        self.netlink.all(requests)?;
        Ok(bridge)
    }
}
