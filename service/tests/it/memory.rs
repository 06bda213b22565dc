//! Caches stay within the memory that the settings give them.

use service::{CacheMemory, IssuedCredential, Settings, TokenError};

use crate::harness::{Team, call_with_token, open_with, settings, token};

/// More credentials and tokens than two megabytes hold.
const MANY: usize = 600;

#[tokio::test]
async fn what_does_not_fit_into_the_memory_for_caches_works_as_well() {
    let team = Team::new().await;
    let settings = Settings {
        cache: CacheMemory::megabytes(2),
        ..settings()
    };
    let services = open_with(team.store.clone(), team.clock.clone(), settings).await;
    let mut known: Vec<(IssuedCredential, String)> = Vec::new();
    for _ in 0..MANY {
        let draft = team.draft("client_secret", &[("accounts", "read")]);
        let issued = services.issue_credential(&team.host, &draft, None).await;
        let issued = issued.unwrap();
        let token = token(&services, &issued).await.unwrap();
        known.push((issued, token));
    }
    for _ in 0..2 {
        for (_, token) in &known {
            let allowed = call_with_token(&services, token, "GET", "/v1/accounts").await;
            assert!(allowed.is_ok());
        }
    }
    let [credentials, tokens] = services.cache_loads();
    for (cache, percent) in [(credentials, 25), (tokens, 40)] {
        assert!(cache.entries > 100 && cache.entries < MANY, "{cache:?}");
        assert!(cache.bytes <= 2_000_000 / 100 * percent, "{cache:?}");
    }
    // Whatever was pushed out is looked up anew, and what has ended stays ended.
    for (issued, bearer) in known.iter().take(100) {
        let revoked = services.revoke_credential(&team.host, issued.credential.key_id, "");
        revoked.await.unwrap();
        let refused = call_with_token(&services, bearer, "GET", "/v1/accounts").await;
        assert_eq!(refused.unwrap_err().code(), "revoked");
        let refused = token(&services, issued).await;
        assert!(matches!(refused, Err(TokenError::InvalidClient(denial))
            if denial.cause.code() == "revoked"));
    }
}
