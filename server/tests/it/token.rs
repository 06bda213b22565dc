//! `POST /v1/oauth2/token`.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Method, Request};
use chrono::TimeDelta;
use domain::expiry::ExpiryChoice;
use domain::limits::{LimitKind, LimitsDraft};
use serde_json::json;

use crate::app::{
    Answer, ISSUER, Key, OTHER_AUDIENCE, READ, TestApp, WRITE, basic, default_catalogue, jwt_part,
};
use crate::commands::stub_site;
use crate::faulty::Health;
use server::state::GateMode;

const GRANT: &str = "grant_type=client_credentials";
const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn check_01_and_02_a_client_gets_a_bearer_token_and_nothing_to_refresh_it() {
    let app = TestApp::new().await;
    let key = app
        .issue("client_secret", "accounts=read journaling=write")
        .await;
    let by_basic = app
        .ask_token(GRANT, &[("Authorization", &key.basic())])
        .await
        .ok();
    let by_post = app.post_token(&key, "").await.ok();
    for answer in [by_basic, by_post] {
        let body = answer.json();
        let members: HashSet<_> = body
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(
            members,
            HashSet::from(["access_token", "token_type", "expires_in", "scope"])
        );
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["expires_in"], 900);
        assert_eq!(
            body["scope"],
            "accounts:read journaling:read journaling:write"
        );
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("pragma"), Some("no-cache"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
        app.ask_with_token(READ, body["access_token"].as_str().unwrap())
            .await
            .ok();
    }
    assert_eq!(app.metrics.tokens_issued.get(), 2);
}

#[tokio::test]
async fn check_03_id_and_secret_may_be_form_encoded_before_basic() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "read_only").await;
    let encoded = basic(&key.id.replace('K', "%4b"), &key.secret.replace('_', "%5F"));
    app.ask_token(GRANT, &[("Authorization", &encoded)])
        .await
        .ok();
    for broken in [
        basic(&key.id, "krs%5"),
        basic("%zz", &key.secret),
        "Basic %%%".to_owned(),
    ] {
        let answer = app.ask_token(GRANT, &[("Authorization", &broken)]).await;
        answer.refuses(401, "invalid_client");
        assert_challenge(&answer);
    }
}

#[tokio::test]
async fn check_04_nothing_is_taken_from_the_url() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "read_only").await;
    for query in [
        format!("{GRANT}&client_id={}&client_secret={}", key.id, key.secret),
        format!("client_secret={}", key.secret),
        "scope=accounts:read".to_owned(),
    ] {
        let request = Request::post(format!("/v1/oauth2/token?{query}"))
            .header("Authorization", key.basic())
            .header("Content-Type", FORM)
            .body(Body::from(GRANT))
            .unwrap();
        app.call(request).await.refuses(400, "invalid_request");
    }
}

#[tokio::test]
async fn check_05_two_client_authentications_are_refused() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "read_only").await;
    let header = [("Authorization", &*key.basic())];
    let post = format!("client_id={}&client_secret={}", key.id, key.secret);
    let both = [
        format!("{GRANT}&{post}"),
        format!("{GRANT}&client_secret={}", key.secret),
        format!("{GRANT}&client_assertion=x.y.z"),
        format!(
            "{GRANT}&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        ),
        format!("{GRANT}&client_id=KRAAAAAAAAAAAAAAAAAAAA"),
    ];
    for form in both {
        app.ask_token(&form, &header)
            .await
            .refuses(400, "invalid_request");
    }
    let form = format!("{GRANT}&{post}&client_assertion=x.y.z");
    app.ask_token(&form, &[])
        .await
        .refuses(400, "invalid_request");
    app.ask_token(GRANT, &[header[0], header[0]])
        .await
        .refuses(400, "invalid_request");
    // The same id beside Basic is no second proof, and an empty secret is none at all.
    let form = format!("{GRANT}&client_id={}&client_secret=", key.id);
    app.ask_token(&form, &header).await.ok();
}

