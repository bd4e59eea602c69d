//! What a helper is asked when, and what becomes of the answers. Runs on the helper's thread.
//!
//! The list of a daemon's domains is asked for every two seconds. Domains are asked few at a time,
//! and those that have hung have turns of their own: one whose monitor hangs holds up no others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use uuid::Uuid;

use super::answers::MemoryStats;
use super::devices::Devices;
use super::helper::{Adopted, Inbox, Limits, Message, Setting};
use super::known::{Known, Learned, Told, is_read};
use super::metadata::Metadata;
use super::running::{Running, until_then};
use crate::protocol::{Answer, Ask, Look, Said};
use crate::vmm::guest::{PERIOD_SECONDS, is_too_slow};
use crate::vmm::name;
use crate::vmm::naming::metadata::of_domain;
use crate::vmm::order::{Reply, SetBalloon};

const PERIOD: Duration = Duration::from_secs(PERIOD_SECONDS as u64);
/// Longest time between two attempts to connect to a daemon.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// Most domains of a daemon that are asked at once, and of those that have hung. libvirtd has
/// 20 threads for all its clients, and the latter keep one each.
const TURNS: usize = 3;
const TURNS_OF_HANGING: usize = 4;
/// Most domains whose statistics wait for a turn.
const QUEUE: usize = 1024;
/// Most lists and most orders at once.
const LISTS: usize = 16;
const ORDERS: usize = 8;
/// How often the time of a domain that hangs is doubled.
const MOST_STRIKES: u32 = 6;

#[derive(Debug)]
pub(super) struct Driver {
    setting: Setting,
    inbox: Arc<Inbox>,
    daemons: BTreeMap<u32, Daemon>,
    running: Option<Running>,
    waiting: BTreeMap<u64, Waiting>,
    restart: Restart,
    sized: Instant,
}

/// When it may be started again.
#[derive(Debug)]
struct Restart {
    pause: Duration,
    next: Instant,
    /// When it was started last.
    begun: Instant,
    /// Why it doesn't run.
    why: String,
}

#[derive(Debug)]
struct Daemon {
    known: Weak<Known>,
    socket: Option<(OwnedFd, bool)>,
    /// The process that runs has its socket.
    opened: bool,
    listing: bool,
    next_list: Instant,
    wait: Duration,
    queue: VecDeque<Uuid>,
    /// Those whose XML was read.
    seen: BTreeSet<Uuid>,
    /// How often a domain has hung.
    strikes: BTreeMap<Uuid, u32>,
}

/// A request that is under way.
#[derive(Debug)]
struct Waiting {
    daemon: u32,
    what: What,
    deadline: Instant,
}

#[derive(Debug)]
enum What {
    /// Its answer matters to nobody.
    Little,
    Period(Uuid),
    List(BTreeSet<Uuid>),
    Look(Uuid),
    Order(Uuid, Reply),
}

impl What {
    fn domain(&self) -> Option<Uuid> {
        match self {
            Self::Look(uuid) | Self::Order(uuid, _) | Self::Period(uuid) => Some(*uuid),
            Self::Little | Self::List(_) => None,
        }
    }
}

impl Driver {
    pub(super) fn new(setting: Setting, inbox: Arc<Inbox>) -> Self {
        let now = Instant::now();
        let pause = setting.limits.pause;
        let restart = Restart { pause, next: now, begun: now, why: String::new() };
        Self {
            setting,
            inbox,
            daemons: BTreeMap::new(),
            running: None,
            waiting: BTreeMap::new(),
            restart,
            sized: now,
        }
    }

    /// Until its inbox is closed.
    pub(super) fn run(mut self) {
        while let Some(messages) = self.inbox.take() {
            for message in messages {
                self.heed(message);
            }
            self.leave_unread();
            let now = Instant::now();
            if self.daemons.is_empty() {
                self.running = None;
                self.waiting.clear();
                self.wait_for_bell(now + PERIOD);
            } else if self.running.is_some() {
                self.schedule(now);
                self.converse(now);
            } else if now >= self.restart.next {
                self.start(now);
            } else {
                self.wait_for_bell(self.restart.next.min(now + PERIOD));
            }
        }
    }

    fn heed(&mut self, message: Message) {
        match message {
            Message::Adopt(Adopted { number, known, socket }) => {
                let now = Instant::now();
                if let Some(known) = known.upgrade() {
                    known.lock().begun.get_or_insert(now);
                }
                let daemon = Daemon {
                    known,
                    socket,
                    opened: false,
                    listing: false,
                    next_list: now,
                    wait: PERIOD,
                    queue: VecDeque::new(),
                    seen: BTreeSet::new(),
                    strikes: BTreeMap::new(),
                };
                self.daemons.insert(number, daemon);
            }
            Message::Order(number, uuid, order) => self.order(number, uuid, order),
        }
    }

