//! What callers are told of limits: `RateLimit-Policy` and `RateLimit`
//! (draft-ietf-httpapi-ratelimit-headers) and `Retry-After` (RFC 9110 section 10.2.3).

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue};
use service::{Quota, whole_seconds};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// Tells of a limit, under the name of what it limits.
pub fn tell(headers: &mut HeaderMap, name: &str, quota: &Quota) {
    let Quota {
        limit,
        window,
        remaining,
        reset,
    } = quota;
    let reset = whole_seconds(*reset);
    let policy = format!("\"{name}\";q={limit};w={window}");
    let state = format!("\"{name}\";r={remaining};t={reset}");
    for (header, value) in [(POLICY, policy), (STATE, state)] {
        // Digits and a name of ours always fit.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(header, value);
        }
    }
}

/// The same of a limit that is used up. The draft wants `t` to be when `Retry-After` is.
pub fn tell_used_up(headers: &mut HeaderMap, name: &str, quota: &Quota) {
    tell(headers, name, quota);
    tell_wait(headers, quota.reset);
}

/// Tells how long to wait.
pub fn tell_wait(headers: &mut HeaderMap, wait: Duration) {
    headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_rounded_up() {
        let mut headers = HeaderMap::new();
        let quota = Quota {
            limit: 7,
            window: 60,
            remaining: 0,
            reset: Duration::from_millis(8_571),
        };
        tell_used_up(&mut headers, "calls", &quota);
        assert_eq!(headers["ratelimit-policy"], "\"calls\";q=7;w=60");
        assert_eq!(headers["ratelimit"], "\"calls\";r=0;t=9");
        assert_eq!(headers["retry-after"], "9");
    }
}
