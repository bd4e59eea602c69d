//! The programs of a guest as one process: it follows a plan, and is what the guest's OOM killer
//! ends. Its plan comes in over stdin, what it has done goes out over stdout, line by line.

use std::fs;
use std::io::{BufRead as _, stdin};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::time::{ClockId, clock_gettime};

use crate::asking::{Admission, Asking};
use crate::counts::Counts;
use crate::files::Files;
use crate::meminfo;
use crate::pages::{Pages, Random};
use crate::plan::{Needs, Plan};

/// Looks at what is wanted so many times a second.
const TICKS: u64 = 10;
/// Shares of memory that are touched in a second: `Kind::touched` of the simulator.
const HOT: f64 = 0.3;
const COLD: f64 = 1.0 / 300.0;
const CACHE: f64 = 0.1;
/// Most MiB that it allocates in a tick: 512 in a second (`ALLOCATION` of the simulator).
const GROWTH: u64 = 51;
/// Seconds in which a service that was killed wants half: `RESTART` of the simulator.
const RESTART: u64 = 60;
const PAGES_IN_MIB: f64 = 256.0;
const MIB: u64 = 1 << 20;

/// Reads the plan, takes what is needed at its beginning, says `ready`, waits for `go` and then
/// follows the plan for ever.
///
/// # Errors
/// When PID 1 says nothing that can be understood, or the disk fails.
pub fn run() -> Result<()> {
    // No other process may be killed.
    fs::write("/proc/self/oom_score_adj", "1000").context("oom_score_adj")?;
    let mut lines = stdin().lock().lines();
    let mut plan = Plan::default();
    let mut restarted = false;
    for line in lines.by_ref() {
        match line?.as_str() {
            "settle" => break,
            "again" => {
                restarted = true;
                break;
            }
            line => plan.take(line).map_err(anyhow::Error::msg)?,
        }
    }
    println!("begins with {}", meminfo::told());
    let mut load = Load::new(plan)?;
    if !restarted {
        load.settle()?;
    }
    println!("ready");
    let start = lines.next().context("PID 1 is gone")??;
    let Some(start) = start.strip_prefix("go ").and_then(|start| start.parse().ok()) else {
        bail!("told neither to go nor when: {start:.20}");
    };
    load.down_until = if restarted { now().saturating_sub(start) / 1000 + RESTART } else { 0 };
    load.follow(start)
}

/// Milliseconds of the monotonic clock.
pub fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds * 1000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000
}

struct Load {
    plan: Plan,
    random: Random,
    hot: Pages,
    cold: Pages,
    files: Option<Files>,
    counts: Counts,
    /// What the guest's kernel and PID 1 keep: a part of what is hot.
    kernel: u64,
    asking: Asking,
    down_until: u64,
    /// What is to be touched and isn't a whole page yet: hot, cold, cached; and of streams, bytes.
    due: [f64; 4],
}

impl Load {
    fn new(plan: Plan) -> Result<Self> {
        let kernel = meminfo::kernel_mib(plan.memory).unwrap_or(0);
        Ok(Self {
            files: Files::open(plan.most_cached())?,
            plan,
            random: Random::new(),
            hot: Pages::default(),
            cold: Pages::default(),
            counts: Counts::default(),
            kernel,
            asking: Asking::default(),
            down_until: 0,
            due: [0.0; 4],
        })
    }

    /// The state after a long run: unused memory was touched longest ago, hot memory last.
    fn settle(&mut self) -> Result<()> {
        let needs = self.wanted(0);
        let mut dead = Pages::default();
        let mut fill = |pages: &mut Pages, mib: u64| {
            (0..mib).all(|_| pages.grow(&mut self.random));
        };
        fill(&mut dead, self.plan.dead);
        fill(&mut self.cold, needs.cold);
        fill(&mut self.hot, needs.hot);
        if let Some(files) = &mut self.files {
            for _ in 0..needs.read_once * 8 {
                files.stream()?;
            }
            files.read_all(needs.cache)?;
            // Once more, so that the kernel knows it for what is used.
            files.read_all(needs.cache)?;
        }
        Ok(())
    }

    /// What programs want beside the kernel.
    fn wanted(&self, second: u64) -> Needs {
        let needs = self.plan.needs(second);
        let needs = Needs { hot: needs.hot.saturating_sub(self.kernel), ..needs };
        if second < self.down_until {
            return Needs { hot: needs.hot / 2, cold: needs.cold / 2, ..needs };
        }
        needs
    }

