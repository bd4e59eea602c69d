//! On which Unix socket a process listens, as the kernel tells of its own descriptors
//! (NETLINK_SOCK_DIAG; net/unix/diag.c): the path that a socket was bound to may lead to another
//! one since, its inode can't.

use std::fs::{File, read_dir, read_link};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread;

use rustix::fs::{Stat, major, minor};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Most descriptors of a process that are looked at, and most sockets among them that are asked
/// for.
const MAX_FDS: usize = 16_384;
const MAX_SOCKETS: usize = 256;

/// `SOCK_DIAG_BY_FAMILY`, for both directions.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// `UDIAG_SHOW_VFS`, and the attribute `UNIX_DIAG_VFS`.
const SHOW_VFS: u32 = 2;
const VFS: u16 = 1;
/// `AF_UNIX`.
const UNIX: u8 = 1;
/// `TCP_LISTEN`, for all families.
const LISTEN: u8 = 10;
/// Of the headers: struct nlmsghdr, struct unix_diag_msg, struct nlattr.
const MESSAGE: usize = 16;
const SOCKET: usize = 16;
const ATTRIBUTE: usize = 4;

/// Whether the process /proc/PID at `process` itself holds the listening socket whose file is
/// `file`. What can't be found out is a no.
pub(crate) fn is_held(process: &Path, file: &Stat) -> bool {
    let Ok(sockets) = sockets(process) else { return false };
    let look = || look(&sockets, file);
    let network = |whose: &Path| read_link(whose.join("ns/net"));
    let found = match (network(process), network(Path::new("/proc/self"))) {
        (Ok(its), Ok(ours)) if its == ours => look(),
        // The kernel tells of the sockets of one's own network namespace alone.
        (Ok(_), Ok(_)) => thread::scope(|scope| {
            let enter = || {
                let network = File::open(process.join("ns/net"))?;
                move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
                look()
            };
            let looked = thread::Builder::new().spawn_scoped(scope, enter)?;
            looked.join().unwrap_or_else(|_| Err(io::Error::other("it panicked")))
        }),
        _ => return false,
    };
    found.unwrap_or(false)
}

/// The numbers of its sockets.
fn sockets(process: &Path) -> io::Result<Vec<u32>> {
    let entries = read_dir(process.join("fd"))?.take(MAX_FDS).flatten();
    let number = |target: &[u8]| {
        let digits = target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
        str::from_utf8(digits).ok()?.parse().ok()
    };
    let sockets =
        entries.filter_map(|entry| number(read_link(entry.path()).ok()?.as_os_str().as_bytes()));
    Ok(sockets.take(MAX_SOCKETS).collect())
}

fn look(sockets: &[u32], file: &Stat) -> io::Result<bool> {
    let diag = socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    let mut answer = [0; 1024];
    for &socket in sockets {
        send(&diag, &request(socket), SendFlags::empty())?;
        // The kernel has answered before it returns from that.
        let (_, length) = recv(&diag, &mut answer, RecvFlags::DONTWAIT)?;
        let bound = answer.get(..length).and_then(|answer| listening_at(answer, socket));
        if bound.is_some_and(|bound| bound == identity(file)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The number of a file as the kernel tells it of sockets: half of its inode, and its device as the
/// kernel has it.
fn identity(file: &Stat) -> (u32, u32) {
    let device = major(file.st_dev) << 20 | minor(file.st_dev);
    ((file.st_ino & u64::from(u32::MAX)) as u32, device)
}

/// struct nlmsghdr and struct unix_diag_req, for one socket.
fn request(socket: u32) -> Vec<u8> {
    const LENGTH: u32 = 40;
    let mut bytes = Vec::with_capacity(LENGTH as usize);
    bytes.extend(LENGTH.to_ne_bytes());
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend(REQUEST.to_ne_bytes());
    // Sequence and sender, which nobody looks at; then family, protocol, padding.
    bytes.extend([0; 8]);
    bytes.extend([UNIX, 0, 0, 0]);
    // States, of dumps alone; the socket's number; what to show; and no cookie.
    for word in [0, socket, SHOW_VFS, u32::MAX, u32::MAX] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes
}

/// Inode and device of the file of a socket that listens. `None`: it is none, or an error.
fn listening_at(answer: &[u8], socket: u32) -> Option<(u32, u32)> {
    let half = |bytes: &[u8], at: usize| {
        Some(u16::from_ne_bytes(bytes.get(at..)?.first_chunk().copied()?))
    };
    let word = |bytes: &[u8], at: usize| {
        Some(u32::from_ne_bytes(bytes.get(at..)?.first_chunk().copied()?))
    };
    let told = answer.get(MESSAGE..)?;
    let is_it = half(answer, 4)? == BY_FAMILY
        && (*told.first()?, *told.get(2)?) == (UNIX, LISTEN)
        && word(told, 4)? == socket;
    let mut rest = told.get(SOCKET..).filter(|_| is_it)?;
    loop {
        let length = usize::from(half(rest, 0)?);
        let value = rest.get(ATTRIBUTE..length)?;
        if half(rest, 2)? == VFS {
            return Some((word(value, 0)?, word(value, 4)?));
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn a_listening_socket_is_its_holders_whatever_its_path_leads_to() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let own = UnixListener::bind(at("own")).unwrap();
        let stat = |name: &str| rustix::fs::stat(at(name)).unwrap();
        let process = Path::new("/proc/self");
        assert!(is_held(process, &stat("own")));
        std::fs::rename(at("own"), at("moved")).unwrap();
        assert!(is_held(process, &stat("moved")));
        // A client of it has no file of its own.
        let _client = UnixStream::connect(at("moved")).unwrap();
        drop(own);
        assert!(!is_held(process, &stat("moved")));
        assert!(!is_held(directory.path(), &stat("moved")), "it is no process");
    }

    #[test]
    fn the_kernels_answer_is_read_and_no_other() {
        let mut answer = vec![0; MESSAGE + SOCKET];
        answer[4] = 20;
        (answer[MESSAGE], answer[MESSAGE + 2], answer[MESSAGE + 4]) = (UNIX, LISTEN, 7);
        answer.extend([6, 0, 0, 0, b'/', b'x', 0, 0]);
        answer.extend([12, 0, 1, 0, 9, 0, 0, 0, 24, 0, 0, 0]);
        if cfg!(target_endian = "little") {
            assert_eq!(listening_at(&answer, 7), Some((9, 24)));
            assert_eq!(listening_at(&answer, 8), None);
            assert_eq!(listening_at(&answer[..answer.len() - 1], 7), None);
            answer[MESSAGE + 2] = 1;
            assert_eq!(listening_at(&answer, 7), None, "it is connected");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics_and_ends(answer in proptest::collection::vec(0_u8..24, 0..80)) {
            listening_at(&answer, 0);
        }
    }
}
