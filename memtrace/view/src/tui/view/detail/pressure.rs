//! Pressure: stalls, reclaim by the VM, and reclaim from it.

use ratatui::text::Line;

use super::field;
use super::subject::Subject;
use memtrace_core::format;
use memtrace_core::sample::PsiLine;

pub(super) fn lines(subject: &Subject<'_>) -> Vec<Line<'static>> {
    let vm = subject.vm;
    let share = |label, share| field::number(subject, label, share, format::percent);
    let rate = |label, rate| field::number(subject, label, rate, format::rate);
    let bytes = |label, rate| field::number(subject, label, rate, format::byte_rate);
    let count = |label, count| {
        field::number(subject, label, count, |count: u64, columns| {
            format::count(count as f64, columns)
        })
    };
    [
        share("stalled", &vm.stalled),
        share("caused", &vm.caused),
        rate("caused pages", &vm.caused_pages),
        rate("taken pages", &vm.taken),
        psi(subject),
        rate("faults", &vm.faults),
        rate("  guest (KVM)", &vm.guest_faults),
        rate("  user", &vm.user_faults),
        rate("  kernel", &vm.kernel_faults),
        rate("major faults", &vm.major_faults),
        rate("async faults", &vm.async_faults),
        bytes("swap in", &vm.swap_in),
        bytes("swap out", &vm.swap_out),
        rate("refaults", &vm.refaults),
        rate("direct reclaims", &vm.direct_reclaims),
        rate("memcg reclaims", &vm.memcg_reclaims),
        rate("throttles", &vm.throttles),
        rate("compactions", &vm.compactions),
        count("OOM kills", &vm.oom_kills),
        count("OOM caused", &vm.oom_caused),
    ]
    .concat()
}

fn psi(subject: &Subject<'_>) -> Vec<Line<'static>> {
    let psi = &subject.vm.psi;
    let Some(value) = psi.value else {
        return field::value(subject, "cgroup PSI", "-", &psi.quality);
    };
    let line = |title: &str, line: PsiLine| {
        let [ten, sixty, long] =
            [line.avg10, line.avg60, line.avg300].map(|share| format::count(share, 4));
        format!("{title} {ten} {sixty} {long}")
    };
    let full = value.full.map_or(String::new(), |full| line("  full", full));
    let shown = line("some", value.some) + &full;
    field::value(subject, "cgroup PSI", &shown, &psi.quality)
}
