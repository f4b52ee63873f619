//! Which files are worth one file: a log-structured merge of neighbours.
//!
//! After the merge policy of Lucene that keeps the order of its segments (`LogMergePolicy`). A file has a level by the logarithm
//! of its rows. Neighbours are merged when what they make is of a higher level than each of them, so that
//! a row is rewritten at most once for each level, and of each level few files are left.

use std::ops::Range;

use crate::file::DataFile;

/// How many times larger the files of a level may be than those of the one below.
const FAN: u64 = 8;
/// The most rows of a file of the lowest level.
const SMALLEST: u64 = 16;
/// The highest level; its files are as large as they shall be.
const HIGHEST: u32 = 5;
/// The most rows of a file that is made.
const LARGEST: u64 = most_rows(HIGHEST);

/// How much is merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// What is worth it while events come in: a row is written six times at most, once as it comes included.
    Usual,
    /// All neighbours that fit into one file.
    Whole,
}

/// The next run of neighbours to merge, as its range in `files`; these are in the order of a snapshot.
pub(crate) fn next_run(files: &[DataFile], effort: Effort) -> Option<Range<usize>> {
    match effort {
        Effort::Usual => (0..HIGHEST).find_map(|level| run_of(files, level, most_rows(level))),
        Effort::Whole => run_of(files, HIGHEST, 0),
    }
}

const fn most_rows(level: u32) -> u64 {
    SMALLEST * FAN.pow(level)
}

/// The first neighbours of this level or below that have more than `least` rows together.
fn run_of(files: &[DataFile], level: u32, least: u64) -> Option<Range<usize>> {
    let mut run: Range<usize> = 0..0;
    let mut rows = 0;
    for (index, file) in files.iter().enumerate() {
        let before = run.end.checked_sub(1).and_then(|last| files.get(last));
        let count = whole_rows(file).filter(|count| *count <= most_rows(level));
        let goes_on = run.is_empty() || before.is_some_and(|before| follows(before, file));
        match count {
            Some(count) if goes_on && rows + count <= LARGEST => {
                run = if run.is_empty() { index..index + 1 } else { run.start..index + 1 };
                rows += count;
            }
            _ => {
                if is_worth(&run, rows, least) {
                    return Some(run);
                }
                run = if count.is_some() { index..index + 1 } else { 0..0 };
                rows = count.unwrap_or(0);
            }
        }
    }
    is_worth(&run, rows, least).then_some(run)
}

fn is_worth(run: &Range<usize>, rows: u64, least: u64) -> bool {
    run.len() > 1 && rows > least
}

/// How many rows a file has, if its statistics say that it has each `seq` between its bounds.
fn whole_rows(file: &DataFile) -> Option<u64> {
    let (first, last) = file.seq_bounds()?;
    let rows = file.rows()?;
    (rows == last.checked_sub(first)?.checked_add(1)?).then_some(rows)
}

fn follows(before: &DataFile, file: &DataFile) -> bool {
    let (Some((_, last)), Some((first, _))) = (before.seq_bounds(), file.seq_bounds()) else {
        return false;
    };
    last.checked_add(1) == Some(first) && before.month() == file.month()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use trailkeeper_event::Column;

    use super::{Effort, LARGEST, next_run};
    use crate::file::{Bounds, DataFile};

    fn file(first: u64, rows: u64, month: &str) -> DataFile {
        let bound = |seq: u64| i64::try_from(seq).unwrap();
        let bounds = Bounds::Int(bound(first), bound(first + rows - 1));
        DataFile {
            path: format!("{first}"),
            size: rows * 100,
            rows: Some(rows),
            month: Some(month.to_owned()),
            bounds: HashMap::from([(Column::Seq, bounds)]),
        }
    }

    fn files(rows: &[u64]) -> Vec<DataFile> {
        let starts = rows.iter().scan(0, |next, rows| {
            let start = *next;
            *next += rows;
            Some(start)
        });
        starts.zip(rows).map(|(start, rows)| file(start, *rows, "2026-11")).collect()
    }

    /// Merges until nothing is worth it; gives the rows of the files, and how many rows were written.
    fn settle(files: &mut Vec<DataFile>, effort: Effort) -> u64 {
        let mut written = 0;
        while let Some(run) = next_run(files, effort) {
            let merged = &files[run.clone()];
            let rows = merged.iter().map(|file| file.rows.unwrap()).sum();
            assert!(rows <= LARGEST);
            written += rows;
            let first = merged[0].seq_bounds().unwrap().0;
            let month = merged[0].month.clone().unwrap();
            files.splice(run, [file(first, rows, &month)]);
        }
        written
    }

    #[test]
    fn few_files_are_left_and_few_rows_are_rewritten() {
        for size in [1, 5, 40, 700, 9000, 90_000] {
            let mut kept = Vec::new();
            let (mut written, mut total, mut most) = (0, 0, 0);
            for _ in 0..3000 {
                if total > 20 * LARGEST {
                    break;
                }
                kept.push(file(total, size, "2026-11"));
                total += size;
                written += settle(&mut kept, Effort::Usual);
                let unfinished = kept.iter().filter(|file| file.rows.unwrap() <= LARGEST / 8);
                most = most.max(unfinished.count());
            }
            assert!(most < 50, "{most} files of {size}");
            assert!(written <= 5 * total, "{written} rows written for {total} of {size}");
            assert_eq!(kept.iter().map(|file| file.rows.unwrap()).sum::<u64>(), total);
        }
    }

    #[test]
    fn of_all_that_fits_nothing_is_left() {
        let mut kept = files(&[LARGEST - 5, 3, 3, 3, 100_000, LARGEST]);
        settle(&mut kept, Effort::Whole);
        let rows: Vec<_> = kept.iter().map(|file| file.rows.unwrap()).collect();
        assert_eq!(rows, [LARGEST - 2, 100_006, LARGEST]);
        assert_eq!(next_run(&kept, Effort::Whole), None);
    }

    #[test]
    fn what_is_not_of_one_month_or_one_range_is_left_alone() {
        let months = [file(0, 100, "2026-11"), file(100, 100, "2026-12")];
        assert_eq!(next_run(&months, Effort::Whole), None);
        let gap = [file(0, 100, "2026-11"), file(101, 100, "2026-11")];
        assert_eq!(next_run(&gap, Effort::Whole), None);
        let mut unknown = files(&[100, 100, 100]);
        unknown[1].rows = None;
        assert_eq!(next_run(&unknown, Effort::Whole), None);
        unknown[1].rows = Some(99);
        assert_eq!(next_run(&unknown, Effort::Whole), None);
        let behind = [&unknown[..], &files(&[100; 7])[3..]].concat();
        assert_eq!(next_run(&behind, Effort::Whole), Some(2..7));
    }

    #[test]
    fn an_empty_table_has_no_run() {
        assert_eq!(next_run(&[], Effort::Whole), None);
        assert_eq!(next_run(&files(&[1]), Effort::Whole), None);
    }
}
