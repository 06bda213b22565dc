//! What people type and are shown: passwords, links, second factors, the way by a provider.

use chrono::TimeDelta;
use domain::role::Role;
use http::{StatusCode, header};
use serde_json::json;
use totp_rs::{Builder, Secret};
use url::Url;

use super::stage::{Somebody, Stage, cookie};
use crate::dashboard::text;

/// What stands in a page after a text.
pub fn after(page: &str, before: &str, length: usize) -> String {
    let (_, rest) = page
        .split_once(before)
        .unwrap_or_else(|| panic!("no {before} in {page}"));
    rest[..length].to_owned()
}

/// Everybody logs in, after a wrong try, changes their password and confirms that it is them.
pub async fn log_in(stage: &mut Stage) {
    for role in Role::ALL {
        let mut person = stage.add(&format!("{role}@example.com"), role).await;
        let wrong = stage.secret("a wrong password");
        let elsewhere = stage.secret("a password in the place of an address");
        for (email, password) in [
            (&*person.email, &*wrong),
            ("nobody@example.com", &person.password),
            (&elsewhere, &wrong),
        ] {
            let fields = [("email", email), ("password", password), ("next", "")];
            let answer = stage.post("", "/login", &fields).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        }
        // No address, so nothing is kept of it; the form comes back as it was typed.
        stage.may_show("a password in the place of an address");
        let new = stage.secret("a new password");
        for (current, new) in [
            (&*wrong, &*new),
            (&person.password, "short"),
            (&person.password, &new),
        ] {
            let fields = [("current_password", current), ("new_password", new)];
            stage
                .post(&person.cookie, "/account/password", &fields)
                .await;
        }
        person.password = new;
        stage.log_in(&mut person).await;
        stage.people.push(person);
    }
    stage.app.clock.advance(TimeDelta::minutes(16));
    for person in stage.people.clone() {
        let wrong = stage.secret("a wrong proof");
        for proof in [&wrong, &person.password] {
            let answer = stage
                .post(&person.cookie, "/account/confirm", &[("proof", proof)])
                .await;
            if answer.status == StatusCode::NO_CONTENT {
                let known = stage
                    .people
                    .iter_mut()
                    .find(|one| one.email == person.email);
                known.unwrap().cookie = cookie(&answer);
            }
        }
    }
}

/// Links for choosing a password: of an invitation, of a superuser, and by mail.
pub async fn links(stage: &mut Stage, superuser: &str) {
    let people = "Jon Lind <jon@example.com>\nfull@example.com";
    let invited = stage
        .post(
            superuser,
            "/users",
            &[("people", people), ("role", "support")],
        )
        .await;
    let page = text(&invited.ok());
    let links: Vec<_> = page
        .match_indices("/welcome?token=")
        .map(|(at, link)| at + link.len())
        .collect();
    for at in links {
        stage.shows("the link of an invitation", &page[at..at + 43]);
    }
    let path = format!("/users/{}/password-link", stage.app.owner.id);
    let page = text(&stage.post(superuser, &path, &[]).await.ok());
    let token = after(&page, "/welcome?token=", 43);
    stage.shows("the link for a password", &token);
    stage.get("", &format!("/welcome?token={token}")).await.ok();
    let chosen = stage.secret("a chosen password");
    for password in ["short", &chosen, &chosen] {
        stage
            .post("", "/welcome", &[("token", &token), ("password", password)])
            .await;
        // The form comes back with the link that it came with.
        stage.may_show("the link for a password");
    }
    let set_up = stage.secret("a set-up link");
    let fields = [
        ("token", &*set_up),
        ("name", "x"),
        ("email", "x"),
        ("password", &chosen),
    ];
    stage.post("", "/setup", &fields).await;
    stage.may_show("a set-up link");
    stage.get("", &format!("/setup?token={set_up}")).await;
    stage
        .post("", "/forgot", &[("email", "support@example.com")])
        .await;
    let mails = (&mut stage.mails).await.unwrap();
    assert!(
        mails.contains("AUTH PLAIN "),
        "the password was sent: {mails}"
    );
    // Quoted-printable breaks the lines and escapes the equals sign.
    let mails = mails.replace("=\n", "").replace("=3D", "=");
    let tokens = mails
        .split("/welcome?token=")
        .skip(1)
        .map(|rest| rest[..43].to_owned());
    for token in tokens.collect::<Vec<_>>() {
        stage.plant("the link of a mail", &token);
    }
}

