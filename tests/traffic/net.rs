//! Small networks of namespaces for tests, and the variant that describes each.
//!
//! Nothing is named or mounted: a namespace lives as long as the descriptor held here, and its
//! links die with it.

use std::collections::HashMap;
use std::fs::File;
use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::time::Duration;

use futures_util::TryStreamExt;
use nix::sched::{CloneFlags, setns, unshare};
use overlab::ids::Encap;
use overlab::lab::{Datapath, Ecmp, EngineSettings, Fabric, IpVersion, Learning, MtuMode};
use overlab::measure::Place;
use overlab::plan::{Link, LinkEnd, Node, NodeKind, TenantPlan, Variant, VmPlan};
use rtnetlink::packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkInfo, LinkMessage, State,
};
use rtnetlink::{Handle, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVxlan, new_connection};

pub struct Net {
    namespaces: HashMap<String, File>,
    pub variant: Variant,
}

impl Place for Net {
    fn within<T>(&self, namespace: &str, work: impl FnOnce() -> T) -> io::Result<T> {
        let target = self
            .namespaces
            .get(namespace)
            .ok_or_else(|| io::Error::other(format!("no namespace `{namespace}`")))?;
        let home = File::open("/proc/thread-self/ns/net")?;
        setns(target, CloneFlags::CLONE_NEWNET)?;
        let made = work();
        setns(&home, CloneFlags::CLONE_NEWNET)?;
        Ok(made)
    }
}

/// One VM of a test network.
pub struct Vm {
    pub tenant: &'static str,
    pub name: &'static str,
    pub host: &'static str,
    /// Last byte of address and MAC; tenants may use the same.
    pub number: u8,
}

/// Two hosts, two tenants with the same addresses, one VM of each on each host.
pub const TWO_TENANTS: [Vm; 4] = [
    Vm { tenant: "red", name: "vm1", host: "h1", number: 1 },
    Vm { tenant: "red", name: "vm2", host: "h2", number: 2 },
    Vm { tenant: "blue", name: "vm1", host: "h1", number: 1 },
    Vm { tenant: "blue", name: "vm2", host: "h2", number: 2 },
];

impl Net {
    /// Hosts h1 and h2 joined by one cable, with the VMs' ports in them but joined to nothing.
    pub fn hosts(encap: Encap, vms: &[Vm], overhead: u32) -> Net {
        let mut variant = variant(encap, overhead);
        let mut namespaces = HashMap::new();
        for host in ["h1", "h2"] {
            namespaces.insert(variant.namespace(host), fresh());
        }
        for vm in vms {
            let plan = vm_plan(vm, variant.inner_mtu);
            namespaces.insert(variant.namespace(&plan.node), fresh());
            let id = |name: &str| if name == "red" { 101 } else { 102 };
            match variant.tenants.iter_mut().find(|tenant| tenant.name == vm.tenant) {
                Some(tenant) => tenant.vms.push(plan),
                None => variant.tenants.push(TenantPlan {
                    name: vm.tenant.into(),
                    id: id(vm.tenant),
                    vms: vec![plan],
                }),
            }
        }
        let net = Net { namespaces, variant };
        net.veth(["t.h1", "eth0"], ["t.h2", "eth0"], [None, None]);
        net.address("t.h1", "eth0", Ipv4Addr::new(10, 0, 0, 1));
        net.address("t.h2", "eth0", Ipv4Addr::new(10, 0, 0, 2));
        for vm in net.variant.vms() {
            let (vm_space, host) =
                (net.variant.namespace(&vm.node), net.variant.namespace(&vm.host));
            let mac = vm.mac.split(':').map(|b| u8::from_str_radix(b, 16).unwrap()).collect();
            net.veth([&vm_space, "eth0"], [&host, &vm.port], [Some(mac), None]);
            net.address(&vm_space, "eth0", vm.address.addr().to_string().parse().unwrap());
            net.set_mtu(&vm_space, "eth0", vm.mtu).unwrap();
        }
        for space in net.namespaces.keys() {
            net.up(space, net.index(space, "eth0"));
        }
        net
    }