    fn order(&mut self, number: u32, uuid: Uuid, SetBalloon { to, reply }: SetBalloon) {
        let orders = self.waiting.values().filter(|one| matches!(one.what, What::Order(..)));
        let refused = if self.running.is_none() {
            Some(self.restart.why.clone())
        } else if !self.daemons.contains_key(&number) {
            Some("its daemon isn't asked any more".to_owned())
        } else if orders.count() >= ORDERS {
            Some(format!("{ORDERS} orders are under way"))
        } else {
            None
        };
        if let Some(why) = refused {
            return reply.send(Err(format!("libvirt: {why}")));
        }
        // libvirt counts in KiB; what is left over is the guest's.
        let kib = to.0.div_ceil(1024);
        self.ask(number, Ask::Balloon { uuid, kib }, What::Order(uuid, reply));
    }

    /// Leaves daemons that nobody reads of.
    fn leave_unread(&mut self) {
        let unread = self.daemons.iter().filter(|(_, daemon)| !is_read(&daemon.known));
        let unread: Vec<u32> = unread.map(|(number, _)| *number).collect();
        for number in unread {
            self.leave(number);
        }
    }

    fn leave(&mut self, number: u32) {
        if self.daemons.get(&number).is_some_and(|daemon| daemon.opened) {
            self.ask(number, Ask::Close, What::Little);
        }
        self.daemons.remove(&number);
    }

    fn start(&mut self, now: Instant) {
        let Setting { program, credentials, .. } = &self.setting;
        match program.find().and_then(|path| Running::start(&path, *credentials)) {
            Ok(running) => {
                self.running = Some(running);
                self.restart.begun = now;
                for daemon in self.daemons.values_mut() {
                    daemon.opened = false;
                    daemon.listing = false;
                    daemon.next_list = now;
                }
            }
            Err(why) => self.pause(why, now, Duration::ZERO),
        }
    }

    /// Ends the process, if it runs; `why`: what it did.
    fn end(&mut self, why: &str) {
        let Some(running) = self.running.take() else { return };
        let words = running.end(why);
        tracing::debug!("{words}");
        let now = Instant::now();
        self.pause(words, now, now.saturating_duration_since(self.restart.begun));
    }

    /// Waits before it is started again. `ran`: for how long it did.
    fn pause(&mut self, why: String, now: Instant, ran: Duration) {
        let Limits { pause, longest_pause, .. } = self.setting.limits;
        if ran >= longest_pause {
            self.restart.pause = pause;
        }
        self.restart.next = now + self.restart.pause;
        self.restart.pause = self.restart.pause.saturating_mul(2).min(longest_pause);
        let mut hanging = BTreeSet::new();
        for (_, waiting) in std::mem::take(&mut self.waiting) {
            if waiting.deadline <= now
                && let Some(uuid) = waiting.what.domain()
                && let Some(daemon) = self.daemons.get_mut(&waiting.daemon)
            {
                let strikes = daemon.strikes.entry(uuid).or_default();
                *strikes = strikes.saturating_add(1).min(MOST_STRIKES);
                hanging.insert(uuid);
            }
            if let What::Order(_, reply) = waiting.what {
                reply.send(Err(format!("libvirt: {why}")));
            }
        }
        for daemon in self.daemons.values_mut() {
            daemon.queue.clear();
            if let Some(known) = daemon.known.upgrade() {
                let mut learned = known.lock();
                learned.down = Some(why.clone());
                learned.forget_waits(&hanging);
            }
        }
        self.restart.why = why;
    }

    fn wait_for_bell(&self, until: Instant) {
        let mut bell = [PollFd::from_borrowed_fd(self.inbox.bell(), PollFlags::IN)];
        let _ = poll(&mut bell, Some(&until_then(until)));
    }

    /// Asks what is due.
    fn schedule(&mut self, now: Instant) {
        let numbers: Vec<u32> = self.daemons.keys().copied().collect();
        for number in numbers {
            self.list(number, now);
            self.look(number);
        }
    }

    fn list(&mut self, number: u32, now: Instant) {
        let lists = self.waiting.values().filter(|one| matches!(one.what, What::List(_))).count();
        let Some(daemon) = self.daemons.get_mut(&number) else { return };
        if daemon.listing || daemon.next_list > now || lists >= LISTS {
            return;
        }
        let Some(known) = daemon.known.upgrade() else { return };
        daemon.listing = true;
        let followed = known.lock().followed.clone();
        let only = followed.iter().copied().collect();
        self.ask(number, Ask::List { only }, What::List(followed));
    }

