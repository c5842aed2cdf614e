//! Asks the kernel about one connection by sock_diag(7). The list in `/proc/net/tcp` would have to be read whole for
//! each, which takes milliseconds where there are thousands. Linux only.

use rustix::io::Errno;
use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use std::io;
use std::net::SocketAddrV4;

// linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h
const HEAD: usize = 16;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const AF_INET: u8 = 2;
const IPPROTO_TCP: u8 = 6;
const NO_COOKIE: [u8; 8] = [0xff; 8];
// Where `struct inet_diag_msg` has the user and the number, behind the head.
const UID: usize = HEAD + 64;
const INODE: usize = HEAD + 68;

/// The client's end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientSocket {
    /// The number of the socket.
    pub inode: u64,
    /// The user who opened it.
    pub uid: u32,
}

/// Returns the socket of a connection at this address. `None` if the kernel has none, or cannot be asked in this way.
pub(super) fn socket(local: SocketAddrV4, remote: SocketAddrV4) -> io::Result<Option<ClientSocket>> {
    let netlink =
        rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(SOCK_DIAG))?;
    let kernel = SocketAddrNetlink::new(0, 0);
    rustix::net::sendto(&netlink, &request(local, remote), SendFlags::empty(), &kernel)?;
    let mut answer = [0; 512];
    // The kernel has answered before the call returns.
    let (length, _) = rustix::net::recv(&netlink, &mut answer[..], RecvFlags::DONTWAIT)?;
    read(&answer[..length])
}

fn request(local: SocketAddrV4, remote: SocketAddrV4) -> Vec<u8> {
    let mut id = Vec::with_capacity(48);
    for port in [local.port(), remote.port()] {
        id.extend(port.to_be_bytes());
    }
    for address in [local.ip(), remote.ip()] {
        id.extend(address.octets());
        id.extend([0; 12]);
    }
    // Any interface.
    id.extend([0; 4]);
    id.extend(NO_COOKIE);
    let every_state = u32::MAX.to_ne_bytes();
    let body = [&[AF_INET, IPPROTO_TCP, 0, 0][..], &every_state, &id].concat();
    let length = u32::try_from(HEAD + body.len()).expect("a short message");
    let kind = [SOCK_DIAG_BY_FAMILY.to_ne_bytes(), NLM_F_REQUEST.to_ne_bytes()].concat();
    [&length.to_ne_bytes()[..], &kind, &[0; 8], &body].concat()
}

fn read(answer: &[u8]) -> io::Result<Option<ClientSocket>> {
    let number =
        |at: usize| answer.get(at..).and_then(|rest| rest.first_chunk()).map(|bytes| u32::from_ne_bytes(*bytes));
    let kind = answer.get(4..).and_then(|rest| rest.first_chunk()).map(|bytes| u16::from_ne_bytes(*bytes));
    let unclear = || io::Error::from(io::ErrorKind::InvalidData);
    if kind == Some(NLMSG_ERROR) {
        let error = number(HEAD).map(|number| number.cast_signed().wrapping_neg()).ok_or_else(unclear)?;
        return if error == Errno::NOENT.raw_os_error() { Ok(None) } else { Err(io::Error::from_raw_os_error(error)) };
    }
    let (Some(SOCK_DIAG_BY_FAMILY), Some(uid), Some(inode)) = (kind, number(UID), number(INODE)) else {
        return Err(unclear());
    };
    // A socket that its process has closed has no number.
    Ok((inode != 0).then_some(ClientSocket { inode: inode.into(), uid }))
}
