//! The command on a trail in a bucket, on a real S3 server.

use std::path::Path;

use trailkeeper_cli::{DONE, FAILED, run};
use trailkeeper_testkit::S3Server;

/// The exit code, the output and the errors of `trailkeeper ARGUMENTS... --store ADDRESS`, in the
/// environment of these tests, which names the server.
fn trailkeeper(arguments: &[&str], address: &str) -> (u8, String, String) {
    let words = [&["trailkeeper"], arguments, &["--store", address]].concat();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(words.into_iter().map(Into::into), &mut out, &mut err);
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[test]
fn each_command_takes_the_address_of_a_bucket() {
    let Some(server) = S3Server::find() else { return };
    let address = server.new_address();
    let released = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/table/v1/store");
    server.copy_folder(&released, &address).unwrap();
    for (command, expected) in [
        (&["stats"][..], address.as_str()),
        (&["verify"], "VERIFIED"),
        (&["events"], "update"),
        (&["sql", "SELECT count(*) > 0 AS found FROM events"], "true"),
        (&["compact"], "merge"),
        (&["vacuum", "--keep", "0"], "deleted"),
        (&["verify"], "VERIFIED"),
    ] {
        let (code, out, err) = trailkeeper(command, &address);
        assert_eq!(code, DONE, "{command:?}: {err}");
        assert!(out.contains(expected), "{command:?}: {out}{err}");
    }
}

#[test]
fn what_is_wrong_with_a_bucket_is_said_with_what_to_do() {
    let Some(server) = S3Server::find() else { return };
    let (code, _, err) = trailkeeper(&["verify"], &server.new_address());
    assert_eq!(code, FAILED);
    assert!(err.contains("there is no store at s3://"), "{err}");
    let (code, _, err) = trailkeeper(&["stats"], "s3://no-such-bucket/trail");
    assert_eq!(code, FAILED);
    assert!(err.contains("there is no bucket"), "{err}");
    assert!(err.contains("Check --store"), "{err}");
    let (code, _, err) = trailkeeper(&["stats"], "s3://key:secret@bucket/trail");
    assert_eq!(code, FAILED);
    assert!(err.contains("come from the environment"), "{err}");
}
