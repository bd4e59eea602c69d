//! The lab on this machine: three real guests under one memory limit, with a bounded swap
//! file, and everything undone at the end.
//!
//! A [`Lab`] that goes out of scope undoes itself, so an error, a panic or Ctrl-C (which
//! unwinds, see [`crate::interrupt`]) leaves nothing behind. After a `kill -9` the next
//! `up` or `down` works through the journal.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::setup::kernel;
use crate::{interrupt, progress};

pub mod beside;
pub mod cgroup;
mod command;
pub mod cpio;
mod daemons;
mod device;
mod files;
pub mod guest;
pub mod initramfs;
mod libvirt;
pub mod obstacle;
mod partition;
mod place;
pub mod plan;
pub mod process;
mod qemu;
mod socket;
mod state;
mod swap;
mod undo;

pub use command::{Arguments, run};

use cgroup::Hierarchy;
use guest::{Guest, Hypervisor};
use place::Place;
use plan::{GuestPlan, LAB, Layout, Manager, Work};
use qemu::{Boot, Files};
use state::{GuestState, LabState};

/// Of the cgroup that holds plain guests.
const NAME: &str = "memtrace-lab";

/// A lab that is up.
#[derive(Debug)]
pub struct Lab {
    place: Place,
    state: LabState,
    pub hierarchy: Hierarchy,
    pub guests: Vec<Guest>,
}

impl Lab {
    /// Starts it: swap file, cgroups, guests; all have booted and idle when this returns.
    /// `settings` (files under /proc/sys and their values) hold while the lab is up.
    ///
    /// # Errors
    /// When something can't be had; what was begun is undone.
    pub fn up(manager: Manager, settings: &[(&str, &str)]) -> Result<Self> {
        Self::up_as(LAB, manager, settings)
    }

    /// The same with other guests.
    ///
    /// # Errors
    /// As [`Self::up`].
    pub fn up_as(layout: Layout, manager: Manager, settings: &[(&str, &str)]) -> Result<Self> {
        let place = Place::take()?;
        clear_leftovers(&place)?;
        let hierarchy = Hierarchy::find()?;
        let mut lab = Self { place, state: LabState::default(), hierarchy, guests: Vec::new() };
        for (path, value) in settings {
            lab.set(Path::new(path), value)?;
        }
        let mut boot = lab.lay_out_boot_files()?;
        if layout.guests.iter().any(|guest| guest.devices.files) {
            boot.files = files::ready()?;
        }
        lab.make_swap(layout.swap_mib)?;
        match manager {
            Manager::Plain => lab.start_plain(layout, &boot)?,
            Manager::Libvirt => lab.start_domains(layout, &boot)?,
        }
        progress::say("waiting for the guests to boot ...");
        for guest in &mut lab.guests {
            interrupt::check()?;
            guest.wait_ready()?;
        }
        Ok(lab)
    }

    /// A lab without guests: swap, and a memory cgroup with a limit of `limit_mib` MiB for tests
    /// ([`Self::parent`]).
    ///
    /// # Errors
    /// When something can't be had; what was begun is undone.
    pub fn pool(limit_mib: u32) -> Result<Self> {
        let place = Place::take()?;
        clear_leftovers(&place)?;
        let hierarchy = Hierarchy::find()?;
        let mut lab = Self { place, state: LabState::default(), hierarchy, guests: Vec::new() };
        lab.make_swap(LAB.swap_mib)?;
        lab.make_parent(limit_mib, &[])?;
        Ok(lab)
    }

    /// Starts each guest's work: first those that hold memory, so that they have it before others
    /// take it.
    ///
    /// # Errors
    /// When one refuses or is too slow.
    pub fn work(&mut self) -> Result<()> {
        let holds = |guest: &&mut Guest| matches!(guest.plan.work, Work::Hold(_));
        for guest in self.guests.iter_mut().filter(holds) {
            guest.tell(&guest.plan.work.command())?;
            guest.wait_walked()?;
        }
        for guest in self.guests.iter_mut().filter(|guest| !holds(guest)) {
            guest.tell(&guest.plan.work.command())?;
        }
        Ok(())
    }

    /// The cgroup that holds the guests' cgroups.
    pub fn parent(&self) -> Option<&Path> {
        self.state.parent.as_deref()
    }

    /// Lets it stay up after this process has ended.
    ///
    /// # Errors
    /// When the journal can't be written.
    pub fn keep(mut self) -> Result<()> {
        self.state.kept = true;
        self.save()
    }

    /// Undoes everything now, and says what could not be undone.
    ///
    /// # Errors
    /// As said.
    pub fn down(mut self) -> Result<()> {
        self.undo()
    }

    fn undo(&mut self) -> Result<()> {
        progress::say("taking the lab down ...");
        self.guests.clear();
        let state = std::mem::take(&mut self.state);
        undo::undo(&self.place, &state)
    }

    fn save(&self) -> Result<()> {
        self.state.save(&self.place.join("state.json"))
    }

