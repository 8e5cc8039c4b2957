//! The TCP connection of a watched pair: a little to send all the time.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use super::super::TrafficError;
use super::super::ends::Ends;
use super::{Origin, StreamLog};
use crate::measure::Place;

/// Bytes of one write: 100 KB/s, which no link here minds.
const WRITE: usize = 1000;

#[derive(Debug)]
pub(super) struct Stream {
    sender: TcpStream,
    receiver: TcpStream,
    written: u64,
    read: u64,
    log: StreamLog,
}

impl Stream {
    pub fn open(place: &impl Place, ends: &Ends) -> Result<Self, TrafficError> {
        let listener = ends.listen(place)?;
        let (sender, receiver) = ends.connect(place, &listener)?;
        for stream in [&sender, &receiver] {
            stream
                .set_nonblocking(true)
                .and_then(|()| stream.set_nodelay(true))
                .map_err(TrafficError::socket("prepare a connection", &ends.from.namespace))?;
        }
        Ok(Stream { sender, receiver, written: 0, read: 0, log: StreamLog::default() })
    }

    /// Writes a little; nothing while the send buffer is full.
    pub fn write(&mut self, origin: Origin) {
        match self.sender.write(&[0x5A; WRITE]) {
            Ok(written) => {
                self.written += written as u64;
                self.log.written.push((origin.elapsed(), self.written));
            }
            Err(error) => self.failed(&error),
        }
    }

    /// Reads all that has arrived.
    pub fn read(&mut self, origin: Origin) {
        let mut buffer = [0; 64 * 1024];
        let before = self.read;
        loop {
            match self.receiver.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => self.read += read as u64,
                Err(error) => {
                    self.failed(&error);
                    break;
                }
            }
        }
        if self.read > before {
            self.log.read.push((origin.elapsed(), self.read));
        }
    }

    fn failed(&mut self, error: &io::Error) {
        let passing = [io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted];
        if !passing.contains(&error.kind()) && self.log.error.is_none() {
            self.log.error = Some(error.to_string());
        }
    }

    pub fn into_log(self) -> StreamLog {
        self.log
    }
}
