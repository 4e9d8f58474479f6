//! The delivery protocol, line by line: what is told to one delivery, and what it wants then.
//!
//! The platform is as small as one can be: a step for each part, a look, and an answer by number. Waiting is free.

#![cfg(test)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cadenced::deliver::delivery::AccountState;
use cadenced::deliver::{Act, Delivery, Progress};
use cadenced::domain::policy::{DeliveryRules, Retry};
use cadenced::domain::time::{after, since};
use cadenced::domain::{Checkpoint, Content, Digest, JsonText, MediaItem, Remote, Secret, SecretRef, Timestamp};
use cadenced::ledger::Outcome;
use cadenced::platform::contract::{
    Adapter, Attempt, Call, Complaint, Effect, Evidence, Failure, FileCall, FileWork, HttpReply, Job, Next, Purpose,
    Reading, Reply, Secrets, Session, Step,
};
use serde_json::{Value, json};

const LOOK_BACK: Evidence = Evidence::LookBack { lag: Duration::from_secs(120) };

/// What is told, and what is wanted then.
type Line = (&'static str, &'static str);

#[test]
fn what_goes_well_is_delivered() {
    tell(Delivering::of(LOOK_BACK), &[("go", "call publish-0"), ("200", "delivered")]);
    tell(
        Delivering { parts: 2, ..Delivering::of(LOOK_BACK) },
        &[("go", "call publish-0"), ("200", "keep publish-0"), ("go", "call publish-1"), ("200", "delivered")],
    );
}

#[test]
fn what_never_left_or_surely_failed_is_tried_again() {
    tell(Delivering::of(LOOK_BACK), &[("go", "call publish-0"), ("never", "again in 30 s, not counted")]);
    tell(Delivering::of(LOOK_BACK), &[("go", "call publish-0"), ("503", "again in 30 s, counted")]);
    tell(Delivering::of(LOOK_BACK), &[("go", "call publish-0"), ("429", "rate-limited for 60 s")]);
    tell(Delivering::of(LOOK_BACK), &[("go", "call publish-0"), ("401", "auth")]);
    tell(Delivering::of(LOOK_BACK), &[("go", "call publish-0"), ("422", "refused: no")]);
    let last = Delivering { tries: 2, ..Delivering::of(LOOK_BACK) };
    tell(last, &[("go", "call publish-0"), ("503", "refused: given up after 3 tries: later")]);
}

#[test]
fn what_is_out_is_never_given_up() {
    let last = || Delivering { tries: 2, confirms: true, ..Delivering::of(LOOK_BACK) };
    for lost in ["lost", "503"] {
        let out = [("go", "call publish-0"), ("200", "keep publish-0"), ("go", "call confirm-1")];
        tell(last(), &[&out[..], &[(lost, "again in 30 s, counted")]].concat());
    }
    let unwanted = [
        ("go", "call publish-0"),
        ("200", "keep publish-0"),
        ("unwanted", ""),
        ("go", "call confirm-1"),
        ("503", "again in 30 s, counted"),
    ];
    tell(last(), &unwanted);
}

#[test]
fn not_there_counts_after_the_settle_time_when_two_looks_agree() {
    for lost in ["lost", "500", "nonsense"] {
        tell(
            Delivering::of(LOOK_BACK),
            &[
                ("go", "call publish-0"),
                (lost, "ambiguous, settles in 300 s"),
                ("wait", "10 s later: call look-0"),
                ("404", "sleep 290 s"),
                ("wait", "290 s later: call look-0"),
                ("404", "sleep 120 s"),
                ("wait", "120 s later: call look-0"),
                ("404", "again in 30 s, counted"),
            ],
        );
    }
}

#[test]
fn there_counts_at_once() {
    tell(
        Delivering::of(LOOK_BACK),
        &[
            ("go", "call publish-0"),
            ("lost", "ambiguous, settles in 300 s"),
            ("wait", "10 s later: call look-0"),
            ("200", "delivered, found by looking back"),
        ],
    );
}

#[test]
fn the_settle_time_can_be_told() {
    tell(
        Delivering { settle: Some(600), ..Delivering::of(LOOK_BACK) },
        &[
            ("go", "call publish-0"),
            ("lost", "ambiguous, settles in 600 s"),
            ("wait", "10 s later: call look-0"),
            ("404", "sleep 590 s"),
        ],
    );
}

#[test]
fn a_clock_that_is_set_ahead_settles_nothing() {
    tell(
        Delivering::of(LOOK_BACK),
        &[
            ("go", "call publish-0"),
            ("lost", "ambiguous, settles in 300 s"),
            ("set ahead 1000", "1000 s later by the clock"),
            ("go", "call look-0"),
            ("404", "sleep 300 s"),
            ("wait", "300 s later: call look-0"),
            ("404", "sleep 120 s"),
            ("set ahead 1000", "1000 s later by the clock"),
            ("go", "call look-0"),
            ("404", "sleep 120 s"),
        ],
    );
}

