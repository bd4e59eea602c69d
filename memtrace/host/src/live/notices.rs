//! The notices of one sample: each problem once, and not without end.

use memtrace_core::sample::{Notice, Topic};

/// Most notices about one topic in a sample: what some users' processes do must not keep other
/// problems from being told.
const MOST_OF_A_TOPIC: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Notices {
    list: Vec<Notice>,
    /// That did not fit.
    more: usize,
}

impl Notices {
    pub(super) fn add(&mut self, about: Topic, text: impl Into<String>) {
        let notice = Notice { about, text: text.into() };
        if self.list.contains(&notice) {
            return;
        }
        let same = self.list.iter().filter(|other| other.about == about).count();
        if same < MOST_OF_A_TOPIC {
            self.list.push(notice);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    pub(super) fn into_list(mut self) -> Vec<Notice> {
        if self.more > 0 {
            let text = format!("and {} more problems", self.more);
            self.list.push(Notice { about: Topic::Memtrace, text });
        }
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_is_reported_once() {
        let mut notices = Notices::default();
        notices.add(Topic::Cgroup, "a");
        notices.add(Topic::Cgroup, "a");
        notices.add(Topic::Qmp, "a");
        assert_eq!(notices.into_list().len(), 2);
    }

    #[test]
    fn a_flood_of_problems_is_counted() {
        let mut notices = Notices::default();
        for topic in [Topic::Discovery, Topic::Cgroup, Topic::Qmp, Topic::Libvirt] {
            for number in 0..100 {
                notices.add(topic, number.to_string());
            }
            assert_eq!(notices.list.last().map(|notice| notice.about), Some(topic));
        }
        notices.add(Topic::Host, "it is told");
        let list = notices.into_list();
        assert_eq!(list.len(), 4 * MOST_OF_A_TOPIC + 2);
        assert!(list.iter().any(|notice| notice.about == Topic::Host), "{list:?}");
        assert_eq!(list.last().unwrap().text, "and 368 more problems");
    }
}