    /// Sets a file under /proc/sys until the lab is taken down.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set(&mut self, path: &Path, value: &str) -> Result<()> {
        let old = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        self.state.settings.push((path.to_path_buf(), old.trim().to_owned()));
        self.save()?;
        fs::write(path, value).with_context(|| format!("write {}", path.display()))
    }

    fn lay_out_boot_files(&mut self) -> Result<Boot> {
        // The journal exists before the folder fills.
        self.save()?;
        let kernel = kernel::find()?;
        let boot = Boot {
            kernel: self.place.join("vmlinuz"),
            initramfs: self.place.join("initramfs"),
            files: PathBuf::new(),
        };
        fs::copy(&kernel.image, &boot.kernel).context("copy the guest kernel")?;
        fs::write(&boot.initramfs, initramfs::build(&kernel)?).context("write the initramfs")?;
        Ok(boot)
    }

    fn make_swap(&mut self, mib: u32) -> Result<()> {
        progress::say(&format!("making a swap file of {mib} MiB ..."));
        let path = self.place.join("swap");
        self.state.swap = Some(path.clone());
        self.save()?;
        swap::on(&path, mib)
    }

    fn start_plain(&mut self, layout: Layout, boot: &Boot) -> Result<()> {
        let names: Vec<&str> = layout.guests.iter().map(|guest| guest.name).collect();
        let paths = self.make_parent(layout.limit_mib, &names)?;
        for (&plan, cgroup) in layout.guests.iter().zip(paths) {
            interrupt::check()?;
            cgroup::make(&cgroup)?;
            progress::say(&format!("starting guest {} ...", plan.name));
            let files = Files::new(self.place.folder(), plan.name);
            self.announce(plan, false, files.pid.clone())?;
            let process = qemu::start(&plan, boot, &files, &cgroup)?;
            let hypervisor = Hypervisor::Monitor(files.monitor);
            self.started(Guest::connect(plan, process, cgroup, hypervisor, &files.agent)?)?;
        }
        Ok(())
    }

    /// Makes the cgroup with the limit; its children `names` are noted, to be made later.
    fn make_parent(&mut self, limit_mib: u32, names: &[&str]) -> Result<Vec<PathBuf>> {
        let parent = self.hierarchy.root.join(NAME);
        let children: Vec<PathBuf> = names.iter().map(|name| parent.join(name)).collect();
        self.state.cgroups.push(parent.clone());
        self.state.cgroups.extend(children.clone());
        self.state.parent = Some(parent.clone());
        self.save()?;
        self.hierarchy.make_parent(&parent)?;
        self.hierarchy.set_limit(&parent, limit_mib)?;
        Ok(children)
    }

    fn start_domains(&mut self, layout: Layout, boot: &Boot) -> Result<()> {
        progress::say("looking for libvirt ...");
        if !libvirt::answers()
            && let Some(was) = device::closed_kvm()?
        {
            self.state.device = Some(was);
            self.save()?;
            device::open_kvm()?;
        }
        self.start_daemons()?;
        let partition = partition::plan()?;
        self.state.cgroups.extend(partition.folders.clone());
        self.save()?;
        partition::make(&partition)?;
        for &plan in layout.guests {
            interrupt::check()?;
            progress::say(&format!("starting domain {} ...", plan.name));
            self.announce(plan, true, libvirt::pid_file(plan.name))?;
            let process = libvirt::start(&plan, boot, self.place.folder(), partition::NAME)?;
            let cgroup = self.hierarchy.of_process(process.pid)?;
            let parent = partition::parent(&self.hierarchy.root, &cgroup)?;
            self.hierarchy.set_limit(&parent, layout.limit_mib)?;
            self.state.parent = Some(parent);
            let agent = self.place.join(&format!("{}.agent", plan.name));
            self.started(Guest::connect(plan, process, cgroup, Hypervisor::Libvirt, &agent)?)?;
        }
        Ok(())
    }

    /// The folder on a real file system that goes with the lab.
    pub fn folder(&self) -> &Path {
        self.place.folder()
    }

    /// Notes a guest that is about to start.
    fn announce(&mut self, plan: GuestPlan, libvirt: bool, pid_file: PathBuf) -> Result<()> {
        let name = plan.name.to_owned();
        self.state.guests.push(GuestState { name, libvirt, pid_file, process: None });
        self.save()
    }

    /// Notes that the guest announced last runs.
    fn started(&mut self, guest: Guest) -> Result<()> {
        if let Some(last) = self.state.guests.last_mut() {
            last.process = Some(guest.process);
        }
        self.guests.push(guest);
        self.save()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.state == LabState::default() || self.state.kept {
            return;
        }
        if let Err(error) = self.undo() {
            eprintln!("error: {error:#}");
        }
    }
}

/// Undoes what an earlier lab left, unless it was left on purpose.
fn clear_leftovers(place: &Place) -> Result<()> {
    let state = LabState::load(&place.join("state.json"))?;
    if state == LabState::default() {
        return Ok(());
    }
    let alive = state.guests.iter().filter_map(|guest| guest.process).any(|guest| guest.alive());
    if state.kept && alive {
        bail!("a lab is up; take it down first: cargo xtask lab down");
    }
    progress::say("an earlier lab was not taken down; doing so ...");
    undo::undo(place, &state)
}
