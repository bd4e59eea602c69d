//! The memory, and walking over it in small steps, so that commands are heard in between.

use std::time::{Duration, Instant};

const PAGE: usize = 4096;
const MIB: usize = 1 << 20;
/// Pages touched between two looks at the serial port.
const STEP_PAGES: usize = 64;
/// A holder touches all its memory this often.
const HOLD_EVERY: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Idle,
    Hold,
    Cycle,
}

/// Memory and what is done with it.
pub struct Work {
    memory: Vec<u8>,
    mode: Mode,
    /// Next page to touch.
    page: usize,
    /// Complete walks over the memory so far.
    walks: u64,
    /// Pages touched so far.
    touched: u64,
    /// State of the generator of page contents; never 0.
    random: u64,
    next_walk: Instant,
}

impl Work {
    pub fn new() -> Self {
        Self {
            memory: Vec::new(),
            mode: Mode::Idle,
            page: 0,
            walks: 0,
            touched: 0,
            random: 0x9E37_79B9_7F4A_7C15,
            next_walk: Instant::now(),
        }
    }

    /// Begins to hold or cycle `mib` MiB of new memory.
    pub fn start(&mut self, mode: Mode, mib: usize) {
        self.free();
        // Not backed by pages before the first walk writes to them.
        self.memory = vec![0; mib.saturating_mul(MIB)];
        self.mode = mode;
        self.next_walk = Instant::now();
    }

    /// Stops touching.
    pub fn idle(&mut self) {
        self.mode = Mode::Idle;
    }

    /// Walks over the memory that there is, for ever.
    pub fn resume(&mut self) {
        self.mode = Mode::Cycle;
    }

    /// Gives the memory back.
    pub fn free(&mut self) {
        *self = Self { random: self.random, ..Self::new() };
    }

    /// How long nothing needs to be done; `None`: for ever.
    pub fn rest(&self, now: Instant) -> Option<Duration> {
        match self.mode {
            _ if self.memory.is_empty() => None,
            Mode::Idle => None,
            Mode::Cycle => Some(Duration::ZERO),
            Mode::Hold if self.page > 0 => Some(Duration::ZERO),
            Mode::Hold => Some(self.next_walk.saturating_duration_since(now)),
        }
    }

    /// Touches the next pages, if it is time.
    pub fn step(&mut self, now: Instant) {
        if self.rest(now) != Some(Duration::ZERO) {
            return;
        }
        let first = self.walks == 0;
        let Some(rest) = self.memory.get_mut(self.page.saturating_mul(PAGE)..) else { return };
        for page in rest.chunks_mut(PAGE).take(STEP_PAGES) {
            if first {
                fill(page, &mut self.random);
            } else if let Some(byte) = page.first_mut() {
                *byte = byte.wrapping_add(1);
            }
            self.touched = self.touched.saturating_add(1);
        }
        self.page = self.page.saturating_add(STEP_PAGES);
        if self.page.saturating_mul(PAGE) >= self.memory.len() {
            self.page = 0;
            self.walks = self.walks.saturating_add(1);
            self.next_walk = now + HOLD_EVERY;
        }
    }

    /// In words, `key=value`; `touched` is in MiB, each walk counted again.
    pub fn status(&self) -> String {
        let mode = match self.mode {
            Mode::Idle => "idle",
            Mode::Hold => "hold",
            Mode::Cycle => "cycle",
        };
        let (mib, touched) = (self.memory.len() / MIB, self.touched * PAGE as u64 / MIB as u64);
        format!("mode={mode} mib={mib} walks={} touched={touched}", self.walks)
    }
}

/// Content that neither zero-page detection nor compression can reduce.
fn fill(page: &mut [u8], random: &mut u64) {
    for word in page.chunks_mut(8) {
        // Marsaglia's xorshift64.
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        let length = word.len();
        word.copy_from_slice(random.to_le_bytes().get(..length).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(work: &mut Work, now: Instant) {
        let before = work.walks;
        for _ in 0..1000 {
            work.step(now);
            if work.walks > before {
                return;
            }
        }
        panic!("no walk was completed");
    }

    #[test]
    fn the_first_walk_writes_to_every_page() {
        let mut work = Work::new();
        work.start(Mode::Cycle, 1);
        walk(&mut work, Instant::now());
        assert!(work.memory.chunks(PAGE).all(|page| page.iter().any(|byte| *byte != 0)));
        assert_eq!(work.status(), "mode=cycle mib=1 walks=1 touched=1");
    }

    #[test]
    fn a_cycler_never_rests_and_a_holder_does_between_walks() {
        let mut work = Work::new();
        work.start(Mode::Cycle, 1);
        let now = Instant::now();
        walk(&mut work, now);
        assert_eq!(work.rest(now), Some(Duration::ZERO));
        work.start(Mode::Hold, 1);
        let now = Instant::now();
        walk(&mut work, now);
        assert_eq!(work.rest(now), Some(HOLD_EVERY));
        assert_eq!(work.rest(now + HOLD_EVERY), Some(Duration::ZERO));
    }

    #[test]
    fn an_idle_guest_keeps_its_memory_and_a_freed_one_does_not() {
        let mut work = Work::new();
        work.start(Mode::Hold, 1);
        work.idle();
        assert_eq!(work.rest(Instant::now()), None);
        assert_eq!(work.memory.len(), MIB);
        work.resume();
        assert_eq!(work.rest(Instant::now()), Some(Duration::ZERO));
        assert_eq!(work.memory.len(), MIB);
        work.free();
        assert!(work.memory.is_empty());
    }
}
