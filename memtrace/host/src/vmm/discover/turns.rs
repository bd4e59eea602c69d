//! Which user's processes are inspected next, and how much of that may be done at a time. Users
//! take turns, so that many or large processes of one user never delay those of others for long.
//! Pure.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use memtrace_core::units::Nanos;

/// The user to whom a process counts, by number. `None`: it wasn't readable.
pub(super) type User = Option<u32>;

/// Work of a look at a process apart from its descriptors; a descriptor is 1.
pub(super) const LOOK: u32 = 8;
/// Work of reading one file of a process.
pub(super) const READING: u32 = 2;
/// Work of finding out whose a new process is.
pub(super) const TAKING_UP: u32 = 2 * READING;
/// Most work for one user before it is the next one's turn, and at one process at a time; also for
/// one user's processes that events told of, in a second.
pub(super) const TURN: u32 = 1024;

/// The processes that wait for a look.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Of each user those that wait, by their places.
    queues: HashMap<User, BTreeMap<i64, u32>>,
    /// Users with processes that wait, in the order of their turns.
    order: VecDeque<User>,
    /// Where each process waits.
    waiting: HashMap<u32, (User, i64)>,
}

impl Turns {
    /// Process `pid` waits, as the last one of its user; where it waits already, it stays.
    pub(super) fn add(&mut self, user: User, pid: u32) {
        if !self.waiting.contains_key(&pid) {
            let last = self.queue(user).last_key_value().map_or(0, |(&place, _)| place);
            self.put(user, last.saturating_add(1), pid);
        }
    }

    /// As the next one of its user, and nowhere else.
    pub(super) fn add_first(&mut self, user: User, pid: u32) {
        if let Some((before, place)) = self.waiting.remove(&pid) {
            self.queue(before).remove(&place);
        }
        let first = self.queue(user).first_key_value().map_or(0, |(&place, _)| place);
        self.put(user, first.saturating_sub(1), pid);
    }

    fn put(&mut self, user: User, place: i64, pid: u32) {
        self.queue(user).insert(place, pid);
        self.waiting.insert(pid, (user, place));
    }

    fn queue(&mut self, user: User) -> &mut BTreeMap<i64, u32> {
        let order = &mut self.order;
        self.queues.entry(user).or_insert_with(|| {
            order.push_back(user);
            BTreeMap::new()
        })
    }

    /// The user whose turn it is. Its next one comes after those of all others.
    pub(super) fn user(&mut self) -> Option<User> {
        while let Some(user) = self.order.pop_front() {
            if self.queues.get(&user).is_some_and(|queue| !queue.is_empty()) {
                self.order.push_back(user);
                return Some(user);
            }
            self.queues.remove(&user);
        }
        None
    }

    /// The process of `user` that waits for longest.
    pub(super) fn process(&mut self, user: User) -> Option<u32> {
        let (_, pid) = self.queues.get_mut(&user)?.pop_first()?;
        self.waiting.remove(&pid);
        Some(pid)
    }
}

/// Seconds whose time can be spent in advance, by a look that takes longer than what is left. More
/// would let one slow look keep all others waiting for long.
const ADVANCE: u32 = 4;

/// How much may be done: work and time that come in as the time goes by, and don't pile up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    /// Of one second.
    a_second: (u32, Duration),
    left: (u32, Duration),
    /// What was spent of the time that is still to come in.
    owed: Duration,
    at: Option<Nanos>,
}

impl Allowance {
    /// `a_second`: what comes in during a second. `first`: what is there at the beginning.
    pub(super) const fn new(a_second: (u32, Duration), first: (u32, Duration)) -> Self {
        Self { a_second, left: first, owed: Duration::ZERO, at: None }
    }

    pub(super) fn refill(&mut self, now: Nanos) {
        let Some(before) = self.at.replace(now) else { return };
        let most = f64::from(ADVANCE.saturating_add(1));
        let share = now.saturating_sub(before).seconds().min(most);
        let (work, time) = self.a_second;
        let came = (f64::from(work) * share).round() as u32;
        self.left.0 = self.left.0.saturating_add(came).min(work);
        let came = time.mul_f64(share);
        let free = came.saturating_sub(self.owed);
        self.owed = self.owed.saturating_sub(came);
        self.left.1 = self.left.1.saturating_add(free).min(time);
    }

    pub(super) fn spend(&mut self, work: u32, time: Duration) {
        let (left, rest) = self.left;
        let owed = self.owed.saturating_add(time.saturating_sub(rest));
        self.owed = owed.min(self.a_second.1.saturating_mul(ADVANCE));
        self.left = (left.saturating_sub(work), rest.saturating_sub(time));
    }

