//! Keyrack on a file, with secrets everywhere: every answer is kept, to be searched in the end for
//! every secret that came up, early or late.

use axum::body::Body;
use axum::http::request::Builder;
use axum::http::{Request, header};
use domain::role::Role;
use server::mail::Mailer;
use service::{AddPerson, MasterKey, PasswordLogIn, SsoSettings, Token};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::log;
use super::secrets::Canaries;
use crate::app::{Answer, Needs, PUBLIC_URL, TestApp, private_key_der, this_machine};
use crate::dashboard::{form, text};
use crate::identity_provider::{CLIENT, Provider};
use crate::mail::mail_server;

/// How many mails are sent in all.
const MAILS: usize = 4;

pub struct Stage {
    pub app: TestApp,
    pub provider: Provider,
    /// Those of each role.
    pub people: Vec<Somebody>,
    /// What the mail server hears.
    pub mails: JoinHandle<String>,
    canaries: Canaries,
    said: Vec<Said>,
    folder: TempDir,
    /// What was in the files of the database at some moments.
    dumps: Vec<(String, String)>,
}

/// Somebody of a role, logged in.
#[derive(Clone)]
pub struct Somebody {
    pub role: Role,
    pub email: String,
    pub password: String,
    pub cookie: String,
}

/// An answer.
struct Said {
    /// To what.
    to: String,
    text: String,
    /// The secrets that are in it on purpose.
    shows: Vec<String>,
}

impl Stage {
    pub async fn new() -> Self {
        log::listen();
        let mut canaries = Canaries::default();
        let folder = tempfile::tempdir().unwrap();
        let provider = Provider::start(1_795_500_000).await;
        canaries.plant("the provider's client secret", CLIENT.1.as_bytes());
        let master = MasterKey::generate();
        canaries.plant("the master key", &hex::decode(&*master.to_text()).unwrap());
        let roles = ["ops=operations"];
        let app = TestApp::open(Needs {
            outbound: this_machine(),
            sso: SsoSettings {
                public_url: PUBLIC_URL.to_owned(),
                providers: vec![provider.settings(&roles)],
                passwords: PasswordLogIn::Everybody,
            },
            database: format!("sqlite://{}/keyrack.db", folder.path().display()),
            master,
            ..Needs::default()
        });
        let (smtp_password, (smtp, mails)) = (canary(), mail_server(MAILS).await);
        canaries.plant("the mail server's password", smtp_password.as_bytes());
        let smtp = smtp.replace("://", &format!("://keyrack:{smtp_password}@"));
        let from = "Keyrack <keyrack@example.com>".parse().unwrap();
        let app = app.await.with_mail(Mailer::smtp(from, &smtp).unwrap());
        let mut stage = Self {
            app,
            provider,
            people: Vec::new(),
            mails,
            canaries,
            said: Vec::new(),
            folder,
            dumps: Vec::new(),
        };
        let (pem, jwk) = (
            private_key_der(),
            "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
        );
        stage.canaries.plant("a private key", &pem[36..68]);
        assert!(stage.canaries.found_in(jwk).contains("a private key"));
        stage
    }

    /// Plants a new secret.
    pub fn secret(&mut self, what: &str) -> String {
        let secret = canary();
        self.plant(what, &secret);
        secret
    }

    pub fn plant(&mut self, what: &str, secret: &str) {
        self.canaries.plant(what, secret.as_bytes());
    }

    /// Notes that the last answer has a secret on purpose.
    pub fn shows(&mut self, what: &str, secret: &str) {
        self.plant(what, secret);
        self.may_show(what);
    }

    /// The same for one that is planted already.
    pub fn may_show(&mut self, what: &str) {
        self.said.last_mut().unwrap().shows.push(what.to_owned());
    }

    pub async fn get(&mut self, cookie: &str, path: &str) -> Answer {
        let request = Request::get(path).header(header::ACCEPT, "text/html");
        self.ask(request.header(header::COOKIE, cookie), "").await
    }

    pub async fn post(&mut self, cookie: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_body(cookie, path, &form(fields)).await
    }

