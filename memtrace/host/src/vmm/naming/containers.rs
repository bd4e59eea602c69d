//! Platforms whose VMs are beside containers: KubeVirt in a pod, Incus and LXD.

use super::{Adapter, Named, Subject, add, given, poses_as, word};
use crate::vmm::managers;
use crate::vmm::qemu::Libvirt;
use memtrace_core::sample::Platform;

/// Its libvirt domain is called NAMESPACE_NAME; namespaces have no `_`.
#[derive(Debug)]
pub(super) struct Kubevirt;

impl Adapter for Kubevirt {
    fn recognise(&self, subject: &Subject<'_>) -> Option<Named> {
        let qemu = subject.description.qemu.as_ref()?;
        let pod = managers::pod(subject.cgroups);
        if qemu.libvirt != Some(Libvirt::Contained) {
            return None;
        }
        let (namespace, name) = given(subject)?.split_once('_')?;
        let mut named = Named::new(Platform::Kubevirt);
        named.labels.project = word(namespace);
        named.labels.name = word(name);
        named.proven = pod.is_some();
        add(&mut named.labels, "pod", pod.map(|pod| pod.to_string()).as_deref());
        Some(named)
    }
}

/// Incus and LXD: the name is NAME in the default project, and PROJECT_NAME in another, which has
/// no `_` in its own.
#[derive(Debug)]
pub(super) struct SystemContainers(pub(super) Platform, pub(super) &'static str);

impl Adapter for SystemContainers {
    fn recognise(&self, subject: &Subject<'_>) -> Option<Named> {
        let Self(platform, word_of_paths) = *self;
        let qemu = subject.description.qemu.as_ref()?;
        let own = |path: &String| path.split('/').any(|part| part == word_of_paths);
        let product = if platform == Platform::Incus { "Incus" } else { "LXD" };
        if !qemu.directories.iter().any(own) && !poses_as(subject, &[product]) {
            return None;
        }
        let (project, name) =
            given(subject)?.split_once('_').unwrap_or(("default", given(subject)?));
        let mut named = Named::new(platform);
        named.labels.project = word(project);
        named.labels.name = word(name);
        named.proven = subject.of_root;
        Some(named)
    }
}
