//! `trailkeeper export`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use trailkeeper_engine::{BatchLimits, Column, RecordBuffer, RecordBuilder, Trail, TrailOptions};
use trailkeeper_testkit::invoice_record;

const START: i64 = 1_794_700_800_000_000;

/// A trail of three events in the store and one in the spool.
struct World {
    dir: tempfile::TempDir,
}

struct Done {
    code: u8,
    out: Vec<u8>,
    err: String,
}

impl World {
    fn new() -> Self {
        let world = Self { dir: tempfile::tempdir().unwrap() };
        let trail = Trail::open(
            TrailOptions::new(world.path("trail").to_str().unwrap())
                .with_spool(world.path("trail-spool")),
        )
        .unwrap();
        for number in 0..3 {
            let at = START + i64::try_from(number).unwrap();
            append(&trail, at, &invoice_record(number, number, at));
        }
        let mut drainer = trail.elect_drainer().unwrap().unwrap();
        drainer.drain_once(BatchLimits::default()).unwrap();
        let mut denied = RecordBuilder::new();
        denied
            .text(Column::Kind, "request")
            .text(Column::Action, "request")
            .text(Column::Outcome, "denied")
            .text(Column::Reason, "=1+1")
            .text(Column::RequestId, "r-1")
            .int(Column::OccurredAt, START + 3);
        append(&trail, START + 3, &denied);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn export(&self, arguments: &[&str]) -> Done {
        let store = self.path("trail");
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let line = ["trailkeeper", "export", "--store", store.to_str().unwrap()];
        let line = line.iter().chain(arguments).map(OsString::from);
        let code = trailkeeper_cli::run(line, &mut out, &mut err);
        Done { code, out, err: String::from_utf8(err).unwrap() }
    }

    /// Exports into a file; gives its bytes.
    fn export_to(&self, name: &str, arguments: &[&str]) -> Vec<u8> {
        let file = self.path(name);
        let done = self.export(&[&[file.to_str().unwrap()], arguments].concat());
        assert_eq!((done.code, done.out.len()), (0, 0), "{}", done.err);
        assert!(done.err.starts_with("exported "), "{}", done.err);
        fs::read(file).unwrap()
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn append(trail: &Trail, at: i64, record: &RecordBuilder) {
    let mut records = RecordBuffer::new();
    records.push(record.as_bytes()).unwrap();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    let transaction = writer.begin().unwrap();
    writer.append_complete(transaction, at, &records).unwrap();
}

fn lines(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn without_a_file_events_go_to_standard_output_and_the_count_does_not() {
    let world = World::new();
    for arguments in [&[] as &[&str], &["-"], &["-", "--format", "jsonl"]] {
        let done = world.export(arguments);
        assert_eq!(done.code, 0, "{}", done.err);
        assert_eq!(done.err, "exported 4 events\n");
        let events = lines(&done.out);
        assert_eq!(events.len(), 4);
        assert_eq!((&events[0]["object_id"], &events[0]["seq"]), (&"0".into(), &0.into()));
        assert_eq!(events[3]["request_id"], "r-1");
    }
    assert_eq!(world.export(&["-q"]).err, "");
}

#[test]
fn each_format_is_written_into_a_file() {
    let world = World::new();
    assert_eq!(lines(&world.export_to("a.jsonl", &[])).len(), 4);
    let csv = String::from_utf8(world.export_to("a.csv", &["--format", "csv"])).unwrap();
    assert_eq!(csv.lines().count(), 5);
    assert!(csv.contains(",=1+1,"));
    let parquet = world.export_to("a.parquet", &["--format", "parquet"]);
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    let ocsf = lines(&world.export_to("a.ocsf", &["--format", "ocsf"]));
    assert_eq!((&ocsf[0]["class_uid"], &ocsf[3]["class_uid"]), (&3004.into(), &6003.into()));
    let cloud = lines(&world.export_to("a.cloud", &["--format", "cloudevents"]));
    assert_eq!(cloud[3]["type"], "trailkeeper.request.request");
    let csv = world.export_to("b.csv", &["--format", "csv", "--no-formulas"]);
    assert!(String::from_utf8(csv).unwrap().contains(",'=1+1,"));
    let proven = lines(&world.export_to("b.jsonl", &["--proofs"]));
    assert_eq!(proven.len(), 5);
    assert!(proven[0]["checkpoint"].is_string() && proven[3]["proof"].is_object());
}

#[test]
fn filters_choose_the_events() {
    let world = World::new();
    for (count, arguments) in [
        (2, &["--tenant", "acme"] as &[&str]),
        (3, &["--actor", "7"]),
        (3, &["--model", "Billing.Invoice"]),
        (1, &["--model", "billing.invoice", "--object", "1"]),
        (3, &["--action", "update"]),
        (1, &["--kind", "request"]),
        (1, &["--outcome", "denied"]),
        (1, &["--request", "r-1"]),
        (0, &["--transaction", "00000000000000000000000000000000"]),
        (2, &["--since", "2026-11-15T00:00:00.000002Z"]),
        (2, &["--until", "2026-11-15T00:00:00.000002Z"]),
        (2, &["--limit", "2"]),
    ] {
        let done = world.export(arguments);
        assert_eq!((done.code, lines(&done.out).len()), (0, count), "{arguments:?} {}", done.err);
    }
    assert_eq!(world.export(&["--object", "1"]).code, 2);
}

#[test]
fn a_file_that_is_there_is_kept() {
    let world = World::new();
    let file = world.path("events.jsonl");
    fs::write(&file, "mine").unwrap();
    let name = file.to_str().unwrap();
    let done = world.export(&[name]);
    assert_eq!(done.code, 2);
    assert!(done.err.contains("--force"), "{}", done.err);
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    assert_eq!(world.export(&[name, "--force"]).code, 0);
    assert_eq!(lines(&fs::read(&file).unwrap()).len(), 4);
}

#[test]
fn an_export_that_fails_leaves_no_file() {
    let world = World::new();
    let before = world.files();
    let month = newest_month(&world.path("trail"));
    for entry in fs::read_dir(month).unwrap() {
        fs::write(entry.unwrap().path(), "not Parquet").unwrap();
    }
    let file = world.path("events.jsonl");
    let done = world.export(&[file.to_str().unwrap()]);
    assert_eq!(done.code, 2);
    assert!(done.err.contains("events.jsonl"), "{}", done.err);
    assert_eq!(world.files(), before);
    let nowhere = world.path("no/such/folder.jsonl");
    assert_eq!(world.export(&[nowhere.to_str().unwrap()]).code, 2);
}

fn newest_month(store: &Path) -> PathBuf {
    let entries = fs::read_dir(store).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_string_lossy().contains("month=")).max().unwrap()
}

#[test]
fn options_of_another_format_are_refused() {
    let world = World::new();
    for arguments in [["--format", "csv", "--proofs"], ["--format", "ocsf", "--no-formulas"]] {
        let done = world.export(&arguments);
        assert_eq!(done.code, 2);
        assert!(done.err.contains("goes with --format"), "{}", done.err);
    }
}
