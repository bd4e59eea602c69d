//! What programs want of their memory over time, as the host describes it line by line. Pure.

/// More points than any scenario of the lab has.
const MOST_POINTS: usize = 2000;

/// What is wanted at one moment, in MiB; `streams` in MiB a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Touched all the time.
    pub hot: u64,
    /// Allocated and seldom touched.
    pub cold: u64,
    /// Files that are read again and again.
    pub cache: u64,
    /// Files that were read once before the beginning.
    pub read_once: u64,
    /// Files that are read once.
    pub streams: u64,
}

/// The load of a guest: what it wants from which second on, and how it goes about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    points: Vec<(u64, Needs)>,
    /// MiB that were used and freed before the beginning.
    pub dead: u64,
    /// MiB that the guest was given, of which its kernel tells less.
    pub memory: Option<u64>,
    /// Looks at what is available before it allocates.
    pub asks_first: bool,
}

impl Plan {
    /// Takes a line in: `point SECOND HOT COLD CACHE READ_ONCE STREAMS`, `dead MIB`,
    /// `memory MIB` or `asks`.
    ///
    /// # Errors
    /// When it is none of them, or out of order; the error is a reply.
    pub fn take(&mut self, line: &str) -> Result<(), String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["point", numbers @ ..] => self.point(&parsed(numbers)?),
            ["dead", mib] => {
                self.dead = number(mib)?;
                Ok(())
            }
            ["memory", mib] => {
                self.memory = Some(number(mib)?);
                Ok(())
            }
            ["asks"] => {
                self.asks_first = true;
                Ok(())
            }
            _ => Err(format!("no line of a load: {line:.40}")),
        }
    }

    fn point(&mut self, numbers: &[u64]) -> Result<(), String> {
        let &[second, hot, cold, cache, read_once, streams] = numbers else {
            return Err("a point has a second and five sizes".to_owned());
        };
        if self.points.last().is_some_and(|(last, _)| *last >= second) {
            return Err(format!("second {second} is out of order"));
        }
        if self.points.len() >= MOST_POINTS {
            return Err(format!("more than {MOST_POINTS} points"));
        }
        self.points.push((second, Needs { hot, cold, cache, read_once, streams }));
        Ok(())
    }

    /// Most MiB of files that are read again and again.
    pub fn most_cached(&self) -> u64 {
        self.points.iter().map(|(_, needs)| needs.cache).max().unwrap_or(0)
    }

    /// What is wanted in a second: as the last point before it says.
    pub fn needs(&self, second: u64) -> Needs {
        let before = self.points.iter().rev().find(|(at, _)| *at <= second);
        before.map_or_else(Needs::default, |(_, needs)| *needs)
    }
}

fn parsed(words: &[&str]) -> Result<Vec<u64>, String> {
    words.iter().map(|word| number(word)).collect()
}

/// No size or second of the lab is near this.
const MOST: u64 = 1 << 20;

fn number(word: &str) -> Result<u64, String> {
    let number = word.parse().ok().filter(|number| *number < MOST);
    number.ok_or_else(|| format!("no number: {word:.20}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(lines: &[&str]) -> Result<Plan, String> {
        let mut plan = Plan::default();
        lines.iter().try_for_each(|line| plan.take(line))?;
        Ok(plan)
    }

    #[test]
    fn what_is_wanted_holds_until_the_next_point() {
        let plan =
            plan(&["point 0 10 1 0 0 0", "point 5 20 1 7 8 9", "dead 30", "memory 64", "asks"])
                .unwrap();
        assert_eq!([0, 4, 5, 99].map(|second| plan.needs(second).hot), [10, 10, 20, 20]);
        let last = Needs { hot: 20, cold: 1, cache: 7, read_once: 8, streams: 9 };
        assert_eq!(plan.needs(7), last);
        assert_eq!((plan.dead, plan.memory, plan.asks_first), (30, Some(64), true));
    }

    #[test]
    fn what_is_no_load_is_refused_with_a_reply() {
        for line in ["", "point 1 2 3", "point 0 x 0 0 0 0", "dead", "dead 99999999999", "asks me"]
        {
            assert!(plan(&[line]).is_err(), "{line}");
        }
        assert!(plan(&["point 5 1 1 1 1 1", "point 5 1 1 1 1 1"]).is_err());
    }
}
