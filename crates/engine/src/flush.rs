//! Waiting until what was committed is in the store.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use trailkeeper_spool::{BatchLimits, TransactionId};

use crate::error::{Error, Result};
use crate::trail::Trail;

/// How long to wait between two looks at another drainer's progress.
const PAUSE: Duration = Duration::from_millis(10);

impl Trail {
    /// Waits until each transaction that was committed before the call is in the store; drains them
    /// itself if nobody else does.
    ///
    /// Transactions in doubt are not waited for.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`] if it takes longer than `timeout`, and as
    /// [`Drainer::drain_once`](crate::Drainer::drain_once) if this process drains.
    pub fn flush(&self, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        let mut waiting = self.waiting()?;
        loop {
            if waiting.is_empty() {
                return Ok(());
            }
            if let Some(mut drainer) = self.elect_drainer()? {
                // Once a turn: writers who go on and on would keep it from ever being idle.
                drainer.drain_once(BatchLimits::default())?;
            } else {
                std::thread::sleep(PAUSE);
            }
            let still = self.waiting()?;
            waiting.retain(|transaction| still.contains(transaction));
            if Instant::now() >= deadline && !waiting.is_empty() {
                let transactions = waiting.len();
                return Err(Error::Timeout { transactions, seconds: timeout.as_secs() });
            }
        }
    }

    /// The committed transactions that are not wholly in the store.
    fn waiting(&self) -> Result<HashSet<TransactionId>> {
        let view = self.need_spool()?.view()?;
        Ok(view.transactions().iter().map(|transaction| transaction.id).collect())
    }
}
