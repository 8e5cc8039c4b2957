//! `doctor`: what this machine can do, found out by doing it, and what would change the rest.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;
use tabled::builder::Builder;
use tabled::settings::Style;

use crate::ids::Encap;
use crate::lab::Datapath;
use crate::netns::probe::{self, Finding};
use crate::netns::{self, Privileges};

/// Encapsulations that the kernel's devices carry here, and what each needs.
const KERNEL: &[(Encap, &[&str])] = &[
    (Encap::None, &["bridge"]),
    (Encap::Vlan, &["bridge", "8021q"]),
    (Encap::Vxlan, &["bridge", "vxlan"]),
];
/// Features without which nothing can be built, and those our engines stand on.
const ALWAYS: &[&str] = &["veth"];
const ENGINES: &[&str] = &["packet-vnet"];
const TOOLS: &[(&str, &str)] = &[
    ("tshark", "reading captures"),
    ("iperf3", "`tool: iperf3` in flows"),
    ("ovs-vsctl", "comparing with Open vSwitch"),
    ("sshd", "tunnels over SSH"),
];

/// Everything that was found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Doctor {
    /// Kernel release and architecture.
    pub kernel: String,
    /// `root`, or `user N`.
    pub user: String,
    /// Whether networks can be built at all.
    pub can_build: bool,
    /// Whether that happens in a user namespace; absent where they cannot be built.
    pub rootless: Option<bool>,
    /// What is in the way of building; absent where nothing is.
    pub forbidden: Option<String>,
    /// Kernel features; empty where networks cannot be built.
    pub features: Vec<Finding>,
    /// Encapsulations by datapath.
    pub carriers: Vec<Carriage>,
    /// Optional programs.
    pub tools: Vec<Tool>,
}

/// One encapsulation in one datapath.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Carriage {
    /// The encapsulation.
    pub encap: Encap,
    /// `user` or `kernel`.
    pub datapath: Datapath,
    /// Whether it works here.
    pub works: bool,
    /// Why not; empty where it works.
    pub reason: String,
    /// What to change; empty where nothing helps.
    pub remedy: String,
}

/// One optional program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// What it would be used for.
    pub purpose: &'static str,
    /// Where it is; absent where it is not installed.
    pub path: Option<PathBuf>,
}

/// Examines the machine. Must be called while the process has one thread, and leaves the
/// machine's namespaces for good.
#[must_use]
pub fn examine() -> Doctor {
    let privileges = Privileges::read();
    let mut doctor = Doctor {
        kernel: nix::sys::utsname::uname()
            .map(|name| {
                format!("{} {}", name.release().to_string_lossy(), name.machine().to_string_lossy())
            })
            .unwrap_or_default(),
        user: if privileges.uid == 0 { "root".into() } else { format!("user {}", privileges.uid) },
        can_build: false,
        rootless: None,
        forbidden: None,
        features: Vec::new(),
        carriers: Vec::new(),
        tools: TOOLS.iter().map(|(name, purpose)| tool(name, purpose)).collect(),
    };
    let found = netns::enter().and_then(|world| {
        doctor.rootless = Some(world.rootless());
        probe::all(&world)
    });
    match found {
        Ok(features) => {
            doctor.features = features;
            doctor.can_build = true;
        }
        Err(error) => doctor.forbidden = Some(error.to_string()),
    }
    doctor.carriers = carriers(&doctor);
    doctor
}

fn carriers(doctor: &Doctor) -> Vec<Carriage> {
    let mut carriers = Vec::new();
    for encap in Encap::ALL {
        let kernel = KERNEL.iter().find(|(known, _)| *known == encap).map(|(_, needs)| *needs);
        for (datapath, needs) in [(Datapath::User, Some(ENGINES)), (Datapath::Kernel, kernel)] {
            // The plain path is the kernel's own; it has nothing for an engine to do.
            if encap == Encap::None && datapath == Datapath::User {
                continue;
            }
            let (reason, remedy) = obstacle(doctor, needs);
            let works = reason.is_empty();
            carriers.push(Carriage { encap, datapath, works, reason, remedy });
        }
    }
    carriers
}

