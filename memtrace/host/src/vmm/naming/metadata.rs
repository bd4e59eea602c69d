//! Platforms that write into the metadata of a libvirt domain: OpenStack Nova and oVirt. What is
//! known without libvirt is that it is theirs.

use super::{Adapter, Named, Subject, poses_as};
use memtrace_core::sample::Platform;

pub use self::domain::of_domain;

/// Its domain is called instance-0000002a, which only its hosts say; the UUID is the server's.
#[derive(Debug)]
pub(super) struct Nova;

impl Adapter for Nova {
    fn recognise(&self, subject: &Subject<'_>) -> Option<Named> {
        if !poses_as(subject, &["OpenStack"]) {
            return None;
        }
        let mut named = Named::new(Platform::Nova);
        named.labels.id = subject.description.uuid.map(|uuid| uuid.to_string());
        Some(named)
    }
}

/// Its domain has the VM's own name.
#[derive(Debug)]
pub(super) struct Ovirt;

impl Adapter for Ovirt {
    fn recognise(&self, subject: &Subject<'_>) -> Option<Named> {
        if !poses_as(subject, &["oVirt", "RHEV", "Red Hat Virtualization"]) {
            return None;
        }
        let mut named = Named::new(Platform::Ovirt);
        named.labels.name = super::given(subject).and_then(super::word);
        Some(named)
    }
}

mod domain {
    use roxmltree::Node;

    use super::super::{Named, add, word};
    use crate::vmm::libvirt::xml;
    use memtrace_core::sample::Platform;
    use memtrace_core::units::Bytes;

    /// Namespaces, up to their version.
    const NOVA: &str = "http://openstack.org/xmlns/libvirt/nova/";
    const OVIRT: &str = "http://ovirt.org/vm/";

    /// From a domain's XML. `None`: there is no such metadata.
    pub fn of_domain(domain: &str) -> Option<Named> {
        let document = xml::parse(domain).ok()?;
        let root = document.root_element();
        let metadata = root.children().find(|child| child.has_tag_name("metadata"))?;
        let own = |node: Node<'_, '_>, name: &str, namespace: &str| {
            let tag = node.tag_name();
            tag.name() == name && tag.namespace().is_some_and(|uri| uri.starts_with(namespace))
        };
        let mut children = metadata.children();
        children.find_map(|node| {
            if own(node, "instance", NOVA) {
                Some(nova(node, text(root, "uuid")))
            } else if own(node, "vm", OVIRT) {
                Some(ovirt(node, text(root, "name")))
            } else {
                None
            }
        })
    }

    fn nova(instance: Node<'_, '_>, uuid: Option<&str>) -> Named {
        let mut named = Named::new(Platform::Nova);
        let labels = &mut named.labels;
        labels.id = uuid.and_then(word);
        labels.name = text(instance, "name").and_then(word);
        if let Some(owner) = child(instance, "owner") {
            labels.project = text(owner, "project").and_then(word);
            add(labels, "user", text(owner, "user"));
        }
        let flavor = child(instance, "flavor");
        add(labels, "flavour", flavor.and_then(|flavor| flavor.attribute("name")));
        named.proven = true;
        named
    }

    fn ovirt(vm: Node<'_, '_>, name: Option<&str>) -> Named {
        let mut named = Named::new(Platform::Ovirt);
        named.labels.name = name.and_then(word);
        let guaranteed = text(vm, "minGuaranteedMemoryMb").and_then(|mib| mib.parse::<u64>().ok());
        named.settings.minimum = guaranteed.and_then(|mib| mib.checked_mul(1 << 20)).map(Bytes);
        add(&mut named.labels, "cluster_version", text(vm, "clusterVersion"));
        named.proven = true;
        named
    }

    fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
        node.children().find(|child| child.is_element() && child.tag_name().name() == name)
    }

    fn text<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
        Some(child(node, name)?.text()?.trim())
    }
}