    /// All VMs of all tenants on one bridge per host: nothing keeps them apart.
    pub fn flat(encap: Encap, vms: &[Vm]) -> Net {
        let net = Net::hosts(encap, vms, 0);
        for host in ["h1", "h2"] {
            let ports = net.ports(host, |_| true);
            net.bridge(
                &net.variant.namespace(host),
                "br",
                ports.into_iter().chain(["eth0".into()]),
            );
        }
        net
    }

    /// Tenants apart: a bridge and a VXLAN device of the kernel for each of them on both hosts.
    pub fn vxlan(vms: &[Vm]) -> Net {
        let net = Net::hosts(Encap::Vxlan, vms, 50);
        for (host, local, remote) in [("h1", 1, 2), ("h2", 2, 1)] {
            let space = net.variant.namespace(host);
            for tenant in &net.variant.tenants {
                let device = format!("vx-{}", tenant.name);
                let message = LinkVxlan::new(&device, u32::try_from(tenant.id).unwrap())
                    .local(Ipv4Addr::new(10, 0, 0, local))
                    .remote(Ipv4Addr::new(10, 0, 0, remote))
                    .port(4789)
                    .build();
                net.netlink(&space, |handle| async move {
                    handle.link().add(message).execute().await.unwrap();
                });
                let ports = net.ports(host, |vm| vm.tenant == tenant.name);
                net.bridge(
                    &space,
                    &format!("br-{}", tenant.name),
                    ports.into_iter().chain([device]),
                );
            }
        }
        net
    }

    fn ports(&self, host: &str, of: impl Fn(&VmPlan) -> bool) -> Vec<String> {
        let here = self.variant.vms().filter(|vm| vm.host == host && of(vm));
        here.map(|vm| vm.port.clone()).collect()
    }

    fn bridge(&self, space: &str, name: &str, ports: impl Iterator<Item = String>) {
        let name = name.to_owned();
        let index = |device: &str| self.index(space, device);
        let message = LinkBridge::new(&name).up().build();
        self.netlink(space, |handle| async move {
            handle.link().add(message).execute().await.unwrap();
        });
        let bridge = index(&name);
        for port in ports {
            let message = LinkUnspec::new_with_index(index(&port)).controller(bridge).up().build();
            self.netlink(space, |handle| async move {
                handle.link().set(message).execute().await.unwrap();
            });
            self.up(space, index(&port));
        }
    }

    /// Waits until the kernel has noticed that a device has its carrier: a veth loses what is sent
    /// before, and a bridge forwards from then on.
    fn up(&self, space: &str, device: u32) {
        let is_veth = |link: &LinkMessage| {
            link.attributes.iter().any(|attribute| {
                matches!(attribute, LinkAttribute::LinkInfo(infos)
                    if infos.contains(&LinkInfo::Kind(InfoKind::Veth)))
            })
        };
        self.netlink(space, |handle| async move {
            for _ in 0..1000 {
                let mut found = handle.link().get().match_index(device).execute();
                let link = found.try_next().await.unwrap().unwrap();
                let noticed = |attribute: &LinkAttribute| match attribute {
                    LinkAttribute::OperState(State::Up) => true,
                    // What has no carrier to look at (VXLAN) stays so.
                    LinkAttribute::OperState(State::Unknown) => !is_veth(&link),
                    _ => false,
                };
                if link.attributes.iter().any(noticed) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            panic!("device {device} of {space} does not come up");
        });
    }

    fn veth(&self, a: [&str; 2], b: [&str; 2], macs: [Option<Vec<u8>>; 2]) {
        let [mac_a, mac_b] = macs;
        let end = |message: LinkMessageBuilder<LinkUnspec>, mac: Option<Vec<u8>>| match mac {
            Some(mac) => message.address(mac),
            None => message,
        };
        let peer = end(LinkUnspec::new_with_name(b[1]), mac_b)
            .setns_by_fd(self.namespaces[b[0]].as_raw_fd())
            .build();
        let mut message = LinkMessageBuilder::<LinkUnspec>::new_with_info_kind(InfoKind::Veth)
            .name(a[1].to_owned())
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)));
        message = end(message, mac_a);
        let message = message.build();
        self.netlink(a[0], |handle| async move {
            handle.link().add(message).execute().await.unwrap();
        });
        for [space, device] in [a, b] {
            let message = LinkUnspec::new_with_index(self.index(space, device)).up().build();
            self.netlink(space, |handle| async move {
                handle.link().set(message).execute().await.unwrap();
            });
        }
    }

    fn address(&self, space: &str, device: &str, address: Ipv4Addr) {
        let index = self.index(space, device);
        self.netlink(space, |handle| async move {
            handle.address().add(index, address.into(), 24).execute().await.unwrap();
        });
    }

    pub fn set_up(&self, space: &str, device: &str, up: bool) {
        let message = LinkUnspec::new_with_index(self.index(space, device));
        let message = if up { message.up() } else { message.down() }.build();
        self.netlink(space, |handle| async move {
            handle.link().set(message).execute().await.unwrap();
        });
    }

    pub fn set_mtu(&self, space: &str, device: &str, mtu: u32) -> io::Result<()> {
        let message = LinkUnspec::new_with_index(self.index(space, device)).mtu(mtu).build();
        self.netlink(space, |handle| async move {
            handle.link().set(message).execute().await.map_err(io::Error::other)
        })
    }

    pub fn mtu(&self, space: &str, device: &str) -> u32 {
        let index = self.index(space, device);
        let found = self.netlink(space, |handle| async move {
            handle.link().get().match_index(index).execute().try_next().await
        });
        let attributes = found.unwrap().unwrap().attributes;
        let mtu = attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::Mtu(mtu) => Some(*mtu),
            _ => None,
        });
        mtu.unwrap()
    }

    fn index(&self, space: &str, device: &str) -> u32 {
        self.within(space, || nix::net::if_::if_nametoindex(device)).unwrap().unwrap()
    }

    /// Runs `work` with a netlink connection opened in a namespace.
    fn netlink<T, F: Future<Output = T>>(&self, space: &str, work: impl FnOnce(Handle) -> F) -> T {
        self.within(space, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let (connection, handle, _) = new_connection().unwrap();
                let connection = tokio::spawn(connection);
                let made = work(handle).await;
                connection.abort();
                made
            })
        })
        .unwrap()
    }
}

