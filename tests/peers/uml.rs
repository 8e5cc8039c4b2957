//! A user-mode Linux 6.1 as the peer: a whole kernel with the tunnel modules that the machine's
//! own may lack, in a process of a namespace. Its root is the machine's file tree, in which it
//! writes nothing.

use std::path::Path;
use std::process::Command;

use overlab::measure::Place;

use crate::bench::{Bench, NIC, PEER, Underlay};
use crate::guest::Console;
use crate::{preload, text, tools};

pub const PROGRAMS: &[&str] = &["linux.uml", "ip", "modprobe", "tshark"];

/// The guest's interface where frames are tagged.
const TAP: &str = "guest";

/// Modules of the peers' devices.
const MODULES: &str = "vxlan geneve ip_gre ip6_gre ipip sit ip6_tunnel 8021q";

/// Boots it in the peer's namespace, with the cable to us as its `vec0`, whose MTU can only be
/// given here.
///
/// It takes the cable's end by a packet socket, which loses VLAN tags; where there are any, it gets
/// a TAP, and a bridge joins that to the cable.
pub fn boot(bench: &Bench, folder: &Path, mtu: u32, tags: bool) -> Console {
    let init = folder.join("init");
    let own = std::env::current_exe().expect("our own path");
    // Where modprobe looks for modules is made in a tmpfs of the guest.
    let script = format!(
        "#!/bin/sh\n\
         export PATH=/usr/sbin:/usr/bin:/sbin:/bin\n\
         mount -t proc proc /proc && mount -t sysfs sys /sys && mount -t tmpfs tmp /mnt\n\
         mkdir /mnt/lib && ln -s /usr/lib/uml/modules /mnt/lib/modules\n\
         stty -echo\n\
         exec {} guest\n",
        text(&own)
    );
    std::fs::write(&init, script).expect("write the guest's init");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&init, executable).expect("make it executable");
    let mut command = Command::new(tools::find("linux.uml").expect("checked before"));
    command.args(["rootfstype=hostfs", "rootflags=/", "rw", "mem=256M", "quiet", "con=null"]);
    command.args(["con0=fd:0,fd:1", &format!("uml_dir={}", text(folder)), "umid=peer"]);
    command.arg(format!("init={}", text(&init)));
    let (transport, interface) = if tags { ("tap", TAP) } else { ("raw", NIC) };
    command.arg(format!("vec0:transport={transport},ifname={interface},mtu={mtu}"));
    command.env("TMPDIR", folder);
    preload::all_registers(&mut command, folder);
    let mut console = bench
        .namespaces
        .within(PEER, || Console::start(command))
        .expect("enter the peer's namespace");
    console.ask(&format!("sh modprobe -d /mnt -a {MODULES}"));
    console.ask("sh ip link set lo up; ip link set vec0 up");
    if tags {
        bench.bridge(PEER, &[TAP, NIC]);
    }
    let Underlay { peer, .. } = bench.underlay;
    let (prefix, nodad) = (bench.underlay.prefix(), bench.underlay.nodad());
    console.ask(&format!("sh ip addr add {peer}/{prefix} dev vec0 {nodad}"));
    console
}
