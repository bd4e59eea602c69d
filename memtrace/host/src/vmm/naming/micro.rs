//! VMMs without a manager of their own: the id that they were started with.

use super::{Adapter, Named, Subject, word};
use crate::vmm::judge;
use memtrace_core::sample::Platform;

/// Names of sockets that say nothing of the VM: its directory does.
const PLAIN: [&str; 5] = ["api", "ch", "clh", "clh-api", "cloud-hypervisor"];

#[derive(Debug)]
pub(super) struct Micro;

impl Adapter for Micro {
    fn recognise(&self, subject: &Subject<'_>) -> Option<Named> {
        let description = subject.description;
        let (platform, id) = match description.vmm.as_str() {
            judge::FIRECRACKER => {
                (Platform::Firecracker, argument(&description.arguments, "--id")?.to_owned())
            }
            judge::CLOUD_HYPERVISOR => {
                let socket = argument(&description.arguments, "--api-socket")?;
                (Platform::CloudHypervisor, of_socket(socket)?.to_owned())
            }
            _ => return None,
        };
        let mut named = Named::new(platform);
        named.labels.id = word(&id);
        // It has no other name.
        named.labels.name.clone_from(&named.labels.id);
        Some(named)
    }
}

/// `--option value` or `--option=value`.
fn argument<'a>(arguments: &'a [String], option: &str) -> Option<&'a str> {
    let mut rest = arguments.iter().skip(1);
    while let Some(one) = rest.next() {
        if one == option {
            return rest.next().map(String::as_str);
        }
        if let Some(value) = one.strip_prefix(option).and_then(|rest| rest.strip_prefix('=')) {
            return Some(value);
        }
    }
    None
}

/// `/run/ch/web.sock` is web's, and `/run/vc/vm/ID/clh-api.sock` ID's (Kata).
fn of_socket(argument: &str) -> Option<&str> {
    let path = argument.split(',').find_map(|part| part.strip_prefix("path=")).unwrap_or(argument);
    let mut parts = path.rsplit('/');
    let file = parts.next()?;
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    if PLAIN.contains(&stem) { parts.next().filter(|part| !part.is_empty()) } else { Some(stem) }
}
