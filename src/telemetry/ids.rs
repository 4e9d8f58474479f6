//! Message ids: what journald calls the kind of a record, and what `journalctl --catalog` explains it by.
//!
//! An event has one where a person will want to know what happened and what to do, or where another program waits for
//! it (`journalctl MESSAGE_ID=…`). An id is random and never changes its meaning: an event that comes to mean another
//! thing gets another id. `systemd/cadenced.catalog` holds the explanations, and a test holds it against this list. An
//! event of level error always has one.

/// Events and their ids, in the order in which the events are declared.
pub const MESSAGE_IDS: &[(&str, &str)] = &[
    ("daemon.ready", "33a8c5abf5754269b054bdb85f004387"),
    ("daemon.stopped", "c576ed990a10425ba8e73b348b823a45"),
    ("daemon.unfinished", "4758038eb1714bc08f7079e884e841c2"),
    ("daemon.panicked", "3969bcb487544f3c91dd30161d06cf1b"),
    ("config.rejected", "71e72889251147c191d469513b23183c"),
    ("config.warning", "c524eff89b3049a3ab93d3f07d939640"),
    ("queue.file_rejected", "c569e3068ac44f14b5ae880e69493a32"),
    ("queue.lost", "1072cc392b9640d49a726fa5265cb286"),
    ("queue.low", "21159d1971f04c08884df9de10348ace"),
    ("post.approved_stale", "dace5926068443d69e5e35a5d3adfc61"),
    ("post.changed_after_delivery", "8667e33facd943e6bde688720d8a5776"),
    ("slot.empty", "f5cf90a644f44aadb686deb06a8a7e91"),
    ("delivery.delivered", "6ff6f779118740b9b11c7c67d70b1bc9"),
    ("delivery.uncertain", "63030e3622e442b1ab10eb2c62cc77b2"),
    ("delivery.refused", "8afe449f18d24182b90233bd0991f7cb"),
    ("delivery.missed", "02a931c4f825416691a4cc398c4fb2dd"),
    ("delivery.expired", "8f72d15fb61e49e4a939311f1280c8e7"),
    ("account.auth_lost", "3c9c6f93ecdc41b8b38c5bceedb1b9c1"),
    ("account.auth_refreshed", "d7f29c315d34473983029b026ada5139"),
    ("account.budget", "c44b99932b2f45ac845812a2bb8ab73e"),
    ("account.token_expires", "84282bf77c1f4ba2b66c2e653a66e6ec"),
    ("account.version_ages", "041d7da74bf54e4fb775b8f4faf320d0"),
    ("engagement.failed", "292403b0e6b94288a584b49524e825e2"),
    ("conversation.opened", "900f307bceab46e1acf615486547688d"),
    ("digest.failed", "ac30c20d3c6e46b7bbcdbd152fd0441a"),
    ("people.unreadable", "49897e5fdc1142d8ac4570fbbcee4271"),
    ("clock.behind", "cc60613d27344f7594f47d3e789536f4"),
    ("clock.jumped", "90edbf61fa7b4201b8c67acead9c52cd"),
    ("store.rebuilding", "1036c919c2bf49dd95a45189b7cc08db"),
    ("store.torn_tail", "900eb724647e4d13bbb19a3d4a278520"),
    ("store.full", "4189511722fe47fab39e7fb99cb7214a"),
    ("store.failed", "67704e63251b4f1bb792ce23e2940168"),
];

/// The id of an event, where it has one.
pub fn message_id(event: &str) -> Option<&'static str> {
    MESSAGE_IDS.iter().find(|(name, _)| *name == event).map(|(_, id)| *id)
}
