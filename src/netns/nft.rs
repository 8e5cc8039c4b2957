//! One nftables verb: an ingress chain that drops everything.
//!
//! rtnetlink does not speak nfnetlink, so the four messages are written here
//! (`linux/netfilter/nf_tables.h`): begin, new table, new base chain with policy drop, end.

use std::io;

use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

use super::error::{Error, Result};

const NLM_F_REQUEST_ACK: u16 = 1 | 4;
const NLM_F_CREATE: u16 = 0x400;
const NFNL_MSG_BATCH_BEGIN: u16 = 16;
const NFNL_MSG_BATCH_END: u16 = 17;
const NFNL_SUBSYS_NFTABLES: u16 = 10;
const NFT_MSG_NEWTABLE: u16 = NFNL_SUBSYS_NFTABLES << 8;
const NFT_MSG_NEWCHAIN: u16 = (NFNL_SUBSYS_NFTABLES << 8) | 3;
const NFPROTO_NETDEV: u8 = 5;
const NLA_F_NESTED: u16 = 0x8000;
const TABLE: &[u8] = b"overlab\0";

/// Drops all that an interface receives after packet sockets have seen it. The calling thread
/// must be inside the namespace, which is named for messages only.
///
/// # Errors
/// The kernel has no nftables ingress hook, or refused.
pub fn drop_ingress(namespace: &str, interface: &str) -> Result<()> {
    let batch = batch(interface);
    send(&batch).map_err(|source| Error::Netlink {
        operation: format!("add an nftables drop chain to {interface}"),
        namespace: namespace.to_owned(),
        source,
        detail:
            " (needs CONFIG_NF_TABLES_NETDEV and CONFIG_NETFILTER_INGRESS, or CONFIG_NET_CLS_BPF)"
                .to_owned(),
    })
}

fn send(batch: &[u8]) -> io::Result<()> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(batch, 0)?;
    // The table's and the chain's acknowledgement; a batch that fails as a whole is told at once.
    for _ in 0..2 {
        let mut answer = Vec::with_capacity(8192);
        socket.recv(&mut answer, 0)?;
        let code = answer.get(16..20).and_then(|bytes| bytes.try_into().ok());
        let code = code.map_or(-libc::EBADMSG, i32::from_ne_bytes);
        if code != 0 {
            return Err(io::Error::from_raw_os_error(-code));
        }
    }
    Ok(())
}

fn batch(interface: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    message(&mut bytes, NFNL_MSG_BATCH_BEGIN, 1, 0, NFNL_SUBSYS_NFTABLES, &[]);
    let table = attribute(1, TABLE);
    let flags = NLM_F_REQUEST_ACK | NLM_F_CREATE;
    message(&mut bytes, NFT_MSG_NEWTABLE, flags, NFPROTO_NETDEV, 0, &table);
    // Chain: table (1), name (3), hook (4), policy (5), type (7).
    let mut name = interface.as_bytes().to_vec();
    name.push(0);
    let hook =
        [attribute(1, &0u32.to_be_bytes()), attribute(2, &0u32.to_be_bytes()), attribute(3, &name)]
            .concat();
    let chain = [
        attribute(1, TABLE),
        attribute(3, &name),
        attribute(4 | NLA_F_NESTED, &hook),
        attribute(5, &0u32.to_be_bytes()),
        attribute(7, b"filter\0"),
    ]
    .concat();
    message(&mut bytes, NFT_MSG_NEWCHAIN, flags, NFPROTO_NETDEV, 0, &chain);
    message(&mut bytes, NFNL_MSG_BATCH_END, 1, 0, NFNL_SUBSYS_NFTABLES, &[]);
    bytes
}

/// `struct nlmsghdr` and `struct nfgenmsg` (family, version, resource id in network order).
fn message(bytes: &mut Vec<u8>, kind: u16, flags: u16, family: u8, resource: u16, body: &[u8]) {
    // At most a few hundred bytes.
    let length = u32::try_from(20 + body.len()).unwrap_or(u32::MAX);
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([family, 0]);
    bytes.extend(resource.to_be_bytes());
    bytes.extend(body);
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    // Interface names and numbers only.
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}