#[test]
fn the_same_bytes_are_sent_again_where_they_make_one_post() {
    tell(
        Delivering::of(Evidence::Repeatable),
        &[
            ("go", "call publish-0"),
            ("lost", "ambiguous, settles in 300 s"),
            ("wait", "30 s later: call look-0"),
            ("404", "sleep 1 s"),
            ("wait", "1 s later: call publish-0"),
            ("200", "delivered, found by looking back"),
        ],
    );
}

#[test]
fn a_repeat_that_comes_late_is_a_new_attempt() {
    tell(
        Delivering::of(Evidence::Repeatable),
        &[
            ("go", "call publish-0"),
            ("lost", "ambiguous, settles in 300 s"),
            ("later 300", "300 s later"),
            ("go", "call look-0"),
            ("404", "again in 30 s, counted"),
        ],
    );
}

/// Nothing but a success ends the doubt about the first try.
#[test]
fn a_repeat_that_fails_leaves_the_first_try_in_doubt() {
    let repeated: [Line; 5] = [
        ("go", "call publish-0"),
        ("lost", "ambiguous, settles in 300 s"),
        ("wait", "30 s later: call look-0"),
        ("404", "sleep 1 s"),
        ("wait", "1 s later: call publish-0"),
    ];
    let cases: [&[Line]; 5] = [
        &[("never", "sleep 30 s"), ("wait", "30 s later: call look-0")],
        &[("503", "sleep 30 s"), ("wait", "30 s later: call look-0")],
        &[("429", "sleep 60 s"), ("wait", "60 s later: call look-0")],
        &[("401", "park"), ("let in", ""), ("go", "call look-0")],
        &[("422", "sleep 269 s"), ("wait", "269 s later: call look-0"), ("404", "refused: no")],
    ];
    for case in cases {
        tell(Delivering::of(Evidence::Repeatable), &[&repeated, case].concat());
    }
    // The later of the two is waited for.
    let lost_again: [Line; 1] = [("lost", "ambiguous, settles in 300 s")];
    tell(Delivering::of(Evidence::Repeatable), &[&repeated[..], &lost_again].concat());
}

#[test]
fn repeats_are_tries() {
    tell(
        Delivering { tries: 2, ..Delivering::of(Evidence::Repeatable) },
        &[
            ("go", "call publish-0"),
            ("lost", "ambiguous, settles in 300 s"),
            ("wait", "120 s later: call look-0"),
            ("404", "sleep 180 s"),
            ("wait", "180 s later: call look-0"),
            ("404", "refused: given up after 3 tries: no reply"),
        ],
    );
}

#[test]
fn what_the_platform_claims_to_have_and_nobody_finds_is_uncertain() {
    for (evidence, looks) in [
        (
            LOOK_BACK,
            &[("wait", "10 s later: call look-0"), ("404", "sleep 120 s"), ("wait", "120 s later: call look-0")][..],
        ),
        (Evidence::Repeatable, &[("wait", "30 s later: call look-0")]),
    ] {
        let begin: [Line; 2] = [("go", "call publish-0"), ("409", "ambiguous, settles in 0 s")];
        let end: [Line; 1] = [("404", "uncertain: already there, but it is not to be found")];
        tell(Delivering::of(evidence), &[&begin, looks, &end].concat());
    }
}

/// Not before: who looks while it may still be under way does not see it, and sends it twice.
#[test]
fn where_nothing_can_tell_a_person_is_asked_once_it_has_come_to_rest() {
    let story: [Line; 4] = [
        ("go", "call publish-0"),
        ("lost", "ambiguous, settles in 300 s"),
        ("wait", "10 s later: sleep 290 s"),
        ("wait", "290 s later: uncertain: no reply; nobody can look"),
    ];
    tell(Delivering::of(Evidence::None), &story);
}

#[test]
fn a_look_that_cannot_tell_counts_once_it_has_come_to_rest() {
    let begin: [Line; 3] =
        [("go", "call publish-0"), ("lost", "ambiguous, settles in 300 s"), ("wait", "10 s later: call look-0")];
    let found: [Line; 3] =
        [("205", "sleep 30 s"), ("wait", "30 s later: call look-0"), ("200", "delivered, found by looking back")];
    tell(Delivering::of(LOOK_BACK), &[&begin[..], &found].concat());
    // The last of these looks comes when it settles, and no later.
    let never: [Line; 6] = [
        ("205", "sleep 30 s"),
        ("later 280", "280 s later"),
        ("go", "call look-0"),
        ("205", "sleep 10 s"),
        ("wait", "10 s later: call look-0"),
        ("205", "uncertain: no reply; it cannot be told apart"),
    ];
    tell(Delivering::of(LOOK_BACK), &[&begin[..], &never].concat());
}

