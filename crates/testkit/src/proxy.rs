//! A proxy before an HTTP server that loses, refuses, delays and counts.

use std::fmt;
use std::io::{self, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it is passed on, and so is the answer.
    None,
    /// It is answered with this status, and never reaches the server.
    Refused(u16),
    /// The connection ends before it reaches the server.
    Reset,
    /// It takes effect, and is answered with this status.
    LostAnswer(u16),
    /// It takes effect, and the connection ends without an answer.
    LostConnection,
    /// It waits this many milliseconds, and is passed on then.
    Delayed(u64),
}

/// A request as it came by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Which one it is, counted from 0 since the last [`FaultProxy::plan`].
    pub number: usize,
    /// `GET`, `PUT`, ...
    pub method: String,
    /// The path, with the query.
    pub target: String,
    /// The size of the body of the answer, in bytes.
    pub answered: usize,
}

type Plan = Box<dyn Fn(&Request) -> Fault + Send>;

struct Shared {
    upstream: String,
    state: Mutex<State>,
    is_over: AtomicBool,
}

struct State {
    plan: Plan,
    next: usize,
    seen: Vec<Request>,
}

/// A proxy on a port of its own, until it is dropped.
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl fmt::Debug for FaultProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultProxy").field("address", &self.address).finish_non_exhaustive()
    }
}

impl FaultProxy {
    /// Stands before the server at `upstream` (`http://host:port`), and passes everything on.
    ///
    /// # Errors
    ///
    /// If no port can be had.
    pub fn start(upstream: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream: upstream.trim_start_matches("http://").trim_end_matches('/').to_owned(),
            state: Mutex::new(State { plan: Box::new(|_| Fault::None), next: 0, seen: Vec::new() }),
            is_over: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let serving = Arc::clone(&serving);
                // A client that goes away is no failure of the proxy's.
                std::thread::spawn(move || drop(serve(stream, &serving)));
            }
        });
        Ok(Self { address, shared })
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, `plan` says what becomes of each request. The count begins anew.
    pub fn plan(&self, plan: impl Fn(&Request) -> Fault + Send + 'static) {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = State { plan: Box::new(plan), next: 0, seen: Vec::new() };
    }

    /// Passes everything on again; gives the requests since the last plan.
    pub fn heal(&self) -> Vec<Request> {
        let seen = self.requests();
        self.plan(|_| Fault::None);
        seen
    }

    /// The requests since the last plan that were answered by the server.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).seen.clone()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // The listener waits for a connection: this one ends it.
        let _ = TcpStream::connect(self.address);
    }
}

/// Serves one request; the connection ends with it.
fn serve(client: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let (head, mut request) = read_head(&mut reader)?;
    let fault = {
        let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        request.number = state.next;
        state.next += 1;
        (state.plan)(&request)
    };
    if fault == Fault::Reset {
        return Ok(());
    }
    let mut body = vec![0; body_length(&head)];
    reader.read_exact(&mut body)?;
    match fault {
        Fault::Refused(status) => return answer(&client, status),
        Fault::Delayed(millis) => std::thread::sleep(Duration::from_millis(millis)),
        Fault::None | Fault::Reset | Fault::LostAnswer(_) | Fault::LostConnection => {}
    }
    let mut upstream = TcpStream::connect(&shared.upstream)?;
    upstream.write_all(&[head.as_slice(), &body].concat())?;
    let mut answered = Vec::new();
    upstream.read_to_end(&mut answered)?;
    let head_length = answered.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(0) + 4;
    request.answered = answered.len().saturating_sub(head_length);
    shared.state.lock().unwrap_or_else(PoisonError::into_inner).seen.push(request);
    match fault {
        Fault::LostAnswer(status) => answer(&client, status),
        Fault::LostConnection => Ok(()),
        Fault::None | Fault::Delayed(_) | Fault::Refused(_) | Fault::Reset => {
            (&client).write_all(&answered)
        }
    }
}

/// Reads up to the empty line, and asks for the connection to end with the answer.
fn read_head(reader: &mut impl io::BufRead) -> io::Result<(Vec<u8>, Request)> {
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut words = first.split_whitespace().map(ToOwned::to_owned);
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let mut head = first.into_bytes();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if !line.to_ascii_lowercase().starts_with("connection:") {
            head.extend_from_slice(line.as_bytes());
        }
    }
    head.extend_from_slice(b"Connection: close\r\n\r\n");
    Ok((head, Request { number: 0, method, target, answered: 0 }))
}

fn body_length(head: &[u8]) -> usize {
    let length = head.split(|byte| *byte == b'\n').find_map(|line| {
        let line = std::str::from_utf8(line).ok()?.to_ascii_lowercase();
        line.strip_prefix("content-length:")?.trim().parse().ok()
    });
    length.unwrap_or(0)
}

/// An answer in the words of S3.
fn answer(mut client: &TcpStream, status: u16) -> io::Result<()> {
    let code = match status {
        403 => "AccessDenied",
        409 => "ConditionalRequestConflict",
        503 => "SlowDown",
        _ => "InternalError",
    };
    let body = format!("<Error><Code>{code}</Code><Message>injected fault</Message></Error>");
    write!(
        client,
        "HTTP/1.1 {status} Injected\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}
