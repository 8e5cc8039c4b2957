//! TCP's congestion control, the same on every kernel.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;

use nix::sys::socket::{setsockopt, sockopt::TcpCongestion};

/// Sets a TCP socket, or a listening one for all that it accepts, to Reno (RFC 5681): what every kernel has
/// and everybody may choose. A setting of each namespace would do it as well, but looking one up under
/// `/proc/sys` takes longer the more namespaces there are.
///
/// # Errors
/// What the system says.
pub fn reno(socket: &impl AsFd) -> io::Result<()> {
    setsockopt(socket, TcpCongestion, &OsString::from("reno")).map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn accepted_sockets_take_it_over() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        reno(&listener).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        reno(&client).unwrap();
        let (server, _) = listener.accept().unwrap();
        for socket in [&client, &server] {
            let chosen = nix::sys::socket::getsockopt(socket, TcpCongestion).unwrap();
            assert!(chosen.to_string_lossy().trim_end_matches('\0') == "reno", "{chosen:?}");
        }
    }
}
