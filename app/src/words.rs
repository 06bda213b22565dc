//! Numbers and lists as people write them.

/// `1 endpoint`, `23 endpoints`, `12,345 endpoints`.
#[must_use]
pub fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", thousands(number))
}

/// `12,345`.
#[must_use]
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `Accounts, Data and Reporting`.
#[must_use]
pub fn listed<T: AsRef<str>>(items: &[T]) -> String {
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    match items.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// A text that begins in lower case, as a sentence.
#[must_use]
pub fn sentence(text: &str) -> String {
    capitalised(text) + "."
}

/// A text that begins in lower case, as the beginning of a sentence.
#[must_use]
pub fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lists_read_like_english() {
        assert_eq!(count(1, "endpoint"), "1 endpoint");
        assert_eq!(count(0, "endpoint"), "0 endpoints");
        assert_eq!(count(100_000, "endpoint"), "100,000 endpoints");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(thousands(999), "999");
        assert_eq!(listed::<&str>(&[]), "");
        assert_eq!(listed(&["Data"]), "Data");
        assert_eq!(
            listed(&["Accounts", "Data", "Reporting"]),
            "Accounts, Data and Reporting"
        );
        assert_eq!(sentence("the path is too long"), "The path is too long.");
    }
}
