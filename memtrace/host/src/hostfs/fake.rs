//! A host made of files in a temporary directory, for tests.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::HostRoot;

pub struct FakeHost {
    directory: tempfile::TempDir,
}

/// Content of /proc/PID.
pub struct FakeProcess<'a> {
    pub pid: u32,
    pub parent: u32,
    pub start: u64,
    pub comm: &'a str,
    pub program: &'a str,
    pub arguments: &'a [&'a str],
    pub fds: &'a [&'a str],
    pub threads: u32,
    pub state: char,
    pub user: u32,
    pub cgroup: &'a str,
}

/// A QEMU, without arguments.
pub const QEMU: FakeProcess<'static> = FakeProcess {
    pid: 50,
    parent: 1,
    start: 777,
    comm: "qemu-system-x86",
    program: "/usr/bin/qemu-system-x86_64",
    arguments: &[],
    fds: &["/dev/null"],
    threads: 4,
    state: 'S',
    user: 0,
    cgroup: "0::/\n",
};

impl Default for FakeProcess<'_> {
    fn default() -> Self {
        Self {
            pid: 1,
            parent: 1,
            start: 1000,
            comm: "sh",
            program: "/bin/sh",
            arguments: &["sh"],
            fds: &["/dev/null"],
            threads: 1,
            state: 'S',
            user: 0,
            cgroup: "0::/\n",
        }
    }
}

impl FakeHost {
    pub fn new(mountinfo: &str) -> Self {
        let host = Self { directory: tempfile::tempdir().unwrap() };
        host.file("proc/self/mountinfo", mountinfo);
        host
    }

    pub fn unified() -> Self {
        Self::new("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    pub fn root(&self) -> HostRoot {
        HostRoot::at(self.directory.path()).unwrap()
    }

    pub fn file(&self, path: &str, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn link(&self, path: &str, target: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        symlink(target, path).unwrap();
    }

    /// A directory in the place of a file can be opened and not be read, even by root.
    pub fn unreadable(&self, path: &str) {
        let path = self.path(path);
        let _ = fs::remove_file(&path);
        fs::create_dir_all(path).unwrap();
    }

    pub fn process(&self, process: &FakeProcess<'_>) {
        let FakeProcess { pid, parent, start, comm, threads, state, user, .. } = process;
        let directory = format!("proc/{pid}");
        self.file(
            &format!("{directory}/stat"),
            &format!(
                "{pid} ({comm}) {state} {parent} 1 1 0 -1 4194560 100 0 20 0 300 45 0 0 20 0 \
                 {threads} 0 {start} 1 2\n"
            ),
        );
        let users = format!("Uid:\t{user}\t{user}\t{user}\t{user}\n");
        let status = format!("{users}NSpid:\t{pid}\nVmRSS:\t 501760 kB\nVmSwap:\t 1024 kB\n");
        self.file(&format!("{directory}/status"), &status);
        self.file(&format!("{directory}/cgroup"), process.cgroup);
        let arguments: String =
            process.arguments.iter().flat_map(|argument| [argument, "\0"]).collect();
        self.file(&format!("{directory}/cmdline"), &arguments);
        self.link(&format!("{directory}/exe"), process.program);
        self.link(&format!("{directory}/root"), "/");
        let fds = self.path(&format!("{directory}/fd"));
        let _ = fs::remove_dir_all(&fds);
        fs::create_dir(&fds).unwrap();
        for (number, target) in process.fds.iter().enumerate() {
            symlink(target, fds.join(number.to_string())).unwrap();
        }
    }

    pub fn end(&self, pid: u32) {
        fs::remove_dir_all(self.path(&format!("proc/{pid}"))).unwrap();
    }
}