#[test]
fn who_looks_changes_nothing() {
    tell(
        Delivering { looks_by_publishing: true, ..Delivering::of(LOOK_BACK) },
        &[
            ("go", "call publish-0"),
            ("lost", "ambiguous, settles in 300 s"),
            ("wait", "10 s later: uncertain: looking for it would need publish-0, which is not harmless"),
        ],
    );
}

#[test]
fn looking_that_is_refused_or_fails_for_a_day_goes_to_a_person() {
    let begin: [Line; 3] =
        [("go", "call publish-0"), ("lost", "ambiguous, settles in 300 s"), ("wait", "10 s later: call look-0")];
    let refused: [Line; 1] = [("422", "uncertain: looking for it was refused: no")];
    tell(Delivering::of(LOOK_BACK), &[&begin[..], &refused].concat());
    let failed: [Line; 4] =
        [("503", "sleep 30 s"), ("later 86390", "86390 s later"), ("go", "call look-0"), ("503", "sleep 1 s")];
    let a_day: [Line; 1] = [("wait", "1 s later: uncertain: no reply; looking for it failed for 24 h")];
    tell(Delivering::of(LOOK_BACK), &[&begin[..], &failed, &a_day].concat());
}

#[test]
fn a_token_that_is_refused_while_it_is_looked_for_keeps_the_doubt() {
    tell(
        Delivering::of(LOOK_BACK),
        &[
            ("go", "call publish-0"),
            ("lost", "ambiguous, settles in 300 s"),
            ("wait", "10 s later: call look-0"),
            ("401", "park"),
            ("later 200000", "200000 s later"),
            ("let in", ""),
            ("go", "call look-0"),
            ("404", "sleep 120 s"),
        ],
    );
}

#[test]
fn what_is_not_wanted_any_more_is_only_looked_for() {
    tell(Delivering::of(LOOK_BACK), &[("unwanted", ""), ("go", "abandoned")]);
    let doubt: [Line; 3] = [("go", "call publish-0"), ("unwanted", ""), ("lost", "ambiguous, settles in 300 s")];
    let found: [Line; 2] = [("wait", "10 s later: call look-0"), ("200", "delivered, found by looking back")];
    tell(Delivering::of(LOOK_BACK), &[&doubt[..], &found].concat());
    // Until it is wanted again.
    tell(Delivering::of(LOOK_BACK), &[("unwanted", ""), ("wanted again", ""), ("go", "call publish-0")]);
    let absent: [Line; 4] = [
        ("later 300", "300 s later"),
        ("go", "call look-0"),
        ("404", "sleep 120 s"),
        ("wait", "120 s later: call look-0"),
    ];
    tell(Delivering::of(LOOK_BACK), &[&doubt[..], &absent, &[("404", "abandoned")]].concat());
    // Where the same bytes could be sent again they are not.
    let repeatable: [Line; 2] = [("wait", "30 s later: call look-0"), ("404", "sleep 270 s")];
    tell(Delivering::of(Evidence::Repeatable), &[&doubt[..], &repeatable].concat());
    // Parts that are out are said.
    tell(
        Delivering { parts: 2, ..Delivering::of(LOOK_BACK) },
        &[
            ("go", "call publish-0"),
            ("200", "keep publish-0"),
            ("unwanted", ""),
            ("go", "refused: the post was withdrawn or changed (1 of 2 parts are published)"),
        ],
    );
}

