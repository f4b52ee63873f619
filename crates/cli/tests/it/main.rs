//! The command on a trail in a bucket, on a real S3 server.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

use trailkeeper_cli::{DONE, FAILED, NOT_VERIFIED, run};
use trailkeeper_engine::{BatchLimits, OpenOptions, Trail, TrailOptions};
use trailkeeper_spool::RecordBuffer;
use trailkeeper_testkit::{S3Server, invoice_record};

/// The exit code, the output and the errors of `trailkeeper ARGUMENTS... --store ADDRESS`, in the
/// environment of these tests, which names the server.
fn trailkeeper(arguments: &[&str], address: &str) -> (u8, String, String) {
    let words = ["trailkeeper"].iter().chain(arguments).chain(&["--store", address]);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(words.map(Into::into), &mut out, &mut err);
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

fn fill(server: &S3Server, address: &str, rounds: u64) {
    let dir = tempfile::tempdir().unwrap();
    let options = OpenOptions::new().with_variables(server.variables(server.endpoint()));
    let options = TrailOptions::new(address).with_store_options(options);
    let trail = Trail::open(options.with_spool(dir.path())).unwrap();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    let mut drainer = trail.elect_drainer().unwrap().unwrap();
    for number in 0..rounds {
        let at = 1_794_700_800_000_000;
        let mut records = RecordBuffer::new();
        records.push(invoice_record(number, number + 1, at).as_bytes()).unwrap();
        let transaction = writer.begin().unwrap();
        writer.append_complete(transaction, at, &records).unwrap();
        drainer.drain_once(BatchLimits::default()).unwrap();
    }
}

#[test]
fn each_command_takes_the_address_of_a_bucket() {
    let Some(server) = S3Server::find() else { return };
    let address = server.new_address();
    fill(&server, &address, 9);
    for (command, expected) in [
        (&["stats"][..], address.as_str()),
        (&["verify"], "9 events"),
        (&["compact"], "9 files"),
        (&["vacuum", "--grace", "0"], "9 files"),
        (&["verify"], "9 events"),
        (&["sql", "SELECT count(*) AS n FROM events"], "9"),
        (&["history", "billing.invoice/3"], "update"),
    ] {
        let (code, out, err) = trailkeeper(command, &address);
        assert_eq!(code, DONE, "{command:?}: {err}");
        assert!(out.contains(expected) || err.contains(expected), "{command:?}: {out}{err}");
    }
}

#[test]
fn what_is_wrong_with_a_bucket_is_said_with_what_to_do() {
    let Some(server) = S3Server::find() else { return };
    let (code, _, err) = trailkeeper(&["verify"], &server.new_address());
    assert!(code == FAILED && code != NOT_VERIFIED, "{err}");
    assert!(err.contains("there is no store at s3://"), "{err}");
    let (code, _, err) = trailkeeper(&["stats"], "s3://no-such-bucket/trail");
    assert_eq!(code, FAILED);
    assert!(err.contains("there is no bucket"), "{err}");
    assert!(err.contains("Check --store"), "{err}");
    let (code, _, err) = trailkeeper(&["stats"], "s3://key:secret@bucket/trail");
    assert_eq!(code, FAILED);
    assert!(err.contains("come from the environment"), "{err}");
}