/// A network namespace of its own, loopback and all else down.
fn fresh() -> File {
    std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace needs root");
        File::open("/proc/thread-self/ns/net").unwrap()
    })
    .join()
    .unwrap()
}

fn vm_plan(vm: &Vm, mtu: u32) -> VmPlan {
    VmPlan {
        name: vm.name.into(),
        tenant: vm.tenant.into(),
        host: vm.host.into(),
        node: format!("{}.{}", vm.tenant, vm.name),
        port: format!("{}-{}", vm.tenant, vm.name),
        address: format!("192.168.0.{}/24", vm.number).parse().unwrap(),
        address6: None,
        mac: format!("02:00:00:00:00:{:02x}", vm.number),
        mtu,
    }
}

fn variant(encap: Encap, overhead: u32) -> Variant {
    let end = |host: &str, number: u8| LinkEnd {
        node: host.into(),
        interface: "eth0".into(),
        mac: String::new(),
        addresses: vec![format!("10.0.0.{number}/24").parse().unwrap()],
        vlans: None,
        mac_limit: None,
    };
    let node = |name: &str| Node {
        name: name.into(),
        kind: NodeKind::Host,
        mac_table: None,
        vlan_learning: None,
        stp_priority: None,
        routes: Vec::new(),
        loopback: Vec::new(),
        multicast: Vec::new(),
    };
    Variant {
        name: "t".into(),
        encap,
        datapath: Datapath::Kernel,
        fabric: Fabric::L2,
        learning: Learning::Flood,
        port: 4789,
        offloads: true,
        stp: true,
        underlay: IpVersion::default(),
        mtu_mode: MtuMode::default(),
        engine: EngineSettings::default(),
        ecmp: Ecmp::default(),
        tunnels: 0,
        refused: None,
        baseline: None,
        underlay_mtu: 1500,
        inner_mtu: 1500 - overhead,
        overhead,
        nodes: vec![node("h1"), node("h2")],
        links: vec![Link {
            name: "h1-h2".into(),
            ends: [end("h1", 1), end("h2", 2)],
            mtu: 1500,
            rate: None,
            impaired: overlab::lab::Impaired::default(),
            seed: 0,
        }],
        tenants: Vec::new(),
        edges: Vec::new(),
        routers: Vec::new(),
        segments: Vec::new(),
    }
}

/// How long a flow of a test runs.
pub const SHORT: Duration = Duration::from_millis(300);