#[test]
fn nothing_is_published_on_an_account_that_is_held() {
    let held: Line = ("held", "");
    tell(Delivering::of(LOOK_BACK), &[held, ("go", "again in 0 s, not counted")]);
    tell(Delivering { tries: 2, ..Delivering::of(LOOK_BACK) }, &[held, ("go", "again in 0 s, not counted")]);
    // What is on its way comes to its end, and the next part waits.
    let first: [Line; 2] = [("go", "call publish-0"), held];
    tell(Delivering::of(LOOK_BACK), &[&first[..], &[("200", "delivered")]].concat());
    let thread = Delivering { parts: 2, ..Delivering::of(LOOK_BACK) };
    tell(thread, &[&first[..], &[("200", "keep publish-0"), ("go", "again in 0 s, not counted")]].concat());
    tell(thread, &[held, ("unwanted", ""), ("go", "abandoned")]);
    // What is in doubt is looked for, and not sent again where that would do no harm.
    let doubt: [Line; 4] =
        [("go", "call publish-0"), ("lost", "ambiguous, settles in 300 s"), held, ("wait", "30 s later: call look-0")];
    let repeatable = Delivering::of(Evidence::Repeatable);
    tell(repeatable, &[&doubt[..], &[("200", "delivered, found by looking back")]].concat());
    let absent: [Line; 3] =
        [("404", "sleep 270 s"), ("wait", "270 s later: call look-0"), ("404", "again in 30 s, counted")];
    tell(repeatable, &[&doubt[..], &absent].concat());
    let found: [Line; 3] = [("found", "ambiguous, settles in 300 s"), held, ("wait", "30 s later: call look-0")];
    tell(Delivering { found: Some(None), ..repeatable }, &[&found[..], &absent].concat());
    // Also when it was just about to be.
    let about_to: [Line; 4] =
        [("404", "sleep 1 s"), ("held", ""), ("wait", "1 s later: call look-0"), ("404", "sleep 269 s")];
    let mut sent_again = doubt.to_vec();
    sent_again.remove(2);
    tell(repeatable, &[&sent_again[..], &about_to].concat());
    // It is asked where it is.
    let confirms = Delivering { confirms: true, ..Delivering::of(LOOK_BACK) };
    tell(confirms, &[&first[..], &[("200", "keep publish-0"), ("go", "call confirm-1")]].concat());
}

#[test]
fn what_is_found_at_start_is_looked_for_before_anything_is_sent() {
    tell(
        Delivering { found: Some(None), ..Delivering::of(LOOK_BACK) },
        &[("found", "ambiguous, settles in 300 s"), ("wait", "10 s later: call look-0"), ("404", "sleep 290 s")],
    );
    // Its settle time is on record.
    tell(
        Delivering { found: Some(Some(100)), ..Delivering::of(LOOK_BACK) },
        &[
            ("found", "sleep 10 s"),
            ("wait", "10 s later: call look-0"),
            ("404", "sleep 90 s"),
            ("wait", "90 s later: call look-0"),
            ("404", "sleep 120 s"),
        ],
    );
    // A part that is on record is not sent again.
    tell(
        Delivering { parts: 2, published: 1, found: Some(None), ..Delivering::of(LOOK_BACK) },
        &[
            ("found", "ambiguous, settles in 300 s"),
            ("wait", "10 s later: call look-1"),
            ("200", "delivered, found by looking back"),
        ],
    );
}

#[test]
fn the_settle_time_is_as_long_as_platform_and_time_out_ask_for() {
    let slow = Evidence::LookBack { lag: Duration::from_secs(900) };
    tell(Delivering::of(slow), &[("go", "call publish-0"), ("lost", "ambiguous, settles in 900 s")]);
    for evidence in [LOOK_BACK, Evidence::Repeatable] {
        let patient = Delivering { timeout: 400, ..Delivering::of(evidence) };
        tell(patient, &[("go", "call publish-0"), ("lost", "ambiguous, settles in 800 s")]);
    }
}

#[test]
fn a_moment_that_the_platform_names_is_kept_and_uses_up_no_try() {
    let last = Delivering { tries: 2, ..Delivering::of(LOOK_BACK) };
    tell(last, &[("go", "call publish-0"), ("504", "again in 90 s, not counted")]);
    let doubt: [Line; 3] =
        [("go", "call publish-0"), ("lost", "ambiguous, settles in 300 s"), ("wait", "10 s later: call look-0")];
    for (told, wanted) in [("504", "sleep 90 s"), ("429", "sleep 60 s")] {
        tell(Delivering::of(LOOK_BACK), &[&doubt[..], &[(told, wanted)]].concat());
    }
}

#[test]
fn a_pause_that_a_server_announces_uses_up_no_try() {
    let last = Delivering { tries: 2, ..Delivering::of(LOOK_BACK) };
    tell(last, &[("go", "call publish-0"), ("503 for 7200", "again in 7200 s, not counted")]);
    let doubt: [Line; 3] =
        [("go", "call publish-0"), ("lost", "ambiguous, settles in 300 s"), ("wait", "10 s later: call look-0")];
    tell(Delivering::of(LOOK_BACK), &[&doubt[..], &[("503 for 7200", "sleep 7200 s")]].concat());
    // Longer than anybody looks: a person is asked then.
    let for_ever: [Line; 2] = [
        ("503 for 2592000", "sleep 86391 s"),
        ("wait", "86391 s later: uncertain: no reply; looking for it failed for 24 h"),
    ];
    tell(Delivering::of(LOOK_BACK), &[&doubt[..], &for_ever].concat());
}

