//! One-time inspection of domains' devices through libvirt, and enabling of statistics polling.
//! Each waits for its answer, and not for long.

use std::time::{Duration, Instant};

use super::answers::MemoryStats;
use super::daemon::{Place, Target};
use super::devices::Devices;
use super::driver::refusal;
use super::metadata::Metadata;
use super::program::Program;
use super::running::Running;
use crate::protocol::{Ask, Look, SYSTEM, Said};
use crate::vmm::aside;
use crate::vmm::inspection::{BalloonDevice, Inspection, Unanswered};
use memtrace_core::units::Bytes;

/// For one domain.
const LIMIT: Duration = Duration::from_secs(6);
/// The number of a daemon that isn't the host's own.
const OWN: u32 = 1;

/// Whether the helper can be started on this host: its libraries may be missing.
///
/// # Errors
/// Why not.
pub fn runs() -> Result<(), String> {
    let mut running = Running::start(&Program::default().find()?, None)?;
    // A daemon that isn't there needn't be left, and is answered all the same.
    answered(&mut running, OWN, Ask::Close).map_err(|why| running.end(&why)).map(drop)
}

/// Asks about domains, one after the other. Keeps the helper of the host's own daemon.
#[derive(Debug, Default)]
pub struct Inspector {
    program: Program,
    system: Option<Running>,
}

impl Inspector {
    /// Inspects a running domain, if the VM's process runs it.
    ///
    /// # Errors
    /// Why not.
    pub fn inspect(&mut self, target: &Target) -> Result<Inspection, Unanswered> {
        let said = self.ask(target, Ask::Look { uuid: target.uuid, xml: true });
        match said.map_err(Unanswered::Failed)? {
            Said::Look(look) if look.domain.pid.is_none_or(|pid| pid == target.pid) => {
                inspection(&look).map_err(|error| Unanswered::Failed(format!("libvirt: {error}")))
            }
            Said::Look(_) | Said::NoDomain => Err(Unanswered::OtherLibvirt),
            other => Err(Unanswered::Failed(format!("libvirt: {}", refusal(other)))),
        }
    }

    /// Sets the polling period of guest statistics, for as long as it runs.
    ///
    /// # Errors
    /// A message for the operator.
    pub fn switch_statistics_on(&mut self, target: &Target, seconds: u32) -> Result<(), String> {
        match self.ask(target, Ask::Period { uuid: target.uuid, seconds })? {
            Said::Done => Ok(()),
            other => Err(format!("libvirt: {}", refusal(other))),
        }
    }

    fn ask(&mut self, target: &Target, ask: Ask) -> Result<Said, String> {
        let said = match &target.place {
            Place::System => self.ask_system(ask),
            Place::Own(own) => {
                let (own, program) = (own.clone(), self.program.clone());
                let found = aside::within(LIMIT, own.user, move || own.find());
                found.and_then(|found| {
                    let credentials = rustix::process::geteuid().is_root().then_some(found.owner);
                    let mut running = Running::start(&program.find()?, credentials)?;
                    running.ask(OWN, Ask::Open { session: found.session }, Some(found.socket));
                    answered(&mut running, OWN, ask).map_err(|why| running.end(&why))
                })
            }
        };
        said.map_err(|why| format!("libvirt: {why}"))
    }

    fn ask_system(&mut self, ask: Ask) -> Result<Said, String> {
        let mut running = match self.system.take() {
            Some(running) => running,
            None => Running::start(&self.program.find()?, None)?,
        };
        match answered(&mut running, SYSTEM, ask) {
            Ok(said) => {
                self.system = Some(running);
                Ok(said)
            }
            Err(why) => Err(running.end(&why)),
        }
    }
}

/// The answer to `ask`, for which nothing else is under way.
fn answered(running: &mut Running, daemon: u32, ask: Ask) -> Result<Said, String> {
    let id = running.ask(daemon, ask, None);
    let until = Instant::now() + LIMIT;
    loop {
        let answers = running.wait(None, until)?;
        if let Some(answer) = answers.into_iter().find(|answer| answer.id == id) {
            return Ok(answer.said);
        }
        if Instant::now() >= until {
            return Err(format!("did not answer within {} s", LIMIT.as_secs()));
        }
    }
}

fn inspection(look: &Look) -> Result<Inspection, String> {
    let xml = look.xml.as_deref().ok_or("the domain's XML is too long")?;
    let devices = Devices::parse(xml)?;
    let metadata = look.metadata.as_deref().map(Metadata::parse).unwrap_or_default();
    let mut inspection = Inspection {
        maximum: Some(Bytes::from_kib(look.domain.maximum)),
        actual: Some(Bytes::from_kib(look.domain.memory)),
        vfio: devices.vfio,
        balloon: None,
        settings: metadata.settings,
    };
    if let Some(balloon) = devices.balloon {
        let stats = MemoryStats::new(look.stats.iter().copied());
        inspection.actual = stats.actual.or(inspection.actual);
        inspection.balloon = Some(BalloonDevice {
            path: None,
            deflate_on_oom: Some(balloon.deflate_on_oom),
            free_page_reporting: Some(balloon.free_page_reporting),
            period: Some(u64::from(balloon.period)),
            stats: stats.guest.unwrap_or_default(),
        });
    }
    Ok(inspection)
}
