//! The fleet as lines, most urgent hosts first. Pure.

use memtrace_core::policy::Level;
use memtrace_core::policy::reason::Coming;
use std::cmp::Ordering;

use super::host::{Fleet, Host};
use crate::command::fleet::placement::{Candidate, HORIZON};
use memtrace_core::format::{self, UNKNOWN};
use memtrace_core::text::{self, clean};
use memtrace_core::units::{ByteRate, Bytes, Nanos, Percent};
use memtrace_view::emphasis::{Emphasis, Part};
use memtrace_view::tui::{Page, Parts};

/// Maximum width of the name column.
const WIDEST: usize = 32;

/// Titles, widths, and whether left-aligned.
const COLUMNS: [(&str, usize, bool); 9] = [
    ("STATE", 7, true),
    ("MEM", 5, false),
    ("AVAIL", 5, false),
    ("AVAIL%", 6, false),
    ("RECLAIM", 7, false),
    ("SWAPS IN", 8, false),
    ("SWIN/s", 6, false),
    ("VMS", 4, false),
    ("ALLOC%", 6, false),
];

/// Most urgent first: by state, then by forecast of swapping, then by available memory.
pub fn sort(hosts: &mut [Host]) {
    let soon = |host: &Host| {
        let swaps = host.forecast_seconds.get(&Coming::Swap).copied();
        swaps.filter(|seconds| *seconds < HORIZON).unwrap_or(f64::INFINITY)
    };
    let free = |host: &Host| {
        let share = host.available_bytes.zip(host.memory_bytes).map(|(part, all)| part / all);
        share.unwrap_or(f64::INFINITY)
    };
    hosts.sort_by(|one, other| -> Ordering {
        let by_state = urgency(one).cmp(&urgency(other));
        let by_time = soon(one).total_cmp(&soon(other));
        let by_share = free(one).total_cmp(&free(other));
        by_state.then(by_time).then(by_share).then_with(|| one.name.cmp(&other.name))
    });
}

fn urgency(host: &Host) -> u8 {
    match (host.unknown.is_some(), host.state) {
        (true, _) => 3,
        (false, Some(Level::Low)) => 0,
        (false, Some(Level::Hard)) => 1,
        (false, Some(Level::Soft)) => 2,
        (false, _) => 4,
    }
}

/// The table. Rows are in the hosts' order.
pub fn page(fleet: &Fleet, whose: &str) -> Page {
    let width = widest(fleet.hosts.iter().map(|host| host.name.as_str()));
    let mut head = vec![summary(fleet, whose)];
    head.extend(notices(fleet));
    head.push(Vec::new());
    if fleet.hosts.is_empty() {
        let empty = "no memtrace metrics in this Prometheus (see memtrace mitigate --listen)";
        return Page { head, rows: vec![vec![Part::plain(empty)]] };
    }
    let mut titles = vec![text::left("HOST", width)];
    titles.extend(COLUMNS.map(|(title, width, left)| aligned(title, width, left)));
    titles.push("STALLED VMS".to_owned());
    head.push(titles.into_iter().map(|title| Part::new(title, Emphasis::Strong)).collect());
    Page { head, rows: fleet.hosts.iter().map(|host| row(host, width)).collect() }
}

fn summary(fleet: &Fleet, whose: &str) -> Parts {
    let count = |state: Option<Level>| {
        let of = |host: &&Host| host.unknown.is_none() && host.state == state;
        fleet.hosts.iter().filter(of).count()
    };
    let unknown = fleet.hosts.iter().filter(|host| host.unknown.is_some()).count();
    let all = [
        ("low", count(Some(Level::Low)), Emphasis::Hot),
        ("hard", count(Some(Level::Hard)), Emphasis::Hot),
        ("soft", count(Some(Level::Soft)), Emphasis::Warm),
        ("calm", count(Some(Level::Calm)), Emphasis::Plain),
        ("without a policy", count(None), Emphasis::Plain),
        ("unknown", unknown, Emphasis::Warm),
    ];
    let mut line = vec![
        Part::plain(format!("fleet  {whose}  ")),
        Part::plain(match fleet.hosts.len() {
            1 => "1 host".to_owned(),
            hosts => format!("{hosts} hosts"),
        }),
    ];
    let some = all.into_iter().filter(|(_, count, _)| *count > 0);
    line.extend(
        some.map(|(word, count, emphasis)| Part::new(format!(" {count} {word}"), emphasis)),
    );
    line
}

fn notices(fleet: &Fleet) -> impl Iterator<Item = Parts> + '_ {
    let line = |notice: &String| vec![Part::new(format!("! {}", clean(notice)), Emphasis::Warm)];
    fleet.notices.iter().map(line)
}