#[test]
fn a_platform_that_says_again_at_once_is_asked_less_and_less_often() {
    let nth = |attempt| Delivering { attempt, ..Delivering::of(LOOK_BACK) };
    for (attempt, wanted) in [(1, "rate-limited for 1 s"), (4, "rate-limited for 8 s"), (90, "rate-limited for 3600 s")]
    {
        tell(nth(attempt), &[("go", "call publish-0"), ("425", wanted)]);
        tell(nth(attempt), &[("go", "call publish-0"), ("put off 1", wanted)]);
    }
    tell(nth(4), &[("go", "call publish-0"), ("503 for 0", "again in 8 s, not counted")]);
    // What it asks for is kept where it is longer.
    tell(nth(4), &[("go", "call publish-0"), ("429", "rate-limited for 60 s")]);
    // Each attempt of a long thread may bring one part of it.
    let thread = Delivering { parts: 9, published: 7, ..nth(9) };
    tell(thread, &[("go", "call publish-7"), ("425", "rate-limited for 2 s")]);
    tell(
        thread,
        &[
            ("go", "call publish-7"),
            ("200", "keep publish-7"),
            ("go", "call publish-8"),
            ("425", "rate-limited for 1 s"),
        ],
    );
    let doubt: [Line; 7] = [
        ("go", "call publish-0"),
        ("lost", "ambiguous, settles in 300 s"),
        ("wait", "10 s later: call look-0"),
        ("425", "sleep 1 s"),
        ("wait", "1 s later: call look-0"),
        ("503 for 0", "sleep 2 s"),
        ("wait", "2 s later: call look-0"),
    ];
    tell(Delivering::of(LOOK_BACK), &[&doubt[..], &[("425", "sleep 4 s")]].concat());
}

#[test]
fn a_rate_limit_is_not_taken_off_the_patience_of_looking() {
    let doubt: [Line; 3] =
        [("go", "call publish-0"), ("lost", "ambiguous, settles in 300 s"), ("wait", "10 s later: call look-0")];
    let waits: [Line; 4] = [
        ("put off 100000", "put off"),
        ("wait", "100000 s later: call look-0"),
        ("503", "sleep 30 s"),
        ("wait", "30 s later: call look-0"),
    ];
    tell(Delivering::of(LOOK_BACK), &[&doubt[..], &waits].concat());
}

/// It may be out, and is looked for; but what it is called must not be written down.
#[test]
fn what_names_a_secret_is_neither_kept_nor_believed() {
    let doubt: [Line; 3] =
        [("go", "call publish-0"), ("226", "ambiguous, settles in 300 s"), ("wait", "10 s later: call look-0")];
    tell(Delivering::of(LOOK_BACK), &[&doubt[..], &[("200", "delivered, found by looking back")]].concat());
    tell(Delivering::of(LOOK_BACK), &[&doubt[..], &[("226", "sleep 30 s")]].concat());
    tell(Delivering::of(LOOK_BACK), &[("go", "call publish-0"), ("208", "auth")]);
}

/// A cap of a month is no reason to keep an account waiting for a month.
#[test]
fn a_platform_that_asks_to_wait_for_ever_leaves_it_to_a_person() {
    let doubt: [Line; 3] =
        [("go", "call publish-0"), ("lost", "ambiguous, settles in 300 s"), ("wait", "10 s later: call look-0")];
    let waits: [Line; 2] = [("put off 172800", "put off"), ("wait", "172800 s later: call look-0")];
    let last: [Line; 2] = [
        ("put off 172800", "put off"),
        ("wait", "172800 s later: uncertain: no reply; looking for it failed for 24 h"),
    ];
    tell(Delivering::of(LOOK_BACK), &[&doubt[..], &waits.repeat(2), &last].concat());
}

/// Where a token may publish and not look, the account is let in each time it is asked about.
#[test]
fn who_is_let_in_and_may_not_look_asks_a_person() {
    let doubt: [Line; 3] =
        [("go", "call publish-0"), ("lost", "ambiguous, settles in 300 s"), ("wait", "10 s later: call look-0")];
    let parks: [Line; 3] = [("401", "park"), ("let in", ""), ("go", "call look-0")];
    let ends: [Line; 1] =
        [("401", "uncertain: no reply; looking for it is not let in, though the account is: who is it?")];
    tell(Delivering::of(LOOK_BACK), &[&doubt[..], &parks.repeat(5), &ends].concat());
}

/// An adapter that says "found" of a step which publishes, or "published" of one which looks, has told nothing.
#[test]
fn what_a_reply_cannot_mean_is_no_reply() {
    for told in ["203", "404", "nonsense"] {
        tell(Delivering::of(LOOK_BACK), &[("go", "call publish-0"), (told, "ambiguous, settles in 300 s")]);
    }
    let doubt: [Line; 3] =
        [("go", "call publish-0"), ("lost", "ambiguous, settles in 300 s"), ("wait", "10 s later: call look-0")];
    tell(Delivering::of(LOOK_BACK), &[&doubt[..], &[("207", "sleep 30 s")]].concat());
}

