//! Open vSwitch's userspace datapath as the peer, with a database and a daemon of its own.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use overlab::measure::Place;
use overlab::netns::{Offloads, switch_off};

use crate::bench::{Bench, NIC, PEER, PEER_VM};
use crate::{text, tools};

pub const PROGRAMS: &[&str] =
    &["ovs-vswitchd", "ovsdb-server", "ovsdb-tool", "ovs-vsctl", "ovs-ofctl", "tshark"];

const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";
/// Its switch's port towards its VM.
const PORT: &str = "pvm";

/// A running Open vSwitch; its processes end when this is dropped.
pub struct Ovs {
    daemons: Vec<Child>,
    database: String,
    control: String,
}

impl Ovs {
    /// Starts it in the peer's namespace, with a bridge that holds the underlay's interface and
    /// address, and one that holds its VM's port and the tunnel described by `tunnel` (`type=...`
    /// and options).
    pub fn start(bench: &Bench, folder: &Path, tunnel: &str, flows: &[&str]) -> Ovs {
        let database = format!("unix:{}", text(&folder.join("db.sock")));
        let control = text(&folder.join("control")).to_owned();
        let file = folder.join("conf.db");
        tools::run("ovsdb-tool", &["create", text(&file), SCHEMA]);
        let mut ovs = Ovs { daemons: Vec::new(), database, control };
        let remote = format!("--remote=p{}", ovs.database);
        let own = format!("--unixctl={}", text(&folder.join("db-control")));
        ovs.daemon(bench, folder, "ovsdb-server", &[text(&file), &remote, &own]);
        ovs.vsctl(folder, &["--no-wait", "init"]);
        let own = format!("--unixctl={}", ovs.control);
        let database = ovs.database.clone();
        ovs.daemon(bench, folder, "ovs-vswitchd", &[&database, &own]);
        let mac = "other_config:hwaddr=02:bb:00:00:00:02";
        let bridge = ["--", "set", "bridge", "phy", "datapath_type=netdev", mac];
        ovs.vsctl(
            folder,
            &[&["add-br", "phy"], &bridge[..], &["--", "add-port", "phy", NIC]].concat(),
        );
        bench.give(PEER, "phy", bench.underlay.peer, bench.underlay.prefix());
        bench.cable((PEER, PORT, None), (PEER_VM, "eth0", None), bench.inner_mtu);
        bench.give(PEER_VM, "eth0", bench.overlay.peer, bench.overlay.prefix());
        // Its datapath does not finish the checksums that a VM leaves open.
        bench
            .namespaces
            .inside(PEER_VM, || switch_off("eth0", Offloads::All))
            .expect("switch offloads off");
        let local = format!("options:local_ip={}", bench.underlay.peer);
        let remote = format!("options:remote_ip={}", bench.underlay.us);
        let mut arguments =
            vec!["add-br", "int", "--", "set", "bridge", "int", "datapath_type=netdev"];
        arguments.extend(["--", "add-port", "int", PORT, "--", "add-port", "int", "tunnel"]);
        arguments.extend(["--", "set", "interface", "tunnel", &local, &remote]);
        arguments.extend(tunnel.split(' '));
        ovs.vsctl(folder, &arguments);
        for flow in flows {
            let bridge = text(&folder.join("int.mgmt")).to_owned();
            tools::run("ovs-ofctl", &["add-flow", &format!("unix:{bridge}"), flow]);
        }
        ovs
    }

    fn daemon(&mut self, bench: &Bench, folder: &Path, program: &str, arguments: &[&str]) {
        let mut command = Command::new(tools::find(program).expect("checked before"));
        command.args(arguments).arg("--no-chdir").envs(private(folder));
        command
            .args(["-vconsole:off", "-vsyslog:off"])
            .arg(format!("--log-file={}", text(&folder.join(format!("{program}.log")))));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = bench.namespaces.within(PEER, || command.spawn());
        self.daemons.push(child.expect("enter the peer's namespace").expect("start a daemon"));
    }

    /// Changes the configuration and waits until the daemon has taken it.
    fn vsctl(&self, folder: &Path, arguments: &[&str]) {
        let mut command = Command::new(tools::find("ovs-vsctl").expect("checked before"));
        command.envs(private(folder)).args(["--retry", "--timeout=30"]);
        command.arg(format!("--db={}", self.database)).args(arguments);
        let output = command.output().expect("start ovs-vsctl");
        tools::said("ovs-vsctl", arguments, &output);
    }
}

/// Everything in a directory of its own.
fn private(folder: &Path) -> [(&'static str, &Path); 3] {
    ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"].map(|name| (name, folder))
}

impl Drop for Ovs {
    fn drop(&mut self) {
        for child in self.daemons.iter_mut().rev() {
            // Both fail only where it has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
