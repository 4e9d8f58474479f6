//! The service manager: readiness, status and the watchdog, told over `$NOTIFY_SOCKET`.
//!
//! Outside a service manager everything here does nothing. A message that cannot be delivered is not an error of
//! the daemon's: publishing goes on, and the manager's own timeouts draw their conclusions.

use std::time::Duration;

use sd_notify::NotifyState;

/// How long the next step of a start may take, in microseconds. With less than systemd's own patience left this counts
/// from when it is told (`EXTEND_TIMEOUT_USEC` in sd_notify(3)).
const STEP_USEC: u32 = 120_000_000;

/// What is told to whoever started the daemon.
pub trait Manager: Send + Sync {
    /// Whether anybody listens.
    fn is_there(&self) -> bool {
        true
    }
    /// The queue is read and the plan stands.
    fn ready(&self);
    /// The start goes on, and takes longer than was thought.
    fn starting(&self);
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
    fn is_there(&self) -> bool {
        false
    }
    fn starting(&self) {}
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
    fn starting(&self) {
        // What was granted before is not shortened by it.
        Self::tell(&[NotifyState::ExtendTimeoutUsec(STEP_USEC)]);
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    /// Another process, because the environment of this one is shared by all its tests.
    #[test]
    fn the_service_manager_is_told() {
        const CHILD: &str = "CADENCED_TEST_MANAGER";
        if std::env::var_os(CHILD).is_some() {
            let manager = find();
            assert_eq!(manager.watchdog(), Some(Duration::from_secs(15)));
            manager.starting();
            manager.ready();
            manager.status("3 posts\nMAINPID=1");
            manager.alive();
            manager.reloading();
            manager.stopping();
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "edge::manager::tests::the_service_manager_is_told"])
            .env(CHILD, "")
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "30000000")
            .env_remove("WATCHDOG_PID")
            .output()
            .unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        let mut told = Vec::new();
        let mut message = [0; 1024];
        socket.set_nonblocking(true).unwrap();
        while let Ok(length) = socket.recv(&mut message) {
            told.push(String::from_utf8_lossy(&message[..length]).into_owned());
        }
        assert_eq!(told.remove(0), "EXTEND_TIMEOUT_USEC=120000000\n");
        assert_eq!(told[..3], ["READY=1\n", "STATUS=3 posts MAINPID=1\n", "WATCHDOG=1\n"]);
        assert!(told[3].starts_with("RELOADING=1\nMONOTONIC_USEC="), "{told:?}");
        assert_eq!(told[4..], ["STOPPING=1\n"]);
    }

    #[test]
    fn nobody_is_told_nothing() {
        Nobody.ready();
        assert_eq!(Nobody.watchdog(), None);
    }
}
