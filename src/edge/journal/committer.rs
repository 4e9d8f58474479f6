//! The one thread that writes: it takes whatever waits, writes it in one go, syncs once, and tells everybody.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use crate::ledger::store::{CommitError, Room};

use super::frame::{self, HEAD, PAYLOAD};
use super::{Done, Part, Shared, lock};

/// Most bytes that share one sync, unless one batch has more. It bounds the memory and the time that the first of a
/// long row waits.
const GROUP: u64 = 256 * 1024;

/// A batch that waits.
pub struct Job {
    pub batch: Vec<Vec<u8>>,
    pub room: Room,
    pub done: Done,
}

/// What waits to be written.
#[derive(Default)]
pub struct Queue {
    jobs: Vec<Job>,
    closing: bool,
    /// Why nothing is taken any more.
    over: Option<String>,
}

impl Queue {
    pub fn close(&mut self) {
        self.closing = true;
    }
}

impl Shared {
    pub fn submit(&self, job: Job) {
        let mut queue = lock(&self.queue);
        let over = queue.over.clone().or_else(|| queue.closing.then(|| "it is closed".into()));
        if let Some(why) = over {
            drop(queue);
            (job.done)(Err(CommitError::Broken(why)));
            return;
        }
        queue.jobs.push(job);
        drop(queue);
        self.wake.notify_one();
    }

    /// What waits; `None` when the journal is closed and nothing does.
    fn take(&self) -> Option<Vec<Job>> {
        let queue = lock(&self.queue);
        let idle = |queue: &mut Queue| queue.jobs.is_empty() && !queue.closing;
        let mut queue = self.wake.wait_while(queue, idle).unwrap_or_else(std::sync::PoisonError::into_inner);
        let jobs = std::mem::take(&mut queue.jobs);
        if jobs.is_empty() {
            queue.over = Some("it is closed".into());
            return None;
        }
        Some(jobs)
    }
}

/// The thread.
pub fn run(shared: &Shared) {
    let _last_words = LastWords(shared);
    while let Some(jobs) = shared.take() {
        shared.turn(jobs);
    }
}

impl Shared {
    /// What waits, without waiting for more.
    pub fn waiting(&self) -> Vec<Job> {
        std::mem::take(&mut lock(&self.queue).jobs)
    }

    /// Writes what has been taken, and answers.
    pub fn turn(&self, jobs: Vec<Job>) {
        let mut group = Group::default();
        for job in jobs {
            group.add(self, job);
        }
        group.flush(self);
        let mut writer = lock(&self.writer);
        if !writer.has_spare() {
            // After the answers, so that nobody waits for it. On a full disk it is tried again when asked for.
            let _ = writer.prepare_spare();
        }
        self.spare.store(writer.has_spare(), Ordering::Release);
    }
}

/// Batches that share a sync, with those between them that were refused: answers keep their order.
#[derive(Default)]
struct Group {
    frames: Vec<u8>,
    /// Sequence number and checksum of the last frame.
    last: (u64, u32),
    /// Each with why it was refused.
    members: Vec<(Done, Option<CommitError>)>,
}

impl Group {
    fn add(&mut self, shared: &Shared, job: Job) {
        let refused = self.admit(shared, &job).err();
        if refused.is_none() {
            self.append(shared, &job.batch);
        }
        self.members.push((job.done, refused));
    }

    /// Sees to it that the batch fits into the current segment, after what the group holds.
    fn admit(&mut self, shared: &Shared, job: &Job) -> Result<(), CommitError> {
        if let Some(payload) = job.batch.iter().find(|payload| payload.is_empty() || payload.len() > PAYLOAD) {
            return Err(CommitError::TooLarge { bytes: payload.len() });
        }
        let need: u64 = job.batch.iter().map(|payload| (HEAD + payload.len()) as u64).sum();
        let mut writer = lock(&shared.writer);
        writer.check()?;
        if job.room == Room::Free
            && !writer.has_spare()
            && let Err(error) = writer.prepare_spare()
        {
            return Err(CommitError::NoRoom(format!("only the reserve is left: {error}")));
        }
        let held = self.frames.len() as u64;
        if held > 0 && (held + need > writer.room() || held + need > GROUP) {
            drop(writer);
            self.flush(shared);
            writer = lock(&shared.writer);
        }
        if need > writer.room() { writer.advance(need) } else { Ok(()) }
    }

    fn append(&mut self, shared: &Shared, batch: &[Vec<u8>]) {
        let before = lock(&shared.writer).seq();
        if self.frames.is_empty() {
            self.last.0 = before;
        }
        for (place, payload) in batch.iter().enumerate() {
            let seq = self.last.0 + 1;
            let crc = frame::put(&mut self.frames, seq, before + 1, place + 1 == batch.len(), payload);
            self.last = (seq, crc);
        }
    }

    /// Writes the group and answers.
    fn flush(&mut self, shared: &Shared) {
        let outcome = if self.frames.is_empty() {
            Ok(())
        } else {
            let mut writer = lock(&shared.writer);
            let (seq, crc) = self.last;
            writer.commit(&self.frames, seq, crc).map(|part| shared.publish(part, seq))
        };
        // A buffer that one large batch has grown is given back.
        if self.frames.capacity() as u64 > GROUP {
            self.frames = Vec::new();
        }
        self.frames.clear();
        for (done, refused) in self.members.drain(..) {
            let answer = refused.map_or_else(|| outcome.clone(), Err);
            // Whoever asked may panic; the others still get their answers.
            let _ = catch_unwind(AssertUnwindSafe(|| done(answer)));
        }
    }
}

impl Shared {
    /// Lets readers see what is durable now.
    fn publish(&self, part: Part, seq: u64) {
        let mut durable = lock(&self.durable);
        match durable.parts.last_mut() {
            Some(last) if last.number == part.number => last.end = part.end,
            _ => durable.parts.push(part),
        }
        durable.seq = seq;
        drop(durable);
        self.grown.notify_all();
    }
}

/// Answers those who wait when the thread ends by a panic: nobody may wait for ever.
struct LastWords<'s>(&'s Shared);

impl Drop for LastWords<'_> {
    fn drop(&mut self) {
        let mut queue = lock(&self.0.queue);
        let why = queue.over.get_or_insert_with(|| "the journal's thread has ended by a panic".into()).clone();
        let jobs = std::mem::take(&mut queue.jobs);
        drop(queue);
        for job in jobs {
            (job.done)(Err(CommitError::Broken(why.clone())));
        }
    }
}