    /// Whether the time is over when `time` was spent of what is left.
    pub(super) fn is_over(&self, time: Duration) -> bool {
        self.left.1 <= time
    }

    pub(super) fn half_the_time(&self) -> Duration {
        self.left.1 / 2
    }

    /// The work that is left; 0 once the time is over.
    pub(super) const fn left(&self) -> u32 {
        if self.left.1.is_zero() { 0 } else { self.left.0 }
    }
}

/// What each user has had of the looks that events ask for, in the last second.
#[derive(Debug, Default)]
pub(super) struct Shares {
    since: Nanos,
    had: HashMap<User, u32>,
}

impl Shares {
    /// What `user` may still have of `most`.
    pub(super) fn left(&mut self, user: User, most: u32, now: Nanos) -> u32 {
        if now.saturating_sub(self.since) >= Nanos::SECOND {
            self.since = now;
            self.had.clear();
        }
        most.saturating_sub(self.had.get(&user).copied().unwrap_or(0))
    }

    pub(super) fn spend(&mut self, user: User, work: u32) {
        let had = self.had.entry(user).or_default();
        *had = had.saturating_add(work);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn users_take_turns_whatever_each_has() {
        let mut turns = Turns::default();
        for pid in 100..200 {
            turns.add(Some(1000), pid);
        }
        turns.add(Some(0), 7);
        turns.add(Some(0), 7);
        let mut order = Vec::new();
        while let Some(user) = turns.user() {
            order.extend(turns.process(user));
        }
        assert_eq!((&order[..4], order.len()), (&[100, 7, 101, 102][..], 101));
    }

    #[test]
    fn what_was_not_finished_goes_on_at_its_users_next_turn() {
        let mut turns = Turns::default();
        for (user, pid) in [(5, 50), (5, 51), (6, 60)] {
            turns.add(Some(user), pid);
        }
        assert_eq!(turns.user().and_then(|user| turns.process(user)), Some(50));
        turns.add_first(Some(5), 50);
        assert_eq!(turns.user().and_then(|user| turns.process(user)), Some(60));
        assert_eq!(turns.user().and_then(|user| turns.process(user)), Some(50));
    }

    #[test]
    fn a_process_waits_in_one_place() {
        let mut turns = Turns::default();
        for (user, pid) in [(5, 50), (5, 51), (5, 52), (6, 60)] {
            turns.add(Some(user), pid);
        }
        // It is asked for again, and its number is another user's by now.
        for (user, pid) in [(5, 52), (5, 52), (6, 51), (6, 51)] {
            turns.add_first(Some(user), pid);
        }
        turns.add(Some(5), 51);
        let mut order = Vec::new();
        while let Some(user) = turns.user() {
            order.extend(turns.process(user));
        }
        assert_eq!(order, [52, 51, 50, 60]);
    }

    #[test]
    fn an_allowance_comes_in_with_time_and_does_not_pile_up() {
        let mut allowance = Allowance::new((100, SECOND), (1000, SECOND));
        allowance.refill(Nanos(0));
        assert_eq!(allowance.left(), 1000);
        allowance.spend(990, Duration::ZERO);
        allowance.refill(Nanos(Nanos::SECOND.0 / 2));
        assert_eq!(allowance.left(), 60);
        allowance.refill(Nanos(90 * Nanos::SECOND.0));
        assert_eq!(allowance.left(), 100);
        allowance.spend(1, SECOND);
        assert_eq!(allowance.left(), 0, "the time is over");
    }

    #[test]
    fn time_spent_in_advance_is_made_up_for_within_seconds() {
        let at = |second| Nanos(second * Nanos::SECOND.0);
        for (spent, seconds) in [(1, 1), (2, 2), (3, 3), (100, 1 + u64::from(ADVANCE))] {
            let mut allowance = Allowance::new((100, SECOND), (100, SECOND));
            allowance.refill(at(0));
            allowance.spend(0, SECOND.saturating_mul(spent));
            let mut left = |second| {
                allowance.refill(at(second));
                allowance.left()
            };
            let free = (1..=seconds).find(|&second| left(second) > 0);
            assert_eq!(free, Some(seconds), "{spent} s");
        }
    }

    #[test]
    fn a_users_events_have_a_share_of_each_second() {
        let mut shares = Shares::default();
        let at = |second| Nanos(second * Nanos::SECOND.0);
        shares.spend(Some(9), 70);
        let mut left = |user, second| shares.left(Some(user), 100, at(second));
        assert_eq!((left(9, 0), left(8, 0), left(9, 1)), (30, 100, 100));
    }
}
