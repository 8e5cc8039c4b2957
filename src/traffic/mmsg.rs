//! Batches of datagrams of one size, sent and received by one system call each
//! (sendmmsg(2), recvmmsg(2)), without allocation once made.

use std::io;
use std::mem::zeroed;
use std::os::fd::AsRawFd;
use std::ptr::null_mut;

/// Buffers and headers for a batch of datagrams.
pub struct Batch {
    size: usize,
    bytes: Vec<u8>,
    parts: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

impl Batch {
    /// Room for `count` datagrams of `size` bytes.
    pub fn new(count: usize, size: usize) -> Batch {
        // SAFETY: all-zero is a valid mmsghdr: no address, no parts, no control data.
        let header: libc::mmsghdr = unsafe { zeroed() };
        Batch {
            size,
            bytes: vec![0x5A; count * size],
            parts: vec![libc::iovec { iov_base: null_mut(), iov_len: size }; count],
            headers: vec![header; count],
        }
    }

    /// Datagrams there is room for.
    pub fn capacity(&self) -> usize {
        self.headers.len()
    }

    /// Each datagram's bytes, to be filled in.
    pub fn datagrams_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        self.bytes.chunks_exact_mut(self.size)
    }

    /// The first `count` datagrams as received.
    pub fn received(&self, count: usize) -> impl Iterator<Item = &[u8]> {
        self.bytes
            .chunks_exact(self.size)
            .zip(&self.headers)
            .take(count)
            .map(|(bytes, header)| bytes.get(..header.msg_len as usize).unwrap_or(bytes))
    }

    /// Sends the first `count` datagrams on a connected socket; gives how many went.
    pub fn send(&mut self, socket: &impl AsRawFd, count: usize) -> io::Result<usize> {
        let count = self.point(count);
        // SAFETY: `point` has aimed the first `count` headers at this batch's own buffers.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                count,
                libc::MSG_NOSIGNAL,
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    /// Waits for at least one datagram and takes all that are there; gives how many.
    pub fn receive(&mut self, socket: &impl AsRawFd) -> io::Result<usize> {
        let count = self.point(self.capacity());
        // SAFETY: as in `send`; the kernel writes at most `size` bytes to each buffer.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                count,
                libc::MSG_WAITFORONE,
                null_mut(),
            )
        };
        usize::try_from(received).map_err(|_| io::Error::last_os_error())
    }

    /// Aims headers at buffers anew, so that no pointer is kept between calls.
    fn point(&mut self, count: usize) -> libc::c_uint {
        let count = count.min(self.headers.len());
        let buffers = self.bytes.chunks_exact_mut(self.size);
        let all = self.parts.iter_mut().zip(&mut self.headers).zip(buffers).take(count);
        for ((part, header), buffer) in all {
            part.iov_base = buffer.as_mut_ptr().cast();
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
        }
        libc::c_uint::try_from(count).unwrap_or(0)
    }
}
