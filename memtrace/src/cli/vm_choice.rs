//! Selects the VM given on a command line.

use anyhow::{Result, bail};
use memtrace_core::sample::VmId;
use memtrace_core::text::clean;

/// Maximum number of candidates in a message.
const MOST_LISTED: usize = 20;

/// How a VM can be given.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    pub name: &'a str,
    /// UUID, or the process id of a VM without one. `None`: unknown.
    pub id: Option<String>,
}

impl<'a> Candidate<'a> {
    pub fn new(name: &'a str, id: VmId) -> Self {
        let id = match id {
            VmId::Uuid(uuid) => uuid.to_string(),
            VmId::Process { pid, .. } => pid.to_string(),
        };
        Self { name, id: Some(id) }
    }
}

/// The one of `vms` with this id, or else with this name.
///
/// # Errors
/// When there is none, or several have the name; the message lists the candidates.
pub fn choose<'a, T>(
    typed: &str,
    vms: &'a [T],
    describe: impl Fn(&'a T) -> Candidate<'a>,
) -> Result<&'a T> {
    let described: Vec<(&T, Candidate<'_>)> = vms.iter().map(|vm| (vm, describe(vm))).collect();
    let is_id = |id: &String| id.eq_ignore_ascii_case(typed);
    let by_id = described.iter().find(|(_, one)| one.id.as_ref().is_some_and(is_id));
    if let Some((vm, _)) = by_id {
        return Ok(vm);
    }
    let named: Vec<_> = described.iter().filter(|(_, one)| one.name == typed).collect();
    match named[..] {
        [(vm, _)] => Ok(vm),
        [] if described.is_empty() => bail!("no VM {typed:?}: there are no VMs"),
        [] => bail!("no VM {typed:?}; VMs: {}", list(described.iter().map(|(_, one)| one.name))),
        _ => {
            let ids = named.iter().map(|(_, one)| one.id.as_deref().unwrap_or("?"));
            bail!("several VMs are named {typed:?}; give one of: {}", list(ids))
        }
    }
}

fn list<'a>(words: impl Iterator<Item = &'a str> + Clone) -> String {
    let more = words.clone().count().saturating_sub(MOST_LISTED);
    let listed: Vec<_> = words.take(MOST_LISTED).map(clean).collect();
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", listed.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: VmId = VmId::Uuid(uuid::Uuid::from_u128(0xABCD));
    const TWIN: VmId = VmId::Process { pid: 7, start: 1 };
    const DB: VmId = VmId::Process { pid: 8, start: 1 };
    const VMS: [(&str, VmId); 3] = [("web", WEB), ("web", TWIN), ("db", DB)];

    fn chosen(typed: &str, vms: &[(&str, VmId)]) -> Result<VmId, String> {
        let one = choose(typed, vms, |(name, id)| Candidate::new(name, *id));
        one.map(|(_, id)| *id).map_err(|error| error.to_string())
    }

    #[test]
    fn a_vm_is_chosen_by_id_or_by_its_name_if_it_is_the_only_one() {
        let uuid = "00000000-0000-0000-0000-00000000abcd";
        assert_eq!(chosen(uuid, &VMS), Ok(WEB));
        assert_eq!(chosen(&uuid.to_uppercase(), &VMS), Ok(WEB));
        assert_eq!(chosen("7", &VMS), Ok(TWIN));
        assert_eq!(chosen("db", &VMS), Ok(DB));
        assert_eq!(chosen("8", &[("8", TWIN), ("db", DB)]), Ok(DB), "ids go before names");
    }

    #[test]
    fn an_unknown_or_ambiguous_name_is_answered_with_the_candidates() {
        assert_eq!(chosen("app", &VMS), Err("no VM \"app\"; VMs: web, web, db".to_owned()));
        assert_eq!(chosen("app", &[]), Err("no VM \"app\": there are no VMs".to_owned()));
        let ambiguous = "several VMs are named \"web\"; give one of: \
                         00000000-0000-0000-0000-00000000abcd, 7";
        assert_eq!(chosen("web", &VMS), Err(ambiguous.to_owned()));
        let many = vec![("vm", DB); 23];
        assert!(chosen("app", &many).is_err_and(|error| error.ends_with("vm and 3 more")));
    }
}
