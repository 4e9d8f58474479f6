//! Each call of the disk fails once, in every way, and the power goes before each call.

use cadenced::ledger::store::{CommitError, Room};

use super::failing_disk::{FailingDisk, Fault};
use super::support::{batches, open, submit};

/// What was answered.
#[derive(Default)]
struct Answers {
    kept: Vec<usize>,
    refused: Vec<usize>,
}

/// Opens, writes alone and in crowds over several segments, closes, opens again and goes on.
fn work(disk: &FailingDisk, answers: &mut Answers) {
    let mut next = 0;
    for _ in 0..2 {
        let Ok((journal, _)) = open(disk) else { return };
        for crowd in [1, 4, 1, 1, 7, 2] {
            let ids: Vec<usize> = (next..next + crowd).collect();
            next += crowd;
            for (id, answer) in ids.iter().zip(submit(&journal, &ids, Room::Reserve)) {
                match answer {
                    Ok(()) => answers.kept.push(*id),
                    Err(CommitError::Broken(_)) => {}
                    Err(_) => answers.refused.push(*id),
                }
            }
        }
    }
}

fn check(disk: &FailingDisk, answers: &Answers, case: &str) {
    let (journal, _) = open(disk).unwrap_or_else(|error| panic!("{case}: {error}"));
    let found = batches(&journal);
    assert!(found.is_sorted_by(|a, b| a < b), "{case}: {found:?} in order");
    for id in &answers.kept {
        assert!(found.contains(id), "{case}: batch {id} was acknowledged, found {found:?}");
    }
    for id in &answers.refused {
        assert!(!found.contains(id), "{case}: batch {id} was refused, found {found:?}");
    }
    assert_eq!(submit(&journal, &[1000], Room::Free), [Ok(())], "{case}: it goes on");
    assert_eq!(batches(&journal), [found, vec![1000]].concat(), "{case}");
}

fn fail_each_call(fault: Fault, seeds: u64) {
    let mut n = 1;
    loop {
        let mut failed = false;
        for seed in 0..=seeds {
            let disk = FailingDisk::new();
            disk.fail(n, fault);
            let mut answers = Answers::default();
            work(&disk, &mut answers);
            failed = disk.has_failed();
            // Seed 0 is the end of the process alone.
            let disk = if seed == 0 { disk.restart() } else { disk.power_cut(seed) };
            check(&disk, &answers, &format!("{fault:?} at call {n}, seed {seed}"));
        }
        if !failed {
            break;
        }
        n += 1;
    }
    assert!(n > 100, "the work makes {n} calls only");
}

#[test]
fn an_error_at_any_call_costs_nothing_that_was_acknowledged() {
    fail_each_call(Fault::Io, 1);
}

#[test]
fn an_error_after_the_effect_of_any_call_costs_nothing_that_was_acknowledged() {
    fail_each_call(Fault::IoAfter, 1);
}

#[test]
fn a_full_disk_at_any_call_costs_nothing_that_was_acknowledged() {
    fail_each_call(Fault::Full, 1);
}

#[test]
fn short_writes_are_gone_on_with() {
    fail_each_call(Fault::Short, 1);
}

#[test]
fn a_power_cut_at_any_call_costs_nothing_that_was_acknowledged() {
    fail_each_call(Fault::PowerOff, 6);
}

#[test]
fn without_faults_everything_is_kept() {
    let disk = FailingDisk::new();
    let mut answers = Answers::default();
    work(&disk, &mut answers);
    assert_eq!(answers.kept, (0..32).collect::<Vec<_>>());
    assert_eq!(answers.refused, [0; 0]);
    check(&disk.power_cut(1), &answers, "no fault");
}

#[test]
fn the_reserve_holds_what_must_be_recorded_and_comes_back_with_the_room() {
    let disk = FailingDisk::new();
    let (journal, _) = open(&disk).unwrap();
    assert!(journal.has_room());
    disk.set_room(0);
    let mut kept = Vec::new();
    // Plans and intents take what is left of the first segment, and begin the spare one.
    for id in (0..1000).step_by(8) {
        match &submit(&journal, &[id], Room::Free)[0] {
            Ok(()) => kept.push(id),
            Err(CommitError::NoRoom(_)) => break,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(!journal.has_room());
    assert!(matches!(submit(&journal, &[1], Room::Free)[0], Err(CommitError::NoRoom(_))));
    // Outcomes still fit, and a restart on the full disk changes nothing.
    assert_eq!(submit(&journal, &[3], Room::Reserve), [Ok(())]);
    drop(journal);
    let (journal, found) = open(&disk).unwrap();
    assert_eq!(found.torn, None);
    assert!(!journal.has_room());
    assert!(matches!(submit(&journal, &[1], Room::Free)[0], Err(CommitError::NoRoom(_))));
    assert_eq!(submit(&journal, &[11], Room::Reserve), [Ok(())]);
    kept.extend([3, 11]);
    // Until the reserve is used up as well.
    while submit(&journal, &[19], Room::Reserve)[0].is_ok() {
        kept.push(19);
        assert!(kept.len() < 1000);
    }
    disk.set_room(u64::MAX);
    assert!(journal.has_room());
    assert_eq!(submit(&journal, &[27], Room::Free), [Ok(())]);
    kept.push(27);
    assert_eq!(batches(&journal), kept);
}

#[test]
fn a_batch_larger_than_a_segment_is_kept_and_a_record_over_the_limit_is_not() {
    let disk = FailingDisk::new();
    let (journal, _) = open(&disk).unwrap();
    let (send, receive) = std::sync::mpsc::channel();
    let large: Vec<Vec<u8>> =
        (0..100).map(|place| format!("record {place} {}", "y".repeat(100)).into_bytes()).collect();
    for batch in [vec![vec![b'z'; 1024 * 1024 + 1]], large.clone(), vec![b"after".to_vec()]] {
        let send = send.clone();
        journal.submit(batch, Room::Free, Box::new(move |answer| send.send(answer).unwrap()));
    }
    let answers: Vec<_> = (0..3).map(|_| receive.recv().unwrap()).collect();
    assert_eq!(answers, [Err(CommitError::TooLarge { bytes: 1024 * 1024 + 1 }), Ok(()), Ok(())]);
    drop(journal);
    let (journal, _) = open(&disk.power_cut(3)).unwrap();
    let mut found = Vec::new();
    let read = |item: cadenced::edge::journal::Item<'_>| {
        found.push(item.payload.to_vec());
        true
    };
    let mut read = read;
    journal.read(cadenced::edge::journal::Position::START, &mut read).unwrap();
    assert_eq!(found, [large, vec![b"after".to_vec()]].concat());
}

#[test]
fn a_closed_journal_answers() {
    let (journal, _) = open(&FailingDisk::new()).unwrap();
    journal.close();
    assert!(matches!(submit(&journal, &[0], Room::Reserve)[0], Err(CommitError::Broken(_))));
}