    pub async fn post_body(&mut self, cookie: &str, path: &str, body: &str) -> Answer {
        let kind = "application/x-www-form-urlencoded";
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, kind)
            .header(header::ORIGIN, PUBLIC_URL)
            .header(header::COOKIE, cookie);
        self.ask(request, body).await
    }

    /// Asks anything and keeps the answer. Cookies are set to be secret; from then on they are. What
    /// stands in the address itself may come back: it is in the browser's history already.
    pub async fn ask(&mut self, request: Builder, body: &str) -> Answer {
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let to = format!("{} {}", request.method(), request.uri());
        let shows = self
            .canaries
            .found_in(request.uri().path_and_query().unwrap().as_str());
        let shows = shows.into_iter().map(ToOwned::to_owned).collect();
        let answer = self.app.call(request).await;
        let mut headers = answer.headers.clone();
        headers.remove(header::SET_COOKIE);
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            let value = cookie.to_str().unwrap().split([';', '=']).nth(1).unwrap();
            if !value.is_empty() {
                self.plant(&format!("the cookie of {to}"), value);
            }
        }
        let text = format!("{headers:?}\n{}", text(&answer));
        self.said.push(Said { to, text, shows });
        answer
    }

    /// The ids of all requests so far.
    pub fn request_ids(&self) -> Vec<String> {
        let id =
            |said: &Said| Some(said.text.split_once("\"x-request-id\": \"")?.1[..24].to_owned());
        self.said.iter().filter_map(id).collect()
    }

    /// A person with a password, who has logged in.
    pub async fn add(&mut self, email: &str, role: Role) -> Somebody {
        let password = self.secret(&format!("the password of {email}"));
        let person = AddPerson {
            name: "Somebody".to_owned(),
            email: email.to_owned(),
            role: role.to_string(),
        };
        let (services, host) = (&self.app.services, &self.app.host);
        let added = services.add_person_with_password(host, &person, &password);
        added.await.unwrap();
        let mut somebody = Somebody {
            role,
            email: email.to_owned(),
            password,
            cookie: String::new(),
        };
        self.log_in(&mut somebody).await;
        somebody
    }

    /// Logs somebody in, as far as the password leads.
    pub async fn log_in(&mut self, somebody: &mut Somebody) {
        let fields = [
            ("email", &*somebody.email),
            ("password", &somebody.password),
            ("next", ""),
        ];
        let answer = self.post("", "/login", &fields).await;
        somebody.cookie = cookie(&answer);
    }

    /// Takes what is in the files of the database at this moment.
    pub fn dump(&mut self) {
        for file in std::fs::read_dir(self.folder.path()).unwrap() {
            let path = file.unwrap().path();
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            self.dumps.push((path.display().to_string(), text));
        }
    }

    /// Looks for every secret in everything that was said and kept.
    pub async fn search(mut self) {
        let log = log::heard();
        // That it hears: a line of ours, one of a library, and one in the tongue of `log`.
        assert!(log.contains("route=\"/login\""), "{log}");
        assert!(log.contains("TRACE"));
        let mut leaks = Vec::new();
        for said in &self.said {
            let found = self.canaries.found_in(&said.text);
            let leaked = found
                .into_iter()
                .filter(|what| !said.shows.iter().any(|shown| shown == what));
            leaks.extend(leaked.map(|what| format!("{what} in the answer to {}", said.to)));
        }
        let backup = self.folder.path().join("backup.db");
        let host = &self.app.host;
        self.app.services.back_up(host, &backup).await.unwrap();
        let (audit, metrics) = (
            self.app.audit_log().await,
            self.app.metrics.to_text().unwrap(),
        );
        let mut kept = vec![
            ("the audit log".to_owned(), format!("{audit:?}")),
            ("the metrics".to_owned(), metrics),
            ("the state".to_owned(), format!("{:?}", self.app.state)),
        ];
        kept.extend(
            log.lines()
                .map(|line| (format!("the log: {line}"), line.to_owned())),
        );
        self.dump();
        kept.append(&mut self.dumps);
        for (place, text) in &kept {
            let found = self.canaries.found_in(text);
            leaks.extend(found.into_iter().map(|what| format!("{what} in {place}")));
        }
        assert!(
            leaks.is_empty(),
            "{} leaks:\n{}",
            leaks.len(),
            leaks.join("\n")
        );
    }
}

/// A text that stands nowhere by chance.
pub fn canary() -> String {
    Token::generate().expose().to_owned()
}

/// The cookie that an answer sets.
#[track_caller]
pub fn cookie(answer: &Answer) -> String {
    let cookies = answer.headers.get_all(header::SET_COOKIE).iter();
    let mut cookies = cookies.filter_map(|cookie| cookie.to_str().unwrap().split(';').next());
    cookies
        .find(|cookie| !cookie.ends_with('='))
        .unwrap()
        .to_owned()
}
