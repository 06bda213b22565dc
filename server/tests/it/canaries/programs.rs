//! What programs and gateways present, rightly and wrongly, and where it does not belong.

use axum::http::{Request, header};
use domain::role::Role;
use http::{HeaderName, HeaderValue};

use super::people::after;
use super::stage::Stage;
use crate::app::{Answer, Key, PUBLIC_KEY, READ, basic};
use crate::dashboard::text;

const FORM: &str = "application/x-www-form-urlencoded";
const TOKEN: &str = "/v1/oauth2/token";
const INTROSPECT: &str = "/v1/oauth2/introspect";
const REVOKE: &str = "/v1/oauth2/revoke";

/// What there is to present.
pub struct Programs {
    pub client: Key,
    pub legacy: Key,
    pub signer: Key,
    /// The token of a gateway that introspects.
    pub gateway: String,
    /// One that was replaced.
    replaced: String,
}

/// Issues credentials and gateways at the dashboard: each secret is shown once.
pub async fn issue(stage: &mut Stage) -> Programs {
    let superuser = stage.somebody(Role::Superuser).cookie;
    let owner = stage.app.owner.id.to_string();
    let mut keys = Vec::new();
    for (flow, public_key) in [
        ("client_secret", ""),
        ("legacy", ""),
        ("private_key_jwt", PUBLIC_KEY),
    ] {
        let fields = [
            ("name", "settlement-worker"),
            ("purpose", "Moves cash at night"),
            ("owner", &owner),
            ("flow", flow),
            ("expires", "30d"),
            ("access", "full"),
            ("public_key", public_key),
            ("idempotency_key", flow),
        ];
        let mut key = Key {
            id: String::new(),
            secret: String::new(),
        };
        // The second of two clicks shows the same.
        for _ in 0..2 {
            let page = text(
                &stage
                    .post(&superuser, "/credentials/new", &fields)
                    .await
                    .ok(),
            );
            key.id = format!("KR{}", after(&page, "<code>KR", 20));
            if public_key.is_empty() {
                key.secret = format!("krs_{}", after(&page, "krs_", 46));
                stage.shows(&format!("the secret of {flow}"), &key.secret);
                stage.shows(
                    "a secret in Basic",
                    basic(&key.id, &key.secret).trim_start_matches("Basic "),
                );
            }
        }
        keys.push(key);
    }
    let mut gateways = Vec::new();
    for (name, kind) in [("inside", "introspection"), ("edge", "nginx")] {
        let fields = [("name", name), ("kind", kind), ("addresses", "")];
        let page = text(&stage.post(&superuser, "/gateways", &fields).await.ok());
        gateways.push(format!("krg_{}", after(&page, "krg_", 43)));
        stage.shows("the token of a gateway", gateways.last().unwrap());
    }
    let host = &stage.app.host;
    let all = stage.app.services.list_gateways(host).await.unwrap();
    let edge = all
        .iter()
        .find(|row| row.gateway.name.as_str() == "edge")
        .unwrap();
    let path = format!("/gateways/{}/token", edge.gateway.id);
    let page = text(&stage.post(&superuser, &path, &[]).await.ok());
    let token = format!("krg_{}", after(&page, "krg_", 43));
    stage.shows("the token of a gateway", &token);
    let [client, legacy, signer] = keys.try_into().unwrap_or_else(|_| unreachable!());
    let mut gateways = gateways.into_iter();
    let (gateway, replaced) = (gateways.next().unwrap(), gateways.next_back().unwrap());
    Programs {
        client,
        legacy,
        signer,
        gateway,
        replaced,
    }
}

/// Asks an endpoint for programs.
async fn ask(stage: &mut Stage, path: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::post(path).header(header::CONTENT_TYPE, FORM);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    stage.ask(request, body).await
}

