//! The machine a run is made on.

use std::fs::read_to_string;

use super::result::Machine;

/// Describes this machine; what cannot be found out is left empty.
#[must_use]
pub fn machine() -> Machine {
    let kernel = nix::sys::utsname::uname().map_or_else(
        |_| String::new(),
        |name| {
            [name.sysname(), name.release(), name.machine()]
                .map(|part| part.to_string_lossy().into_owned())
                .join(" ")
        },
    );
    let text = |path| read_to_string(path).unwrap_or_default();
    Machine {
        kernel,
        cpu: processor(&text("/proc/cpuinfo")),
        cpus: std::thread::available_parallelism().map_or(1, Into::into),
        memory: memory(&text("/proc/meminfo")),
        rootless: mapped(&text("/proc/self/uid_map")),
    }
}

/// The model of the first processor; architectures name it differently.
fn processor(cpuinfo: &str) -> String {
    let value = |key: &str| {
        cpuinfo.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == key).then(|| value.trim().to_owned())
        })
    };
    ["model name", "Model", "cpu model", "Hardware", "CPU part"]
        .into_iter()
        .find_map(value)
        .unwrap_or_default()
}

fn memory(meminfo: &str) -> u64 {
    meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok())
        .map_or(0, |kibibytes: u64| kibibytes * 1024)
}

/// Whether the map of user ids is anything but the initial namespace's (`user_namespaces(7)`).
fn mapped(uid_map: &str) -> bool {
    let fields: Vec<&str> = uid_map.split_whitespace().collect();
    !fields.is_empty() && fields != ["0", "0", "4294967295"]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        assert_eq!(processor("processor\t: 0\nmodel name\t: A CPU @ 3 GHz\n"), "A CPU @ 3 GHz");
        assert_eq!(memory("MemTotal:       1024 kB\nMemFree: 1 kB\n"), 1 << 20);
        assert!(!mapped("         0          0 4294967295\n"));
        assert!(mapped("         0       1000          1\n"));
        assert!(machine().cpus >= 1);
    }
}
