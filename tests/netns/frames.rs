//! Frames of our own between VMs, by packet sockets at their interfaces, so that no stack of theirs
//! says anything that switches could learn from.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use overlab::measure::Place;
use overlab::measure::tap::{BUFFER, Tap, Watch};
use overlab::netns::VM_INTERFACE;
use overlab::plan::{Variant, VmPlan};
use overlab::testbed::Testbed;

/// The longest that anything is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
pub const ALL: [u8; 6] = [0xFF; 6];

/// The VMs of a variant, each with a packet socket.
pub struct Frames<'v> {
    pub vms: Vec<&'v VmPlan>,
    taps: Vec<Tap>,
    /// How often each VM got each frame, by the VM and the frame's number.
    pub got: BTreeMap<(usize, u16), u32>,
    /// All other frames, by the VM that got them.
    pub others: Vec<(usize, Vec<u8>)>,
    next: u16,
}

impl<'v> Frames<'v> {
    pub fn open(testbed: &Testbed, variant: &'v Variant) -> Self {
        let vms: Vec<&VmPlan> = variant.vms().collect();
        let tap = |vm: &&VmPlan| {
            let open = || Tap::open(VM_INTERFACE, Watch::Incoming, 1 << 20).unwrap();
            testbed.within(&variant.namespace(&vm.node), open).unwrap()
        };
        let taps = vms.iter().map(tap).collect();
        Frames { vms, taps, got: BTreeMap::new(), others: Vec::new(), next: 0 }
    }

    pub fn mac(&self, vm: usize) -> [u8; 6] {
        let bytes = self.vms[vm].mac.split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap());
        bytes.collect::<Vec<_>>().try_into().unwrap()
    }

    /// The others of a VM's tenant.
    pub fn peers(&self, vm: usize) -> Vec<usize> {
        let own = &self.vms[vm].tenant;
        let all = 0..self.vms.len();
        all.filter(|other| *other != vm && self.vms[*other].tenant == *own).collect()
    }

    /// Sends a frame; returns its number.
    pub fn send(&mut self, from: usize, to: [u8; 6]) -> u16 {
        let number = self.next;
        self.next += 1;
        let mut frame = [to, self.mac(from)].concat();
        frame.extend([0x88, 0xB5]); // local experiments (IEEE 802)
        frame.extend(number.to_be_bytes());
        frame.resize(64, 0x5A);
        self.taps[from].send(&frame).unwrap();
        number
    }

    /// Reads what has come, after waiting for a moment until something has.
    pub fn read(&mut self) {
        let mut fds: Vec<_> =
            self.taps.iter().map(|tap| PollFd::new(tap.as_fd(), PollFlags::POLLIN)).collect();
        poll(&mut fds, PollTimeout::from(100_u16)).unwrap();
        let mut buffer = vec![0; BUFFER];
        for (vm, tap) in self.taps.iter().enumerate() {
            while let Some(frame) = tap.next(&mut buffer).unwrap() {
                match frame.bytes.get(12..16) {
                    Some(&[0x88, 0xB5, high, low]) => {
                        let number = u16::from_be_bytes([high, low]);
                        *self.got.entry((vm, number)).or_default() += 1;
                    }
                    _ => self.others.push((vm, frame.bytes.to_vec())),
                }
            }
        }
    }

    /// Reads until something is so.
    pub fn until(&mut self, what: &str, so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !so(self) {
            assert!(Instant::now() < deadline, "{what}: {:?}", self.got);
            self.read();
        }
    }

    /// Waits for a frame at some VMs.
    pub fn arrives(&mut self, number: u16, at: &[usize]) {
        let all = |frames: &Self| at.iter().all(|vm| frames.got.contains_key(&(*vm, number)));
        self.until(&format!("frame {number} at {at:?}"), all);
    }

    /// Whether a frame got to some VMs and no others, once each.
    pub fn only_at(&self, number: u16, at: &[usize]) {
        let got = self.got.iter().filter(|((_, got), _)| *got == number);
        let got: Vec<(usize, u32)> = got.map(|((vm, _), times)| (*vm, *times)).collect();
        let expected: Vec<(usize, u32)> = at.iter().map(|vm| (*vm, 1)).collect();
        assert_eq!(got, expected, "frame {number}: VMs that got it, and how often");
    }
}
