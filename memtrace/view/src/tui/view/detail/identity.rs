//! The identity of the VM.

use ratatui::text::Line;

use super::field;
use super::subject::Subject;
use crate::words;
use memtrace_core::model::snapshot::VmView;
use memtrace_core::sample::{Accelerator, Manager};

/// Its UUID, or that it says another VM's.
fn uuid(vm: &VmView) -> String {
    match (vm.uuid, vm.claims.uuid) {
        (Some(uuid), _) => uuid.to_string(),
        (None, Some(claimed)) => format!("- (it says {claimed}, another VM's)"),
        (None, None) => "-".to_owned(),
    }
}

pub(super) fn lines(subject: &Subject<'_>) -> Vec<Line<'static>> {
    let vm = subject.vm;
    let word = |label, shown: &str| field::word(subject, label, shown);
    let accelerator = match vm.accelerator {
        Some(Accelerator::Kvm) => "KVM",
        Some(Accelerator::Tcg) => "TCG (emulated)",
        None => "accelerator unknown",
    };
    let manager = match vm.manager {
        Manager::Libvirt => "libvirt",
        Manager::Qmp => "QMP (no manager)",
        Manager::None => "none (no libvirt, no QMP socket)",
    };
    let mut lines = vec![
        word("name", &vm.name),
        word("UUID", &uuid(vm)),
        word("process", &format!("{} {}, {accelerator}", vm.vmm, vm.pid)),
        word("managed by", manager),
        word("cgroup", vm.cgroup_path.as_deref().unwrap_or("- not found")),
    ];
    let labels = &vm.labels;
    if let Some(platform) = labels.platform {
        let id = labels.id.as_deref().unwrap_or("-");
        let name = labels.full_platform_name().or_else(|| labels.platform_name.clone());
        let name = name.map(|name| format!(", name {name}")).unwrap_or_default();
        lines.insert(1, word("platform", &format!("{}, id {id}{name}", platform.word())));
    }
    if let Some(title) = labels.title().filter(|title| *title != vm.name) {
        lines.insert(1, word("called", &title));
    }
    if !labels.more.is_empty() {
        let more = labels.more.iter().map(|(key, value)| format!("{key}={value}"));
        lines.push(word("labels", &more.collect::<Vec<_>>().join(", ")));
    }
    let state = vm.state.value.map_or("-", words::running);
    lines.extend(field::value(subject, "state", state, &vm.state.quality));
    lines.extend(field::number(subject, "CPU", &vm.cpu, memtrace_core::format::percent));
    lines
}
