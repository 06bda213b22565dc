//! Whether a password is an easy guess (NIST SP 800-63B-4 section 3.1.1.2): the passwords, words and names
//! of zxcvbn's lists, walks over the keyboard, runs and dates, and what stands around the person.

use zxcvbn::{Score, zxcvbn};

/// What zxcvbn takes for good and everybody knows, and walks over the columns of a keyboard.
const KNOWN: &str = "correcthorsebatterystaple thequickbrownfox jumpsoverthelazydog tobeornottobe \
    thatisthequestion allyourbasearebelongtous qaz wsx edc rfv tgb yhn ujm";

/// Whether a password is an easy guess for somebody who knows the words of `context`. It takes no longer
/// than a hash: zxcvbn looks at the first 100 characters only.
pub(crate) fn is_guessable(password: &str, context: &[String]) -> bool {
    let lower: Vec<String> = context.iter().map(|text| text.to_lowercase()).collect();
    let words: Vec<&str> = lower
        .iter()
        .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()))
        .filter(|word| word.chars().count() >= 3)
        .collect();
    let is_easy = |text: &str| zxcvbn(text, &words).score() < Score::Four;
    // One long phrase would count as strong for each of its words: what is left without it must be.
    let plain: String = password
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric())
        .collect();
    let known = KNOWN.split_ascii_whitespace();
    let rest = known
        .chain(words.iter().copied())
        .fold(plain.clone(), |text, word| text.replace(word, ""));
    is_easy(password) || (rest != plain && is_easy(&rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around_mara() -> Vec<String> {
        let words = [
            "Mara Okafor",
            "mara@example.com",
            "keyrack",
            "keys.acme.example",
        ];
        words.map(str::to_owned).into()
    }

    #[test]
    fn check_58_easy_guesses_are_refused() {
        for bad in [
            // Of the lists, once and again.
            "passwordpassword",
            "Password123456789",
            "administrator123",
            "iloveyouforever1",
            "letmeinletmeinletmein",
            "thisismypassword",
            "liverpoolfootballclub",
            "manchesterunited",
            // Walks and runs.
            "1qaz2wsx3edc4rfv",
            "!QAZ2wsx#EDC4rfv",
            "qazwsxedcrfvtgbyhnujmikolp",
            "1q2w3e4r5t6y7u8i",
            "qwertyuiopasdfghjkl",
            "abcdefghijklmnopqrstuvwxyz",
            "1234567890123456789",
            "aaaaaaaaaaaaaaaaaa",
            "121212121212121212",
            "summer2024summer2024",
            // What everybody knows.
            "correcthorsebatterystaple",
            "Correct Horse Battery Staple",
            "the quick brown fox jumps over the lazy dog",
            "To be, or not to be: that is the question",
            // The product, the organisation, the person.
            "keyrackkeyrack123",
            "Welcome to Keyrack!",
            "acme acme keyrack 2026",
            "MaraOkafor123456",
            "mynameismaraokafor",
            "mara.okafor@example.com",
            "okafor example keyrack",
        ] {
            assert!(is_guessable(bad, &around_mara()), "{bad:?}");
        }
    }

    #[test]
    fn check_58_phrases_and_random_ones_are_accepted() {
        for good in [
            "mice-juggle-seven-lamps",
            "mice juggle seven lamps",
            "mara feeds the purple walrus",
            "nine drums under the bridge",
            "otters count nine kettles",
            "übergröße ist wörtlich",
            "q7fK2vLx9TzRb4Wm",
            "wcqifdatxkbhmgz",
            "мыши жонглируют лампами",
        ] {
            assert!(!is_guessable(good, &around_mara()), "{good:?}");
        }
    }

    #[test]
    fn the_longest_password_is_looked_at_as_quickly_as_one_of_100_characters() {
        for unit in ["1q2w3e4r", "p4$$w0rd@!", "é", "aA1!", "\u{1f511}"] {
            let long = unit.repeat(256 / unit.chars().count());
            let first: String = long.chars().take(100).collect();
            assert_eq!(
                is_guessable(&long, &[]),
                is_guessable(&first, &[]),
                "{unit}"
            );
        }
    }
}
