//! A netlink socket in one namespace: batches of requests, and dumps.
//!
//! The messages are rtnetlink's; they are sent from the calling thread, many in one system
//! call, because a testbed is built from thousands of small requests whose answers are needed
//! in order and at once. A socket stays in the namespace where it was opened.

use std::io;

use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_CAPPED, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkHeader,
    NetlinkMessage, NetlinkPayload,
};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use super::error::{Error, Result};

/// Requests sent in one system call. Their acknowledgements (about 1 KB of accounting each) have
/// to fit the default receive buffer of 208 KB.
const BATCH: usize = 64;
/// Largest message or dump part the kernel sends, in bytes.
const RECEIVE: usize = 64 * 1024;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLMSGERR_ATTR_MSG: u16 = 1;

/// A part of the kernel that a request needs and that may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature {
    /// What it is, with its build option, e.g. `VXLAN (CONFIG_VXLAN)`.
    pub name: &'static str,
    /// How to get it, as a sentence.
    pub remedy: &'static str,
}

/// One change asked of the kernel.
#[derive(Debug)]
pub struct Request {
    /// The operation with its object, for messages.
    pub what: String,
    /// The message.
    pub message: RouteNetlinkMessage,
    /// Flags beside `NLM_F_REQUEST | NLM_F_ACK`.
    pub flags: u16,
    /// What the kernel lacks where it does not know the request.
    pub needs: Option<Feature>,
}

/// A routing netlink socket in one namespace.
#[derive(Debug)]
pub struct Netlink {
    socket: Socket,
    namespace: String,
    sequence: u32,
    received: Vec<u8>,
}

impl Netlink {
    /// Opens a socket in the namespace the calling thread is in; `namespace` names it in errors.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn open(namespace: &str) -> Result<Self> {
        let open = || -> io::Result<Socket> {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind_auto()?;
            socket.connect(&SocketAddr::new(0, 0))?;
            socket.set_ext_ack(true)?;
            socket.set_cap_ack(true)?;
            Ok(socket)
        };
        let socket = open()
            .map_err(|e| Error::system(format!("open a netlink socket in {namespace}"), e))?;
        Ok(Netlink {
            socket,
            namespace: namespace.to_owned(),
            sequence: 0,
            received: Vec::with_capacity(RECEIVE),
        })
    }

    /// The namespace's name.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Asks for one change.
    ///
    /// # Errors
    /// As [`Netlink::all`].
    pub fn one(&mut self, request: Request) -> Result<()> {
        self.all(vec![request])
    }

    /// Asks for many changes, in order, in few system calls. All of them are tried.
    ///
    /// # Errors
    /// The first request the kernel refused, in its own words where it has some.
    pub fn all(&mut self, requests: Vec<Request>) -> Result<()> {
        let mut requests = requests.into_iter();
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let first = self.sequence.wrapping_add(1);
            let mut sent: Vec<(String, Option<Feature>)> = Vec::with_capacity(BATCH);
            for request in requests.by_ref().take(BATCH) {
                tracing::trace!(namespace = self.namespace, what = request.what);
                self.emit(request.message, request.flags | NLM_F_ACK, &mut bytes);
                sent.push((request.what, request.needs));
            }
            if sent.is_empty() {
                return Ok(());
            }
            self.socket.send(&bytes, 0).map_err(|e| self.failed("send requests", e))?;
            self.acknowledged(first, sent)?;
        }
    }

    /// Everything the kernel has of a kind, e.g. all links.
    ///
    /// # Errors
    /// The kernel refused, or changed its tables too fast for a consistent answer.
    pub fn dump(
        &mut self,
        what: &str,
        message: &RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>> {
        const TRIES: usize = 10;
        for _ in 0..TRIES {
            let mut bytes = Vec::new();
            self.emit(message.clone(), NLM_F_DUMP, &mut bytes);
            self.socket.send(&bytes, 0).map_err(|e| self.failed(what, e))?;
            if let Some(found) = self.collect(what)? {
                return Ok(found);
            }
        }
        Err(self.failed(what, io::Error::other("the tables keep changing")))
    }

    fn emit(&mut self, message: RouteNetlinkMessage, flags: u16, bytes: &mut Vec<u8>) {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = flags | NLM_F_REQUEST;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        let at = bytes.len();
        bytes.resize(at + message.buffer_len().next_multiple_of(4), 0);
        message.serialize(&mut bytes[at..]);
    }

    fn receive(&mut self, what: &str) -> Result<()> {
        self.received.clear();
        loop {
            match self.socket.recv(&mut self.received, 0) {
                Ok(_) => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.failed(what, e)),
            }
        }
    }

    /// Reads one acknowledgement per request sent, whatever order errors come in.
    fn acknowledged(&mut self, first: u32, sent: Vec<(String, Option<Feature>)>) -> Result<()> {
        let mut refused: Option<(usize, Ack)> = None;
        let mut waiting = sent.len();
        while waiting > 0 {
            self.receive("read acknowledgements")?;
            for message in Messages(&self.received) {
                if message.kind != NLMSG_ERROR {
                    continue;
                }
                let number = message.sequence.wrapping_sub(first) as usize;
                if number >= sent.len() {
                    continue;
                }
                waiting -= 1;
                let ack = message.ack();
                if ack.code != 0 && refused.as_ref().is_none_or(|(n, _)| number < *n) {
                    refused = Some((number, ack));
                }
            }
        }
        let Some((number, ack)) = refused else { return Ok(()) };
        let Some((operation, needs)) = sent.into_iter().nth(number) else { return Ok(()) };
        Err(self.refused(operation, needs, ack))
    }

    fn refused(&self, operation: String, needs: Option<Feature>, ack: Ack) -> Error {
        let namespace = self.namespace.clone();
        let source = io::Error::from_raw_os_error(-ack.code);
        // Unknown link kinds are EOPNOTSUPP, unknown qdiscs and filters ENOENT, unknown
        // protocol families EAFNOSUPPORT.
        let unknown = matches!(-ack.code, libc::EOPNOTSUPP | libc::ENOENT | libc::EAFNOSUPPORT);
        if let Some(Feature { name, remedy }) = needs.filter(|_| unknown) {
            return Error::Unsupported { operation, namespace, feature: name, remedy };
        }
        let detail = ack.text.map(|text| format!(" ({text})")).unwrap_or_default();
        Error::Netlink { operation, namespace, source, detail }
    }

    /// The parts of one dump; `None` if the kernel says that they do not fit together.
    fn collect(&mut self, what: &str) -> Result<Option<Vec<RouteNetlinkMessage>>> {
        let mut found = Vec::new();
        let mut consistent = true;
        loop {
            self.receive(what)?;
            let mut done = false;
            for message in Messages(&self.received) {
                if message.sequence != self.sequence {
                    continue;
                }
                consistent &= message.flags & NLM_F_DUMP_INTR == 0;
                match message.kind {
                    NLMSG_DONE => done = true,
                    NLMSG_ERROR => {
                        let ack = message.ack();
                        return Err(self.refused(what.to_owned(), None, ack));
                    }
                    _ => {
                        let parsed =
                            NetlinkMessage::<RouteNetlinkMessage>::deserialize(message.bytes)
                                .map_err(|e| self.failed(what, io::Error::other(e.to_string())))?;
                        if let NetlinkPayload::InnerMessage(inner) = parsed.payload {
                            found.push(inner);
                        }
                    }
                }
            }
            if done {
                return Ok(consistent.then_some(found));
            }
        }
    }

    fn failed(&self, operation: &str, source: io::Error) -> Error {
        Error::Netlink {
            operation: operation.to_owned(),
            namespace: self.namespace.clone(),
            source,
            detail: String::new(),
        }
    }
}

