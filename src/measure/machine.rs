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
    let text = |path: &str| read_to_string(path).unwrap_or_default();
    Machine {
        kernel,
        cpu: processor(&text("/proc/cpuinfo")),
        cpus: std::thread::available_parallelism().map_or(1, Into::into),
        memory: memory(&text("/proc/meminfo")),
        rootless: mapped(&text("/proc/self/uid_map")),
        virtual_machine: hypervised(&text("/proc/cpuinfo")),
        governor: word(&text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        mhz: line(&text("/proc/cpuinfo"), "cpu MHz").and_then(|mhz| mhz.parse().ok()),
        load: load(&text("/proc/loadavg")),
        sysctls: SYSCTLS
            .into_iter()
            .filter_map(|name| {
                let value = word(&text(&format!("/proc/sys/{}", name.replace('.', "/"))))?;
                Some((name.to_owned(), value))
            })
            .collect(),
    }
}

/// Settings that throughput depends on.
const SYSCTLS: [&str; 8] = [
    "net.core.default_qdisc",
    "net.core.netdev_budget",
    "net.core.netdev_max_backlog",
    "net.core.rmem_max",
    "net.core.wmem_max",
    "net.ipv4.tcp_congestion_control",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];

/// A file of one value, blanks joined.
fn word(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    (!words.is_empty()).then(|| words.join(" "))
}

fn line(cpuinfo: &str, key: &str) -> Option<String> {
    cpuinfo.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim().to_owned())
    })
}

/// x86 shows a hypervisor as a flag of the processor (CPUID leaf 1, ECX bit 31); others show nothing.
fn hypervised(cpuinfo: &str) -> Option<bool> {
    let flags = line(cpuinfo, "flags")?;
    Some(flags.split_whitespace().any(|flag| flag == "hypervisor"))
}

fn load(loadavg: &str) -> Option<[f64; 3]> {
    let mut averages = loadavg.split_whitespace().map(|average| average.parse().ok());
    Some([averages.next()??, averages.next()??, averages.next()??])
}

/// The model of the first processor; architectures name it differently.
fn processor(cpuinfo: &str) -> String {
    let value = |key: &str| line(cpuinfo, key);
    ["model name", "Model", "cpu model", "Hardware", "CPU part"]
        .into_iter()
        .find_map(value)
        .unwrap_or_default()
}

fn memory(meminfo: &str) -> u64 {
    kibibytes(meminfo, "MemTotal:")
}

/// Bytes of memory in use on the machine, caches not counted; 0 where it cannot be found out.
#[must_use]
pub fn memory_in_use() -> u64 {
    let meminfo = read_to_string("/proc/meminfo").unwrap_or_default();
    memory(&meminfo).saturating_sub(kibibytes(&meminfo, "MemAvailable:"))
}

/// Bytes of memory that this program holds itself; 0 where it cannot be found out.
#[must_use]
pub fn resident_memory() -> u64 {
    kibibytes(&read_to_string("/proc/self/status").unwrap_or_default(), "VmRSS:")
}

/// A size in a file of lines like `MemTotal:  24576000 kB`, in bytes.
fn kibibytes(text: &str, key: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(key));
    let number = value.and_then(|value| value.split_whitespace().next()?.parse::<u64>().ok());
    number.map_or(0, |kibibytes| kibibytes * 1024)
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
        assert_eq!(load("0.50 1.25 2.00 3/99 4711\n"), Some([0.5, 1.25, 2.0]));
        assert_eq!(load("0.50"), None);
        assert_eq!(word("4096\t131072  6291456\n").as_deref(), Some("4096 131072 6291456"));
        assert_eq!(hypervised("flags\t\t: fpu vme hypervisor\n"), Some(true));
        assert_eq!((hypervised("flags : fpu\n"), hypervised("")), (Some(false), None));
    }
}
