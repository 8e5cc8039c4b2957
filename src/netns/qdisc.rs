//! Netlink verbs for queueing disciplines and filters: rates, and ports the host's stack ignores.

use rtnetlink::packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::tc::{TcAttribute, TcHandle, TcMessage, TcOption};

use super::error::Result;
use super::nft;
use super::socket::{Feature, Netlink, Request};

// linux/pkt_sched.h
const TCA_TBF_PARMS: u16 = 1;
const TCA_TBF_RATE64: u16 = 4;
const TCA_TBF_BURST: u16 = 6;
const TC_LINKLAYER_ETHERNET: u8 = 1;
// linux/pkt_cls.h
const TCA_BPF_OPS_LEN: u16 = 4;
const TCA_BPF_OPS: u16 = 5;
const TCA_BPF_FLAGS: u16 = 8;
const TCA_BPF_FLAG_ACT_DIRECT: u32 = 1;
pub(super) const TC_ACT_SHOT: u32 = 2;
/// `BPF_RET | BPF_K` of classic BPF.
const BPF_RET_K: u16 = 6;
// linux/bpf_common.h
const BPF_LD_W_ABS: u16 = 0x20;
const BPF_LD_H_ABS: u16 = 0x28;
const BPF_JMP_JEQ_K: u16 = 0x15;
/// The packet goes on.
const TC_ACT_UNSPEC: u32 = u32::MAX;
const ETH_P_ALL: u16 = 3;

/// What shapes a link: bytes the bucket holds and bytes that may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Bytes that may go at once. Frames larger than this are segmented to real packets first.
    pub burst: u32,
    /// Bytes that may wait; what comes beyond is dropped.
    pub limit: u32,
}

impl Bucket {
    /// A bucket for `rate` bits per second and IP packets of up to `mtu` bytes.
    ///
    /// One millisecond's worth hides the timer's granularity and still keeps measured goodput
    /// within a thousandth over a second. Below a super-frame's 64 KB, super-frames are
    /// segmented before they leave, as they would be on a cable. 20 ms may wait.
    #[must_use]
    pub fn new(rate: u64, mtu: u32) -> Self {
        let bytes = |milliseconds: u64| {
            u32::try_from(rate.saturating_mul(milliseconds) / 8000).unwrap_or(u32::MAX)
        };
        let frame = mtu.saturating_add(22);
        Bucket {
            burst: bytes(1).clamp(frame.saturating_mul(2), (1 << 20).max(frame.saturating_mul(2))),
            limit: bytes(20).max(128 * 1024).max(frame.saturating_mul(8)),
        }
    }
}

fn qdisc(what: String, index: u32, parent: TcHandle, handle: u16, kind: &str) -> Request {
    let mut message = TcMessage::with_index(index.cast_signed());
    message.header.parent = parent;
    message.header.handle = TcHandle { major: handle, minor: 0 };
    message.attributes.push(TcAttribute::Kind(kind.to_owned()));
    Request {
        what,
        message: RouteNetlinkMessage::NewQueueDiscipline(message),
        flags: NLM_F_CREATE | NLM_F_REPLACE,
        needs: None,
    }
}

fn options(request: &mut Request, options: Vec<TcOption>) {
    if let RouteNetlinkMessage::NewQueueDiscipline(message)
    | RouteNetlinkMessage::NewTrafficFilter(message) = &mut request.message
    {
        message.attributes.push(TcAttribute::Options(options));
    }
}

fn other(kind: u16, value: &[u8]) -> TcOption {
    TcOption::Other(DefaultNla::new(kind, value.to_vec()))
}