#[test]
fn processing_is_waited_for_an_hour() {
    let two = Delivering { parts: 2, ..Delivering::of(LOOK_BACK) };
    let an_hour: [Line; 6] = [
        ("go", "call publish-0"),
        ("202", "sleep 60 s"),
        ("wait", "60 s later: call publish-0"),
        ("later 3540", "3540 s later"),
        ("202", "sleep 60 s"),
        ("wait", "60 s later: call publish-0"),
    ];
    tell(two, &[&an_hour[..], &[("202", "again in 30 s, counted")]].concat());
    // The next part has an hour of its own.
    let next: [Line; 3] = [("200", "keep publish-0"), ("go", "call publish-1"), ("202", "sleep 60 s")];
    tell(two, &[&an_hour[..], &next].concat());
}

#[test]
fn a_session_that_changes_again_and_again_does_not_settle() {
    let changes: [Line; 2] = [("go", "call publish-0"), ("201", "session")];
    let end: [Line; 2] = [("go", "call publish-0"), ("201", "again in 30 s, counted")];
    tell(Delivering::of(LOOK_BACK), &[changes.repeat(8), end.to_vec()].concat());
}

#[test]
fn what_has_to_be_done_again_leaves_the_parts_that_are_out() {
    tell(
        Delivering { parts: 2, ..Delivering::of(LOOK_BACK) },
        &[
            ("go", "call publish-0"),
            ("200", "keep publish-0"),
            ("go", "call publish-1"),
            ("410", "call publish-1"),
            ("410", "call publish-1"),
            ("410", "again in 30 s, counted"),
        ],
    );
}

#[test]
fn an_attempt_that_learns_for_ever_comes_to_an_end() {
    let begin: [Line; 3] =
        [("go", "call publish-0"), ("lost", "ambiguous, settles in 300 s"), ("wait", "10 s later: call look-0")];
    let learns: [Line; 1] = [("206", "call look-0")];
    let ends: [Line; 1] = [("206", "sleep 30 s")];
    // Each further part may take four calls more.
    for (parts, calls) in [(1, 200), (3, 208)] {
        let about = Delivering { parts, ..Delivering::of(LOOK_BACK) };
        tell(about, &[&begin[..], &learns.repeat(calls - 1), &ends].concat());
    }
}

#[test]
fn what_is_put_off_ends_while_nothing_can_be_seen_of_it_and_waits_else() {
    tell(Delivering::of(LOOK_BACK), &[("go", "call publish-0"), ("put off 600", "rate-limited for 600 s")]);
    tell(
        Delivering { parts: 2, ..Delivering::of(LOOK_BACK) },
        &[
            ("go", "call publish-0"),
            ("200", "keep publish-0"),
            ("go", "call publish-1"),
            ("put off 600", "put off"),
            ("wait", "600 s later: call publish-1"),
        ],
    );
    tell(
        Delivering::of(LOOK_BACK),
        &[
            ("go", "call publish-0"),
            ("lost", "ambiguous, settles in 300 s"),
            ("wait", "10 s later: call look-0"),
            ("put off 600", "put off"),
            ("wait", "600 s later: call look-0"),
        ],
    );
}

#[test]
fn what_is_found_at_start_has_its_media_read_before_the_rest_is_sent() {
    let found: [Line; 2] = [("found", "ambiguous, settles in 300 s"), ("wait", "10 s later: call look-0")];
    let about = Delivering { parts: 2, unread_media: true, found: Some(None), ..Delivering::of(LOOK_BACK) };
    let rest: [Line; 2] = [("200", "keep publish-0"), ("go", "again in 0 s, not counted")];
    tell(about, &[&found[..], &rest].concat());
    // Of the last part there is no rest.
    let last = Delivering { parts: 1, ..about };
    tell(last, &[&found[..], &[("200", "delivered, found by looking back")]].concat());
}

/// What one delivery is about.
#[derive(Clone, Copy)]
struct Delivering {
    evidence: Evidence,
    attempt: u32,
    parts: usize,
    /// Parts that are out, by the ledger.
    published: usize,
    tries: u32,
    timeout: u64,
    settle: Option<u64>,
    /// There is a picture to show, and it has not been read.
    unread_media: bool,
    /// Found in `sending` at start, and when it settles, if that is on record.
    found: Option<Option<u64>>,
    looks_by_publishing: bool,
    /// After the last part it asks a question more.
    confirms: bool,
}