#[tokio::test]
async fn check_06_no_client_authentication_is_refused() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "read_only").await;
    let forms = [
        GRANT.to_owned(),
        format!("{GRANT}&client_id={}", key.id),
        format!("{GRANT}&client_id={}&client_secret=", key.id),
        format!("{GRANT}&client_secret={}", key.secret),
    ];
    for form in forms {
        let answer = app.ask_token(&form, &[]).await;
        answer.refuses(401, "invalid_client");
        assert_eq!(
            answer.header("www-authenticate"),
            None,
            "nobody tried a header"
        );
    }
    for header in ["Bearer x", "Digest x", "Basic", ""] {
        let answer = app.ask_token(GRANT, &[("Authorization", header)]).await;
        answer.refuses(401, "invalid_client");
        assert_challenge(&answer);
    }
}

#[track_caller]
fn assert_challenge(answer: &Answer) {
    let challenge = r#"Basic realm="keyrack", charset="UTF-8", error="invalid_client""#;
    assert_eq!(answer.header("www-authenticate"), Some(challenge));
}

/// Status, headers and body without what differs from answer to answer anyway.
fn bytes(answer: &Answer) -> (u16, Vec<(String, Vec<u8>)>, serde_json::Value) {
    let mut body = answer.json();
    body["request_id"] = "…".into();
    let headers = answer
        .headers
        .iter()
        .filter(|(name, _)| *name != "x-request-id");
    let headers = headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    (answer.status.as_u16(), headers.collect(), body)
}

#[tokio::test]
async fn check_07_a_wrong_secret_and_an_unknown_id_get_the_same_answer() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "read_only").await;
    let other = app.issue("client_secret", "read_only").await;
    let unknown = "KRAAAAAAAAAAAAAAAAAAAA";
    let wrong = app
        .ask_token(GRANT, &[("Authorization", &basic(&key.id, &other.secret))])
        .await;
    wrong.refuses(401, "invalid_client");
    assert_challenge(&wrong);
    for (id, secret) in [
        (unknown, &*other.secret),
        ("nonsense", &*other.secret),
        (&*key.id, "nonsense"),
        ("", ""),
    ] {
        let answer = app
            .ask_token(GRANT, &[("Authorization", &basic(id, secret))])
            .await;
        assert_eq!(bytes(&answer), bytes(&wrong), "{id} {secret}");
    }
    assert_eq!(app.metrics.tokens_refused.get(), 5);
}

#[tokio::test]
async fn check_07_a_wrong_secret_and_an_unknown_id_take_the_same_time() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "read_only").await;
    let other = app.issue("client_secret", "read_only").await;
    let mut times = [const { Vec::new() }; 2];
    for round in 0..100 {
        app.services.catch_up().await.unwrap();
        // The second of a round finds everything warm: each is it half the time.
        for which in [round % 2, (round + 1) % 2] {
            let id = [&*key.id, "KRAAAAAAAAAAAAAAAAAAAA"][which];
            let header = basic(id, &other.secret);
            let began = Instant::now();
            app.ask_token(GRANT, &[("Authorization", &header)])
                .await
                .refuses(401, "invalid_client");
            times[which].push(began.elapsed());
        }
        // Past the limit on failures.
        app.clock.advance(TimeDelta::minutes(1));
    }
    // The fastest of each: the rest measures what else the machine does.
    let [wrong, unknown] = times.map(|times| times.into_iter().min().unwrap().as_secs_f64());
    // They differ by a few per cent; a slow hash on one path only would double one.
    assert!(
        (0.67..1.5).contains(&(wrong / unknown)),
        "{wrong} {unknown}"
    );
}

#[tokio::test]
async fn check_08_a_credential_of_another_flow_gets_no_token() {
    let app = TestApp::new().await;
    let secret = app.issue("client_secret", "read_only").await.secret;
    for flow in ["private_key_jwt", "legacy"] {
        let mut key = app.issue(flow, "read_only").await;
        if key.secret.is_empty() {
            key.secret.clone_from(&secret);
        }
        app.post_token(&key, "")
            .await
            .refuses(401, "invalid_client");
    }
    let assertion = "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer\
                     &client_assertion=a.b.c";
    app.ask_token(&format!("{GRANT}&{assertion}"), &[])
        .await
        .refuses(401, "invalid_client");
}

