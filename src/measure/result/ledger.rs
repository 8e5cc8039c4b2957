//! The byte ledger: what the same frames weigh at every hop of their way.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What crossed one hop: a VM's port, or an underlay link in the direction of the frames.
///
/// `inner`, `layers` and `outer` come from three places: the sending VM's own port, the headers as they
/// were dissected, and the lengths of the packets on the wire. The row adds up where
/// `inner + headers = outer`, for every packet and in total, and nothing was doubled or unreadable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LedgerRow {
    /// What was sent: `datagrams` of a usual size, `full datagrams` that fill the VM's MTU, a TCP
    /// `burst` counted after segmentation, or a `stream` of datagrams that is encrypted.
    pub pass: String,
    /// `red/vm1`, or the two ends of a link: `h1 → leaf1`.
    pub hop: String,
    /// Steps from the sending VM's port, which is 0.
    pub place: u32,
    /// The VM's frames that crossed whole.
    pub frames: u64,
    /// Packets that they crossed in; more than frames where these were fragmented.
    pub packets: u64,
    /// What the kernel handed over: a super-frame, which is several packets on a cable, counts once.
    pub handed: u64,
    /// Bytes of the VM's frames, as its own port saw them.
    pub inner: u64,
    /// Headers around them, from the outside in.
    pub layers: Vec<LedgerLayer>,
    /// Bytes of the packets on the wire.
    pub outer: u64,
    /// Frames whose own sum does not add up, or that the VM never sent.
    pub odd: u64,
    /// Packets that hold what the VM sent and could not be taken apart.
    pub unread: u64,
    /// Frames that came out more often than they went in: here, or in the node before.
    pub doubled: u64,
    /// Frames that were lost on the link.
    pub lost: u64,
    /// Frames that came out of the link and were lost in the node behind it.
    pub lost_behind: u64,
    /// Packets that went by unseen, because they were not read fast enough.
    pub missed: u64,
    /// The first thing that is wrong, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong: Option<String>,
}

/// One kind of header in a row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LedgerLayer {
    /// Its name, e.g. `IPv4`; `inner Ethernet` is what carriers of IP packets leave out.
    pub name: String,
    /// How many of them there were.
    pub count: u64,
    /// Their bytes together; negative for what is left out of the VM's frames.
    pub bytes: i64,
    /// Whether they were computed, because they cannot be seen in what is encrypted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub computed: bool,
}

impl LedgerLayer {
    /// Adds a header of so many bytes to those of its name.
    pub(crate) fn add(layers: &mut Vec<LedgerLayer>, name: &str, bytes: i64) {
        match layers.iter_mut().find(|layer| layer.name == name) {
            Some(layer) => {
                layer.count += 1;
                layer.bytes += bytes;
            }
            None => {
                let name = name.to_owned();
                layers.push(LedgerLayer { name, count: 1, bytes, computed: false });
            }
        }
    }
}

impl LedgerRow {
    /// Bytes of all headers.
    #[must_use]
    pub fn headers(&self) -> i64 {
        self.layers.iter().map(|layer| layer.bytes).fold(0, i64::saturating_add)
    }

    /// Bytes on the wire that neither the VM sent nor a header explains; negative where there are too few.
    #[must_use]
    pub fn difference(&self) -> i64 {
        signed(self.outer).saturating_sub(signed(self.inner)).saturating_sub(self.headers())
    }

    /// Whether the row adds up. A loss is named, and does not keep it from that.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.difference() == 0
            && [self.odd, self.unread, self.doubled, self.missed].iter().all(|count| *count == 0)
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> LedgerRow {
        let layer = |name: &str, count, bytes| LedgerLayer {
            name: name.into(),
            count,
            bytes,
            computed: false,
        };
        LedgerRow {
            inner: 2028,
            layers: vec![layer("Ethernet", 2, 28), layer("IPv4", 2, 40), layer("x", 2, -28)],
            outer: 2068,
            ..LedgerRow::default()
        }
    }

    #[test]
    fn a_row_adds_up_to_the_byte_or_not_at_all() {
        assert_eq!((row().headers(), row().difference()), (40, 0));
        assert!(row().adds_up());
        for outer in [2067, 2069] {
            let off = LedgerRow { outer, ..row() };
            assert!(!off.adds_up(), "{}", off.difference());
        }
        assert!(LedgerRow { lost: 1, lost_behind: 2, ..row() }.adds_up(), "a loss is named");
    }

    #[test]
    fn sums_that_fit_do_not_excuse_single_packets() {
        for wrong in [
            LedgerRow { odd: 1, ..row() },
            LedgerRow { unread: 1, ..row() },
            LedgerRow { doubled: 1, ..row() },
            LedgerRow { missed: 1, ..row() },
        ] {
            assert!(!wrong.adds_up(), "{wrong:?}");
        }
    }
}
