//! The S3 server that `scripts/s3.sh` starts beside the tests.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// How the server is reached.
#[derive(Clone, Debug)]
pub struct S3Server {
    bucket: String,
    endpoint: String,
}

impl S3Server {
    /// The server beside these tests. Without one it says so, and the test is to return.
    ///
    /// # Panics
    ///
    /// If there is none and `TRAILKEEPER_REQUIRE_S3` is 1.
    #[must_use]
    #[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
    pub fn find() -> Option<Self> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let found = variable("TRAILKEEPER_TEST_S3").zip(variable("AWS_ENDPOINT_URL"));
        if found.is_none() {
            let is_required = variable("TRAILKEEPER_REQUIRE_S3").is_some_and(|value| value != "0");
            assert!(!is_required, "no S3 server: run the tests through scripts/s3.sh");
            eprintln!("*** SKIPPED: no S3 server. Run the tests through scripts/s3.sh");
        }
        found.map(|(bucket, endpoint)| Self { bucket, endpoint })
    }

    /// Its URL.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The address of a prefix in its bucket that no other test has.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "tests of several processes share the bucket")]
    pub fn new_address(&self) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let nanos = now.map_or(0, |time| time.as_nanos());
        format!("{}/{}-{nanos}-{number}/trail", self.bucket, std::process::id())
    }

    /// Copies the files of `folder` to `address`, as a tool of Amazon's would.
    ///
    /// # Errors
    ///
    /// If a file does not read, or the server refuses it.
    pub fn copy_folder(&self, folder: &Path, address: &str) -> io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            // Partitions have names with a sign that URLs write in another way.
            let name = entry.file_name().to_string_lossy().replace('=', "%3D");
            let below = format!("{address}/{name}");
            if entry.file_type()?.is_dir() {
                self.copy_folder(&entry.path(), &below)?;
            } else {
                self.put(&below, &std::fs::read(entry.path())?)?;
            }
        }
        Ok(())
    }

    fn put(&self, address: &str, bytes: &[u8]) -> io::Result<()> {
        let server = self.endpoint.trim_start_matches("http://");
        let mut stream = TcpStream::connect(server)?;
        let path = address.trim_start_matches("s3:/");
        write!(
            stream,
            "PUT {path} HTTP/1.1\r\nHost: {server}\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            bytes.len()
        )?;
        stream.write_all(bytes)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let first = answer.lines().next().unwrap_or_default();
        if first.contains(" 200 ") { Ok(()) } else { Err(io::Error::other(first.to_owned())) }
    }

    /// The variables with which the server is reached by way of `endpoint`.
    #[must_use]
    pub fn variables<'a>(&self, endpoint: &'a str) -> [(&'static str, &'a str); 5] {
        [
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "trailkeeper"),
            ("AWS_SECRET_ACCESS_KEY", "not-a-secret"),
        ]
    }
}
