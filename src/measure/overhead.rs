//! Bytes an encapsulation adds to each packet, counted on the wire.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::Place;
use super::ends::{across, passing, receive, udp, wait};
use super::error::{MeasureError, within};
use super::segment::{Segmenter, on_wire};
use super::tap::{BUFFER, Tap, Watch};
use crate::plan::Variant;

/// Bytes of the inner IP packet: large enough to be a usual one, small enough to fit any lab.
const INNER: u32 = 1000;
/// Bytes of an Ethernet header.
const ETHERNET: u64 = 14;
/// Datagrams under way at most, so that no queue overflows.
const WINDOW: u64 = 16;
/// How long one window may take before what is missing counts as lost.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long the path is given to come up.
const UP: Duration = Duration::from_secs(3);
/// Bytes of frames that may wait to be read at each interface.
const ROOM: usize = 4 << 20;

/// Bytes added per packet and the packets it rests on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overhead {
    /// Mean bytes of the frame on the host's interface beyond the VM's own frame; `None` where no
    /// packet could be told from others, as under encryption.
    pub per_packet: Option<f64>,
    /// Packets counted.
    pub packets: u64,
    /// Datagrams that arrived at the other VM meanwhile.
    pub delivered: u64,
    /// Bytes of everything that crossed the host's interfaces in both directions, per byte of the
    /// VM's frames that arrived.
    pub underlay_per_inner: Option<f64>,
    /// One of the packets, whole.
    pub sample: Option<Vec<u8>>,
}

/// Sends `datagrams` equal UDP datagrams between two VMs of `tenant` on different hosts, and counts
/// them as they leave the sending host.
///
/// A packet is counted when it carries the 16 random bytes of this call, wherever they are in it;
/// so spanning tree, ARP and other tenants do not matter, and no format has to be known. A
/// super-frame is cut into the packets of a cable first. From each packet's bytes (Ethernet header
/// and tags included) the VM's frame (14 + 1000 bytes) is taken off.
///
/// # Errors
/// No such tenant, all its VMs on one host, nothing arrived, or a call failed. That nothing can be
/// recognised on the wire is no error.
pub fn count(
    place: &impl Place,
    variant: &Variant,
    tenant: &str,
    datagrams: u64,
) -> Result<Overhead, MeasureError> {
    let (from, to) = across(variant, tenant)?;
    let (sender, _) = udp(place, variant, from)?;
    let (receiver, target) = udp(place, variant, to)?;
    let host = variant.namespace(&from.host);
    let taps = variant
        .links
        .iter()
        .flat_map(|link| &link.ends)
        .filter(|end| end.node == from.host)
        .map(|end| {
            within(place, &host, &format!("watch `{}`", end.interface), || {
                Tap::open(&end.interface, Watch::Both, ROOM)
            })
        })
        .collect::<Result<Vec<_>, _>>()?;

    let token: [u8; 16] = rand::random();
    let inner = INNER.min(variant.inner_mtu);
    let headers = if target.is_ipv4() { 28 } else { 48 };
    let mut payload = vec![0; usize::try_from(inner.saturating_sub(headers)).unwrap_or(0).max(16)];
    payload[..16].copy_from_slice(&token);
    let frame = ETHERNET + payload.len() as u64 + u64::from(headers);

    let system = |operation: &'static str| MeasureError::system(operation);
    let send = || match sender.send_to(&payload, &target.into()) {
        Err(error) if !passing(&error) => Err(error),
        _ => Ok(()),
    };
    let mut arrived = 0;
    let mut arrivals = |expected: u64, patience: Duration| -> io::Result<u64> {
        let deadline = Instant::now() + patience;
        let mut buffer = [0; 16];
        let start = arrived;
        while arrived - start < expected && Instant::now() < deadline {
            wait(&[receiver.as_fd()], deadline)?;
            while receive(&receiver, &mut buffer)?.is_some() {
                arrived += u64::from(buffer == token);
            }
        }
        Ok(arrived - start)
    };
    // The first ones may be lost to address resolution.
    let up = Instant::now() + UP;
    let mut sent = 0;
    loop {
        send().map_err(system("send a datagram"))?;
        sent += 1;
        if arrivals(1, PATIENCE / 5).map_err(system("receive a datagram"))? > 0 {
            break;
        }
        if Instant::now() >= up {
            return Err(MeasureError::Silent {
                sent,
                from: variant.namespace(&from.node),
                to: variant.namespace(&to.node),
                place: "at the receiver".into(),
            });
        }
    }
    let mut seen = Seen { token, ..Seen::default() };
    let mut buffer = vec![0; BUFFER];
    for tap in &taps {
        seen.take(tap, &mut buffer).map_err(system("watch the host's interface"))?;
    }
    seen.all = 0;
    let mut delivered = 0;
    while sent < datagrams {
        let window = WINDOW.min(datagrams - sent);
        for _ in 0..window {
            send().map_err(system("send a datagram"))?;
        }
        sent += window;
        delivered += arrivals(window, PATIENCE).map_err(system("receive a datagram"))?;
        for tap in &taps {
            seen.take(tap, &mut buffer).map_err(system("watch the host's interface"))?;
        }
    }
    for tap in &taps {
        seen.take(tap, &mut buffer).map_err(system("watch the host's interface"))?;
    }
    #[allow(clippy::cast_precision_loss)] // some megabytes, exact in f64
    let (bytes, all) = (seen.bytes as f64, seen.all as f64);
    #[allow(clippy::cast_precision_loss)] // as above
    let (own, arrived) = ((seen.packets * frame) as f64, (delivered * frame) as f64);
    #[allow(clippy::cast_precision_loss)] // as above
    let per_packet = (seen.packets > 0).then(|| (bytes - own) / seen.packets as f64);
    Ok(Overhead {
        per_packet,
        packets: seen.packets,
        delivered,
        underlay_per_inner: (delivered > 0).then(|| all / arrived),
        sample: seen.sample,
    })
}

/// Packets seen that carry the token.
#[derive(Default)]
struct Seen {
    segmenter: Segmenter,
    token: [u8; 16],
    packets: u64,
    bytes: u64,
    /// Bytes of all packets in both directions.
    all: u64,
    sample: Option<Vec<u8>>,
}

impl Seen {
    fn take(&mut self, tap: &Tap, buffer: &mut [u8]) -> io::Result<()> {
        while let Some(frame) = tap.next(buffer)? {
            self.all += on_wire(&frame).bytes;
            if !frame.outgoing {
                continue;
            }
            let (token, packets, bytes) = (&self.token, &mut self.packets, &mut self.bytes);
            let sample = &mut self.sample;
            self.segmenter.each(&frame, |packet| {
                if packet.windows(token.len()).any(|window| window == token) {
                    *packets += 1;
                    *bytes += packet.len() as u64;
                    sample.get_or_insert_with(|| packet.to_vec());
                }
            });
        }
        Ok(())
    }
}