/// Shapes what leaves an interface to `rate` bits per second of Ethernet frames without FCS.
#[must_use]
pub fn tbf(index: u32, name: &str, rate: u64, bucket: Bucket) -> Request {
    let what = format!("shape {name} to {rate} bit/s");
    let mut request = qdisc(what, index, TcHandle::ROOT, 1, "tbf");
    request.needs = Some(Feature {
        name: "the token bucket filter (CONFIG_NET_SCH_TBF)",
        remedy: "Load it with `sudo modprobe sch_tbf`, or leave out `rate`.",
    });
    let bytes = rate / 8;
    // struct tc_tbf_qopt: two struct tc_ratespec of 12 bytes, limit, buffer, mtu.
    let mut parameters = [0; 36];
    parameters[1] = TC_LINKLAYER_ETHERNET;
    parameters[8..12].copy_from_slice(&u32::try_from(bytes).unwrap_or(u32::MAX).to_ne_bytes());
    parameters[24..28].copy_from_slice(&bucket.limit.to_ne_bytes());
    let mut given =
        vec![other(TCA_TBF_PARMS, &parameters), other(TCA_TBF_BURST, &bucket.burst.to_ne_bytes())];
    if bytes > u64::from(u32::MAX) {
        given.push(other(TCA_TBF_RATE64, &bytes.to_ne_bytes()));
    }
    options(&mut request, given);
    request
}

/// Takes away what shapes an interface.
#[must_use]
pub fn unshape(index: u32, name: &str) -> Request {
    let mut message = TcMessage::with_index(index.cast_signed());
    message.header.parent = TcHandle::ROOT;
    Request {
        what: format!("stop shaping {name}"),
        message: RouteNetlinkMessage::DelQueueDiscipline(message),
        flags: 0,
        needs: None,
    }
}

/// The hook that filters are attached to; it may be there already.
#[must_use]
pub fn clsact(index: u32, name: &str) -> Request {
    let what = format!("add clsact to {name}");
    let mut request = qdisc(what, index, TcHandle::CLSACT, u16::MAX, "clsact");
    request.flags = NLM_F_CREATE;
    request.needs = Some(CLS_BPF);
    request
}

/// A classic BPF program of one instruction, `ret TC_ACT_SHOT`, on ingress.
#[must_use]
pub fn drop_filter(index: u32, name: &str) -> Request {
    let what = format!("add a drop filter to {name}");
    bpf_filter(what, index, &[(BPF_RET_K, 0, 0, TC_ACT_SHOT)])
}

/// Lets what is behind an interface see nothing but what it receives for the bridge group address:
/// spanning tree's BPDUs (802.1D-2004 clause 7.12.3). Packet sockets still get all.
#[must_use]
pub fn only_bpdus(index: u32, name: &str) -> Vec<Request> {
    let what = format!("let nothing but BPDUs into {name}");
    // `if destination == 01:80:c2:00:00:00 go on else drop`
    let program = [
        (BPF_LD_W_ABS, 0, 0, 0),
        (BPF_JMP_JEQ_K, 0, 3, 0x0180_C200),
        (BPF_LD_H_ABS, 0, 0, 4),
        (BPF_JMP_JEQ_K, 0, 1, 0),
        (BPF_RET_K, 0, 0, TC_ACT_UNSPEC),
        (BPF_RET_K, 0, 0, TC_ACT_SHOT),
    ];
    vec![clsact(index, name), bpf_filter(what, index, &program)]
}

/// A classic BPF program on ingress whose return value is what becomes of the packet. An instruction
/// is its code, jump if true, jump if false, value (`struct sock_filter`).
#[must_use]
pub(super) fn bpf_filter(what: String, index: u32, program: &[Instruction]) -> Request {
    filter_at(TcHandle::MIN_INGRESS, what, index, program)
}

/// The same on egress.
#[must_use]
pub(super) fn bpf_filter_out(what: String, index: u32, program: &[Instruction]) -> Request {
    filter_at(TcHandle::MIN_EGRESS, what, index, program)
}

/// Code, jump if true, jump if false, value.
pub(super) type Instruction = (u16, u8, u8, u32);

fn filter_at(hook: u16, what: String, index: u32, program: &[Instruction]) -> Request {
    let mut message = TcMessage::with_index(index.cast_signed());
    message.header.parent = TcHandle { major: u16::MAX, minor: hook };
    // Priority in the upper half, protocol in network order in the lower.
    message.header.info = 1 << 16 | u32::from(ETH_P_ALL.to_be());
    message.attributes.push(TcAttribute::Kind("bpf".to_owned()));
    let mut request = Request {
        what,
        message: RouteNetlinkMessage::NewTrafficFilter(message),
        flags: NLM_F_CREATE | NLM_F_EXCL,
        needs: Some(CLS_BPF),
    };
    let mut instructions = Vec::with_capacity(8 * program.len());
    for (code, jump_true, jump_false, value) in program {
        instructions.extend(code.to_ne_bytes());
        instructions.extend([*jump_true, *jump_false]);
        instructions.extend(value.to_ne_bytes());
    }
    let length = u16::try_from(program.len()).unwrap_or(u16::MAX);
    options(
        &mut request,
        vec![
            other(TCA_BPF_OPS_LEN, &length.to_ne_bytes()),
            other(TCA_BPF_OPS, &instructions),
            other(TCA_BPF_FLAGS, &TCA_BPF_FLAG_ACT_DIRECT.to_ne_bytes()),
        ],
    );
    request
}