impl Delivering {
    fn of(evidence: Evidence) -> Self {
        Self {
            evidence,
            attempt: 1,
            parts: 1,
            published: 0,
            tries: 0,
            timeout: 60,
            settle: None,
            unread_media: false,
            found: None,
            looks_by_publishing: false,
            confirms: false,
        }
    }
}

/// The account's secret, and what careless platforms call everything.
const TOKEN: &str = "token-of-the-account";

fn tell(about: Delivering, lines: &[Line]) {
    let start = Timestamp::constant(1_790_000_000, 0);
    let seconds = |count: u64| after(start, Duration::from_secs(count));
    let rules = DeliveryRules {
        timeout: Duration::from_secs(about.timeout),
        settle: about.settle.map(Duration::from_secs),
        retry: Retry { first: Duration::from_secs(30), max: Duration::from_secs(3_600), tries: 3 },
    };
    let thread = vec!["part".to_owned(); about.parts - 1];
    let picture = MediaItem { file: "dot.png".into(), alt: "A dot".into(), sha256: Digest::of(b"dot"), facts: None };
    let media = if about.unread_media { vec![picture] } else { Vec::new() };
    let content = Content { text: "part".into(), thread, media, ..Content::default() };
    let job = Job {
        delivery: "post@account".parse().expect("an id"),
        attempt: about.attempt,
        key: String::new(),
        digest: Digest::of(b"post"),
        content,
        media: Vec::new(),
        frozen: Value::Null,
        started: start,
        answers: None,
        taken: Arc::default(),
    };
    let done = |part| Checkpoint { step: format!("publish-{part}"), data: json!({}) };
    let so_far = Progress {
        done: (0..about.published).map(done).collect(),
        published: u32::try_from(about.published).expect("a few"),
        tries: about.tries,
        begun: start,
    };
    // Chance gives the longest wait.
    let mut delivery = Delivery::new(Arc::new(Fake(about)), rules, job, so_far, u64::MAX);
    let session = Session::default();
    let secrets = Secrets(BTreeMap::from([("token".into(), Secret::new(TOKEN))]));
    let mut account = AccountState { session: &session, secrets: &secrets, held: None };
    let mut now = start;
    for (place, (told, wanted)) in lines.iter().enumerate() {
        let (word, number) = told.rsplit_once(' ').unwrap_or((told, ""));
        let number = number.parse().unwrap_or_default();
        let said = match (*told, word) {
            ("go", _) => words(&delivery.proceed(account, now), now),
            ("wait", _) => {
                let until = delivery.sleeps_until().expect("it sleeps");
                let slept = since(until, now).as_secs();
                now = until;
                format!("{slept} s later: {}", words(&delivery.proceed(account, now), now))
            }
            (_, "later") => {
                now = after(now, Duration::from_secs(number));
                format!("{number} s later")
            }
            (_, "set ahead") => {
                now = after(now, Duration::from_secs(number));
                delivery.clock_set_ahead(Duration::from_secs(number));
                format!("{number} s later by the clock")
            }
            (_, "put off") => match delivery.put_off(after(now, Duration::from_secs(number)), now) {
                Some(outcome) => words(&Act::End(outcome), now),
                None => "put off".into(),
            },
            ("let in", _) => {
                delivery.let_in_again(now);
                String::new()
            }
            ("held", _) => {
                account.held = Some("the account is paused");
                String::new()
            }
            ("unwanted", _) => {
                delivery.only_settle();
                String::new()
            }
            ("wanted again", _) => {
                delivery.publish_after_all();
                String::new()
            }
            ("found", _) => {
                let (found, act) = delivery.found(about.found.expect("it was found").map(seconds), now);
                delivery = found;
                words(&act, now)
            }
            ("lost", _) => {
                words(&delivery.answered(Err(Failure::MayHaveArrived("no reply".into())), account, now), now)
            }
            ("never", _) => words(&delivery.answered(Err(Failure::NeverLeft("no way".into())), account, now), now),
            (_, "503 for") => {
                let headers = vec![("retry-after".into(), number.to_string())];
                let reply = Reply::Http(HttpReply { status: 503, headers, ..HttpReply::default() });
                words(&delivery.answered(Ok(reply), account, now), now)
            }
            (status, _) => {
                let status = status.parse().unwrap_or_default();
                let reply = Reply::Http(HttpReply { status, ..HttpReply::default() });
                words(&delivery.answered(Ok(reply), account, now), now)
            }
        };
        assert_eq!(said, *wanted, "line {place} of {lines:#?}");
    }
}