#[tokio::test]
async fn checks_19_and_24_an_assertion_gets_one_token() {
    let app = TestApp::new().await;
    let key = app.issue("private_key_jwt", "accounts=read").await;
    let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    let form = |assertion: &str, kind: &str| {
        format!("{GRANT}&client_assertion_type={kind}&client_assertion={assertion}")
    };
    let assertion = app.assertion(&key);
    for (kind, error) in [("", "invalid_request"), ("x", "invalid_request")] {
        app.ask_token(&form(&assertion, kind), &[])
            .await
            .refuses(400, error);
    }
    app.ask_token(&format!("{GRANT}&client_assertion_type={kind}"), &[])
        .await
        .refuses(400, "invalid_request");
    let answer = app.ask_token(&form(&assertion, kind), &[]).await.ok();
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    app.ask_with_token(READ, &token).await.ok();
    app.ask_token(&form(&assertion, kind), &[])
        .await
        .refuses(401, "invalid_client");
    let named = format!("{}&client_id={}", form(&app.assertion(&key), kind), key.id);
    app.ask_token(&named, &[]).await.ok();
    let other = format!(
        "{}&client_id=KRAAAAAAAAAAAAAAAAAAAA",
        form(&app.assertion(&key), kind)
    );
    app.ask_token(&other, &[])
        .await
        .refuses(401, "invalid_client");
}

#[tokio::test]
async fn check_09_only_the_client_credentials_grant_is_known() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "read_only").await;
    let header = [("Authorization", &*key.basic())];
    for form in ["", "grant_type=", "scope=accounts:read"] {
        app.ask_token(form, &header)
            .await
            .refuses(400, "invalid_request");
    }
    let others = [
        "password&username=a&password=b",
        "refresh_token",
        "authorization_code",
        "implicit",
        "Client_Credentials",
        "client_credentials%20",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
    ];
    for grant in others {
        let form = format!("grant_type={grant}");
        app.ask_token(&form, &header)
            .await
            .refuses(400, "unsupported_grant_type");
    }
}

#[tokio::test]
async fn check_10_repeated_parameters_are_refused_unknown_and_empty_ones_ignored() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "read_only").await;
    for more in [
        "&scope=&resource=&foo=bar&",
        "&audience=x",
        "&client_assertion=",
    ] {
        app.post_token(&key, more).await.ok();
    }
    for more in [
        "&grant_type=client_credentials",
        "&client_id=x",
        "&s%63ope=a&scope=",
        "&x=1&x=2",
    ] {
        app.post_token(&key, more)
            .await
            .refuses(400, "invalid_request");
    }
}

#[tokio::test]
async fn check_11_only_a_posted_form_is_read() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "read_only").await;
    for method in [
        Method::GET,
        Method::HEAD,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
        Method::OPTIONS,
    ] {
        let request = Request::builder()
            .method(method.clone())
            .uri("/v1/oauth2/token")
            .header("Authorization", key.basic())
            .header("Content-Type", FORM)
            .body(Body::from(GRANT))
            .unwrap();
        let answer = app.call(request).await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow"), Some("POST"), "{method}");
    }
    let json = r#"{"grant_type":"client_credentials"}"#;
    for (kinds, body) in [
        (&["application/json"][..], json),
        (&[], GRANT),
        (&["text/plain"], GRANT),
        (&["multipart/form-data; boundary=x"], GRANT),
        (&[FORM, FORM], GRANT),
        (&["application/x-www-form-urlencodedx"], GRANT),
    ] {
        let mut request = Request::post("/v1/oauth2/token").header("Authorization", key.basic());
        for kind in kinds {
            request = request.header("Content-Type", *kind);
        }
        let answer = app.call(request.body(Body::from(body)).unwrap()).await;
        answer.refuses(415, "invalid_request");
    }
    let request = Request::post("/v1/oauth2/token")
        .header("Authorization", key.basic())
        .header(
            "Content-Type",
            "Application/X-WWW-Form-Urlencoded; charset=UTF-8",
        );
    app.call(request.body(Body::from(GRANT)).unwrap())
        .await
        .ok();
}

