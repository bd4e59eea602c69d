//! Which sockets are taken for a daemon's, below the root directories of made-up processes.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use super::super::daemon::Own;
use crate::hostfs::process::sight::Start;
use crate::vmm::qemu::Libvirt as Kind;

/// A host with the process of a VM, whose root directory is `pod`.
pub(super) struct Host(tempfile::TempDir);

impl Host {
    /// `user`: whose the process is.
    pub(super) fn new(user: u32) -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(host.path("proc/7")).unwrap();
        fs::create_dir_all(host.path("pod")).unwrap();
        symlink(host.path("pod"), host.path("proc/7/root")).unwrap();
        let ids = format!("{user}\t{user}\t{user}\t{user}");
        fs::write(host.path("proc/7/status"), format!("Uid:\t{ids}\nGid:\t{ids}\n")).unwrap();
        host
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// It need not be listened to.
    pub(super) fn socket(&self, path: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        drop(UnixListener::bind(path).unwrap());
    }

    pub(super) fn own(&self, kind: Kind) -> Own {
        Own {
            kind,
            process: self.path("proc/7"),
            start: Start::default(),
            user: None,
            host: self.0.path().to_owned(),
        }
    }

    fn find(&self, kind: Kind) -> Result<(u32, bool), String> {
        self.own(kind).find().map(|found| (found.owner.user, found.session))
    }
}

pub(super) fn me() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[test]
fn a_users_own_daemon_is_in_his_runtime_directory() {
    let host = Host::new(me());
    let error = host.find(Kind::Session).unwrap_err();
    let path = format!("/run/user/{}/libvirt/virtqemud-sock", me());
    assert!(error.starts_with(&format!("its user's libvirt isn't reached: {path}: ")), "{error}");
    host.socket(&format!("pod/run/user/{}/libvirt/libvirt-sock", me()));
    assert_eq!(host.find(Kind::Session), Ok((me(), me() != 0)));
    assert!(host.find(Kind::Contained).is_err());
}

#[test]
fn that_of_a_container_is_in_its_own_root() {
    let host = Host::new(me());
    host.socket("var/run/libvirt/virtqemud-sock");
    let error = host.find(Kind::Contained).unwrap_err();
    assert!(error.starts_with("its libvirt is in a container, and isn't reached: "), "{error}");
    host.socket("pod/run/libvirt/virtqemud-sock");
    // Also where that is a link, which doesn't lead out of it.
    fs::create_dir_all(host.path("pod/var")).unwrap();
    symlink("/run", host.path("pod/var/run")).unwrap();
    assert_eq!(host.find(Kind::Contained), Ok((me(), me() != 0)));
}

#[test]
fn only_a_socket_of_the_vms_user_or_of_root_is_taken() {
    let host = Host::new(4321);
    let path = host.path("pod/var/run/libvirt/virtqemud-sock");
    host.socket("pod/var/run/libvirt/virtqemud-sock");
    let owner = fs::metadata(&path).unwrap().uid();
    if owner == 0 {
        assert_eq!(host.find(Kind::Contained), Ok((0, false)));
        chown(&path, Some(4321), None).unwrap();
        assert_eq!(host.find(Kind::Contained), Ok((4321, true)));
        chown(&path, Some(4322), None).unwrap();
    }
    let error = host.find(Kind::Contained).unwrap_err();
    assert!(error.contains("not connected: it belongs to user"), "{error}");
    fs::remove_file(&path).unwrap();
    fs::write(&path, "").unwrap();
    assert!(host.find(Kind::Contained).unwrap_err().ends_with("it is no socket"));
}

/// A user can show a process in a container of his what is the host's.
#[test]
fn the_hosts_own_daemon_is_nobodys_in_a_container() {
    let host = Host::new(me());
    host.socket("pod/var/run/libvirt/libvirt-sock");
    assert!(host.find(Kind::Contained).is_ok());
    fs::create_dir_all(host.path("run/libvirt")).unwrap();
    let shown = host.path("pod/var/run/libvirt/libvirt-sock");
    fs::hard_link(shown, host.path("run/libvirt/libvirt-sock")).unwrap();
    let own = host.own(Kind::Contained);
    let path = "/var/run/libvirt/libvirt-sock";
    let refused = own.socket(path, me()).unwrap_err().to_string();
    assert_eq!(refused, "not connected: it is the one of this host's own libvirt");
    assert!(own.find().is_err());
}
