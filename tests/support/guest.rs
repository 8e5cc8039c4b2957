//! A user-mode Linux on the machine's file tree, in which it writes nothing outside the caller's
//! directory: the kernel of a distribution, which has what the machine's own may lack.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[path = "preload.rs"]
mod preload;

/// What labs, and the devices that they use, are made of.
const MODULES: &str = "veth bridge 8021q vxlan geneve tun sch_tbf sch_ingress cls_bpf sch_netem cls_matchall act_mirred ip_gre ipip sit esp4 xfrm_user";

/// The program that is such a kernel, where it is installed.
pub fn linux() -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    path.split(':').map(|folder| Path::new(folder).join("linux.uml")).find(|path| path.is_file())
}

/// What is printed where there is none.
pub const NONE: &str = "no linux.uml here; `apt-get install user-mode-linux` installs it";

/// A guest that runs shell commands, prints what they print, and ends.
pub fn guest(linux: &Path, folder: &Path, commands: &str) -> Command {
    let init = folder.join("init");
    // Where modprobe looks for modules is made in a tmpfs of the guest, and reports go there too.
    let script = format!(
        "#!/bin/sh\n\
         export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root\n\
         mount -t proc proc /proc && mount -t sysfs sys /sys && mount -t tmpfs tmp /run\n\
         mount -t devtmpfs dev /dev\n\
         mount -t tmpfs tmp /mnt\n\
         mkdir /mnt/lib && ln -s /usr/lib/uml/modules /mnt/lib/modules\n\
         modprobe -d /mnt -a {MODULES}\n\
         ip link set lo up\n\
         {commands}\n\
         echo o > /proc/sysrq-trigger\n\
         exec sleep 60\n"
    );
    fs::write(&init, script).unwrap();
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(linux);
    command
        .args(["rootfstype=hostfs", "rootflags=/", "rw", "mem=1G", "quiet", "con=null"])
        .args(["con0=fd:0,fd:1", "umid=ordinary"])
        .arg(format!("uml_dir={}", folder.display()))
        .arg(format!("init={}", init.display()))
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    preload::all_registers(&mut command, folder);
    command
}
