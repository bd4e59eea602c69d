//! The memory of the VM by kind.

use ratatui::text::Line;

use super::field;
use super::subject::Subject;
use memtrace_core::format;
use memtrace_core::model::Measured;
use memtrace_core::units::Limit;

pub(super) fn lines(subject: &Subject<'_>) -> Vec<Line<'static>> {
    let vm = subject.vm;
    let amounts = [
        ("balloon actual", &vm.balloon_actual),
        ("balloon maximum", &vm.balloon_maximum),
        ("balloon target", &vm.balloon_target),
        ("RSS", &vm.rss),
        ("RSS shared", &vm.rss_shmem),
        ("swap", &vm.swap),
        ("huge pages", &vm.hugetlb),
        ("locked", &vm.locked),
        ("unused", &vm.dead),
        ("cgroup usage", &vm.cgroup_usage),
    ];
    let mut lines: Vec<_> = amounts
        .into_iter()
        .flat_map(|(label, amount)| field::number(subject, label, amount, format::bytes))
        .collect();
    lines.extend(limit(subject, "cgroup limit", &vm.cgroup_limit));
    lines.extend(limit(subject, "cgroup high", &vm.cgroup_high));
    lines
}

fn limit(subject: &Subject<'_>, label: &str, limit: &Measured<Limit>) -> Vec<Line<'static>> {
    let show = |limit, columns| match limit {
        Limit::At(limit) => format::bytes(limit, columns),
        Limit::Unlimited => "none".to_owned(),
    };
    field::number(subject, label, limit, show)
}
