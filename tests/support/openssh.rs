//! Whether tunnels over OpenSSH can be had here.

/// What is not here that they need.
pub fn missing() -> Option<String> {
    if let Err(error) = std::fs::File::options().read(true).write(true).open("/dev/net/tun") {
        return Some(format!("/dev/net/tun: {error}"));
    }
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/usr/local/sbin";
    let there = |program: &str| {
        path.split(':').any(|dir| std::path::Path::new(dir).join(program).is_file())
    };
    let programs = ["ssh", "sshd", "ssh-keygen"];
    programs.iter().find(|program| !there(program)).map(|program| format!("no {program} here"))
}
