//! What a browser says it is, in words for its owner. It decides nothing.

use http::HeaderMap;
use http::header::USER_AGENT;
use woothee::parser::Parser;

/// No browser says more than this in good faith.
const LONGEST: usize = 512;

/// `Firefox on Linux`, as far as the browser says so.
pub fn device(headers: &HeaderMap) -> String {
    let agent = headers
        .get(USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .filter(|text| text.len() <= LONGEST)
        .unwrap_or_default();
    // The parser's word for what it can't tell.
    let known = |name: &&str| *name != "UNKNOWN";
    let found = Parser::new().parse(agent);
    let names = found.map_or([None, None], |found| [Some(found.name), Some(found.os)]);
    match names.map(|name| name.filter(known)) {
        [Some(browser), Some(system)] => format!("{browser} on {system}"),
        [Some(one), None] | [None, Some(one)] => one.to_owned(),
        [None, None] => "An unknown browser".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_named_with_their_system() {
        let table = [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36",
                "Chrome on Windows 10",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            ("", "An unknown browser"),
            ("<script>", "An unknown browser"),
        ];
        for (agent, words) in table {
            let mut headers = HeaderMap::new();
            headers.insert(USER_AGENT, agent.parse().unwrap());
            assert_eq!(device(&headers), words, "{agent}");
        }
    }
}
