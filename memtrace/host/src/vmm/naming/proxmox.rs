//! Proxmox VE: `-id`, the scope qemu.slice/ID.scope, and /etc/pve/qemu-server/ID.conf (qm.conf(5)).

use super::{Adapter, Named, Subject, add, given, word};
use crate::vmm::managers;
use memtrace_core::sample::Platform;
use memtrace_core::settings::MOST;
use memtrace_core::units::Bytes;

#[derive(Debug)]
pub(super) struct Proxmox;

impl Adapter for Proxmox {
    fn recognise(&self, subject: &Subject<'_>) -> Option<Named> {
        let qemu = subject.description.qemu.as_ref()?;
        let scope = managers::proxmox(subject.cgroups);
        let said = qemu.platform_id.as_deref().filter(|id| managers::is_number(id));
        let id = scope.or(said)?;
        let mut named = Named::new(Platform::Proxmox);
        named.labels.id = Some(id.to_owned());
        named.labels.name = given(subject).and_then(word);
        named.proven = scope.is_some() || subject.of_root;
        Some(named)
    }

    fn file(&self, named: &Named) -> Option<String> {
        let id = named.labels.id.as_ref().filter(|_| named.proven)?;
        Some(format!("/etc/pve/qemu-server/{id}.conf"))
    }

    fn complete(&self, mut named: Named, text: &str) -> Named {
        let (mut memory, mut balloon) = (None, None);
        // Snapshots and what is pending follow in sections.
        for line in text.lines().take_while(|line| !line.starts_with('[')) {
            let Some((key, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            match key {
                "name" => named.labels.name = word(value).or(named.labels.name),
                "tags" => add(&mut named.labels, "tags", Some(value)),
                "memory" => memory = value.trim_start_matches("current=").parse::<u64>().ok(),
                "balloon" => balloon = value.parse::<u64>().ok(),
                // 0 switches its own ballooning off for this VM. Whether another's is wanted isn't
                // said by that, so it is taken for a no, unless the configuration has a weight.
                "shares" => {
                    named.settings.weight = value.parse().ok().map(|shares: u32| shares.min(MOST));
                }
                _ => {}
            }
        }
        // 0: it has no balloon. As much as all of it: it is given nothing less.
        let minimum = balloon.filter(|&mib| mib > 0 && memory.is_none_or(|memory| mib <= memory));
        named.settings.minimum = minimum.and_then(|mib| mib.checked_mul(1 << 20)).map(Bytes);
        named
    }
}
