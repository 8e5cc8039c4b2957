//! Starting OpenSSH's programs, and ending them.

use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::Pid;

use super::programs::UID;
use super::vault::Vault;

/// How long a killed process may take to be gone, in milliseconds.
const GONE: u16 = 5000;

/// Starts a client in the calling thread's network namespace. It ends with the calling thread.
pub(super) fn connect(mut command: Command, log: File) -> io::Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let parent = Pid::this();
    // SAFETY: only async-signal-safe calls between fork and exec, and no memory is allocated.
    unsafe { command.pre_exec(move || end_with(parent)) };
    command.spawn()
}

/// Starts a client whose user sees what it says, and whose standard output we read. It ends with
/// the calling thread.
pub(super) fn attend(mut command: Command) -> io::Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let parent = Pid::this();
    // SAFETY: only async-signal-safe calls between fork and exec, and no memory is allocated.
    unsafe { command.pre_exec(move || end_with(parent)) };
    command.spawn()
}

/// Ends one of them and waits until it is gone.
pub(super) fn end_one(child: &mut Child) {
    // One that has ended already is what we want.
    let _ = child.kill();
    let _ = child.wait();
}

/// Starts a server for one connection in the calling thread's network namespace. It ends with the
/// calling thread, and with the connection.
///
/// It runs without privileges in a user namespace of its own. There, [`UID`] is the only user, is
/// the user who runs this program, and may log in: the machine's users, their locks and sshd's own
/// user and directory do not matter.
pub(super) fn serve(
    mut command: Command,
    connection: TcpStream,
    vault: &Vault,
    log: File,
) -> io::Result<Child> {
    let connection = OwnedFd::from(connection);
    command.stdin(connection.try_clone()?).stdout(connection).stderr(log);
    let parent = Pid::this();
    let passwd = c_path(vault.passwd())?;
    let shadow = c_path(vault.shadow())?;
    let users = format!("{UID} {} 1", nix::unistd::geteuid());
    let groups = format!("{UID} {} 1", nix::unistd::getegid());
    let become_nobody = move || {
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
        write(c"/proc/self/setgroups", b"deny")?;
        write(c"/proc/self/uid_map", users.as_bytes())?;
        write(c"/proc/self/gid_map", groups.as_bytes())?;
        bind(&passwd, c"/etc/passwd")?;
        // Systems without this file ask the other one for passwords.
        if let Err(error) = bind(&shadow, c"/etc/shadow")
            && error.raw_os_error() != Some(libc::ENOENT)
        {
            return Err(error);
        }
        // Last, because a change of user would clear it.
        end_with(parent)
    };
    // SAFETY: only async-signal-safe calls between fork and exec, and no memory is allocated.
    unsafe { command.pre_exec(become_nobody) };
    command.spawn()
}

/// Asks for the end of the calling process when the thread that started it ends.
fn end_with(parent: Pid) -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
    if Pid::parent() == parent { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ESRCH)) }
}

fn c_path(path: PathBuf) -> io::Result<CString> {
    CString::new(path.into_os_string().into_vec()).map_err(io::Error::from)
}

/// Writes to a file of `/proc` in one call, as these want it, without allocating.
fn write(path: &CStr, text: &[u8]) -> io::Result<()> {
    // SAFETY: the path is a C string; the result is checked before it becomes a descriptor.
    let file = unsafe { libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) };
    if file < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is fresh and ours.
    let file = unsafe { OwnedFd::from_raw_fd(file) };
    nix::unistd::write(&file, text)?;
    Ok(())
}

fn bind(from: &CStr, onto: &CStr) -> io::Result<()> {
    let none = None::<&CStr>;
    nix::mount::mount(Some(from), onto, none, nix::mount::MsFlags::MS_BIND, none)?;
    Ok(())
}

/// Kills all of them and the processes that they have started, and waits until they are gone.
pub(super) fn end(children: &mut Vec<Child>) {
    // A server has started one more process for its user, which is not ours to wait for.
    let others: Vec<OwnedFd> = children
        .iter()
        .flat_map(|child| started_by(child.id()))
        .filter_map(|pid| pidfd(pid).ok())
        .collect();
    for child in children.iter_mut() {
        if let Err(error) = child.kill() {
            tracing::warn!(%error, pid = child.id(), "a process of OpenSSH cannot be ended");
        }
    }
    for other in &others {
        // SAFETY: the descriptor is open; no information is passed. A process that is gone is
        // what we want.
        unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                other.as_raw_fd(),
                libc::SIGKILL,
                std::ptr::null::<libc::siginfo_t>(),
                0,
            )
        };
    }
    for mut child in children.drain(..) {
        // Killed, so it ends; there is nothing to do about an error.
        let _ = child.wait();
    }
    for other in &others {
        let mut wanted = [PollFd::new(other.as_fd(), PollFlags::POLLIN)];
        if !matches!(poll(&mut wanted, PollTimeout::from(GONE)), Ok(1)) {
            tracing::warn!("a process of OpenSSH is still there after it was killed");
        }
    }
}

/// Processor time of a process and those that it has started and that live.
pub(super) fn cpu(process: u32) -> Duration {
    let of = |pid: u32| -> Option<Duration> {
        let clock = nix::time::ClockId::pid_cpu_clock_id(Pid::from_raw(pid.cast_signed())).ok()?;
        nix::time::clock_gettime(clock).ok().map(Duration::from)
    };
    started_by(process).into_iter().chain([process]).filter_map(of).sum()
}

/// Whether a child has ended; it stays to be waited for.
pub(super) fn ended(process: u32) -> bool {
    use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    let state = waitid(Id::Pid(Pid::from_raw(process.cast_signed())), flags);
    !matches!(state, Ok(WaitStatus::StillAlive))
}

fn started_by(process: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    list.unwrap_or_default().split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn pidfd(process: u32) -> io::Result<OwnedFd> {
    // SAFETY: a plain system call; the result is checked before it becomes a descriptor.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) };
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is fresh and ours.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