fn row(host: &Host, width: usize) -> Parts {
    let name = Part::new(text::left(&clean(&host.name), width), Emphasis::Strong);
    let fields = fields(host);
    let aligned = COLUMNS.into_iter().zip(fields).map(|((_, width, left), part)| Part {
        text: aligned(&part.text, width, left),
        emphasis: part.emphasis,
    });
    let last = match (&host.unknown, &host.sufferers) {
        (Some(why), _) => Part::new(clean(why), Emphasis::Dim),
        (None, None) => Part::new(UNKNOWN, Emphasis::Dim),
        (None, Some(sufferers)) => {
            let told = sufferers.iter().map(|one| {
                let share = format::percent(Percent(one.stalled_ratio * 100.0), 5);
                format!("{} {share}", clean(&one.name))
            });
            let worst = sufferers.first().map_or(0.0, |one| one.stalled_ratio);
            let told: Vec<String> = told.collect();
            let told = if told.is_empty() { "none".to_owned() } else { told.join(", ") };
            Part::new(told, Emphasis::of(worst, [0.1, 0.5]))
        }
    };
    [name].into_iter().chain(aligned).chain([last]).collect()
}

fn fields(host: &Host) -> [Part; 9] {
    let bytes = |bytes: Option<f64>| {
        told(bytes, |bytes| Part::plain(format::bytes(Bytes(bytes.max(0.0) as u64), 5)))
    };
    let state = match (&host.unknown, &host.state) {
        (Some(_), _) => Part::new("unknown", Emphasis::Warm),
        (None, None) => Part::new(UNKNOWN, Emphasis::Dim),
        (None, Some(state)) => Part::new(state.word(), memtrace_view::summary::urgency_of(*state)),
    };
    let share = host.available_bytes.zip(host.memory_bytes).map(|(part, all)| part / all * 100.0);
    // A policy without a forecast has no sample.
    let coming = host.forecast_seconds.get(&Coming::Swap).copied();
    let swaps = match (coming, &host.state) {
        (Some(seconds), _) => {
            let emphasis = match seconds {
                ..300.0 => Emphasis::Hot,
                ..HORIZON => Emphasis::Warm,
                _ => Emphasis::Dim,
            };
            Part::new(format::age(Nanos((seconds.max(0.0) * 1e9) as u64)), emphasis)
        }
        (None, Some(_)) => Part::plain("no"),
        (None, None) => Part::new(UNKNOWN, Emphasis::Dim),
    };
    [
        state,
        bytes(host.memory_bytes),
        bytes(host.available_bytes),
        told(share, |share| Part::plain(format::percent(Percent(share), 6))),
        bytes(host.reclaimable_bytes),
        swaps,
        told(host.swap_in_bytes_per_second, |rate| {
            let emphasis = Emphasis::of(rate, [1_048_576.0, 10.0 * 1_048_576.0]);
            Part::new(format::byte_rate(ByteRate(rate), 6), emphasis)
        }),
        told(host.vms, |vms| Part::plain(format!("{vms:.0}"))),
        told(host.overcommit_ratio, |ratio| {
            Part::new(format::percent(Percent(ratio * 100.0), 6), Emphasis::of(ratio, [1.5, 2.0]))
        }),
    ]
}

fn told(value: Option<f64>, form: impl Fn(f64) -> Part) -> Part {
    value.map_or_else(|| Part::new(UNKNOWN, Emphasis::Dim), form)
}

/// The placements as a table.
pub fn fitting(fleet: &Fleet, places: &[Candidate], size: Bytes) -> Page {
    let width = widest(places.iter().map(|place| place.host.as_str()));
    let text = format!("room for a VM of {}", format::bytes(size, 6));
    let mut head = vec![vec![Part::plain(text)]];
    head.extend(notices(fleet));
    head.push(Vec::new());
    let titles = [text::left("HOST", width), text::left("FITS", 10), text::right("LEFT", 6)];
    let mut titles: Parts =
        titles.into_iter().map(|title| Part::new(title, Emphasis::Strong)).collect();
    titles.push(Part::new("WHY", Emphasis::Strong));
    head.push(titles);
    let row = |place: &Candidate| {
        let (left, emphasis) = match place.left_bytes {
            None => (UNKNOWN.to_owned(), Emphasis::Dim),
            Some(left) if left < 0.0 => {
                (format!("-{}", format::bytes(Bytes((-left) as u64), 5)), Emphasis::Dim)
            }
            Some(left) => (format::bytes(Bytes(left as u64), 5), Emphasis::Plain),
        };
        let why = [place.because.clone()].into_iter().chain(place.cautions.iter().cloned());
        let why: Vec<String> = why.collect();
        vec![
            Part::new(text::left(&clean(&place.host), width), Emphasis::Strong),
            Part::plain(text::left(place.fits.word(), 10)),
            Part::new(text::right(&left, 6), emphasis),
            Part::plain(clean(&why.join("; ")).into_owned()),
        ]
    };
    Page { head, rows: places.iter().map(row).collect() }
}

fn widest<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    names.map(|name| text::width(&clean(name))).max().unwrap_or(0).clamp(4, WIDEST)
}

fn aligned(content: &str, width: usize, left: bool) -> String {
    if left { text::left(content, width) } else { text::right(content, width) }
}