const CLS_BPF: Feature = Feature {
    name: "BPF filters (CONFIG_NET_CLS_BPF, CONFIG_NET_CLS_ACT)",
    remedy: "Load them with `sudo modprobe cls_bpf`.",
};

/// What keeps the host's stack from seeing frames that belong to a packet socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DropMethod {
    /// A BPF filter on clsact.
    Bpf,
    /// An nftables ingress chain whose policy is to drop.
    Nftables,
}

/// Makes the host's stack neither see nor answer what an interface receives; packet sockets
/// still get it, because they are served before the filter. Falls back to nftables where the
/// kernel has no BPF filters. The calling thread must be inside the namespace.
///
/// # Errors
/// Both are missing, or the kernel refused.
pub fn drop_ingress(netlink: &mut Netlink, index: u32, name: &str) -> Result<DropMethod> {
    match netlink.all(vec![clsact(index, name), drop_filter(index, name)]) {
        Ok(()) => Ok(DropMethod::Bpf),
        Err(error) if error.is_unsupported() => {
            tracing::debug!(%error, "falling back to nftables");
            nft::drop_ingress(netlink.namespace(), name)?;
            Ok(DropMethod::Nftables)
        }
        Err(error) => Err(error),
    }
}

/// As [`drop_ingress`] on many interfaces, in few system calls; `None` where there are none.
///
/// # Errors
/// As there.
pub fn drop_ingress_all(
    netlink: &mut Netlink,
    interfaces: &[(u32, String)],
) -> Result<Option<DropMethod>> {
    let Some(((index, name), others)) = interfaces.split_first() else { return Ok(None) };
    let method = drop_ingress(netlink, *index, name)?;
    if method == DropMethod::Bpf {
        let both =
            |(index, name): &(u32, String)| [clsact(*index, name), drop_filter(*index, name)];
        netlink.all(others.iter().flat_map(both).collect())?;
    } else {
        for (index, name) in others {
            drop_ingress(netlink, *index, name)?;
        }
    }
    Ok(Some(method))
}

/// Length of a request's message, so that tests need no socket.
#[cfg(test)]
fn emitted(request: &Request) -> Vec<u8> {
    use rtnetlink::packet_core::Emitable;
    let mut bytes = vec![0xAA; request.message.buffer_len()];
    request.message.emit(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drop_filter_is_the_one_instruction() {
        let bytes = emitted(&drop_filter(7, "eth0"));
        // `1,6 0 0 2` of tc-bpf(8), after its attribute header.
        let instruction = [12, 0, 5, 0, 6, 0, 0, 0, 2, 0, 0, 0];
        assert!(bytes.windows(12).any(|window| window == instruction), "{bytes:02x?}");
        // struct tcmsg: ifindex at 4, parent ffff:fff2 at 12, priority 1 and ETH_P_ALL at 16.
        assert_eq!(bytes[4..8], 7u32.to_ne_bytes());
        assert_eq!(bytes[12..16], 0xffff_fff2u32.to_ne_bytes());
        assert_eq!(bytes[16..20], [0, 3, 1, 0]);
    }

    #[test]
    fn buckets_hold_frames_and_segment_super_frames_at_cable_rates() {
        for rate in [1_000_000, 100_000_000, 500_000_000] {
            let bucket = Bucket::new(rate, 1500);
            assert!(bucket.burst >= 2 * 1522 && bucket.burst < 65_000, "{rate}: {bucket:?}");
            assert!(bucket.limit > bucket.burst);
        }
        assert_eq!(Bucket::new(100_000_000, 1500).burst, 12_500);
        assert_eq!(Bucket::new(u64::MAX, 65_535).burst, 1 << 20);
    }
}