fn words(act: &Act, now: Timestamp) -> String {
    let span = |until: &Timestamp| format!("{} s", since(*until, now).as_secs());
    match act {
        Act::Call(step) => format!("call {}", step.name),
        Act::Keep { checkpoint, .. } => format!("keep {}", checkpoint.step),
        Act::Session(_) => "session".into(),
        Act::Sleep(until) => format!("sleep {}", span(until)),
        Act::Park { .. } => "park".into(),
        Act::End(Outcome::Delivered { reconciled: true, .. }) => "delivered, found by looking back".into(),
        Act::End(Outcome::Retry { until, counted, .. }) => {
            format!("again in {}, {}counted", span(until), if *counted { "" } else { "not " })
        }
        Act::End(Outcome::RateLimited { until, .. }) => format!("rate-limited for {}", span(until)),
        Act::End(Outcome::Ambiguous { settle, .. }) => format!("ambiguous, settles in {}", span(settle)),
        Act::End(outcome @ (Outcome::Refused { why } | Outcome::Uncertain { why })) => {
            format!("{}: {why}", outcome.name())
        }
        Act::End(outcome) => outcome.name().into(),
    }
}

/// A platform that answers in numbers.
#[derive(Debug)]
struct Fake(Delivering);

impl std::fmt::Debug for Delivering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.evidence)
    }
}

impl Adapter for Fake {
    fn platform(&self) -> &'static str {
        "fake"
    }

    fn place(&self) -> String {
        "nowhere".into()
    }

    fn evidence(&self) -> Evidence {
        self.0.evidence
    }

    fn secrets(&self) -> Vec<(&'static str, SecretRef)> {
        Vec::new()
    }

    fn check(&self, _content: &Content, _session: &Session) -> Vec<Complaint> {
        Vec::new()
    }

    fn freeze(&self, _content: &Content, _now: Timestamp, _draw: u64) -> Value {
        Value::Null
    }

    fn next(&self, attempt: &Attempt<'_>) -> Next {
        let part = attempt.done.len();
        if part == 1 + attempt.job.content.thread.len() {
            if self.0.confirms {
                let call = Call::File(FileCall { root: "/".into(), work: FileWork::Read(Vec::new()) });
                return Next::Call(Step { name: format!("confirm-{part}"), effect: Effect::Harmless, call });
            }
            return Next::Done(Remote { id: "1".into(), url: None, reference: JsonText::default() });
        }
        let looks = attempt.purpose == Purpose::LookBack && !self.0.looks_by_publishing;
        assert!(looks || !self.0.unread_media, "what is to be sent has its media read");
        if looks && self.0.evidence == Evidence::None {
            return Next::CannotTell("nobody can look".into());
        }
        if looks && *attempt.scratch == json!("blind") {
            return Next::CannotTell("it cannot be told apart".into());
        }
        let (name, effect) = if looks { ("look", Effect::Harmless) } else { ("publish", Effect::Publishes) };
        let call = Call::File(FileCall { root: "/".into(), work: FileWork::Read(Vec::new()) });
        Next::Call(Step { name: format!("{name}-{part}"), effect, call })
    }

    fn read(&self, attempt: &Attempt<'_>, step: &Step, reply: &Reply) -> Reading {
        let Reply::Http(reply) = reply else { panic!("a number was told") };
        let why = |text: &str| text.to_owned();
        match (reply.status, step.effect) {
            (200, Effect::Publishes) => Reading::Checkpoint(json!({})),
            (200, _) => Reading::Found(json!({})),
            (201, _) => Reading::Session(Session::default()),
            (203, _) => Reading::Found(json!({})),
            (226, Effect::Publishes) => Reading::Checkpoint(json!({ "id": TOKEN })),
            (226, _) => Reading::Found(json!({ "url": format!("https://social.example/{TOKEN}") })),
            (208, _) => Reading::Session(Session { identity: Some(TOKEN.into()), ..Session::default() }),
            (205, _) => Reading::Learned(json!("blind")),
            (207, _) => Reading::Checkpoint(json!({})),
            (202, _) => Reading::Wait(Duration::from_secs(60)),
            (404, _) => Reading::Absent,
            (401, _) => Reading::Auth { why: why("who is it?") },
            (409, _) => Reading::AlreadyThere { why: why("already there") },
            (410, _) => Reading::Redo { why: why("gone") },
            (422, _) => Reading::Refused { why: why("no") },
            (429, _) => {
                Reading::RateLimited { until: after(attempt.now, Duration::from_secs(60)), why: why("too much") }
            }
            (425, _) => Reading::RateLimited { until: attempt.now, why: why("again at once") },
            (500, _) => Reading::Unclear { why: why("no reply") },
            (503, _) => Reading::Retry { after: None, why: why("later") },
            (504, _) => Reading::Retry { after: Some(Duration::from_secs(90)), why: why("later") },
            // What cannot be an answer to a publishing step.
            _ => Reading::Learned(Value::Null),
        }
    }
}
