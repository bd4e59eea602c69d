//! Which libvirt daemon a VM belongs to, and the socket of one that isn't the host's own.
//!
//! A command line says only that there is one. Where it listens is fixed by what kind it is, and
//! its socket is taken as it is in the VM's own root directory, if it belongs to the VM's user or
//! to root and is none of the host's: so nobody leads memtrace to another service.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, OFlags, Stat, fstat, stat};
use uuid::Uuid;

use super::running::Credentials;
use crate::hostfs::HostRoot;
use crate::hostfs::process::sight::{self, Start};
use crate::hostfs::process::status;
use crate::vmm::discover::FoundVm;
use crate::vmm::qemu::{self, no_monitor};

/// That a domain isn't one of this host's.
pub(in crate::vmm) const UNKNOWN: &str = "unknown to qemu:///system";
/// That a domain isn't one of its own daemon's.
pub(super) const UNKNOWN_TO_OWN: &str = "unknown to the libvirt that it says to be of";

/// Sockets of the QEMU driver: its own daemon's, and that of the one for all drivers.
const SOCKETS: [&str; 2] = ["virtqemud-sock", "libvirt-sock"];
/// Where a daemon of root has them.
const OF_ROOT: &str = "/var/run/libvirt";

/// A VM of libvirt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub uuid: Uuid,
    pub pid: u32,
    pub(super) place: Place,
}

/// Where its daemon is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// qemu:///system.
    System,
    Own(Own),
}

/// A daemon that is a user's own, or in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Own {
    pub(super) kind: qemu::Libvirt,
    /// /proc/PID of the VM: the daemon's sockets are in its root directory.
    pub(super) process: PathBuf,
    pub(super) start: Start,
    /// The user to whom the VM's process counts. `None`: not known.
    pub(super) user: Option<u32>,
    /// The host's own directories.
    pub(super) host: PathBuf,
}

/// The socket of a daemon.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) socket: OwnedFd,
    /// Who owns it, and the VM's group.
    pub(super) owner: Credentials,
    /// It is a user's own daemon.
    pub(super) session: bool,
}

impl Target {
    /// # Errors
    /// Why memtrace has no way to it through libvirt.
    pub fn of(root: &HostRoot, vm: &FoundVm) -> Result<Self, String> {
        let qemu = vm.description.qemu.as_ref();
        let kind = qemu.and_then(|qemu| qemu.libvirt).ok_or_else(|| no_monitor(qemu))?;
        let uuid = vm.uuid.ok_or("the VM has no UUID on its command line, or another VM's")?;
        let place = match kind {
            qemu::Libvirt::System => Place::System,
            qemu::Libvirt::Session | qemu::Libvirt::Contained => Place::Own(Own {
                kind,
                process: root.process(vm.pid),
                start: vm.description.start(),
                user: vm.user,
                host: root.proc.parent().unwrap_or(Path::new("/")).to_owned(),
            }),
        };
        Ok(Self { uuid, pid: vm.pid, place })
    }
}

impl Own {
    /// Looks for its socket. A file system may make that wait.
    ///
    /// # Errors
    /// A message for the operator.
    pub(super) fn find(&self) -> Result<Found, String> {
        let owner = sight::owner(&self.process).map_err(|error| error.to_string())?;
        let folder = match self.kind {
            qemu::Libvirt::Session => format!("/run/user/{owner}/libvirt"),
            _ => OF_ROOT.to_owned(),
        };
        let mut first = None;
        for name in SOCKETS {
            let path = format!("{folder}/{name}");
            match self.socket(&path, owner) {
                Ok(found) => return Ok(found),
                Err(error) => {
                    first.get_or_insert((path, error));
                }
            }
        }
        let (path, error) = first.ok_or("no place to look at")?;
        let whose = match self.kind {
            qemu::Libvirt::Session => "its user's libvirt isn't reached",
            _ => "its libvirt is in a container, and isn't reached",
        };
        Err(format!("{whose}: {path}: {error}"))
    }

    pub(super) fn socket(&self, path: &str, owner: u32) -> io::Result<Found> {
        let socket = sight::open(&self.process, path, &self.start, OFlags::PATH)?;
        let found = fstat(&socket)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::Socket {
            return Err(io::Error::other("it is no socket"));
        }
        if found.st_uid != owner && found.st_uid != 0 {
            return Err(io::Error::other(format!(
                "not connected: it belongs to user {}, and the VM to user {owner}",
                found.st_uid
            )));
        }
        if self.is_of_host(&found) {
            return Err(io::Error::other(
                "not connected: it is the one of this host's own libvirt",
            ));
        }
        let group = group(&self.process)?;
        let session = found.st_uid != 0;
        let owner = Credentials { user: found.st_uid, group };
        Ok(Found { socket, owner, session })
    }

    /// What a user can show a process of his in a container of his, he can't ask himself.
    fn is_of_host(&self, found: &Stat) -> bool {
        SOCKETS.iter().any(|name| {
            let own = stat(self.host.join("run/libvirt").join(name));
            own.is_ok_and(|own| (own.st_dev, own.st_ino) == (found.st_dev, found.st_ino))
        })
    }
}

/// The group of the process, its real one.
fn group(process: &Path) -> io::Result<u32> {
    let ids = status::field(process, "Gid")?;
    let real = ids.split_ascii_whitespace().next().and_then(|id| id.parse().ok());
    real.ok_or_else(|| io::Error::other("its status names no group"))
}