    /// Gives turns to those that wait for one.
    fn look(&mut self, number: u32) {
        let Some(daemon) = self.daemons.get_mut(&number) else { return };
        let (mut turns, mut of_hanging) = (TURNS, TURNS_OF_HANGING);
        for waiting in self.waiting.values().filter(|one| one.daemon == number) {
            if let What::Look(uuid) = waiting.what {
                let of =
                    if daemon.strikes.contains_key(&uuid) { &mut of_hanging } else { &mut turns };
                *of = of.saturating_sub(1);
            }
        }
        let mut begun = Vec::new();
        daemon.queue.retain(|uuid| {
            let of = if daemon.strikes.contains_key(uuid) { &mut of_hanging } else { &mut turns };
            let left = *of;
            *of = left.saturating_sub(1);
            if left > 0 {
                begun.push((*uuid, !daemon.seen.contains(uuid)));
            }
            left == 0
        });
        for (uuid, xml) in begun {
            self.ask(number, Ask::Look { uuid, xml }, What::Look(uuid));
        }
    }

    fn ask(&mut self, number: u32, ask: Ask, what: What) {
        let limits = self.setting.limits;
        let (Some(running), Some(daemon)) = (&mut self.running, self.daemons.get_mut(&number))
        else {
            return;
        };
        let now = Instant::now();
        let limit = match what.domain() {
            Some(uuid) => {
                let strikes = daemon.strikes.get(&uuid).copied().unwrap_or_default();
                limits.domain.saturating_mul(1 << strikes.min(MOST_STRIKES))
            }
            None => limits.list,
        };
        if let (false, Some((socket, session))) = (daemon.opened, &daemon.socket)
            && let Ok(socket) = socket.try_clone()
        {
            let id = running.ask(number, Ask::Open { session: *session }, Some(socket));
            let deadline = now + limits.list;
            self.waiting.insert(id, Waiting { daemon: number, what: What::Little, deadline });
        }
        daemon.opened = true;
        let id = running.ask(number, ask, None);
        self.waiting.insert(id, Waiting { daemon: number, what, deadline: now + limit });
    }

    /// Exchanges lines with the process until something is due.
    fn converse(&mut self, now: Instant) {
        if let Err(why) = self.check(now) {
            return self.end(&why);
        }
        let lists = self.daemons.values().filter(|daemon| !daemon.listing);
        let lists = lists.map(|daemon| daemon.next_list);
        let deadlines = self.waiting.values().map(|waiting| waiting.deadline);
        // One of several lists may be due and have to wait.
        let least = now + Duration::from_millis(10);
        let until = lists.chain(deadlines).min().unwrap_or(now).clamp(least, now + PERIOD);
        let Some(running) = &mut self.running else { return };
        let answers = running.wait(Some(self.inbox.bell()), until);
        let taken =
            answers.and_then(|answers| answers.into_iter().try_for_each(|one| self.take(one)));
        if let Err(why) = taken {
            self.end(&why);
        }
    }

    /// Whether it keeps its limits.
    fn check(&mut self, now: Instant) -> Result<(), String> {
        if let Some(late) = self.waiting.values().find(|waiting| waiting.deadline <= now) {
            let what = match &late.what {
                What::Little => "a request",
                What::List(_) => "the list of domains",
                What::Look(_) | What::Period(_) => "a domain",
                What::Order(..) => "an order",
            };
            return Err(format!("did not answer in time ({what})"));
        }
        if now.saturating_duration_since(self.sized) >= PERIOD {
            self.sized = now;
            let size = self.running.as_ref().and_then(Running::size);
            if let Some(size) = size.filter(|size| *size > self.setting.limits.size) {
                return Err(format!("took {} MiB of memory", size.0 >> 20));
            }
        }
        Ok(())
    }

    /// # Errors
    /// When it wasn't asked that.
    fn take(&mut self, Answer { id, said }: Answer) -> Result<(), String> {
        let waiting = self.waiting.remove(&id).ok_or("answered what it was not asked")?;
        let Waiting { daemon, what, .. } = waiting;
        match what {
            What::Little | What::Period(_) => {}
            What::List(asked) => self.listed(daemon, &asked, said),
            What::Look(uuid) => self.looked(daemon, uuid, said),
            What::Order(_, reply) => {
                let result = match said {
                    Said::Done => Ok(()),
                    other => Err(refusal(other)),
                };
                reply.send(result.map_err(|why| format!("libvirt: {why}")));
            }
        }
        Ok(())
    }

