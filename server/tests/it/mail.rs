//! Mail: a real conversation with a mail server, the folder for development, and what happens when
//! a mail can't be sent.

use std::path::Path;

use axum::body::Body;
use http::{Request, StatusCode, header};
use lettre::message::Mailbox;
use server::mail::{Letter, Mailer, Occasion};
use service::AddPerson;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use crate::app::{Answer, PUBLIC_URL, TestApp};

const PASSWORD: &str = "mice juggle seven lamps";

fn from() -> Mailbox {
    "Keyrack <keyrack@example.com>".parse().unwrap()
}

fn letter() -> Letter {
    Letter {
        occasion: Occasion::Invited,
        name: "Jörg Lind".to_owned(),
        site: "https://keys.example.com".to_owned(),
        link: "https://keys.example.com/welcome?token=t0".to_owned(),
        expires_at: "2026-11-24T09:05:00Z".parse().unwrap(),
    }
}

/// A mail server that takes mail for everybody but `full@example.com`, one connection after the
/// other; what it heard comes out at the end.
pub async fn mail_server(connections: usize) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let heard = tokio::spawn(async move {
        let mut heard = String::new();
        for _ in 0..connections {
            let (stream, _) = listener.accept().await.unwrap();
            let (read, mut write) = stream.into_split();
            let mut lines = BufReader::new(read).lines();
            write.write_all(b"220 test ESMTP\r\n").await.unwrap();
            let mut in_data = false;
            while let Ok(Some(line)) = lines.next_line().await {
                heard += &line;
                heard.push('\n');
                let answer = match line.split(' ').next().unwrap_or_default() {
                    "." if in_data => {
                        in_data = false;
                        "250 taken\r\n"
                    }
                    _ if in_data => continue,
                    "EHLO" => "250-test\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n",
                    "DATA" => {
                        in_data = true;
                        "354 go on\r\n"
                    }
                    "RCPT" if line.contains("full@") => "550 mailbox full\r\n",
                    "QUIT" => "221 bye\r\n",
                    _ => "250 fine\r\n",
                };
                write.write_all(answer.as_bytes()).await.unwrap();
            }
        }
        heard
    });
    (url, heard)
}

#[tokio::test]
async fn mails_go_through_a_mail_server_in_both_forms() {
    let (url, heard) = mail_server(2).await;
    let mailer = Mailer::smtp(from(), &url).unwrap();
    let to = |email: &str| (email.parse().unwrap(), letter());
    let sent = mailer
        .send(vec![to("jorg@example.com"), to("full@example.com")])
        .await;
    assert!(sent[0].is_ok(), "{sent:?}");
    let refusal = sent[1].as_ref().unwrap_err().to_string();
    assert!(refusal.starts_with("the mail server: "), "{refusal}");
    let heard = heard.await.unwrap();
    for part in [
        "MAIL FROM:<keyrack@example.com>",
        "RCPT TO:<jorg@example.com>",
        "Subject: You have been added to Keyrack",
        "multipart/alternative",
        "text/plain",
        "text/html",
    ] {
        assert!(heard.contains(part), "{part} in {heard}");
    }
}

#[tokio::test]
async fn a_mail_server_that_is_not_there_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    drop(listener);
    let mailer = Mailer::smtp(from(), &url).unwrap();
    let sent = mailer
        .send(vec![("jorg@example.com".parse().unwrap(), letter())])
        .await;
    assert!(sent[0].is_err());
}

/// The dashboard with mail, and a superuser's cookie.
struct Office {
    app: TestApp,
}

impl Office {
    async fn new(mailer: Mailer) -> Self {
        let app = TestApp::new().await.with_mail(mailer);
        Self { app }
    }

    async fn add(&self, email: &str, role: &str) {
        let person = AddPerson {
            name: "Somebody".to_owned(),
            email: email.to_owned(),
            role: role.to_owned(),
        };
        let (services, host) = (&self.app.services, &self.app.host);
        services
            .add_person_with_password(host, &person, PASSWORD)
            .await
            .unwrap();
    }

    async fn post(&self, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Answer {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("origin", PUBLIC_URL)
            .header(header::COOKIE, cookie)
            .body(Body::from(body.finish()))
            .unwrap();
        self.app.call(request).await
    }

    async fn log_in(&self, email: &str) -> String {
        let fields = [("email", email), ("password", PASSWORD), ("next", "")];
        self.post("/login", "", &fields).await.cookie().unwrap()
    }
}

/// The mails in a folder.
fn mails(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).into_iter().flatten();
    files
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn invited_people_are_mailed_and_the_superuser_sees_the_links_too() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::new(Mailer::folder(from(), folder.path().join("mail"))).await;
    office.add("boss@example.com", "superuser").await;
    let cookie = office.log_in("boss@example.com").await;
    let fields = [
        ("people", "Jon Lind <jon@example.com>\nada@example.com"),
        ("role", "support"),
    ];
    let answer = office.post("/users", &cookie, &fields).await;
    let page = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(page.matches("Mailed to them.").count(), 2, "{page}");
    let mails = mails(&folder.path().join("mail"));
    assert_eq!(mails.len(), 2);
    let of_jon = mails
        .iter()
        .find(|mail| mail.contains("jon@example.com"))
        .unwrap();
    assert!(
        of_jon.contains("From: Keyrack <keyrack@example.com>"),
        "{of_jon}"
    );
    assert!(
        of_jon.contains(&format!("{PUBLIC_URL}/welcome?token=")),
        "{of_jon}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_is_not_sent_leaves_the_link_with_the_superuser_and_says_why() {
    let (url, _) = mail_server(1).await;
    let office = Office::new(Mailer::smtp(from(), &url).unwrap()).await;
    office.add("boss@example.com", "superuser").await;
    let cookie = office.log_in("boss@example.com").await;
    let fields = [("people", "full@example.com"), ("role", "support")];
    let answer = office.post("/users", &cookie, &fields).await;
    let page = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(
        page.contains("The mail was not sent: the mail server: "),
        "{page}"
    );
    assert!(page.contains(&format!("{PUBLIC_URL}/welcome?token=")));
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_55_and_63_a_forgotten_password_is_one_answer_for_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::new(Mailer::folder(from(), folder.path().to_owned())).await;
    office.add("boss@example.com", "superuser").await;
    office.add("gone@example.com", "support").await;
    let (services, host) = (&office.app.services, &office.app.host);
    let gone = services
        .person_by_email(host, "gone@example.com")
        .await
        .unwrap();
    services.disable_person(host, gone.id).await.unwrap();
    let soon = AddPerson {
        name: "Somebody".to_owned(),
        email: "soon@example.com".to_owned(),
        role: "support".to_owned(),
    };
    services.add_person(host, &soon).await.unwrap();
    // Whoever was in once gets the letter for a new password.
    office.log_in("boss@example.com").await;
    for email in [
        "nobody@example.com",
        "gone@example.com",
        // Invited, and has no password yet.
        "soon@example.com",
        "boss@example.com",
    ] {
        let answer = office.post("/forgot", "", &[("email", email)]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{email}");
        assert_eq!(answer.headers[header::LOCATION], "/login?done=reset-asked");
        assert!(answer.body.is_empty());
    }
    for _ in 0..200 {
        if mails(folder.path()).iter().any(|mail| !mail.is_empty()) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let mails = mails(folder.path());
    assert_eq!(mails.len(), 1);
    assert!(mails[0].contains("boss@example.com"), "{}", mails[0]);
    assert!(mails[0].contains("Subject: Choose a new password for Keyrack"));
    let bad = office.post("/forgot", "", &[("email", "boss")]).await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
}
