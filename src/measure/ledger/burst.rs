//! A short TCP stream at full tilt: super-frames, weighed as the segments that they are on a cable.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{Dissect, Watcher};
use crate::measure::Place;
use crate::measure::ends::across;
use crate::measure::error::MeasureError;
use crate::measure::result::LedgerRow;
use crate::measure::transfer::{connected, passed};
use crate::plan::Variant;

/// Bytes of the stream: enough for TCP's window to open to several super-frames.
const BYTES: usize = 384 << 10;
/// Bytes under way at most: a super-frame of any size, and no more than waits in the taps of an ordinary
/// user until somebody looks.
const AHEAD: usize = 64 << 10;
/// How long nothing may arrive until the stream counts as over.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Sends 384 KiB by TCP between two VMs of `tenant` on different hosts, the same 16 random bytes over and
/// over, and weighs its segments at every hop.
///
/// # Errors
/// No such tenant, all its VMs on one host, no connection, or a call failed. Of a stream that stands
/// still the rows are about what went before that.
pub fn burst(
    place: &impl Place,
    variant: &Variant,
    tenant: &str,
    dissect: Dissect<'_>,
) -> Result<Vec<LedgerRow>, MeasureError> {
    let (from, to) = across(variant, tenant)?;
    let token: [u8; 16] = rand::random();
    let mut watcher = Watcher::open(place, variant, [from, to], token, dissect)?;
    let Some([mut sender, mut receiver]) = connected(place, variant, [from, to])? else {
        return Ok(Vec::new());
    };
    let stream = token.repeat(BYTES / token.len());
    let (mut sent, mut arrived) = (0_usize, 0_usize);
    let mut buffer = vec![0; 256 << 10];
    let mut deadline = Instant::now() + PATIENCE;
    let mut step = || -> io::Result<bool> {
        let next = stream.get(sent..stream.len().min(arrived + AHEAD)).unwrap_or_default();
        if !next.is_empty() {
            sent += usize::try_from(passed(sender.write(next))?).unwrap_or(0);
        }
        let read = usize::try_from(passed(receiver.read(&mut buffer))?).unwrap_or(0);
        arrived += read;
        if read > 0 {
            deadline = Instant::now() + PATIENCE;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if arrived >= stream.len() || left.is_zero() {
            return Ok(false);
        }
        let full = sent >= stream.len().min(arrived + AHEAD);
        let writable = if full { PollFlags::empty() } else { PollFlags::POLLOUT };
        let mut ready = [
            PollFd::new(receiver.as_fd(), PollFlags::POLLIN),
            PollFd::new(sender.as_fd(), writable),
        ];
        match poll(&mut ready, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(true),
            Err(error) => Err(error.into()),
        }
    };
    while step().map_err(MeasureError::system("send a burst by TCP"))? {
        watcher.look()?;
    }
    let rows = watcher.rows("burst");
    let _ = sender.set_linger(Some(Duration::ZERO));
    rows
}
