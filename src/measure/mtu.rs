//! The largest inner packet that really passes.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use socket2::Socket;

use super::Place;
use super::ends::{across, passing, receive, udp, wait};
use super::error::MeasureError;
use super::tap::set;
use crate::plan::Variant;

/// Smallest size tried: what every IPv4 host must take whole (RFC 791 section 3.2).
const SMALLEST: u32 = 576;
/// How often a size that did not pass is tried again before it counts as too big.
const TRIES: u32 = 3;
/// How long the marker behind a probe is awaited.
const MARKER: Duration = Duration::from_millis(250);
/// How much later than its marker a probe may come.
const LATE: Duration = Duration::from_millis(4);
/// How long the path is given to come up.
const PATIENCE: Duration = Duration::from_secs(3);

/// Raises the MTU of a VM's `eth0` while alive.
struct Raised<'a, F: Fn(&str, u32) -> io::Result<()> + ?Sized> {
    set: &'a F,
    restore: Vec<(String, u32)>,
}

impl<F: Fn(&str, u32) -> io::Result<()> + ?Sized> Drop for Raised<'_, F> {
    fn drop(&mut self) {
        for (namespace, mtu) in &self.restore {
            if let Err(error) = (self.set)(namespace, *mtu) {
                tracing::warn!("cannot restore the MTU {mtu} of eth0 in `{namespace}`: {error}");
            }
        }
    }
}

/// The largest IP packet, in bytes, that passes unfragmented between two VMs of `tenant` on
/// different hosts, between 576 and the underlay's MTU; `None` where not even 576 passes.
///
/// Binary search with single UDP datagrams that may not be fragmented (`IP_PMTUDISC_PROBE`, which
/// also ignores what the path told before). A small marker follows each on the same flow: when the
/// marker came and the probe did not, in three tries, that size does not pass. `set_mtu` sets the
/// MTU of `eth0` in a VM's namespace, and of the host's end of that port where it is smaller; both
/// VMs are raised to the underlay's MTU and put back afterwards.
///
/// # Errors
/// No such tenant, all its VMs on one host, or a call failed.
pub fn probe(
    place: &impl Place,
    variant: &Variant,
    tenant: &str,
    set_mtu: &dyn Fn(&str, u32) -> io::Result<()>,
) -> Result<Option<u32>, MeasureError> {
    let (from, to) = across(variant, tenant)?;
    let mut raised = Raised { set: set_mtu, restore: Vec::new() };
    for vm in [from, to] {
        let namespace = variant.namespace(&vm.node);
        raised.restore.push((namespace.clone(), vm.mtu));
        set_mtu(&namespace, variant.underlay_mtu).map_err(|source| MeasureError::Namespace {
            operation: format!("set the MTU of eth0 to {}", variant.underlay_mtu),
            namespace,
            source,
        })?;
    }
    let (sender, _) = udp(place, variant, from)?;
    let (receiver, target) = udp(place, variant, to)?;
    unfragmented(&sender, target).map_err(MeasureError::system("forbid fragmentation"))?;
    let mut path = Path { sender, receiver, target, number: rand::random() };
    path.search(variant.underlay_mtu).map_err(MeasureError::system("probe the MTU"))
}

/// Lets a socket send packets of any size, none of which may be fragmented.
pub(super) fn unfragmented(socket: &Socket, target: SocketAddr) -> io::Result<()> {
    if target.is_ipv4() {
        set(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE)
    } else {
        set(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_PROBE)
    }
}

struct Path {
    sender: Socket,
    receiver: Socket,
    target: SocketAddr,
    /// Number of the next datagram; starts at random, so that nothing older is mistaken for a probe.
    number: u64,
}

impl Path {
    fn search(&mut self, largest: u32) -> io::Result<Option<u32>> {
        let up = Instant::now() + PATIENCE;
        while !self.passes(SMALLEST)? {
            if Instant::now() >= up {
                return Ok(None);
            }
        }
        if self.passes(largest)? {
            return Ok(Some(largest));
        }
        let (mut passes, mut fails) = (SMALLEST, largest);
        while fails - passes > 1 {
            let middle = u32::midpoint(passes, fails);
            if self.passes(middle)? {
                passes = middle;
            } else {
                fails = middle;
            }
        }
        Ok(Some(passes))
    }

    /// Whether an IP packet of `size` bytes arrives.
    fn passes(&mut self, size: u32) -> io::Result<bool> {
        let headers = if self.target.is_ipv4() { 20 + 8 } else { 40 + 8 };
        let payload = usize::try_from(size.saturating_sub(headers)).unwrap_or(0).max(8);
        let mut probe = vec![0; payload];
        for _ in 0..TRIES {
            let number = self.number;
            self.number = number.wrapping_add(2);
            probe[..8].copy_from_slice(&number.to_be_bytes());
            match self.sender.send_to(&probe, &self.target.into()) {
                Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => return Ok(false),
                Err(error) if !passing(&error) => return Err(error),
                _ => {}
            }
            let marker = number.wrapping_add(1);
            match self.sender.send_to(&marker.to_be_bytes(), &self.target.into()) {
                Err(error) if !passing(&error) => return Err(error),
                _ => {}
            }
            if self.await_probe(number, marker)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads until the probe is there, or its marker came and the probe did not.
    fn await_probe(&self, number: u64, marker: u64) -> io::Result<bool> {
        let mut deadline = Instant::now() + MARKER;
        let mut buffer = [0; 8];
        while Instant::now() < deadline {
            wait(&[self.receiver.as_fd()], deadline)?;
            // A short buffer cuts the datagram; only its number is wanted.
            while receive(&self.receiver, &mut buffer)?.is_some() {
                let found = u64::from_be_bytes(buffer);
                if found == number {
                    return Ok(true);
                }
                if found == marker {
                    deadline = deadline.min(Instant::now() + LATE);
                }
            }
        }
        Ok(false)
    }
}
