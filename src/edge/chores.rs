//! Recurring chores, by cron text, in UTC.
//!
//! `tokio-cron-scheduler` looks at its jobs twice a second and may be up to a second late, which is fine for chores
//! and for nothing else: posting moments are planned elsewhere. A chore here only calls back; the callback hands
//! the engine an event and returns at once. A tick may be lost or late; whoever is called looks at the state anyway.

use tokio::runtime::Handle;
use tokio_cron_scheduler::{Job, JobScheduler};

/// Messages between the scheduler's tasks that may wait. It drops ticks silently when more jobs than that are due in one
/// second. There are a handful of chores; each place costs some 600 bytes, whether it is used or not.
const CHANNEL: usize = 64;

/// One recurring chore.
pub struct Chore {
    /// For messages.
    pub name: &'static str,
    /// Cron with seconds first, six fields, UTC.
    pub cron: String,
    pub run: Box<dyn Fn() + Send + Sync>,
}

/// Why chores cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum ChoreError {
    #[error("the times of the chore {name:?} cannot be read: {cron:?} is not cron with six fields")]
    Cron { name: &'static str, cron: String },
    #[error("failed to start the chores")]
    Start(#[source] tokio_cron_scheduler::JobSchedulerError),
}

/// The running chores; they end when this is dropped.
pub struct Chores {
    scheduler: JobScheduler,
    runtime: Handle,
}

impl Chores {
    /// Reads all cron texts, then starts. To be called from outside the runtime's own threads.
    ///
    /// # Errors
    /// A cron text that cannot be read; then nothing has been started.
    pub fn start(runtime: &Handle, chores: Vec<Chore>) -> Result<Self, ChoreError> {
        let jobs: Vec<Job> = chores.into_iter().map(job).collect::<Result<_, _>>()?;
        let scheduler = runtime.block_on(async {
            let scheduler = JobScheduler::new_with_channel_size(CHANNEL).await?;
            for job in jobs {
                scheduler.add(job).await?;
            }
            scheduler.start().await?;
            Ok(scheduler)
        });
        Ok(Self { scheduler: scheduler.map_err(ChoreError::Start)?, runtime: runtime.clone() })
    }
}

impl Drop for Chores {
    fn drop(&mut self) {
        let mut scheduler = self.scheduler.clone();
        self.runtime.spawn(async move { scheduler.shutdown().await });
    }
}

fn job(chore: Chore) -> Result<Job, ChoreError> {
    let Chore { name, cron, run } = chore;
    Job::new(cron.as_str(), move |_, _| run()).map_err(|_| ChoreError::Cron { name, cron })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    }

    #[test]
    fn a_chore_of_every_second_is_called() {
        let runtime = runtime();
        let (send, calls) = std::sync::mpsc::channel();
        let run = Box::new(move || {
            let _ = send.send(());
        });
        let chores = vec![Chore { name: "runway", cron: "* * * * * *".into(), run }];
        let running = Chores::start(runtime.handle(), chores).unwrap();
        for _ in 0..2 {
            calls.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
        }
        drop(running);
    }

    #[test]
    fn a_cron_text_that_cannot_be_read_starts_nothing() {
        let runtime = runtime();
        for cron in ["", "every day", "0 9 * * *", "61 * * * * *"] {
            let chore = Chore { name: "upkeep", cron: cron.into(), run: Box::new(|| ()) };
            let Err(error) = Chores::start(runtime.handle(), vec![chore]) else { panic!("{cron:?} was taken") };
            assert!(error.to_string().contains("upkeep"), "{error}");
        }
    }
}
