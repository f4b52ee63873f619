use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use crate::support::*;
use trailkeeper_spool::{Options, Resolution, Spool};

const FOLDER: &str = "TRAILKEEPER_SPOOL_TEST_FOLDER";
/// The transaction that is never marked.
const LAST: &str = "TRAILKEEPER_SPOOL_TEST_LAST";

/// The writing process of the test below; does nothing on its own.
#[test]
#[ignore = "started by acknowledged_transactions_survive_kill_9"]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let spool = Spool::open(folder.as_ref(), SMALL).unwrap();
    let mut writer = spool.writer().unwrap();
    let last: i64 = std::env::var(LAST).unwrap().parse().unwrap();
    let mut out = std::io::stderr().lock();
    for n in 0.. {
        let id = sealed(&mut writer, &[&format!("record {n}")]);
        writeln!(out, "sealed {n}").unwrap();
        if n == last {
            loop {
                std::thread::park();
            }
        }
        writer.commit(id, n, None).unwrap();
        writeln!(out, "committed {n}").unwrap();
    }
}

#[test]
fn acknowledged_transactions_survive_kill_9() {
    let place = place(SMALL);
    let mut consumer = place.consumer();
    let mut caught = 0;
    for round in 0..20 {
        // Every other child is killed for certain between a seal and its mark.
        let last = if round % 2 == 0 { i64::MAX } else { 20 };
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::child", "--ignored", "--nocapture"])
            .env(FOLDER, place.root())
            .env(LAST, last.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut acknowledged = Vec::new();
        for _ in 0..if last == 20 { 41 } else { 40 + round } {
            acknowledged.push(lines.next().unwrap().unwrap());
        }
        consumer.poll().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged.extend(lines.map(Result::unwrap));
        let committed = acknowledged.iter().filter(|line| line.starts_with("committed")).count();
        let sealed = acknowledged.iter().filter(|line| line.starts_with("sealed")).count();

        consumer.poll().unwrap();
        let doubts = consumer.in_doubt().unwrap();
        caught += doubts.len();
        for doubt in &doubts {
            let resolution = Resolution::Committed { committed_at: i64::MAX };
            consumer.resolve(doubt.transaction, resolution).unwrap();
        }
        let drained: Vec<String> =
            drain(&mut consumer).into_iter().flat_map(|(_, records)| records).collect();
        let expected: Vec<String> = (0..drained.len()).map(|n| format!("record {n}")).collect();
        assert_eq!(drained, expected);
        assert!(drained.len() >= sealed && drained.len() <= sealed + 1, "{sealed} {committed}");
        assert!(drained.len() - doubts.len() >= committed);
        assert_eq!(consumer.take_reports(), []);
        assert_eq!(files(&place.root().join("writers")).len(), 0);
    }
    assert!(caught >= 10, "each second one died between seal and mark");
    let again = Spool::open(&place.root(), Options::default()).unwrap();
    assert_eq!(again.usage().unwrap(), 0);
}