#[tokio::test]
async fn check_12_a_token_has_exactly_the_scope_that_was_asked_for() {
    let app = TestApp::new().await;
    let key = app
        .issue("client_secret", "accounts=read journaling=write")
        .await;
    for (asked, granted) in [
        ("", "accounts:read journaling:read journaling:write"),
        ("accounts:read", "accounts:read"),
        ("journaling:write", "journaling:write"),
        (
            "journaling:read%20accounts:read",
            "accounts:read journaling:read",
        ),
    ] {
        let answer = app.post_token(&key, &format!("&scope={asked}")).await.ok();
        assert_eq!(answer.json()["scope"], granted);
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(jwt_part(&token, 1)["scope"], granted);
        let may_write = granted.contains("journaling:write");
        assert_eq!(
            app.ask_with_token(WRITE, &token).await.status == 200,
            may_write,
            "{asked}"
        );
    }
    for asked in [
        "accounts:write",
        "data:read",
        "accounts:read%20data:read",
        "nonsense:read",
        "openid",
    ] {
        let answer = app.post_token(&key, &format!("&scope={asked}")).await;
        answer.refuses(400, "invalid_scope");
    }
}

#[tokio::test]
async fn check_13_malformed_scopes_are_refused_and_nothing_is_echoed() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "full").await;
    let malformed = [
        "accounts:read%20%20data:read",
        "%20accounts:read",
        "accounts:read%20",
        "accounts:read%09data:read",
        "accounts%22:read",
        "accounts%5C:read",
        "accounts:read%00",
        "accounts:read%0D%0ASet-Cookie:x",
        "%FF",
        "Accounts:read",
        "accounts:READ",
        "accounts",
        ":read",
        "<script>",
    ];
    for scope in malformed {
        let answer = app.post_token(&key, &format!("&scope={scope}")).await;
        answer.refuses(400, "invalid_scope");
        let text = String::from_utf8(answer.body.clone()).unwrap();
        assert!(!text.contains('<') && !text.contains("accounts"), "{text}");
        let description = answer.json()["error_description"]
            .as_str()
            .unwrap()
            .to_owned();
        let is_allowed = |b| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        assert!(description.bytes().all(is_allowed), "{description}");
    }
    let long = "accounts:read%20".repeat(3_000);
    app.post_token(&key, &format!("&scope={long}"))
        .await
        .refuses(400, "invalid_scope");
}

#[tokio::test]
async fn check_14_a_dead_credential_gets_no_token_from_the_next_request_on() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "read_only").await;
    app.post_token(&key, "").await.ok();
    app.quarantine(&key).await;
    app.post_token(&key, "")
        .await
        .refuses(401, "invalid_client");
    app.services
        .enable_credential(&app.host, key.key_id(), "false alarm")
        .await
        .unwrap();
    app.post_token(&key, "").await.ok();
    app.services
        .revoke_credential(&app.host, key.key_id(), "replaced")
        .await
        .unwrap();
    app.post_token(&key, "")
        .await
        .refuses(401, "invalid_client");

    let key = app.issue_until("client_secret", "read_only", "1w").await;
    app.clock
        .advance(TimeDelta::days(7) - TimeDelta::seconds(1));
    app.post_token(&key, "").await.ok();
    app.clock.advance(TimeDelta::seconds(1));
    app.post_token(&key, "")
        .await
        .refuses(401, "invalid_client");
}