/// Walks the netlink messages of one datagram (`struct nlmsghdr`, netlink(7)); stops at the
/// first that is not whole.
struct Messages<'a>(&'a [u8]);

struct Message<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    bytes: &'a [u8],
}

struct Ack {
    code: i32,
    text: Option<String>,
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let length = u32_at(self.0, 0)? as usize;
        let bytes = self.0.get(..length).filter(|_| length >= 16)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message {
            kind: u16_at(bytes, 4)?,
            flags: u16_at(bytes, 6)?,
            sequence: u32_at(bytes, 8)?,
            bytes,
        })
    }
}

impl Message<'_> {
    /// The error number (0 or negative) and the kernel's words of an `NLMSG_ERROR`.
    fn ack(&self) -> Ack {
        // A missing code cannot be told from success by the kernel's own rules; it never happens.
        let code = u32_at(self.bytes, 16).map_or(0, u32::cast_signed);
        let mut text = None;
        if self.flags & NLM_F_ACK_TLVS != 0 {
            let original = if self.flags & NLM_F_CAPPED != 0 || code == 0 {
                16
            } else {
                u32_at(self.bytes, 20).unwrap_or(16) as usize
            };
            let mut rest = self.bytes.get(20 + original.next_multiple_of(4)..).unwrap_or_default();
            while let (Some(length), Some(kind)) = (u16_at(rest, 0), u16_at(rest, 2)) {
                let length = usize::from(length);
                let Some(value) = rest.get(4..length) else { break };
                if kind == NLMSGERR_ATTR_MSG {
                    let words = String::from_utf8_lossy(value);
                    text = Some(words.trim_end_matches('\0').to_owned());
                }
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            }
        }
        Ack { code, text }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An acknowledgement as Linux 6.18 sends it, capped, with the words `Invalid prefix`.
    fn refusal() -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(56u32.to_ne_bytes());
        bytes.extend(NLMSG_ERROR.to_ne_bytes());
        bytes.extend((NLM_F_CAPPED | NLM_F_ACK_TLVS).to_ne_bytes());
        bytes.extend(7u32.to_ne_bytes());
        bytes.extend(0u32.to_ne_bytes());
        bytes.extend((-libc::EINVAL).to_ne_bytes());
        bytes.extend([0; 16]);
        bytes.extend(19u16.to_ne_bytes());
        bytes.extend(NLMSGERR_ATTR_MSG.to_ne_bytes());
        bytes.extend(b"Invalid prefix\0\0");
        bytes
    }

    #[test]
    fn the_kernels_words_are_found() {
        let bytes = refusal();
        let message = Messages(&bytes).next().unwrap();
        assert_eq!((message.kind, message.sequence), (NLMSG_ERROR, 7));
        let ack = message.ack();
        assert_eq!((ack.code, ack.text.as_deref()), (-libc::EINVAL, Some("Invalid prefix")));
    }

    #[test]
    fn cut_messages_end_the_walk() {
        let bytes = refusal();
        for length in 0..bytes.len() {
            assert!(Messages(&bytes[..length]).next().is_none(), "{length}");
        }
        let mut short = bytes;
        short[0] = 8;
        assert!(Messages(&short).next().is_none());
    }
}
