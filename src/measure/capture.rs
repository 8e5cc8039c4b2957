//! Packets of several interfaces in one file, as a cable would have carried them.

use std::fs::File;
use std::io::{self, BufWriter, pipe};
use std::io::{PipeReader, PipeWriter};
use std::os::fd::AsFd;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::Place;
use super::ends::wait;
use super::error::{MeasureError, within};
use super::machine;
use super::pcapng::Writer;
use super::segment::{Segmenter, on_wire};
use super::tap::{BUFFER, Frame, Tap, Watch};

/// Bytes a capture file may grow to where nothing else is said.
pub const LIMIT: u64 = 64 << 20;
/// Bytes of frames that may wait in the kernel at each interface.
const ROOM: usize = 16 << 20;
/// Frames of one interface taken in a row, so that none starves.
const TURN: usize = 64;
/// How long nothing may wait before the writer looks whether it is to end.
const LOOK: Duration = Duration::from_secs(1);

/// An interface to capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Namespace, e.g. `vxlan.h1`.
    pub namespace: String,
    /// Interface in it.
    pub interface: String,
    /// What a reader should know of it, e.g. `host h1, VTEP 10.0.0.1`.
    pub comment: String,
}

/// What a capture holds and what it does not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Packets in the file.
    pub packets: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Frames the kernel dropped because they came faster than they were written.
    pub dropped: u64,
    /// Packets left out because their port had used up its share of the file.
    pub omitted: u64,
}

/// A running capture: both directions of every port, until it is stopped or dropped.
///
/// Super-frames are cut into packets, checksums finished and tags put back, so every packet in the
/// file is one that a cable could have carried. Copying all bytes costs processor time: figures
/// taken during a capture are not comparable with others. Memory is bounded by the kernel's
/// buffers (16 MiB a port), the file by its limit.
#[derive(Debug)]
pub struct Capture {
    writing: Option<JoinHandle<io::Result<Summary>>>,
    /// Closed to end the capture.
    stop: Option<PipeWriter>,
}

