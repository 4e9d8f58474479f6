//! Signals of the operating system, as words.
//!
//! To be listened for before anything slow is begun: a SIGTERM that arrives before somebody listens ends the
//! process at once, and one that arrives during the start has to end it in order.

use std::io;

use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// SIGTERM or SIGINT.
    Stop(&'static str),
    /// SIGHUP: read configuration and queue again.
    Reload,
}

/// Calls `each` for every signal, from a task of `runtime`, for as long as the runtime lives.
///
/// # Errors
/// When the process may not handle signals.
pub fn listen(runtime: &Handle, each: impl Fn(Wish) + Send + 'static) -> io::Result<()> {
    let _inside = runtime.enter();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    runtime.spawn(async move {
        loop {
            let wish = tokio::select! {
                Some(()) = terminate.recv() => Wish::Stop("SIGTERM"),
                Some(()) = interrupt.recv() => Wish::Stop("SIGINT"),
                Some(()) = hangup.recv() => Wish::Reload,
                else => return,
            };
            each(wish);
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The only test of this binary that raises signals, so that no other one sees them.
    #[test]
    fn hangup_asks_for_a_reload() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (send, wishes) = std::sync::mpsc::channel();
        listen(runtime.handle(), move |wish| send.send(wish).unwrap()).unwrap();
        let this = rustix::process::getpid();
        rustix::process::kill_process(this, rustix::process::Signal::HUP).unwrap();
        assert_eq!(wishes.recv_timeout(std::time::Duration::from_secs(30)), Ok(Wish::Reload));
        rustix::process::kill_process(this, rustix::process::Signal::TERM).unwrap();
        assert_eq!(wishes.recv_timeout(std::time::Duration::from_secs(30)), Ok(Wish::Stop("SIGTERM")));
    }
}