#[tokio::test]
async fn check_15_a_token_never_outlives_its_credential() {
    for choice in ExpiryChoice::FIXED {
        let app = TestApp::new().await;
        let key = app
            .issue_until("client_secret", "read_only", &choice.to_string())
            .await;
        let record = app
            .services
            .credential(&app.host, key.key_id())
            .await
            .unwrap();
        let end = record.credential.expires_at;
        for before_end in [86_400, 901, 900, 899, 60, 1] {
            let now = app.services.now();
            if let Some(end) = end {
                app.clock
                    .advance(end - now - TimeDelta::seconds(before_end));
            }
            let answer = app.post_token(&key, "").await.ok().json();
            let claims = jwt_part(answer["access_token"].as_str().unwrap(), 1);
            let (iat, exp) = (
                claims["iat"].as_i64().unwrap(),
                claims["exp"].as_i64().unwrap(),
            );
            assert_eq!(answer["expires_in"].as_i64(), Some(exp - iat));
            assert_eq!(iat, app.services.now().timestamp());
            assert_eq!(
                exp - iat,
                if end.is_some() {
                    before_end.min(900)
                } else {
                    900
                }
            );
            assert!(end.is_none_or(|end| exp <= end.timestamp()));
        }
    }
}

/// Keyrack itself answers over plain HTTP wherever it listens, as TLS ends in front of it; the
/// server warns at its start when neither the public URL nor the loopback address makes that safe.
#[tokio::test]
async fn check_16_plain_http_is_answered_as_documented() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "read_only").await;
    let request = Request::post("/v1/oauth2/token")
        .header("Authorization", key.basic())
        .header("Content-Type", FORM)
        .body(Body::from(GRANT))
        .unwrap();
    app.call_from("203.0.113.9:4000", request).await.ok();
}

/// What `keyrack serve` logs until it is ready.
fn logged_at_the_start(listen: &str, public_url: Option<&str>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyrack"));
    command
        .arg("serve")
        .current_dir(&folder)
        .env("KEYRACK_DATA_DIR", folder.path())
        .env("KEYRACK_LISTEN", listen)
        .env("KEYRACK_SITE_DIR", stub_site(folder.path()))
        .envs(public_url.map(|url| ("KEYRACK_PUBLIC_URL", url)))
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut log = String::new();
    for line in BufReader::new(process.stderr.take().unwrap()).lines() {
        log = log + &line.unwrap() + "\n";
        if log.contains("Keyrack is ready") {
            break;
        }
    }
    // It has ended already if it never became ready.
    let _ = process.kill();
    process.wait().unwrap();
    assert!(log.contains("Keyrack is ready"), "{log}");
    log
}

#[test]
fn check_16_the_server_warns_at_its_start_of_plain_http_that_others_reach() {
    for (listen, public_url, warns) in [
        ("0.0.0.0:0", None, true),
        ("0.0.0.0:0", Some("http://keys.example.com"), true),
        ("0.0.0.0:0", Some("https://keys.example.com"), false),
        ("[::]:0", None, true),
        ("127.0.0.1:0", None, false),
        ("127.0.0.1:0", Some("http://localhost"), false),
        ("127.0.0.1:0", Some("http://keys.example.com"), true),
    ] {
        let log = logged_at_the_start(listen, public_url);
        assert!(
            !log.contains("//0.0.0.0") && !log.contains("//[::]"),
            "{log}"
        );
        let warning = "put TLS in front and set public_url";
        let warnings: Vec<_> = log.lines().filter(|line| line.contains(warning)).collect();
        assert_eq!(
            warnings.len(),
            usize::from(warns),
            "{listen} {public_url:?}: {log}"
        );
        assert!(warnings.iter().all(|line| line.contains("WARN")), "{log}");
    }
}