impl Capture {
    /// Starts to write what crosses `ports` to a new pcapng file at `path`, up to `limit` bytes
    /// in equal shares; `comment` says what a reader should know of all of it.
    ///
    /// Everything that crosses after this returns is captured.
    ///
    /// # Errors
    /// A port cannot be watched, or the file cannot be made.
    pub fn start(
        place: &impl Place,
        ports: &[Port],
        path: &Path,
        comment: &str,
        limit: u64,
    ) -> Result<Capture, MeasureError> {
        let taps = ports
            .iter()
            .map(|port| {
                let operation = format!("watch `{}`", port.interface);
                within(place, &port.namespace, &operation, || {
                    Tap::open(&port.interface, Watch::Both, ROOM)
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let operation = format!("write the capture `{}`", path.display());
        let begin = || -> io::Result<_> {
            let file = BufWriter::with_capacity(1 << 20, File::create(path)?);
            let program = concat!("overlab ", env!("CARGO_PKG_VERSION"));
            let mut writer = Writer::new(file, program, &machine().kernel, comment)?;
            for port in ports {
                let name = format!("{}:{}", port.namespace, port.interface);
                writer.interface(&name, &port.comment)?;
            }
            let (stopped, stop) = pipe()?;
            let share = limit / taps.len().max(1) as u64;
            let left = vec![share; taps.len()];
            let work = Work { taps, writer, left, summary: Summary::default() };
            let thread = std::thread::Builder::new().name("capture".into());
            Ok((thread.spawn(move || work.run(&stopped))?, stop))
        };
        let (writing, stop) = begin().map_err(MeasureError::system(operation))?;
        Ok(Capture { writing: Some(writing), stop: Some(stop) })
    }

    /// Takes in what still waits, completes the file, and tells what is in it.
    ///
    /// # Errors
    /// The file could not be written, or a port went away meanwhile; what was written stays.
    pub fn stop(mut self) -> Result<Summary, MeasureError> {
        self.finish().map_err(MeasureError::system("complete the capture"))
    }

    fn finish(&mut self) -> io::Result<Summary> {
        drop(self.stop.take());
        match self.writing.take().map(JoinHandle::join) {
            Some(Ok(summary)) => summary,
            Some(Err(_)) => Err(io::Error::other("its thread panicked")),
            None => Ok(Summary::default()),
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if let Err(error) = self.finish() {
            tracing::warn!("cannot complete the capture: {error}");
        }
    }
}

struct Work {
    taps: Vec<Tap>,
    writer: Writer<BufWriter<File>>,
    /// Bytes every port may still write: equal shares, so that the first busy one does not leave
    /// nothing to the others.
    left: Vec<u64>,
    summary: Summary,
}

impl Work {
    fn run(mut self, stopped: &PipeReader) -> io::Result<Summary> {
        let mut buffer = vec![0; BUFFER];
        let mut segmenter = Segmenter::default();
        let ended = self.watch(stopped, &mut buffer, &mut segmenter);
        // What was captured is completed even where a port went away.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        for (interface, tap) in (0..).zip(&self.taps) {
            let missed = u64::from(tap.dropped().unwrap_or(0));
            self.summary.dropped += missed;
            self.writer.missed(interface, now, missed)?;
        }
        self.writer.flush()?;
        self.summary.bytes = self.writer.written();
        ended.map(|()| self.summary)
    }

    /// Takes turns at the ports until the pipe is closed, then takes what came before that.
    fn watch(
        &mut self,
        stopped: &PipeReader,
        buffer: &mut [u8],
        segmenter: &mut Segmenter,
    ) -> io::Result<()> {
        while !closed(stopped)? {
            if !self.turn(buffer, segmenter, TURN, Duration::MAX)? {
                let mut all: Vec<_> = self.taps.iter().map(Tap::as_fd).collect();
                all.push(stopped.as_fd());
                wait(&all, Instant::now() + LOOK)?;
            }
        }
        let until = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.turn(buffer, segmenter, usize::MAX, until).map(drop)
    }

    /// Takes at most `most` frames of every port that came before `until`; whether there were any.
    fn turn(
        &mut self,
        buffer: &mut [u8],
        segmenter: &mut Segmenter,
        most: usize,
        until: Duration,
    ) -> io::Result<bool> {
        let mut taken = false;
        for ((interface, tap), left) in (0..).zip(&self.taps).zip(&mut self.left) {
            for _ in 0..most {
                let Some(frame) = tap.next(buffer)?.filter(|frame| frame.time <= until) else {
                    break;
                };
                taken = true;
                let (writer, summary) = (&mut self.writer, &mut self.summary);
                write(writer, summary, left, interface, &frame, segmenter)?;
            }
        }
        Ok(taken)
    }
}

fn write(
    writer: &mut Writer<BufWriter<File>>,
    summary: &mut Summary,
    left: &mut u64,
    interface: u32,
    frame: &Frame<'_>,
    segmenter: &mut Segmenter,
) -> io::Result<()> {
    if *left == 0 {
        // This port's share is used up: what follows is only counted.
        summary.omitted += on_wire(frame).packets;
        return Ok(());
    }
    let mut outcome = Ok(());
    segmenter.each(frame, |packet| {
        // A block's own fields take less than 64 bytes.
        let size = packet.len() as u64 + 64;
        if *left < size {
            // So that it ends at one point in time, not with the first small packet that fits no more.
            *left = 0;
            summary.omitted += 1;
        } else if outcome.is_ok() {
            *left -= size;
            summary.packets += 1;
            outcome = writer.packet(interface, frame.time, frame.outgoing, packet);
        }
    });
    outcome
}

/// Whether the other end of the pipe is closed; nothing is ever written to it.
fn closed(stopped: &PipeReader) -> io::Result<bool> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut watched = [PollFd::new(stopped.as_fd(), PollFlags::POLLIN)];
    match poll(&mut watched, PollTimeout::ZERO) {
        Ok(ready) => Ok(ready > 0),
        Err(nix::errno::Errno::EINTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
