//! Answers about domains, and changes of them. What they mean is memtrace's to say.

use std::collections::BTreeSet;
use std::path::Path;

use memtrace_host::protocol::{self, Ask, LONGEST_XML, Look, MOST_DOMAINS, Said};
use uuid::Uuid;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::enumutil::Enum;
use virt::error::{Error, ErrorNumber};
use virt::sys;

use crate::daemons::Daemon;

/// Names what memtrace understands (Namespaces in XML 1.0, 2.1); nothing need be there.
const NAMESPACE: &str = "https://github.com/memtrace/memtrace/domain/1";
/// Where qemu:///system keeps the ids of its processes.
const PIDS: &str = "/run/libvirt/qemu";

/// The answer to `ask`. May hang as libvirt does.
pub(crate) fn answer(daemon: &Daemon, ask: &Ask) -> Said {
    let said = match *ask {
        Ask::List { ref only } => {
            let only: BTreeSet<_> = only.iter().collect();
            daemon.with(|connection| list(daemon, connection, |uuid| only.contains(uuid)))
        }
        Ask::Look { uuid, xml } => daemon.with(|connection| {
            let look = look(daemon, &connection.lookup_domain_by_uuid(uuid)?, xml)?;
            Ok(Said::Look(Box::new(look)))
        }),
        Ask::Period { uuid, seconds } => daemon.with(|connection| {
            let seconds = i32::try_from(seconds).unwrap_or(i32::MAX);
            let domain = connection.lookup_domain_by_uuid(uuid)?;
            domain.set_memory_stats_period(seconds, sys::VIR_DOMAIN_AFFECT_LIVE)?;
            Ok(Said::Done)
        }),
        Ask::Balloon { uuid, kib } => daemon.with(|connection| {
            let domain = connection.lookup_domain_by_uuid(uuid)?;
            domain.set_memory_flags(kib, sys::VIR_DOMAIN_AFFECT_LIVE)?;
            Ok(Said::Done)
        }),
        Ask::Open { .. } | Ask::Close => Ok(Said::Done),
    };
    said.unwrap_or_else(|error| failure(&error))
}

fn failure(error: &Error) -> Said {
    match error.code() {
        Enum::Known(ErrorNumber::NoDomain) => Said::NoDomain,
        _ => Said::Failed(error.message().to_owned()),
    }
}

fn list(
    daemon: &Daemon,
    connection: &Connect,
    wanted: impl Fn(&Uuid) -> bool,
) -> Result<Said, Error> {
    let mut listed = Vec::new();
    for domain in connection.list_all_domains(sys::VIR_CONNECT_LIST_DOMAINS_ACTIVE)? {
        if wanted(&domain.uuid()?) && listed.len() < MOST_DOMAINS {
            // One that ended just now is no failure.
            listed.extend(described(daemon, &domain).ok());
        }
    }
    Ok(Said::Domains(listed))
}

fn described(daemon: &Daemon, domain: &Domain) -> Result<protocol::Domain, Error> {
    let info = domain.info()?;
    Ok(protocol::Domain {
        uuid: domain.uuid()?,
        state: match info.state {
            Enum::Known(state) => state as u32,
            Enum::Unknown(number) => number,
        },
        maximum: info.max_mem,
        memory: info.memory,
        pid: if daemon.is_system() { process(domain) } else { None },
    })
}

/// The process of a domain of qemu:///system: libvirt's API doesn't tell it, the daemon writes it
/// into a file that is for root to read.
fn process(domain: &Domain) -> Option<u32> {
    let name = domain.name().ok().filter(|name| !name.contains('/'))?;
    let path = Path::new(PIDS).join(format!("{name}.pid"));
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn look(daemon: &Daemon, domain: &Domain, xml: bool) -> Result<Look, Error> {
    let described = described(daemon, domain)?;
    let short = |text: String| (text.len() <= LONGEST_XML).then_some(text);
    Ok(Look {
        xml: if xml { short(domain.xml_desc(0)?) } else { None },
        metadata: metadata(domain)?.and_then(short),
        stats: domain.memory_stats(0)?.iter().map(|stat| (stat.tag, stat.val)).collect(),
        domain: described,
    })
}

/// Of a domain that runs, what holds now (`--live`); most have none.
fn metadata(domain: &Domain) -> Result<Option<String>, Error> {
    let kind = i32::try_from(sys::VIR_DOMAIN_METADATA_ELEMENT).unwrap_or_default();
    match domain.metadata(kind, Some(NAMESPACE), sys::VIR_DOMAIN_AFFECT_CURRENT) {
        Ok(xml) => Ok(Some(xml)),
        Err(error) if matches!(error.code(), Enum::Known(ErrorNumber::NoDomainMetadata)) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
