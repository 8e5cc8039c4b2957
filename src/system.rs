//! What the running kernel is, where that decides what can be used of it.

/// Whether the running kernel is at least this version.
#[must_use]
pub fn kernel_at_least(major: u32, minor: u32) -> bool {
    let Ok(name) = nix::sys::utsname::uname() else { return false };
    let release = name.release().to_string_lossy();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(a)), Some(Ok(b))) => (a, b) >= (major, minor),
        _ => false,
    }
}

/// Whether packet sockets can describe a super-frame of UDP datagrams (`VIRTIO_NET_HDR_GSO_UDP_L4`,
/// Linux 6.2); older kernels answer EINVAL and lose the frame.
#[must_use]
pub fn describes_udp_super_frames() -> bool {
    kernel_at_least(6, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_number_by_number() {
        assert!(kernel_at_least(2, 6) && kernel_at_least(4, 0));
        assert!(!kernel_at_least(1000, 0));
    }
}
