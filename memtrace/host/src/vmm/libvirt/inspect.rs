//! One-time inspection of domains' devices through libvirt, and enabling of statistics polling.
//! libvirt blocks, so a thread calls it, and is abandoned when it hangs.

#[cfg(feature = "libvirt")]
pub use self::asked::{inspect, switch_statistics_on};

#[cfg(not(feature = "libvirt"))]
pub use self::unasked::{inspect, switch_statistics_on};

#[cfg(not(feature = "libvirt"))]
mod unasked {
    use uuid::Uuid;

    use crate::vmm::inspection::{Inspection, Unanswered};

    const WITHOUT: &str = "memtrace was built without libvirt";

    /// # Errors
    /// Always: this memtrace can't ask.
    pub fn inspect(_: Uuid, _: u32) -> Result<Inspection, Unanswered> {
        Err(Unanswered::Failed(WITHOUT.to_owned()))
    }

    /// # Errors
    /// Always: this memtrace can't ask.
    pub fn switch_statistics_on(_: Uuid, _: u32) -> Result<(), String> {
        Err(WITHOUT.to_owned())
    }
}

#[cfg(feature = "libvirt")]
mod asked {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use uuid::Uuid;
    use virt::connect::Connect;
    use virt::domain::Domain;
    use virt::enumutil::Enum;
    use virt::error::{Error, ErrorNumber};
    use virt::sys;

    use super::super::answers::MemoryStats;
    use super::super::connection::{connect, describe, metadata, process};
    use super::super::devices::Devices;
    use crate::vmm::inspection::{BalloonDevice, Inspection, Unanswered};
    use memtrace_core::units::Bytes;

    /// For one domain.
    const LIMIT: Duration = Duration::from_secs(6);

    /// Inspects a running domain, if process `pid` runs it.
    ///
    /// # Errors
    /// Why not.
    pub fn inspect(uuid: Uuid, pid: u32) -> Result<Inspection, Unanswered> {
        let inspected = within(move || {
            let connection = asked(connect())?;
            let domain = match connection.lookup_domain_by_uuid(uuid) {
                Ok(domain) => domain,
                Err(error) if matches!(error.code(), Enum::Known(ErrorNumber::NoDomain)) => {
                    return Ok(None);
                }
                Err(error) => return Err(describe(&error)),
            };
            match process(&domain) {
                Some(known) if known != pid => Ok(None),
                _ => look(&domain).map(Some),
            }
        });
        inspected.map_err(Unanswered::Failed)?.ok_or(Unanswered::OtherLibvirt)
    }

    /// Sets the polling period of guest statistics, for as long as it runs.
    ///
    /// # Errors
    /// A message for the operator.
    pub fn switch_statistics_on(uuid: Uuid, seconds: u32) -> Result<(), String> {
        let seconds = i32::try_from(seconds).unwrap_or(i32::MAX);
        within(move || {
            let connection = asked(connect())?;
            let domain = domain(&connection, uuid)?;
            let set = domain.set_memory_stats_period(seconds, sys::VIR_DOMAIN_AFFECT_LIVE);
            asked(set).map(drop)
        })
    }

    fn within<T: Send + 'static>(
        ask: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        // Its default is to print each error to stderr.
        virt::error::clear_error_callback();
        let (send, answer) = mpsc::channel();
        let asked = thread::Builder::new().name("memtrace-libvirt".to_owned()).spawn(move || {
            // The caller may have given up.
            let _ = send.send(ask());
        });
        let answer = match asked {
            Ok(_) => answer
                .recv_timeout(LIMIT)
                .unwrap_or_else(|_| Err(format!("no answer within {} s", LIMIT.as_secs()))),
            Err(error) => Err(error.to_string()),
        };
        answer.map_err(|error| format!("libvirt: {error}"))
    }

    fn domain(connection: &Connect, uuid: Uuid) -> Result<Domain, String> {
        asked(connection.lookup_domain_by_uuid(uuid))
    }

    fn look(domain: &Domain) -> Result<Inspection, String> {
        let devices = Devices::parse(&asked(domain.xml_desc(0))?)?;
        let info = asked(domain.info())?;
        let mut inspection = Inspection {
            maximum: Some(Bytes::from_kib(info.max_mem)),
            actual: Some(Bytes::from_kib(info.memory)),
            vfio: devices.vfio,
            balloon: None,
            settings: asked(metadata(domain))?.settings,
        };
        if let Some(balloon) = devices.balloon {
            let stats = asked(domain.memory_stats(0))?;
            let stats = MemoryStats::new(stats.iter().map(|stat| (stat.tag, stat.val)));
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

    fn asked<T>(answer: Result<T, Error>) -> Result<T, String> {
        answer.map_err(|error| describe(&error))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// The domain of libvirt's own mock driver, which has no balloon.
        #[test]
        fn a_domain_is_looked_at() {
            let looked = within(|| {
                let connection = asked(Connect::open(Some("test:///default")))?;
                look(&asked(connection.lookup_domain_by_name("test"))?)
            });
            let inspection = looked.expect("it answers");
            assert!(inspection.maximum.is_some_and(|maximum| maximum.0 > 0), "{inspection:?}");
            assert!(!inspection.vfio, "{inspection:?}");
        }

        #[test]
        fn a_refusal_has_libvirts_message() {
            let unknown = within(|| {
                let connection = asked(Connect::open(Some("test:///default")))?;
                look(&domain(&connection, Uuid::from_u128(1))?)
            });
            let error = unknown.expect_err("there is none");
            assert!(error.starts_with("libvirt: ") && error.contains("omain not found"), "{error}");
        }
    }
}
