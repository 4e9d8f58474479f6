//! What comes over the control socket: questions to the daemon, and answers to the commands.

use cadenced::control::protocol::{Answer, Line, Question, Which, attention, encode};

pub fn run(bytes: &[u8]) -> &'static str {
    let mut reached = "neither";
    let mut whole: Option<Answer> = None;
    for line in bytes.split(|&byte| byte == b'\n') {
        if let Ok(question) = serde_json::from_slice::<Question>(line) {
            let written = encode(&question).expect("a question can be written");
            assert_eq!(written.iter().filter(|&&byte| byte == b'\n').count(), 1, "one line");
            assert_eq!(serde_json::from_slice::<Question>(&written).expect("it reads back"), question);
            reached = "question";
        }
        if let Ok(line) = serde_json::from_slice::<Line>(line) {
            let written = encode(&line).expect("an answer can be written");
            assert_eq!(written.iter().filter(|&&byte| byte == b'\n').count(), 1, "one line");
            assert_eq!(serde_json::from_slice::<Line>(&written).expect("it reads back"), line);
            if let Answer::Status(status) = &line.answer {
                attention(&status.deliveries, &status.accounts);
            }
            match &mut whole {
                Some(whole) => _ = whole.append(line.answer),
                None => whole = Some(line.answer),
            }
            reached = "answer";
        }
        if let Some(which) = std::str::from_utf8(line).ok().and_then(|text| text.parse::<Which>().ok()) {
            assert_eq!(which.to_string().as_bytes(), line, "a name is written as it was read");
        }
    }
    reached
}