#[tokio::test]
async fn check_17_failures_slow_down_one_client_at_one_address_for_a_while() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "read_only").await;
    let other = app.issue("client_secret", "read_only").await;
    let guess = Key {
        secret: other.secret.clone(),
        ..key.clone()
    };
    let mut refused = None;
    for tries in 0..200 {
        let answer = app.post_token(&guess, "").await;
        if answer.status == 429 {
            refused = Some((tries, answer));
            break;
        }
        answer.refuses(401, "invalid_client");
    }
    let (tries, answer) = refused.expect("guessing goes on for ever");
    assert!(tries >= 10, "typos are forgiven");
    answer.refuses(429, "temporarily_unavailable");
    let wait: i64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(wait > 0);
    let decision = app.decision(&answer).await;
    assert_eq!(&*decision.reason, "too_many_failures");
    assert_eq!(decision.key_id, Some(key.key_id()));
    // The right secret waits as well, or a guess that is right would show.
    assert_eq!(app.post_token(&key, "").await.status, 429);
    app.post_token(&other, "").await.ok();
    let elsewhere = Request::post("/v1/oauth2/token")
        .header("Authorization", key.basic())
        .header("Content-Type", FORM)
        .body(Body::from(GRANT))
        .unwrap();
    app.call_from("192.0.2.1:4000", elsewhere).await.ok();
    app.clock.advance(TimeDelta::seconds(wait));
    app.post_token(&key, "").await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_behind_one_address_gets_all_its_tokens_at_once() {
    let app = std::sync::Arc::new(TestApp::new().await);
    let key = app.issue("private_key_jwt", "accounts=read").await;
    let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    let mut fleet = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let (app, key) = (app.clone(), key.clone());
        fleet.spawn(async move {
            let assertion = app.assertion(&key);
            let form = format!("{GRANT}&client_assertion_type={kind}&client_assertion={assertion}");
            app.ask_token(&form, &[]).await.status.as_u16()
        });
    }
    assert_eq!(fleet.join_all().await, [200; 200]);
}

/// Whoever has an IPv6 address has all of its /64.
#[tokio::test]
async fn check_17_the_addresses_of_one_ipv6_network_are_one_guesser() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "read_only").await;
    let guess = basic(
        &key.id,
        &app.issue("client_secret", "read_only").await.secret,
    );
    let ask = async |network: u16, host: u16, authorization: &str| {
        let request = Request::post("/v1/oauth2/token")
            .header("Authorization", authorization)
            .header("Content-Type", FORM)
            .body(Body::from(GRANT))
            .unwrap();
        let peer = format!("[2001:db8:0:{network:x}::{host:x}]:4000");
        app.call_from(&peer, request).await.status.as_u16()
    };
    let mut tried = 0;
    for host in 0..100 {
        if ask(1, host, &guess).await == 401 {
            tried += 1;
        }
    }
    assert_eq!(tried, 30);
    assert_eq!(ask(1, 4_711, &key.basic()).await, 429);
    assert_eq!(ask(2, 1, &key.basic()).await, 200);
}

#[tokio::test]
async fn check_17_only_failures_of_the_client_slow_it_down() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "read_only").await;
    for _ in 0..40 {
        app.store.set(Health::Failing);
        let answer = app.post_token(&key, "").await;
        answer.refuses(503, "temporarily_unavailable");
        app.store.set(Health::Hanging);
        // The caller goes away.
        let hanging = tokio::time::timeout(Duration::from_millis(5), app.post_token(&key, ""));
        assert!(hanging.await.is_err());
    }
    app.store.set(Health::Well);
    app.post_token(&key, "").await.ok();
}

#[tokio::test]
async fn a_limit_on_tokens_refuses_and_says_when_there_is_room() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "read_only").await;
    let draft = LimitsDraft {
        tokens_per_hour: "7".into(),
        ..LimitsDraft::default()
    };
    app.limit(&key, &draft).await;
    for _ in 0..7 {
        // Refused for another reason, it uses nothing up.
        app.post_token(&key, "&scope=nonsense")
            .await
            .refuses(400, "invalid_scope");
        app.post_token(&key, "").await.ok();
    }
    let answer = app.post_token(&key, "").await;
    answer.refuses(429, "temporarily_unavailable");
    // The seventh part of an hour, rounded up.
    assert_eq!(answer.header("retry-after"), Some("515"));
    assert_eq!(answer.header("ratelimit"), Some("\"tokens\";r=0;t=515"));
    assert_eq!(
        answer.header("ratelimit-policy"),
        Some("\"tokens\";q=7;w=3600")
    );
    let decision = app.decision(&answer).await;
    assert_eq!(
        (decision.allowed, &*decision.reason),
        (false, "rate_limited")
    );
    assert_eq!(decision.key_id, Some(key.key_id()));
    app.clock.advance(TimeDelta::seconds(515));
    app.post_token(&key, "").await.ok();
}

