//! The kernel's delay accounting of a process, all its threads together, over the netlink
//! family TASKSTATS. Requires `kernel.task_delayacct=1` since before the process started.

use anyhow::{Context as _, Result, anyhow, bail};
use rustix::fd::OwnedFd;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, recv, sendto, socket};

mod message;

use message::{attributes, find, request, u16_at, u64_at};

/// include/uapi/linux/genetlink.h and taskstats.h.
const CONTROL: u16 = 0x10;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
const GET: u8 = 1;
const BY_TGID: u16 = 2;
const AGGREGATE_TGID: u16 = 5;
const STATS: u16 = 3;
/// `struct taskstats`, offsets that hold since version 2, but for 15, which put fields
/// in between by mistake (undone in 16).
const ODD_VERSION: u16 = 15;
const FREEPAGES_COUNT: usize = 312;
const FREEPAGES_DELAY_TOTAL: usize = 320;

/// Waits in reclaim, direct and memory cgroup's together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reclaims {
    pub count: u64,
    pub nanoseconds: u64,
}

/// A connection to the kernel's TASKSTATS family.
pub struct Taskstats {
    socket: OwnedFd,
    family: u16,
}

impl Taskstats {
    /// Connects.
    ///
    /// # Errors
    /// When this kernel has no taskstats.
    pub fn open() -> Result<Self> {
        let socket = socket(AddressFamily::NETLINK, SocketType::RAW, Some(netlink::GENERIC))?;
        set_socket_timeout(&socket, Timeout::Recv, Some(std::time::Duration::from_secs(5)))?;
        let answer = ask(&socket, &request(CONTROL, GET_FAMILY, FAMILY_NAME, b"TASKSTATS\0"))
            .context("this kernel has no taskstats")?;
        let family = attributes(&answer).ok().and_then(|list| u16_at(find(list, FAMILY_ID)?, 0));
        Ok(Self { socket, family: family.context("taskstats has no family id")? })
    }

    /// The waits of a process so far.
    ///
    /// # Errors
    /// When there is no such process, or we may not ask.
    pub fn reclaims(&self, pid: i32) -> Result<Reclaims> {
        let message = request(self.family, GET, BY_TGID, &pid.to_ne_bytes());
        let answer = ask(&self.socket, &message)?;
        let list = attributes(&answer).map_err(|_| anyhow!("taskstats: damaged answer"))?;
        let stats = find(list, AGGREGATE_TGID).and_then(|inner| find(inner, STATS));
        parse(stats.context("taskstats: no statistics in the answer")?)
    }
}

fn parse(stats: &[u8]) -> Result<Reclaims> {
    if u16_at(stats, 0).is_none_or(|version| version == ODD_VERSION) {
        bail!("taskstats: a version whose layout is not known");
    }
    let count = u64_at(stats, FREEPAGES_COUNT);
    let nanoseconds = u64_at(stats, FREEPAGES_DELAY_TOTAL);
    match (count, nanoseconds) {
        (Some(count), Some(nanoseconds)) => Ok(Reclaims { count, nanoseconds }),
        _ => bail!("taskstats: too short an answer"),
    }
}

fn ask(socket: &OwnedFd, message: &[u8]) -> Result<Vec<u8>> {
    sendto(socket, message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut bytes = vec![0; 8192];
    let (length, _) = recv(socket, bytes.as_mut_slice(), RecvFlags::empty())?;
    bytes.truncate(length);
    if let Err(Some(code)) = attributes(&bytes) {
        return Err(std::io::Error::from_raw_os_error(code)).context("taskstats");
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_times_lie_where_the_kernel_puts_them() {
        let mut stats = vec![0; 560];
        stats[..2].copy_from_slice(&17_u16.to_ne_bytes());
        stats[312..320].copy_from_slice(&7_u64.to_ne_bytes());
        stats[320..328].copy_from_slice(&9_u64.to_ne_bytes());
        assert_eq!(parse(&stats).unwrap(), Reclaims { count: 7, nanoseconds: 9 });
    }

    #[test]
    fn the_version_with_another_layout_is_refused_and_so_is_a_short_answer() {
        let mut stats = vec![0; 560];
        stats[..2].copy_from_slice(&15_u16.to_ne_bytes());
        assert!(parse(&stats).is_err());
        assert!(parse(&17_u16.to_ne_bytes()).is_err());
    }
}
