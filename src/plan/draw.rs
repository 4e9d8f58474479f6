//! Chance that gives the same answer to the same question, also after a restart, and in which a new question
//! disturbs no old one.

use sha2::{Digest as _, Sha256};

/// A number drawn for `purpose` of `subject`, uniform over all of `u64`.
pub fn draw(seed: u64, subject: &str, purpose: &str) -> u64 {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    for part in [subject, purpose] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let bytes: [u8; 32] = hash.finalize().into();
    u64::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]])
}

#[cfg(test)]
mod tests {
    use super::draw;

    #[test]
    fn each_question_has_its_own_answer() {
        assert_eq!(draw(7, "a@b", "retry-1"), draw(7, "a@b", "retry-1"));
        assert_ne!(draw(7, "a@b", "retry-1"), draw(7, "a@b", "retry-2"));
        assert_ne!(draw(7, "a@b", "retry-1"), draw(8, "a@b", "retry-1"));
        assert_ne!(draw(7, "ab", "c"), draw(7, "a", "bc"));
    }
}