    /// `start`: milliseconds of the monotonic clock.
    fn follow(&mut self, start: u64) -> Result<()> {
        // Time in which no program ran is not counted as work.
        let mut tick = now().saturating_sub(start) * TICKS / 1000;
        loop {
            let passed = now().saturating_sub(start) * TICKS / 1000;
            if passed <= tick {
                // In the lab's guest alone; nothing is waited for but time.
                std::thread::sleep(Duration::from_millis(1000 / TICKS / 4));
                continue;
            }
            let second = passed / TICKS;
            let needs = self.wanted(second);
            // What could not be done in its second is left undone.
            let ticks = (passed - tick).min(TICKS);
            let missed = passed - tick - ticks;
            self.counts.wanted += (pages_a_second(needs) * missed as f64 / TICKS as f64) as u64;
            tick = passed;
            for _ in 0..ticks {
                self.allocate(needs, second);
                self.touch(needs)?;
            }
            if tick.is_multiple_of(TICKS / 2) || ticks > 1 {
                println!("{}", self.counts);
            }
        }
    }

    fn allocate(&mut self, wanted: Needs, second: u64) {
        let needs = self.admitted(wanted, second);
        self.counts.needed = wanted.hot + wanted.cold;
        let cooled = self.hot.mib().saturating_sub(needs.hot);
        let cooled = cooled.min(needs.cold.saturating_sub(self.cold.mib()));
        self.hot.move_to(&mut self.cold, cooled);
        let warmed = self.cold.mib().saturating_sub(needs.cold);
        let warmed = warmed.min(needs.hot.saturating_sub(self.hot.mib()));
        self.cold.move_to(&mut self.hot, warmed);
        self.hot.shrink(needs.hot);
        self.cold.shrink(needs.cold);
        let mut left = GROWTH;
        for (pages, mib) in [(&mut self.hot, needs.hot), (&mut self.cold, needs.cold)] {
            while pages.mib() < mib && left > 0 {
                left -= 1;
                if !pages.grow(&mut self.random) {
                    self.counts.failed += 1;
                    return;
                }
            }
        }
        self.counts.held = self.hot.mib() + self.cold.mib();
    }

    /// What it allocates, if it asks first.
    fn admitted(&mut self, wanted: Needs, second: u64) -> Needs {
        if !self.plan.asks_first {
            return wanted;
        }
        let held = self.hot.mib() + self.cold.mib();
        let needed = wanted.hot + wanted.cold;
        let available = || meminfo::available_mib().unwrap_or(0);
        match self.asking.ask(needed, held, second, available) {
            Admission::Granted => return wanted,
            Admission::Waits => {}
            Admission::Refused => {
                self.counts.refused += 1;
                println!("refused at {second}: {} of {}", available(), needed - held);
            }
        }
        let (hot, cold) = (wanted.hot.min(self.hot.mib()), wanted.cold.min(self.cold.mib()));
        Needs { hot, cold, ..wanted }
    }

    /// What is touched in a tick.
    fn touch(&mut self, wanted: Needs) -> Result<()> {
        let per_tick = |mib: u64, share: f64| mib as f64 * PAGES_IN_MIB * share / TICKS as f64;
        self.counts.wanted += (pages_a_second(wanted) / TICKS as f64) as u64;
        let cached = if self.files.is_some() { wanted.cache } else { 0 };
        let mut pages = [0; 4];
        let parts = [
            per_tick(self.hot.mib().min(wanted.hot), HOT),
            per_tick(self.cold.mib().min(wanted.cold), COLD),
            per_tick(cached, CACHE),
            (wanted.streams * MIB) as f64 / TICKS as f64,
        ];
        for ((due, part), pages) in self.due.iter_mut().zip(parts).zip(&mut pages) {
            *due += part;
            *pages = *due as u64;
            *due -= *pages as f64;
        }
        let [hot, cold, cache, streams] = pages;
        (0..hot).for_each(|_| self.hot.touch(&mut self.random));
        (0..cold).for_each(|_| self.cold.touch(&mut self.random));
        self.counts.touched += hot + cold;
        if let Some(files) = &mut self.files {
            for _ in 0..cache {
                files.touch(wanted.cache, &mut self.random)?;
            }
            self.counts.touched += cache;
            let mut read = 0;
            while read < streams {
                read += files.stream()?;
            }
            // A piece is more than was due.
            let [.., due] = &mut self.due;
            *due -= read.saturating_sub(streams) as f64;
        }
        Ok(())
    }
}

fn pages_a_second(needs: Needs) -> f64 {
    let touched = needs.hot as f64 * HOT + needs.cold as f64 * COLD + needs.cache as f64 * CACHE;
    touched * PAGES_IN_MIB
}
