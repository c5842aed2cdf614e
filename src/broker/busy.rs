//! Whether the client of a connection is still there while a request of it is on its way.

use crate::platform;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

// So often it is looked.
const LOOK: Duration = Duration::from_millis(50);

/// How many requests of a connection are not yet answered to their end.
#[derive(Clone, Default)]
pub(super) struct Busy(Arc<(AtomicUsize, Notify)>);

/// A request that is not yet answered to its end.
pub(super) struct Turn(Busy);

impl Busy {
    /// Begins with a request.
    pub(super) fn begin(&self) -> Turn {
        self.0.0.fetch_add(1, Ordering::Relaxed);
        self.0.1.notify_one();
        Turn(self.clone())
    }

    /// Waits until a client has hung up on a request. The server's library sees that at once while it reads, but not
    /// behind a request that waits, or in a body that the provider does not take.
    pub(super) async fn hung_up(&self, line: &OwnedFd) {
        loop {
            while self.0.0.load(Ordering::Relaxed) == 0 {
                self.0.1.notified().await;
            }
            tokio::time::sleep(LOOK).await;
            if platform::has_hung_up(line) {
                return;
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