#[tokio::test]
async fn an_address_that_is_not_on_the_list_gets_no_token() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "read_only").await;
    let draft = LimitsDraft {
        addresses: "203.0.113.0/24".into(),
        tokens_per_hour: "1".into(),
        ..LimitsDraft::default()
    };
    app.limit(&key, &draft).await;
    let ask = async |peer: &str| {
        let request = Request::post("/v1/oauth2/token")
            .header("Authorization", key.basic())
            .header("Content-Type", FORM);
        app.call_from(peer, request.body(Body::from(GRANT)).unwrap())
            .await
    };
    for outside in ["192.0.2.7:4000", "[2001:db8::1]:4000"] {
        let answer = ask(outside).await;
        answer.refuses(403, "access_denied");
        assert_eq!(app.decision(&answer).await.reason, "address_not_allowed");
    }
    // They have used nothing up; and a mapped address is the same address.
    ask("[::ffff:203.0.113.7]:4000").await.ok();
    ask("203.0.113.7:4000")
        .await
        .refuses(429, "temporarily_unavailable");
}

#[tokio::test]
async fn a_limit_on_tokens_that_only_reports_gives_them_all_the_same() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "read_only").await;
    let draft = LimitsDraft {
        tokens_per_hour: "1".into(),
        report_only: [LimitKind::Tokens].into(),
        ..LimitsDraft::default()
    };
    app.limit(&key, &draft).await;
    app.post_token(&key, "").await.ok();
    let beyond = app.post_token(&key, "").await.ok();
    let decision = app.decision(&beyond).await;
    assert_eq!(
        (decision.allowed, &*decision.reason),
        (true, "rate_limited")
    );
}

#[tokio::test]
async fn check_28_and_29_a_token_is_an_rfc_9068_token() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "accounts=read").await;
    let keys = app
        .call(Request::get("/v1/oauth2/keys").body(Body::empty()).unwrap())
        .await
        .json();
    let mut ids = HashSet::new();
    for _ in 0..500 {
        let token = app.token(&key).await;
        let header = jwt_part(&token, 0);
        assert_eq!(header["typ"], "at+jwt");
        assert_eq!(header["alg"], "ES256");
        assert_eq!(header["kid"], keys["keys"][0]["kid"]);
        let claims = jwt_part(&token, 1);
        assert_eq!(claims["iss"], ISSUER);
        assert_eq!(claims["aud"], ISSUER);
        assert_eq!(claims["sub"], key.id);
        assert_eq!(claims["client_id"], key.id);
        assert_eq!(claims["scope"], "accounts:read");
        assert_eq!(
            claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
            900
        );
        assert!(
            ids.insert(claims["jti"].as_str().unwrap().to_owned()),
            "a jti came twice"
        );
    }
}

#[tokio::test]
async fn check_30_the_audience_is_a_configured_resource() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "read_only").await;
    let asked = format!("&resource={OTHER_AUDIENCE}");
    let answer = app.post_token(&key, &asked).await.ok().json();
    assert_eq!(
        jwt_part(answer["access_token"].as_str().unwrap(), 1)["aud"],
        OTHER_AUDIENCE
    );
    for resource in ["https://evil.example", "https://reports.example.com/", "x"] {
        let answer = app.post_token(&key, &format!("&resource={resource}")).await;
        answer.refuses(400, "invalid_target");
    }
}

