//! What runs inside a namespace or inside user-mode Linux: this program again, as a console that
//! takes one command per line and ends each answer with a line `##ok` or `##failed`.
//!
//! `sh COMMAND`, `serve ADDRESS` (UDP and TCP echo on port 7), `udp ADDRESS BYTES`,
//! `tcp ADDRESS BYTES`: the asking ones compare every byte that comes back.

use std::io::{self, BufRead, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const PORT: u16 = 7;
/// How long one answer may take before the peer is given up.
const LIMIT: Duration = Duration::from_secs(60);
/// Time after which a datagram that was not answered is sent again, and how often.
const AGAIN: Duration = Duration::from_millis(500);
const TRIES: usize = 20;

/// The console, in the guest.
pub fn main(_: &[String]) -> ExitCode {
    println!("##ready");
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        match command(line.trim()) {
            Ok(answer) => println!("{answer}\n##ok"),
            Err(why) => println!("{why}\n##failed"),
        }
    }
    ExitCode::SUCCESS
}

fn command(line: &str) -> Result<String, String> {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let words: Vec<&str> = rest.split(' ').collect();
    let address = || words[0].parse::<IpAddr>().map_err(|e| format!("{}: {e}", words[0]));
    let bytes = || words.get(1).and_then(|w| w.parse::<usize>().ok()).ok_or("how many bytes?");
    match verb {
        "sh" => shell(rest),
        "serve" => serve(SocketAddr::new(address()?, PORT)).map_err(|e| format!("serve: {e}")),
        "udp" => {
            udp(SocketAddr::new(address()?, PORT), bytes()?).map_err(|e| format!("{line}: {e}"))
        }
        "tcp" => {
            tcp(SocketAddr::new(address()?, PORT), bytes()?).map_err(|e| format!("{line}: {e}"))
        }
        _ => Err(format!("`{line}` is no command")),
    }
}

fn shell(text: &str) -> Result<String, String> {
    let output = Command::new("sh").args(["-c", text]).stdin(Stdio::null()).output();
    let output = output.map_err(|e| e.to_string())?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    if output.status.success() { Ok(said) } else { Err(format!("{text}: {said}")) }
}

fn serve(at: SocketAddr) -> io::Result<String> {
    let (datagrams, streams) = (UdpSocket::bind(at)?, TcpListener::bind(at)?);
    std::thread::spawn(move || {
        let mut bytes = vec![0; 1 << 16];
        while let Ok((len, from)) = datagrams.recv_from(&mut bytes) {
            // What cannot be sent back is a datagram lost, which the asker sees.
            let _ = datagrams.send_to(&bytes[..len], from);
        }
    });
    std::thread::spawn(move || {
        for stream in streams.incoming().flatten() {
            std::thread::spawn(move || echo(stream));
        }
    });
    Ok(String::new())
}

fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut bytes = vec![0; 1 << 16];
    loop {
        match stream.read(&mut bytes)? {
            0 => return Ok(()),
            len => stream.write_all(&bytes[..len])?,
        }
    }
}

/// A byte for each place, without a short period.
fn pattern(at: usize) -> u8 {
    (at as u32).wrapping_mul(0x9E37_79B1).to_be_bytes()[0]
}

fn any(family: SocketAddr) -> SocketAddr {
    let ip: IpAddr = if family.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    SocketAddr::new(ip, 0)
}

fn udp(to: SocketAddr, len: usize) -> io::Result<String> {
    let socket = UdpSocket::bind(any(to))?;
    socket.connect(to)?;
    socket.set_read_timeout(Some(AGAIN))?;
    let sent: Vec<u8> = (0..len).map(pattern).collect();
    let mut back = vec![0; 1 << 16];
    let mut last = io::Error::other("nothing came back");
    for tries in 1..=TRIES {
        if let Err(error) = socket.send(&sent) {
            // No route or neighbour yet.
            last = error;
            std::thread::park_timeout(AGAIN);
            continue;
        }
        match socket.recv(&mut back) {
            Ok(got) if back[..got] == sent => return Ok(format!("try {tries}")),
            Ok(got) => return Err(io::Error::other(format!("{got} other bytes came back"))),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn tcp(to: SocketAddr, len: usize) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&to, LIMIT / 4)?;
    stream.set_read_timeout(Some(LIMIT / 4))?;
    stream.set_write_timeout(Some(LIMIT / 4))?;
    let begun = Instant::now();
    let mut writer = stream.try_clone()?;
    let writing = std::thread::spawn(move || {
        let all: Vec<u8> = (0..len).map(pattern).collect();
        writer.write_all(&all)?;
        writer.shutdown(std::net::Shutdown::Write)
    });
    let (mut at, mut bytes) = (0, vec![0; 1 << 16]);
    loop {
        let got = stream.read(&mut bytes)?;
        if got == 0 {
            break;
        }
        if let Some(wrong) = (0..got).find(|i| bytes[*i] != pattern(at + i)) {
            return Err(io::Error::other(format!("byte {} came back different", at + wrong)));
        }
        at += got;
    }
    writing.join().map_err(|_| io::Error::other("the writer panicked"))??;
    if at != len {
        return Err(io::Error::other(format!("{at} of {len} bytes came back")));
    }
    let rate = len as f64 * 16.0 / begun.elapsed().as_secs_f64() / 1e6;
    Ok(format!("{rate:.0} Mbit/s both ways together"))
}

/// The console, from outside. Its process and what that started are killed when this is dropped.
pub struct Console {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    heard: Vec<String>,
}

impl Console {
    /// Starts a program whose standard input and output are the console, and waits until it is ready.
    pub fn start(mut command: Command) -> Console {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // User-mode Linux starts helpers that outlive it; a group of its own ends as one.
        let mut child = command.process_group(0).spawn().expect("start the console");
        let input = child.stdin.take().expect("a pipe");
        let output = io::BufReader::new(child.stdout.take().expect("a pipe"));
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in output.split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim().to_owned();
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        let mut console = Console { child, input, lines, heard: Vec::new() };
        console.until("##ready").unwrap_or_else(|why| panic!("no console: {why}"));
        console
    }

    /// Runs a command; what it answered.
    ///
    /// # Panics
    /// Where it failed or took too long.
    pub fn ask(&mut self, line: &str) -> String {
        writeln!(self.input, "{line}").expect("the console listens");
        self.until("##ok").unwrap_or_else(|why| panic!("`{line}`: {why}"))
    }

    fn until(&mut self, mark: &str) -> Result<String, String> {
        let deadline = Instant::now() + LIMIT;
        self.heard.clear();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line == mark => return Ok(self.heard.join("\n")),
                Ok(line) if line == "##failed" => return Err(self.heard.join("\n")),
                Ok(line) => self.heard.push(line),
                Err(why) => return Err(format!("{}\n{why}", self.heard.join("\n"))),
            }
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // These fail only where it has ended already.
        let group = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// This program as a console.
pub fn command_here() -> Command {
    let mut command = Command::new(std::env::current_exe().expect("our own path"));
    command.arg("guest");
    command
}
