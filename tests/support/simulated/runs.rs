//! How runs are led, many of them: what the environment asks for, and panics that are results.

use std::panic::{AssertUnwindSafe, PanicHookInfo};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

#[expect(clippy::disallowed_methods, reason = "how long a run takes decides nothing in it")]
pub fn clock() -> Instant {
    Instant::now()
}

/// A number that the environment holds.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// How many threads share the seeds.
pub fn workers() -> u64 {
    std::thread::available_parallelism().map_or(1, usize::from).min(8) as u64
}

/// What a run ends with, and if it panics, why.
pub fn caught<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    std::panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default())
    })
}

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Sync + Send>;

/// Silences panics as long as it is held: a run's panic is its result. The hook is the process's, so one at a time.
pub struct Quiet {
    hook: Option<Hook>,
    _alone: MutexGuard<'static, ()>,
}

impl Quiet {
    pub fn new() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        Self { hook: Some(hook), _alone: alone }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(hook) = self.hook.take()
            && !std::thread::panicking()
        {
            std::panic::set_hook(hook);
        }
    }
}
