//! Sets of transaction numbers, which come in long runs.

use std::collections::BTreeMap;

/// Numbers as runs: first to last, both in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NumberSet(BTreeMap<u32, u32>);

impl NumberSet {
    pub(crate) fn contains(&self, number: u32) -> bool {
        self.0.range(..=number).next_back().is_some_and(|(_, last)| *last >= number)
    }

    pub(crate) fn insert(&mut self, number: u32) {
        self.insert_run(number, number);
    }

    /// Adds `first..=last`, joining the runs it touches.
    pub(crate) fn insert_run(&mut self, mut first: u32, mut last: u32) {
        while let Some((run_first, run_last)) =
            self.0.range(..=last.saturating_add(1)).next_back().map(|(a, b)| (*a, *b))
        {
            if run_last.saturating_add(1) < first {
                break;
            }
            first = first.min(run_first);
            last = last.max(run_last);
            self.0.remove(&run_first);
        }
        self.0.insert(first, last);
    }

    pub(crate) fn insert_all(&mut self, other: &Self) {
        other.runs().for_each(|(first, last)| self.insert_run(first, last));
    }

    pub(crate) fn runs(&self) -> impl ExactSizeIterator<Item = (u32, u32)> + '_ {
        self.0.iter().map(|(first, last)| (*first, *last))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn agrees_with_a_set_of_numbers(runs in prop::collection::vec((0u32..60, 0u32..6), 0..20)) {
            let (mut set, mut model) = (NumberSet::default(), BTreeSet::new());
            for (first, len) in runs {
                set.insert_run(first, first + len);
                model.extend(first..=first + len);
            }
            for number in 0..70 {
                prop_assert_eq!(set.contains(number), model.contains(&number));
            }
            let runs: Vec<_> = set.runs().collect();
            prop_assert!(runs.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
        }
    }

    #[test]
    fn the_ends_of_the_numbers_do_not_overflow() {
        let mut set = NumberSet::default();
        set.insert(u32::MAX);
        set.insert(0);
        set.insert(u32::MAX - 1);
        assert_eq!(set.runs().collect::<Vec<_>>(), [(0, 0), (u32::MAX - 1, u32::MAX)]);
    }
}