    fn listed(&mut self, number: u32, asked: &BTreeSet<Uuid>, said: Said) {
        let Some(daemon) = self.daemons.get_mut(&number) else { return };
        daemon.listing = false;
        let Some(known) = daemon.known.upgrade() else { return };
        let now = Instant::now();
        match said {
            Said::Domains(listed) => {
                daemon.wait = PERIOD;
                daemon.next_list = now + PERIOD;
                let under_way = self.waiting.values().filter(|one| one.daemon == number);
                let looks = under_way.filter_map(|one| match one.what {
                    What::Look(uuid) => Some(uuid),
                    _ => None,
                });
                let mut learned = known.lock();
                learned.note_list(listed, asked, now);
                daemon.enqueue(&mut learned, looks.collect());
            }
            other => {
                known.lock().down = Some(refusal(other));
                daemon.seen.clear();
                daemon.wait = daemon.wait.saturating_mul(2).min(LONGEST_WAIT);
                daemon.next_list = now + daemon.wait;
                if daemon.socket.is_some() {
                    // Its daemon may have another socket by now.
                    known.set_seat(None);
                    self.leave(number);
                }
            }
        }
    }

    fn looked(&mut self, number: u32, uuid: Uuid, said: Said) {
        let Some(daemon) = self.daemons.get_mut(&number) else { return };
        daemon.strikes.remove(&uuid);
        let Some(known) = daemon.known.upgrade() else { return };
        let Said::Look(look) = said else {
            known.lock().note_stats(uuid, Err(refusal(said)));
            return;
        };
        let first = daemon.seen.insert(uuid);
        known.lock().note_stats(uuid, Ok(told(&look)));
        if first && look.xml.as_deref().is_some_and(is_seldom_asked) {
            // Where that fails, the missing statistics say so.
            self.ask(number, Ask::Period { uuid, seconds: PERIOD_SECONDS }, What::Period(uuid));
        }
    }
}

impl Daemon {
    /// Has those asked that are listed, and neither asked nor waiting to be.
    fn enqueue(&mut self, learned: &mut Learned, under_way: BTreeSet<Uuid>) {
        let listed = |uuid: &Uuid| learned.domains.contains_key(uuid);
        self.queue.retain(listed);
        self.seen.retain(listed);
        self.strikes.retain(|uuid, _| listed(uuid));
        let mut begun = under_way;
        begun.extend(&self.queue);
        let due: Vec<Uuid> =
            learned.domains.keys().filter(|uuid| !begun.contains(uuid)).copied().collect();
        for uuid in due {
            if self.queue.len() < QUEUE {
                self.queue.push_back(uuid);
            } else {
                let why = "too many domains are waiting for an answer".to_owned();
                learned.note_stats(uuid, Err(why));
            }
        }
    }
}

/// In words, what is said instead of what was asked.
pub(super) fn refusal(said: Said) -> String {
    match said {
        Said::Failed(why) => name::display(&why),
        Said::NoDomain => "it has no such domain".to_owned(),
        _ => "its helper gave another answer".to_owned(),
    }
}

fn told(look: &Look) -> Told {
    Told {
        stats: MemoryStats::new(look.stats.iter().copied()),
        metadata: look.metadata.as_deref().map(Metadata::parse).unwrap_or_default(),
        named: look.xml.as_deref().and_then(of_domain),
    }
}

/// Whether it has a balloon whose guest isn't asked for statistics, or too seldom.
fn is_seldom_asked(xml: &str) -> bool {
    let devices = Devices::parse(xml).ok();
    devices
        .and_then(|devices| devices.balloon)
        .is_some_and(|balloon| is_too_slow(balloon.period.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_whose_statistics_come_too_seldom_are_asked_more_often() {
        for (balloon, seldom) in [
            ("<memballoon model='virtio'/>", true),
            ("<memballoon model='virtio'><stats period='1'/></memballoon>", false),
            ("<memballoon model='virtio'><stats period='5'/></memballoon>", false),
            // nova's default.
            ("<memballoon model='virtio'><stats period='10'/></memballoon>", true),
            ("<memballoon model='none'/>", false),
        ] {
            let xml = format!("<domain><devices>{balloon}</devices></domain>");
            assert_eq!(is_seldom_asked(&xml), seldom, "{balloon}");
        }
        assert!(!is_seldom_asked("no domain"));
    }
}
