//! The service manager: readiness, status and the watchdog, told over `$NOTIFY_SOCKET`.
//!
//! Outside a service manager everything here does nothing. A message that cannot be delivered is not an error of
//! the daemon's: publishing goes on, and the manager's own timeouts draw their conclusions.

use std::time::Duration;

use sd_notify::NotifyState;

/// What is told to whoever started the daemon.
pub trait Manager: Send + Sync {
    /// The queue is read and the plan stands.
    fn ready(&self);
    /// A reload begins; [`Manager::ready`] ends it.
    fn reloading(&self);
    /// The daemon is about to end.
    fn stopping(&self);
    /// One line for `systemctl status`.
    fn status(&self, line: &str);
    /// The daemon's loop still turns. To be called at least every [`Manager::watchdog`].
    fn alive(&self);
    /// How often [`Manager::alive`] is wanted: half of what the manager tolerates. `None`: it does not watch.
    fn watchdog(&self) -> Option<Duration>;
}

/// The manager that `$NOTIFY_SOCKET` names, or one that nobody listens to.
pub fn find() -> Box<dyn Manager> {
    match std::env::var_os("NOTIFY_SOCKET") {
        Some(_) => Box::new(Systemd { watchdog: sd_notify::watchdog_enabled().map(|limit| limit / 2) }),
        None => Box::new(Nobody),
    }
}

/// Nobody listens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

impl Manager for Nobody {
    fn ready(&self) {}
    fn reloading(&self) {}
    fn stopping(&self) {}
    fn status(&self, _line: &str) {}
    fn alive(&self) {}
    fn watchdog(&self) -> Option<Duration> {
        None
    }
}

#[derive(Debug)]
struct Systemd {
    watchdog: Option<Duration>,
}

impl Systemd {
    fn tell(state: &[NotifyState<'_>]) {
        // The socket may be gone or full; see the module comment.
        let _ = sd_notify::notify(state);
    }
}

impl Manager for Systemd {
    fn ready(&self) {
        Self::tell(&[NotifyState::Ready]);
    }

    fn reloading(&self) {
        // Without the time of the reload, systemd 253 and later ends the service.
        if let Ok(moment) = NotifyState::monotonic_usec_now() {
            Self::tell(&[NotifyState::Reloading, moment]);
        }
    }

    fn stopping(&self) {
        Self::tell(&[NotifyState::Stopping]);
    }

    fn status(&self, line: &str) {
        // A line break would begin another assignment of the protocol.
        let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Self::tell(&[NotifyState::Status(&line)]);
    }

    fn alive(&self) {
        Self::tell(&[NotifyState::Watchdog]);
    }

    fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }
}
