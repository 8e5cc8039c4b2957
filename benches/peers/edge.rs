//! Edges of this program between namespaces that stand already, for `benches/peers.sh`.
//!
//! `edge ENCAP INNER_MTU EDGE…`, each edge as
//! `namespace,nic,vtep,port,peer,network[,address,mac,peer-address]`; the last three make the routes of an
//! encapsulation without Ethernet. Says `ready` once all serve, ends with a line on its standard input
//! or the end of it, and then says what was dropped.

use std::fs::File;
use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context, bail};
use nix::sched::{CloneFlags, setns};
use overlab::datapath::user::{Edge, EdgeConfig, Oversize, RouteConfig, UserDatapath, Via};
use overlab::encap::{Delivery, Engine, Geneve, Gre, IpInIp, Nvgre, Stt, Vlan, Vxlan};
use overlab::ids::Encap;
use overlab::vswitch::{NetworkConfig, Peer};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [encap, mtu, edges @ ..] = arguments.as_slice() else {
        bail!(
            "usage: edge ENCAP INNER_MTU namespace,nic,vtep,port,peer,network[,address,mac,peer-address]…"
        );
    };
    let encap: Encap = encap.parse().map_err(anyhow::Error::msg)?;
    let mtu = mtu.parse().with_context(|| format!("INNER_MTU `{mtu}`"))?;
    let edges =
        edges.iter().map(|edge| open(encap, mtu, edge)).collect::<anyhow::Result<Vec<_>>>()?;
    let datapath = UserDatapath::start(edges)?;
    println!("ready");
    std::io::stdout().flush()?;
    std::io::stdin().read_line(&mut String::new())?;
    let drops: Vec<String> =
        datapath.drops().iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    println!("cpu {:.3} s; dropped: {}", datapath.cpu().as_secs_f64(), drops.join(", "));
    Ok(())
}

fn engine(encap: Encap) -> anyhow::Result<Arc<dyn Engine>> {
    Ok(match encap {
        Encap::Vlan => Arc::new(Vlan::default()),
        Encap::Vxlan => Arc::new(Vxlan::default()),
        Encap::Geneve => Arc::new(Geneve::default()),
        Encap::Gre => Arc::new(Gre { keyed: true, ..Gre::default() }),
        Encap::Gretap => Arc::new(Gre { keyed: true, ethernet: true, ..Gre::default() }),
        Encap::Nvgre => Arc::new(Nvgre::default()),
        Encap::Ipip => Arc::new(IpInIp::V4),
        Encap::SixInFour => Arc::new(IpInIp::V6),
        Encap::Stt => Arc::new(Stt::default()),
        other => bail!("no edge for {other}"),
    })
}

fn open(encap: Encap, inner_mtu: u32, text: &str) -> anyhow::Result<Edge> {
    let fields: Vec<&str> = text.split(',').collect();
    let [namespace, nic, vtep, port, peer, network, rest @ ..] = fields.as_slice() else {
        bail!("edge `{text}`: want namespace,nic,vtep,port,peer,network");
    };
    let network: u64 = network.parse()?;
    let vtep: IpAddr = vtep.parse()?;
    let peer: IpAddr = peer.parse()?;
    let mut routes = Vec::new();
    if let [address, mac, far] = rest {
        let mac = mac.parse().map_err(anyhow::Error::msg)?;
        routes = vec![
            RouteConfig { network, address: address.parse()?, via: Via::Port(0, mac) },
            RouteConfig { network, address: far.parse()?, via: Via::Peer(peer) },
        ];
    }
    let peers = if encap.is_tag() { vec![Peer::Fabric] } else { vec![Peer::Vtep(peer)] };
    let config = EdgeConfig {
        host: (*namespace).to_owned(),
        engine: engine(encap)?,
        nic: (*nic).to_owned(),
        vtep: Some(vtep),
        networks: vec![NetworkConfig {
            id: network,
            ports: 1,
            peers,
            fdb: vec![],
            learning: true,
            mac_limit: 1024,
        }],
        ports: vec![(*port).to_owned()],
        inner_mtu,
        oversize: Oversize::default(),
        delivery: Delivery::default(),
        offloads: true,
        direct: true,
        routes,
        seed: u64::from_be_bytes(*b"overlab!"),
    };
    let path = format!("/run/netns/{namespace}");
    let there = File::open(&path).with_context(|| format!("open {path}"))?;
    // A thread of its own enters the namespace; sockets stay where they were opened.
    let opened = std::thread::spawn(move || -> anyhow::Result<Edge> {
        setns(there, CloneFlags::CLONE_NEWNET)?;
        Ok(Edge::open(&config)?)
    });
    opened.join().map_err(|_| anyhow::anyhow!("opening {path} panicked"))?
}