/// An authenticator app and its recovery codes.
pub async fn second_factor(stage: &mut Stage) {
    let mut person = stage.add("amina@example.com", Role::Operations).await;
    let page = text(&stage.post(&person.cookie, "/account/totp", &[]).await.ok());
    let secret = after(&page, "?secret=", 32);
    let what = "the secret of an authenticator app";
    let grouped: Vec<_> = secret
        .as_bytes()
        .chunks(4)
        .map(String::from_utf8_lossy)
        .collect();
    stage.shows(what, &secret);
    stage.plant(what, &grouped.join(" "));
    let decoded = Secret::try_from_base32(&secret).unwrap();
    let draft = page.split("name=\"draft\" value=\"").nth(1).unwrap();
    let draft = draft.split('"').next().unwrap();
    let wrong = [("draft", draft), ("code", "000000")];
    stage
        .post(&person.cookie, "/account/totp/add", &wrong)
        .await;
    stage.may_show(what);
    let totp = Builder::new().with_secret(decoded).build().unwrap();
    let code = totp.generate(stage.app.services.now().timestamp().unsigned_abs());
    let right = [("draft", draft), ("code", &code.to_string())];
    let page = text(
        &stage
            .post(&person.cookie, "/account/totp/add", &right)
            .await
            .ok(),
    );
    let codes: Vec<_> = page
        .split("<li><code>")
        .skip(1)
        .map(|rest| rest[..19].to_owned())
        .collect();
    assert_eq!(codes.len(), 10);
    for code in &codes {
        stage.shows("a recovery code", code);
        stage.plant("a recovery code", &code.replace('-', ""));
    }
    stage.log_in(&mut person).await;
    for proof in ["000000", &codes[0], &codes[0]] {
        let answer = stage
            .post(&person.cookie, "/login/second-factor", &[("proof", proof)])
            .await;
        if answer.headers.contains_key(header::SET_COOKIE) {
            person.cookie = cookie(&answer);
        }
    }
    stage.get(&person.cookie, "/account").await.ok();
}

/// A log-in at a provider that fails, one that is refused, one that goes well, and the log-out.
pub async fn single_sign_on(stage: &mut Stage) {
    let (code, error) = (stage.secret("a code of the provider"), "access_denied");
    for answered in [Some(("code", &*code)), Some(("error", error)), None] {
        let begun = stage.get("", "/sso/acme").await;
        let url: Url = begun.header("location").unwrap().parse().unwrap();
        let asked = |name: &str| {
            let found = url.query_pairs().find(|(known, _)| known == name);
            found.unwrap().1.into_owned()
        };
        let (state, nonce) = (asked("state"), asked("nonce"));
        stage.shows("the state of single sign-on", &state);
        stage.shows("the nonce of single sign-on", &nonce);
        stage.dump();
        let ticket = cookie(&begun);
        let claims = json!({
            "sub": "ada-7", "email": "ada@example.com", "email_verified": true,
            "name": "Ada Lovelace", "groups": ["ops"],
        });
        let agreed = stage.provider.agree(&url, claims);
        let (name, value) = answered.unwrap_or(("code", &agreed));
        let back = format!("/sso/acme/callback?{name}={value}&state={state}");
        let answer = stage.get(&ticket, &back).await;
        if answered.is_none() {
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", text(&answer));
            log_out(stage, &cookie(&answer)).await;
        }
    }
}

async fn log_out(stage: &mut Stage, session: &str) {
    stage.get(session, "/account").await.ok();
    stage.dump();
    let answer = stage.post(session, "/logout", &[]).await;
    let leads_to = answer
        .header("refresh")
        .unwrap()
        .split_once("url=")
        .unwrap()
        .1;
    let leads_to: Url = leads_to.parse().unwrap();
    let hint = leads_to
        .query_pairs()
        .find(|(name, _)| name == "id_token_hint");
    stage.shows("an ID token", &hint.unwrap().1);
    // Which holds the nonce.
    stage.may_show("the nonce of single sign-on");
}

impl Stage {
    pub fn somebody(&self, role: Role) -> Somebody {
        self.people
            .iter()
            .find(|person| person.role == role)
            .unwrap()
            .clone()
    }
}
