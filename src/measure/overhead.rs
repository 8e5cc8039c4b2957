//! Bytes an encapsulation adds to each packet, counted on the wire.

use std::io;

use super::Place;
use super::datagrams::Datagrams;
use super::ends::across;
use super::error::{MeasureError, within};
use super::ledger::{Dissect, Watcher};
use super::result::LedgerRow;
use super::segment::{Segmenter, on_wire};
use super::tap::{BUFFER, Tap, Watch};
use crate::ids::Encap;
use crate::lab::MtuMode;
use crate::plan::{Variant, VmPlan};

/// Bytes of the inner IP packet: large enough to be a usual one, small enough to fit any lab.
const INNER: u32 = 1000;
/// Bytes of frames that may wait to be read at each interface.
const ROOM: usize = 4 << 20;
/// Datagrams that fill the VMs' MTU, where that is more than fits.
const FULL: u64 = 200;

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
    /// What the same datagrams weighed at every hop of their way.
    pub ledger: Vec<LedgerRow>,
    /// Interfaces on the way that the ledger leaves out.
    pub unwatched: usize,
}

/// Sends `datagrams` equal UDP datagrams between two VMs of `tenant` on different hosts, and counts
/// them as they leave the sending host; `dissect` takes packets apart for the ledger of all hops.
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
    dissect: Dissect<'_>,
) -> Result<Overhead, MeasureError> {
    let (from, to) = across(variant, tenant)?;
    let fits = from.mtu.min(to.mtu);
    let inner = INNER.min(variant.inner_mtu).min(fits);
    let mut stream = Datagrams::open(place, variant, [from, to], inner)?;
    let mut watcher = Watcher::open(place, variant, [from, to], stream.token(), dissect)?;
    let mut seen = Seen::open(place, variant, from, stream.token())?;
    stream.open_way()?;
    seen.look()?;
    watcher.look()?;
    seen.all = 0;
    let delivered = stream.run(datagrams, || seen.look().and_then(|()| watcher.look()))?;
    // In what is encrypted nobody can be told from others: `ledger::stream` weighs it as a whole.
    let hidden = variant.encap == Encap::Ssh;
    let mut ledger = if hidden { Vec::new() } else { watcher.rows("datagrams")? };
    if variant.mtu_mode == MtuMode::Fragment && fits > variant.inner_mtu {
        ledger.extend(full(place, variant, [from, to], fits, dissect)?);
    }
    let (bytes, all) = (seen.bytes as f64, seen.all as f64);
    let (own, arrived) = ((seen.packets * stream.frame) as f64, (delivered * stream.frame) as f64);
    let per_packet = (seen.packets > 0).then(|| (bytes - own) / seen.packets as f64);
    Ok(Overhead {
        per_packet,
        packets: seen.packets,
        delivered,
        underlay_per_inner: (delivered > 0).then(|| all / arrived),
        sample: seen.sample,
        ledger,
        unwatched: watcher.unwatched,
    })
}

/// The ledger of datagrams that fill the VMs' MTU, and have to be fragmented on the underlay.
fn full(
    place: &impl Place,
    variant: &Variant,
    ends: [&VmPlan; 2],
    inner: u32,
    dissect: Dissect<'_>,
) -> Result<Vec<LedgerRow>, MeasureError> {
    let mut stream = Datagrams::open(place, variant, ends, inner)?;
    let mut watcher = Watcher::open(place, variant, ends, stream.token(), dissect)?;
    stream.open_way()?;
    watcher.look()?;
    stream.run(FULL, || watcher.look())?;
    watcher.rows("full datagrams")
}

/// Packets seen that carry the token.
struct Seen {
    taps: Vec<Tap>,
    segmenter: Segmenter,
    buffer: Vec<u8>,
    token: [u8; 16],
    packets: u64,
    bytes: u64,
    /// Bytes of all packets in both directions.
    all: u64,
    sample: Option<Vec<u8>>,
}

impl Seen {
    /// Watches all underlay interfaces of a VM's host.
    fn open(
        place: &impl Place,
        variant: &Variant,
        from: &VmPlan,
        token: [u8; 16],
    ) -> Result<Seen, MeasureError> {
        let host = variant.namespace(&from.host);
        let own = variant.links.iter().flat_map(|link| &link.ends);
        let taps = own.filter(|end| end.node == from.host).map(|end| {
            within(place, &host, &format!("watch `{}`", end.interface), || {
                Tap::open(&end.interface, Watch::Both, ROOM)
            })
        });
        Ok(Seen {
            taps: taps.collect::<Result<_, _>>()?,
            segmenter: Segmenter::default(),
            buffer: vec![0; BUFFER],
            token,
            packets: 0,
            bytes: 0,
            all: 0,
            sample: None,
        })
    }

    fn look(&mut self) -> Result<(), MeasureError> {
        self.take().map_err(MeasureError::system("watch the host's interface"))
    }

    fn take(&mut self) -> io::Result<()> {
        for tap in &self.taps {
            while let Some(frame) = tap.next(&mut self.buffer)? {
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
        }
        Ok(())
    }
}