/// To whoever has shown that the key is theirs; strangers learn nothing from it.
#[tokio::test]
async fn an_assertion_that_breaks_a_rule_is_refused_with_the_rule() {
    let app = TestApp::new().await;
    let key = app.issue("private_key_jwt", "read_only").await;
    let ask = async |assertion: &str| {
        let form = format!(
            "{GRANT}&client_assertion={assertion}&client_assertion_type=\
             urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        );
        app.ask_token(&form, &[]).await
    };
    let describe = async |assertion: &str| {
        let answer = ask(assertion).await;
        answer.refuses(401, "invalid_client");
        let body = answer.json();
        body["error_description"].as_str().unwrap().to_owned()
    };
    let good = app.assertion(&key);
    ask(&good).await.ok();
    let again = describe(&good).await;
    assert!(again.contains("was used before"), "{again}");
    let no_jwt = describe("x").await;
    assert!(no_jwt.contains("three parts"), "{no_jwt}");
    let (signed, _) = good.rsplit_once('.').unwrap();
    let forged = describe(&format!("{signed}.AAAA")).await;
    app.quarantine(&key).await;
    let quarantined = describe(&app.assertion(&key)).await;
    assert_eq!(forged, quarantined);
    assert!(forged.contains("request_id"), "{forged}");
}

/// RFC 8707 section 2: the parameter may be there several times.
#[tokio::test]
async fn check_30_a_token_is_for_all_resources_that_were_asked_for_or_for_none() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "read_only").await;
    for (asked, audience) in [
        (
            &[OTHER_AUDIENCE, ISSUER][..],
            json!([OTHER_AUDIENCE, ISSUER]),
        ),
        (&[OTHER_AUDIENCE, "", OTHER_AUDIENCE], json!(OTHER_AUDIENCE)),
        (&["", ""], json!(ISSUER)),
    ] {
        let form: String = asked.iter().map(|one| format!("&resource={one}")).collect();
        let answer = app.post_token(&key, &form).await.ok().json();
        let token = answer["access_token"].as_str().unwrap();
        assert_eq!(jwt_part(token, 1)["aud"], audience, "{form}");
        app.ask_with_token(READ, token).await.ok();
    }
    let form = format!("&resource={ISSUER}&resource=https://evil.example");
    app.post_token(&key, &form)
        .await
        .refuses(400, "invalid_target");
}

#[tokio::test]
async fn check_45_a_legacy_credential_gets_no_token() {
    let app = TestApp::new().await;
    let key = app.issue("legacy", "full").await;
    app.post_token(&key, "")
        .await
        .refuses(401, "invalid_client");
    app.ask_token(GRANT, &[("Authorization", &key.basic())])
        .await
        .refuses(401, "invalid_client");
}

#[tokio::test]
async fn a_failing_store_is_unavailable_and_its_cause_stays_inside() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "read_only").await;
    app.store.set(Health::Failing);
    let answer = app.post_token(&key, "").await;
    answer.refuses(503, "temporarily_unavailable");
    assert!(answer.header("retry-after").is_some());
    assert!(!String::from_utf8_lossy(&answer.body).contains("SECRET-CAUSE"));
    app.store.set(Health::Well);
    app.post_token(&key, "").await.ok();
}

/// One kind of credentials never passes for another.
#[tokio::test]
async fn credentials_do_not_work_in_each_others_place() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "full").await;
    let legacy = app.issue("legacy", "full").await;
    let token = app.token(&key).await;
    for (id, secret) in [
        (&key.id, &token),
        (&token, &key.secret),
        (&key.secret, &key.id),
    ] {
        let form = format!("{GRANT}&client_id={id}&client_secret={secret}");
        app.ask_token(&form, &[])
            .await
            .refuses(401, "invalid_client");
        app.ask_token(GRANT, &[("Authorization", &basic(id, secret))])
            .await
            .refuses(401, "invalid_client");
        let answer = app
            .ask_gate(READ, &[("Authorization", &basic(id, secret))])
            .await;
        answer.gate_refuses(401, "invalid_credentials");
    }
    for bearer in [&key.secret, &key.id, &legacy.secret] {
        app.ask_with_token(READ, bearer)
            .await
            .gate_refuses(401, "invalid_token");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_clients_never_get_each_others_tokens() {
    let app = std::sync::Arc::new(TestApp::with(GateMode::Nginx, default_catalogue()).await);
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let app = app.clone();
        clients.spawn(async move {
            let key = app.issue("client_secret", "read_only").await;
            for _ in 0..20 {
                let token = app.token(&key).await;
                assert_eq!(jwt_part(&token, 1)["client_id"], key.id);
                let answer = app.ask_with_token(READ, &token).await.ok();
                assert_eq!(answer.header("x-keyrack-key-id"), Some(&*key.id));
            }
        });
    }
    tokio::time::timeout(Duration::from_mins(1), clients.join_all())
        .await
        .unwrap();
}
