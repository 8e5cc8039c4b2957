//! The two ends of a flow: where their sockets are opened and how they find each other.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Protocol, Socket, Type};

use super::TrafficError;
use crate::measure::{Place, reno};
use crate::plan::{PlannedFlow, Variant, VmPlan};

/// How long a connection, or a first packet, is waited for: address resolution and learning included.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// One end: its namespace and address.
#[derive(Debug, Clone)]
pub struct End {
    pub namespace: String,
    pub address: IpAddr,
}

/// Both ends of a flow.
#[derive(Debug, Clone)]
pub struct Ends {
    pub from: End,
    pub to: End,
    /// The receiver's port; 0 is one that the system chooses where a TCP socket listens.
    pub port: u16,
}

impl Ends {
    pub fn of(variant: &Variant, flow: &PlannedFlow, port: u16) -> Result<Ends, TrafficError> {
        let far = flow.to_tenant.as_ref().unwrap_or(&flow.tenant);
        Ends::across(variant, [(&flow.tenant, &flow.from), (far, &flow.to)], port)
    }

    pub fn between(
        variant: &Variant,
        tenant: &str,
        [from, to]: [&str; 2],
        port: u16,
    ) -> Result<Ends, TrafficError> {
        Ends::across(variant, [(tenant, from), (tenant, to)], port)
    }

    fn across(
        variant: &Variant,
        [from, to]: [(&str, &str); 2],
        port: u16,
    ) -> Result<Ends, TrafficError> {
        let end = |(tenant, name): (&str, &str)| {
            variant.vm(tenant, name).map(|vm| End::of(variant, vm)).ok_or_else(|| {
                TrafficError::UnknownVm {
                    variant: variant.name.clone(),
                    tenant: tenant.to_owned(),
                    vm: name.to_owned(),
                }
            })
        };
        Ok(Ends { from: end(from)?, to: end(to)?, port })
    }

    /// Where the receiver listens.
    pub fn target(&self) -> SocketAddr {
        SocketAddr::new(self.to.address, self.port)
    }

    /// A listening TCP socket at the receiver.
    pub fn listen(&self, place: &impl Place) -> Result<TcpListener, TrafficError> {
        place
            .within(&self.to.namespace, || {
                let listener = TcpListener::bind(self.target())?;
                reno(&listener)?;
                Ok(listener)
            })
            .and_then(|made| made)
            .map_err(TrafficError::socket("listen for TCP", &self.to.namespace))
    }

    /// Connects one pair of sockets: the sender's and the receiver's.
    pub fn connect(
        &self,
        place: &impl Place,
        listener: &TcpListener,
    ) -> Result<(TcpStream, TcpStream), TrafficError> {
        let target = listener.local_addr().unwrap_or_else(|_| self.target());
        let connected = || -> io::Result<TcpStream> {
            let socket = place.within(&self.from.namespace, || {
                Socket::new(Domain::for_address(target), Type::STREAM, Some(Protocol::TCP))
            })??;
            reno(&socket)?;
            socket.connect_timeout(&target.into(), PATIENCE)?;
            Ok(socket.into())
        };
        let operation = format!("connect to {target}");
        let sender = connected().map_err(TrafficError::socket(&operation, &self.from.namespace))?;
        let receiver = accept(listener, PATIENCE)
            .map_err(TrafficError::socket("accept a connection", &self.to.namespace))?;
        for stream in [&sender, &receiver] {
            // What is still queued when a flow ends is thrown away, not sent on into the next one.
            socket2::SockRef::from(stream)
                .set_linger(Some(Duration::ZERO))
                .map_err(TrafficError::socket("set SO_LINGER", &self.from.namespace))?;
        }
        Ok((sender, receiver))
    }

    /// A UDP socket at `end`, with the receive buffer asked for.
    pub fn udp(
        place: &impl Place,
        end: &End,
        port: u16,
        room: usize,
    ) -> Result<Socket, TrafficError> {
        let local = SocketAddr::new(end.address, port);
        let open = || -> io::Result<Socket> {
            let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
            crate::measure::tap::receive_room(&socket, room)?;
            socket.bind(&local.into())?;
            Ok(socket)
        };
        place
            .within(&end.namespace, open)
            .and_then(|made| made)
            .map_err(TrafficError::socket("open a UDP socket", &end.namespace))
    }
}

impl End {
    fn of(variant: &Variant, vm: &VmPlan) -> End {
        End { namespace: variant.namespace(&vm.node), address: vm.address.addr() }
    }
}

fn accept(listener: &TcpListener, patience: Duration) -> io::Result<TcpStream> {
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut watched = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut watched, timeout) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => return listener.accept().map(|(stream, _)| stream),
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
