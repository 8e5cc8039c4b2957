//! Labs on a kernel of a distribution, which has what the machine's own may lack: VLAN devices,
//! bridges with VLAN filtering, and all the tunnels' devices. It is a user-mode Linux on the
//! machine's file tree, in which it writes nothing outside the test's directory.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::{finish, repository, skip, text};

/// What labs, and the devices that they use, are made of.
const MODULES: &str =
    "veth bridge 8021q vxlan geneve tun sch_tbf sch_ingress cls_bpf ip_gre ipip sit esp4 xfrm_user";

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    path.split(':').map(|folder| Path::new(folder).join(program)).find(|path| path.is_file())
}

/// Boots the guest, runs the labs one after another, and returns all that it printed.
fn run_labs(linux: &Path, labs: &[String]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let init = folder.path().join("init");
    let runs = labs.iter().enumerate().map(|(number, lab)| {
        let program = env!("CARGO_BIN_EXE_overlab");
        format!("{program} run {lab} --out /mnt/{number} 2>&1; echo \"status of {lab}: $?\"\n")
    });
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
         {}\
         echo o > /proc/sysrq-trigger\n\
         exec sleep 60\n",
        runs.collect::<String>()
    );
    fs::write(&init, script).unwrap();
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755)).unwrap();
    let guest = Command::new(linux)
        .args(["rootfstype=hostfs", "rootflags=/", "rw", "mem=1G", "quiet", "con=null"])
        .args(["con0=fd:0,fd:1", "umid=ordinary"])
        .arg(format!("uml_dir={}", folder.path().display()))
        .arg(format!("init={}", init.display()))
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    text(&finish(guest).stdout)
}

#[test]
fn labs_hold_on_an_ordinary_kernel() {
    let Some(linux) = find("linux.uml") else {
        return skip("no linux.uml here; `apt-get install user-mode-linux` installs it");
    };
    let labs = ["tests/ordinary/vlan.yaml", "labs/hello.yaml", "labs/tunnels.yaml"].map(repository);
    let said = run_labs(&linux, &labs);
    for lab in labs {
        assert!(said.contains(&format!("status of {lab}: 0")), "{said}");
    }
}
