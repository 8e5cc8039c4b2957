//! A relay that carries tenants in 802.1Q tags between two hosts, frame by frame: the smallest
//! thing to measure VLANs on, where the kernel has no 8021q.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use overlab::measure::Place;
use overlab::measure::segment::Segmenter;
use overlab::measure::tap::{BUFFER, Tap, Watch};

use crate::net::Net;

/// Ends the relays when it goes out of scope, so that a failed test ends too.
pub struct Running<'a>(pub &'a AtomicBool);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Starts one thread per host that tags what VMs send and untags what comes from the cable.
pub fn start<'s>(scope: &'s Scope<'s, '_>, net: &'s Net, stop: &'s AtomicBool) {
    for host in ["h1", "h2"] {
        let open = |device: &str| {
            let tap = || Tap::open(device, Watch::Incoming, 4 << 20).unwrap();
            net.within(&net.variant.namespace(host), tap).unwrap()
        };
        let nic = open("eth0");
        let mut ports = Vec::new();
        for tenant in &net.variant.tenants {
            for vm in tenant.vms.iter().filter(|vm| vm.host == host) {
                ports.push((u16::try_from(tenant.id).unwrap(), open(&vm.port)));
            }
        }
        scope.spawn(move || relay(&nic, &ports, stop));
    }
}

fn relay(nic: &Tap, ports: &[(u16, Tap)], stop: &AtomicBool) {
    let (mut buffer, mut segmenter) = (vec![0; BUFFER], Segmenter::default());
    while !stop.load(Ordering::Relaxed) {
        for (vid, port) in ports {
            while let Some(frame) = port.next(&mut buffer).unwrap() {
                segmenter.each(&frame, |packet| {
                    let mut tagged = packet[..12].to_vec();
                    tagged.extend([0x81, 0]);
                    tagged.extend(vid.to_be_bytes());
                    tagged.extend(&packet[12..]);
                    // One byte too many for the cable is what an MTU probe wants to find out.
                    let _ = nic.send(&tagged);
                });
            }
        }
        while let Some(frame) = nic.next(&mut buffer).unwrap() {
            let Some((0x8100, vid)) = frame.vlan else { continue };
            segmenter.each(&frame, |packet| {
                let untagged = [&packet[..12], &packet[16..]].concat();
                for (_, port) in ports.iter().filter(|(own, _)| *own == vid) {
                    port.send(&untagged).unwrap();
                }
            });
        }
        let mut all: Vec<_> = ports.iter().map(|(_, port)| port.as_fd()).collect();
        all.push(nic.as_fd());
        let mut all: Vec<_> = all.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
        poll(&mut all, PollTimeout::from(20_u8)).unwrap();
    }
}
