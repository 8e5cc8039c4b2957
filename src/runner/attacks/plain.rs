//! The plain path, where nothing keeps anybody out: what a host of the underlay needs there is a VM's address.

use super::scene::{FORGED, Scene, Tried, Volley, plain, stranger, under};
use crate::lab::{Cast, Fabric};
use crate::measure::attack::{From, Spot};
use crate::measure::result::AttackResult;
use crate::runner::RunError;

/// Frames sent.
const FRAMES: u32 = 20;

/// A host sends under a VM's IP address to another VM, by its switch or by its router.
pub(super) fn spoofed_source(scene: &Scene<'_>) -> Tried {
    let (rogue, victims) = (scene.rogue()?, scene.victims()?);
    let (near, far) = (victims.near, victims.far);
    let routed = scene.variant.fabric == Fabric::L3;
    let what = format!(
        "{} sends to {} under the address {} of {}",
        rogue.host,
        far.name,
        near.address.addr(),
        near.name
    );
    let mut result = scene.result(what, "the VM receives the frame");
    let fire = |result: &mut AttackResult| -> Result<(), RunError> {
        let mut lookout = scene.lookout()?;
        let marked = plain(near, far, Cast::Unicast, lookout.secret(FORGED));
        // The MAC address is not the peer's, or switches would take that to have moved.
        let mac = stranger();
        let frame = |number| {
            let frame = under(marked.frame(number)?, mac);
            if routed { frame.get(14..).map(<[u8]>::to_vec) } else { Some(frame) }
        };
        let packets: Vec<Vec<u8>> = (0..FRAMES).filter_map(frame).collect();
        let from = if routed {
            From::Host(rogue.host, far.address.addr())
        } else {
            From::Interface(rogue.host, &rogue.end.interface)
        };
        let wins = |spot: &Spot| spot.node == far.node;
        let volley = Volley { from, packets: &packets, wins: &wins, own: victims };
        scene.volley(&mut lookout, &volley, result).map(drop)
    };
    fire(&mut result)?;
    if routed && near.address.addr().is_ipv4() {
        super::host::filtered(scene, rogue, &mut result, fire)?;
    }
    Ok(result)
}
