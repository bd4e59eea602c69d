//! How far two columns of numbers agree: their order over all, and who wins. Pure.

use std::collections::BTreeMap;

/// Spearman's rank correlation, equal values with the mean of their ranks; `None` with fewer than
/// three pairs, or where one of the columns is all the same.
pub(super) fn spearman(pairs: &[(f64, f64)]) -> Option<f64> {
    if pairs.len() < 3 {
        return None;
    }
    let left = ranks(&pairs.iter().map(|pair| pair.0).collect::<Vec<_>>());
    let right = ranks(&pairs.iter().map(|pair| pair.1).collect::<Vec<_>>());
    pearson(&left, &right)
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let below = |value: f64| values.iter().filter(|other| **other < value).count();
    let same = |value: f64| values.iter().filter(|other| other.total_cmp(&value).is_eq()).count();
    // The mean of the ranks that equal values have together.
    values.iter().map(|value| below(*value) as f64 + (same(*value) as f64 + 1.0) / 2.0).collect()
}

fn pearson(left: &[f64], right: &[f64]) -> Option<f64> {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (middle_left, middle_right) = (mean(left), mean(right));
    let products = |a: &[f64], a_mean: f64, b: &[f64], b_mean: f64| -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - a_mean) * (b - b_mean)).sum()
    };
    let both = products(left, middle_left, right, middle_right);
    let spread = products(left, middle_left, left, middle_left)
        * products(right, middle_right, right, middle_right);
    (spread > 0.0).then(|| both / spread.sqrt())
}

/// A number of a host under a rule: of the simulator, and of real guests.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Compared {
    pub(super) host: String,
    pub(super) rule: String,
    pub(super) simulated: f64,
    pub(super) real: f64,
}

/// Two rules on a host for which simulator and guests disagree which is better.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Disagreement {
    pub(super) host: String,
    pub(super) rules: [String; 2],
    pub(super) simulated: [f64; 2],
    pub(super) real: [f64; 2],
}

/// Less than this is as good as nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Small(pub(super) f64);

/// Pairs of rules whose order is another one in the simulator, by more than `factor` in one of
/// the two or in both together.
pub(super) fn disagreements(rows: &[Compared], factor: f64, small: Small) -> Vec<Disagreement> {
    let mut hosts: BTreeMap<&str, Vec<&Compared>> = BTreeMap::new();
    for row in rows {
        hosts.entry(&row.host).or_default().push(row);
    }
    let mut found = Vec::new();
    for rows in hosts.values() {
        for (number, one) in rows.iter().enumerate() {
            for other in rows.iter().skip(number + 1) {
                let ratio = |a: f64, b: f64| (a + small.0) / (b + small.0);
                let simulated = ratio(one.simulated, other.simulated);
                let real = ratio(one.real, other.real);
                let opposed = (simulated - 1.0) * (real - 1.0) < 0.0;
                let apart = (simulated / real).max(real / simulated);
                if opposed && apart > factor {
                    found.push(Disagreement {
                        host: one.host.clone(),
                        rules: [one.rule.clone(), other.rule.clone()],
                        simulated: [one.simulated, other.simulated],
                        real: [one.real, other.real],
                    });
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: Option<f64>, expected: f64) {
        assert!(value.is_some_and(|value| (value - expected).abs() < 1e-9), "{value:?}");
    }

    #[test]
    fn order_is_what_counts_and_not_size() {
        near(spearman(&[(1.0, 10.0), (2.0, 11.0), (3.0, 1000.0)]), 1.0);
        near(spearman(&[(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)]), -1.0);
        // By hand: ranks 1 2 3 4 and 1 3 2 4, so 1 - 6 * 2 / (4 * 15).
        near(spearman(&[(1.0, 1.0), (2.0, 30.0), (3.0, 20.0), (4.0, 40.0)]), 0.8);
    }

    #[test]
    fn equal_values_share_their_ranks() {
        // Ranks 1.5 1.5 3 and 1 2 3.
        near(spearman(&[(0.0, 0.0), (0.0, 1.0), (5.0, 2.0)]), 0.75_f64.sqrt());
        assert_eq!(spearman(&[(0.0, 1.0), (0.0, 2.0), (0.0, 3.0)]), None);
        assert_eq!(spearman(&[(0.0, 1.0), (1.0, 2.0)]), None);
    }

    fn row(rule: &str, simulated: f64, real: f64) -> Compared {
        Compared { host: "h".to_owned(), rule: rule.to_owned(), simulated, real }
    }

    #[test]
    fn rules_whose_order_turns_disagree_and_those_that_differ_in_size_do_not() {
        let found = disagreements(&[row("a", 10.0, 4.0), row("b", 5.0, 9.0)], 2.0, Small(1.0));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].rules, ["a", "b"]);
        let same = [row("a", 100.0, 5.0), row("b", 50.0, 4.0)];
        assert_eq!(disagreements(&same, 2.0, Small(1.0)), []);
        // Next to nothing on both sides.
        let small = [row("a", 0.1, 0.0), row("b", 0.0, 0.1)];
        assert_eq!(disagreements(&small, 2.0, Small(1.0)), []);
    }
}