/// The issuer: tokens by every way of authentication, their introspection and revocation.
pub async fn tokens(stage: &mut Stage, programs: &Programs) -> String {
    let grant = "grant_type=client_credentials";
    let Programs {
        client,
        legacy,
        signer,
        gateway,
        replaced,
    } = programs;
    let assertion = stage.app.assertion(signer);
    stage.plant("an assertion", &assertion);
    let wrong = stage.secret("a wrong secret");
    let by_body =
        |key: &Key, secret: &str| format!("{grant}&client_id={}&client_secret={secret}", key.id);
    let by_assertion = format!(
        "{grant}&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion={assertion}"
    );
    let by_basic = client.basic();
    let mut token = String::new();
    for (body, authorization) in [
        (by_assertion.clone(), ""),
        (by_body(client, &client.secret), ""),
        (grant.to_owned(), &*by_basic),
        // From here on all are refused.
        (by_assertion, ""),
        (by_body(client, &wrong), ""),
        (by_body(legacy, &legacy.secret), ""),
        (
            format!("{}&client_secret=x", by_body(client, &client.secret)),
            "",
        ),
        (format!("{grant}&scope={}", client.secret), &by_basic),
        (format!("{grant}&resource={}", client.secret), &by_basic),
        (format!("grant_type={}", client.secret), &by_basic),
        (
            format!(
                "{grant}&client_id={}&client_secret={}",
                client.secret, client.id
            ),
            "",
        ),
        (
            format!(
                "{grant}&client_assertion_type={wrong}&client_assertion={}",
                client.secret
            ),
            "",
        ),
        (grant.to_owned(), &format!("Bearer {}", client.secret)),
        (grant.to_owned(), &client.secret),
    ] {
        let headers: &[_] = if authorization.is_empty() {
            &[]
        } else {
            &[("Authorization", authorization)]
        };
        let answer = ask(stage, TOKEN, &body, headers).await;
        if answer.status.is_success() {
            answer.json()["access_token"]
                .as_str()
                .unwrap()
                .clone_into(&mut token);
            stage.shows("an access token", &token);
        }
    }
    let in_query = format!("{TOKEN}?client_secret={}", client.secret);
    ask(stage, &in_query, grant, &[]).await;
    let json = Request::post(TOKEN).header(header::CONTENT_TYPE, "application/json");
    stage
        .ask(
            json,
            &format!("{{\"client_secret\":\"{}\"}}", client.secret),
        )
        .await;

    let bearer = format!("Bearer {gateway}");
    for (text, authorization) in [
        (&token, &bearer),
        (&token, &basic("gateway", gateway)),
        (&client.secret, &bearer),
        (&assertion, &bearer),
        (&token, &format!("Bearer {replaced}")),
        (&token, &basic(gateway, &client.secret)),
        (&token, &by_basic),
    ] {
        let headers = [("Authorization", &**authorization)];
        ask(
            stage,
            INTROSPECT,
            &format!("token={text}&token_type_hint={text}"),
            &headers,
        )
        .await;
    }
    // Another client's, no token at all, and then its own.
    for (text, authorization) in [(&token, &bearer), (&client.secret, &by_basic)] {
        let headers = [("Authorization", &**authorization)];
        ask(stage, REVOKE, &format!("token={text}"), &headers).await;
    }
    token
}

/// A method, a path and headers of the caller.
type Question<'q> = (&'q str, &'q str, &'q [(&'q str, &'q str)]);

/// The gate: secrets where they belong, and everywhere else in a question.
pub async fn gate(stage: &mut Stage, programs: &Programs, token: &str) {
    let Programs {
        client,
        legacy,
        replaced,
        gateway,
        ..
    } = programs;
    let wrong = stage.secret("a wrong secret");
    let (key, secret) = ("APCA-API-KEY-ID", "APCA-API-SECRET-KEY");
    let bearer = format!("Bearer {token}");
    let bent = format!("Bearer {}x", &token[..token.len() - 1]);
    let swapped = basic(&legacy.secret, &legacy.id);
    let in_path = format!("/v1/accounts/{}?access_token={token}", legacy.secret);
    let in_query = format!("/v1/accounts?secret={}", legacy.secret);
    let by_basic = [("Authorization", legacy.basic())];
    let questions: [Question<'_>; 14] = [
        (READ.0, READ.1, &[("Authorization", &by_basic[0].1)]),
        (
            READ.0,
            READ.1,
            &[(key, &legacy.id), (secret, &legacy.secret)],
        ),
        (READ.0, READ.1, &[("Authorization", &bearer)]),
        (READ.0, &in_path, &[("Authorization", &bearer)]),
        (READ.0, &in_query, &[]),
        (&legacy.secret, READ.1, &[("Authorization", &bearer)]),
        (READ.0, &legacy.secret, &[("Authorization", &bearer)]),
        (READ.0, READ.1, &[("Authorization", &bent)]),
        (READ.0, READ.1, &[("Authorization", &swapped)]),
        (READ.0, READ.1, &[("Authorization", &client.secret)]),
        (
            READ.0,
            READ.1,
            &[(key, &legacy.secret), (secret, &legacy.id)],
        ),
        (READ.0, READ.1, &[(key, &legacy.id), (secret, &wrong)]),
        (
            READ.0,
            READ.1,
            &[("X-Keyrack-Gateway", replaced), ("Authorization", &bearer)],
        ),
        (
            READ.0,
            READ.1,
            &[("X-Keyrack-Gateway", gateway), ("Authorization", &bearer)],
        ),
    ];
    for (method, uri, headers) in questions {
        // In a header's name, too.
        let name: HeaderName = legacy.secret.parse().unwrap();
        let mut request = Request::get("/v1/verify")
            .header("X-Original-Method", method)
            .header("X-Original-URI", uri)
            .header(name, HeaderValue::from_str(&legacy.secret).unwrap());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        stage.ask(request, &legacy.secret).await;
    }
}

/// Everything that was refused is looked up by whoever may do least.
pub async fn look_up(stage: &mut Stage) {
    stage.app.services.flush_usage().await.unwrap();
    let support = stage.somebody(Role::Support).cookie;
    let mut found = 0;
    for id in stage.request_ids() {
        let answer = stage.get(&support, &format!("/lookup?request={id}")).await;
        found += usize::from(answer.status.is_success());
    }
    assert!(found >= 20, "only {found} requests are kept");
}
