//! Trying a credential out on the page that shows its secret.

use domain::catalogue::Method;
use service::Tried;

use crate::harness::Team;

fn call(method: Method, path: &str, should_pass: bool, refusal: Option<&str>) -> Tried {
    Tried {
        call: Some((method, path.to_owned())),
        should_pass,
        refusal: refusal.map(ToOwned::to_owned),
    }
}

fn token(refusal: Option<&str>) -> Tried {
    Tried {
        call: None,
        should_pass: true,
        refusal: refusal.map(ToOwned::to_owned),
    }
}

#[tokio::test]
async fn a_new_secret_is_used_as_its_program_would_use_it() {
    let team = Team::new().await;
    let eve = team.add("Eve", "eve@example.com", "support").await;
    let eve = team.log_in(eve.id).await;
    let refused = "needs accounts:read, this key has no access to accounts";
    for (flow, has_token) in [("client_secret", true), ("legacy", false)] {
        let issued = team.issue(flow, &[("journaling", "write")]).await;
        let (key_id, secret) = (issued.credential.key_id, issued.secret.unwrap());
        let tried = team.services.try_out(&eve, key_id, secret.expose()).await;
        let calls = [
            call(Method::Get, "/v1/journals", true, None),
            call(Method::Get, "/v1/accounts", false, Some(refused)),
        ];
        let expected: Vec<_> = has_token
            .then(|| token(None))
            .into_iter()
            .chain(calls)
            .collect();
        assert_eq!(tried.unwrap(), expected, "{flow}");
        team.services.flush_usage().await.unwrap();
        let used = team.services.credential(&eve, key_id).await.unwrap();
        assert!(used.last_use.is_some(), "it was real use");
    }
}

#[tokio::test]
async fn full_access_is_refused_only_what_nobody_may_call() {
    let team = Team::new().await;
    let everything: Vec<_> = harness_scopes().collect();
    let everything: Vec<_> = everything
        .iter()
        .map(|name| (name.as_str(), "write"))
        .collect();
    let issued = team.issue("client_secret", &everything).await;
    let (key_id, secret) = (issued.credential.key_id, issued.secret.unwrap());
    let tried = team
        .services
        .try_out(&team.host, key_id, secret.expose())
        .await
        .unwrap();
    let last = tried.last().unwrap();
    assert_eq!(last.call, Some((Method::Get, "/no-such-call".to_owned())));
    assert!(last.refusal.is_some() && !last.should_pass);
}

fn harness_scopes() -> impl Iterator<Item = String> {
    let catalogue = crate::harness::catalogue();
    let names: Vec<_> = catalogue
        .scopes()
        .iter()
        .map(|scope| scope.name.to_string())
        .collect();
    names.into_iter()
}

#[tokio::test]
async fn a_wrong_secret_gets_no_further_than_the_token() {
    let team = Team::new().await;
    let issued = team.issue("client_secret", &[("data", "read")]).await;
    let tried = team
        .services
        .try_out(&team.host, issued.credential.key_id, "krs_wrong")
        .await;
    let tried = tried.unwrap();
    assert_eq!(tried.len(), 1);
    assert!(tried[0].call.is_none() && tried[0].refusal.is_some());
}