/// What is in the way, and what to do; empty where nothing is.
fn obstacle(doctor: &Doctor, needs: Option<&[&str]>) -> (String, String) {
    let Some(needs) = needs else {
        return ("not in this version".into(), String::new());
    };
    if let Some(forbidden) = &doctor.forbidden {
        return (forbidden.clone(), String::new());
    }
    let missing = |name: &&str| doctor.features.iter().find(|f| f.name == *name && !f.works);
    match ALWAYS.iter().chain(needs).find_map(missing) {
        Some(finding) => (format!("{}: {}", finding.name, finding.reason), finding.remedy.clone()),
        None => Default::default(),
    }
}

fn tool(name: &'static str, purpose: &'static str) -> Tool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let path = places.map(|place| place.join(name)).find(|path| path.is_file());
    Tool { name, purpose, path }
}

impl Doctor {
    /// The findings as JSON, indented.
    ///
    /// # Errors
    /// None in practice; the serialiser's own.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    /// The findings for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("Linux {}, {}", self.kernel, self.user);
        match self.rootless {
            Some(true) => text.push_str(", networks are built in a user namespace\n"),
            Some(false) => text.push_str(", networks are built as root\n"),
            None => text.push('\n'),
        }
        if let Some(forbidden) = &self.forbidden {
            let _ = writeln!(text, "\nNothing can be built here: {forbidden}");
        }
        let mark = |works| if works { "yes" } else { "no" }.to_owned();
        if !self.features.is_empty() {
            let mut table = Builder::default();
            table.push_record(["kernel feature", "works", "is for", "why not", "what would help"]);
            for f in &self.features {
                table.push_record([f.name, &mark(f.works), f.purpose, &f.reason, &f.remedy]);
            }
            let _ = writeln!(text, "\n{}", table.build().with(Style::sharp()));
        }
        let mut table = Builder::default();
        table.push_record(["encapsulation", "datapath", "works", "why not", "what would help"]);
        for c in &self.carriers {
            let datapath = if c.datapath == Datapath::User { "user" } else { "kernel" };
            table.push_record([c.encap.name(), datapath, &mark(c.works), &c.reason, &c.remedy]);
        }
        let _ = writeln!(text, "\n{}", table.build().with(Style::sharp()));
        let mut table = Builder::default();
        table.push_record(["optional program", "is for", "found at"]);
        for t in &self.tools {
            let path =
                t.path.as_ref().map_or("not found".into(), |path| path.display().to_string());
            table.push_record([t.name, t.purpose, &path]);
        }
        let _ = writeln!(text, "\n{}", table.build().with(Style::sharp()));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doctor(features: Vec<Finding>) -> Doctor {
        Doctor {
            kernel: "6.1".into(),
            user: "user 1000".into(),
            can_build: true,
            rootless: Some(true),
            forbidden: None,
            features,
            carriers: vec![],
            tools: vec![],
        }
    }

    fn missing(name: &'static str) -> Finding {
        Finding {
            name,
            purpose: "",
            works: false,
            reason: "gone".into(),
            remedy: "fetch it".into(),
        }
    }

    #[test]
    fn a_missing_feature_takes_only_what_stands_on_it() {
        let found = carriers(&doctor(vec![missing("8021q")]));
        let of = |encap, datapath| {
            found.iter().find(|c| c.encap == encap && c.datapath == datapath).unwrap().clone()
        };
        assert!(of(Encap::Vlan, Datapath::User).works && of(Encap::Vxlan, Datapath::Kernel).works);
        let vlan = of(Encap::Vlan, Datapath::Kernel);
        assert_eq!((vlan.reason.as_str(), vlan.remedy.as_str()), ("8021q: gone", "fetch it"));
        assert!(of(Encap::Stt, Datapath::User).works);
        assert!(of(Encap::Qinq, Datapath::User).works);
        assert_eq!(of(Encap::Stt, Datapath::Kernel).reason, "not in this version");
    }

    #[test]
    fn where_nothing_can_be_built_nothing_works() {
        let mut doctor = doctor(vec![]);
        doctor.forbidden = Some("user.max_user_namespaces is 0".into());
        assert!(carriers(&doctor).iter().all(|c| !c.works));
        assert!(doctor.text().contains("Nothing can be built here: user.max_user_namespaces is 0"));
    }
}
