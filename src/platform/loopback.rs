//! Which process has a connection on this machine's loopback, as the kernel knows it. Linux only.
//!
//! The kernel gives the number of the client's socket, and a process has a socket if one of its open files leads to
//! that number.

use super::diag::{self, ClientSocket};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::HashSet;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// Finds the client's end of a connection to a server on IPv4 loopback. `None` if it was closed already, or belongs to
/// another network namespace.
pub(crate) fn client_socket(client: SocketAddr, server: SocketAddr) -> io::Result<Option<ClientSocket>> {
    // A kernel that cannot be asked about one connection says that it has none.
    static IS_ASKED: AtomicBool = AtomicBool::new(false);
    if let (SocketAddr::V4(local), SocketAddr::V4(remote)) = (client, server)
        && let Ok(found) = diag::socket(local, remote)
        && (found.is_some() || IS_ASKED.load(Ordering::Relaxed))
    {
        IS_ASKED.store(true, Ordering::Relaxed);
        return Ok(found);
    }
    listed_socket(client, server)
}

fn listed_socket(client: SocketAddr, server: SocketAddr) -> io::Result<Option<ClientSocket>> {
    // A socket of IPv6 that connects to an IPv4 address stands in the other list.
    for (list, is_mapped) in [("/proc/net/tcp", false), ("/proc/net/tcp6", true)] {
        let text = match fs::read_to_string(list) {
            // A kernel without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_mapped => continue,
            text => text?,
        };
        let (local, remote) = (written(client, is_mapped), written(server, is_mapped));
        let found = text.lines().skip(1).find_map(|line| row(line, &local, &remote));
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

// Writes an address as the lists do: words of 32 bits in the machine's order, and the port.
fn written(address: SocketAddr, is_mapped: bool) -> String {
    let IpAddr::V4(ip) = address.ip() else { return String::new() };
    let number = u32::from_ne_bytes(ip.octets());
    let mapped = u32::from_ne_bytes([0, 0, 0xff, 0xff]);
    let before = if is_mapped { format!("{:016X}{mapped:08X}", 0) } else { String::new() };
    format!("{before}{number:08X}:{:04X}", address.port())
}

// proc_net(5): `sl local_address rem_address st queues timer retransmits uid timeout inode`.
fn row(line: &str, local: &str, remote: &str) -> Option<ClientSocket> {
    let mut fields = line.split_ascii_whitespace();
    let has_ends = fields.nth(1)? == local && fields.next()? == remote;
    let (uid, inode) = (fields.nth(4)?.parse().ok()?, fields.nth(1)?.parse().ok()?);
    // A socket that its process has closed has no number.
    (has_ends && inode != 0).then_some(ClientSocket { inode, uid })
}

/// Returns the files of the Unix sockets that processes of this network namespace have bound.
pub(crate) fn bound_sockets() -> HashSet<PathBuf> {
    let list = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    // proc_net(5): `Num RefCount Protocol Flags Type St Inode Path`; a path may hold blanks.
    let path = |line: &str| Some(PathBuf::from(&line[line.find('/')?..]));
    list.lines().skip(1).filter_map(path).collect()
}

/// Reports whether a process has a socket open. A process that cannot be looked at is an error.
pub(crate) fn has_socket(pid: u32, inode: u64) -> io::Result<bool> {
    let wanted = format!("socket:[{inode}]");
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        // A file that was closed meanwhile.
        if fs::read_link(entry?.path()).is_ok_and(|link| link.as_os_str() == wanted.as_str()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reports whether two processes have the same standard input, output and error.
pub(crate) fn has_same_streams(one: u32, other: u32) -> bool {
    let stream = |pid: u32, number: u32| fs::read_link(format!("/proc/{pid}/fd/{number}")).ok();
    (0..3).all(|number| stream(one, number).is_some_and(|file| stream(other, number) == Some(file)))
}

/// Returns the processes that a process has started and that still run.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let listed = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        found.extend(listed.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    found
}

/// Reports whether the other side of a connection has ended it, whatever it sent before.
pub(crate) fn has_hung_up(stream: impl AsFd) -> bool {
    let ended = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
    let mut fds = [PollFd::new(&stream, ended)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().intersects(ended)
}

/// Reports whether a process is the first of a container, which becomes the parent of whatever loses its own.
pub(crate) fn adopts_orphans(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    numbers.is_none_or(|numbers| numbers.split_ascii_whitespace().next_back() == Some("1"))
}

/// Returns the first process of this user that has a socket open. It looks through all processes, which takes
/// milliseconds.
pub(crate) fn owner_of_socket(inode: u64) -> Option<u32> {
    let pids = fs::read_dir("/proc").ok()?.flatten();
    let mut pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.find(|pid| has_socket(*pid, inode).unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn the_owner_of_a_connection_is_this_very_test() {
        let server = TcpListener::bind("127.0.0.1:0").expect("bound");
        let at = server.local_addr().expect("an address");
        let client = TcpStream::connect(at).expect("connected");
        let from = client.local_addr().expect("an address");
        let socket = client_socket(from, at).expect("read").expect("found");
        assert_eq!(socket.uid, rustix::process::geteuid().as_raw());
        assert_eq!(listed_socket(from, at).expect("read"), Some(socket), "both ways tell the same");
        assert!(has_socket(std::process::id(), socket.inode).expect("looked at"));
        assert_eq!(owner_of_socket(socket.inode), Some(std::process::id()));
        // The server's end of the same connection is another socket.
        let (accepted, _) = server.accept().expect("a client");
        let other = client_socket(at, from).expect("read").expect("found");
        assert_ne!(other.inode, socket.inode);
        drop((accepted, client));
        assert_eq!(client_socket(from, at).expect("read"), None);
        assert_eq!(listed_socket(from, at).expect("read"), None);
    }

    #[test]
    fn a_client_of_ipv6_is_found_as_well() {
        let server = TcpListener::bind("127.0.0.1:0").expect("bound");
        let at = server.local_addr().expect("an address");
        let mapped = format!("[::ffff:127.0.0.1]:{}", at.port());
        let client = TcpStream::connect(mapped).expect("connected");
        let (_, from) = server.accept().expect("a client");
        let socket = client_socket(from, at).expect("read").expect("found");
        assert_eq!(listed_socket(from, at).expect("read"), Some(socket));
        assert!(has_socket(std::process::id(), socket.inode).expect("looked at"));
        drop(client);
    }

    #[test]
    fn a_process_without_the_socket_is_not_its_owner() {
        let server = TcpListener::bind("127.0.0.1:0").expect("bound");
        let at = server.local_addr().expect("an address");
        let client = TcpStream::connect(at).expect("connected");
        let socket = client_socket(client.local_addr().expect("an address"), at).expect("read").expect("found");
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        assert!(!has_socket(child.id(), socket.inode).expect("looked at"));
        assert!(children(std::process::id()).contains(&child.id()));
        child.kill().expect("killed");
        child.wait().expect("a child");
        assert!(has_socket(u32::MAX, socket.inode).is_err());
    }
}
