//! Commands on the host, as scripts run them: what they print, what they refuse, what they leave in
//! the audit log.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::app::READ;

pub const KEYRACK: &str = env!("CARGO_BIN_EXE_keyrack");
const PASSWORD: &str = "mice-juggle-seven-lamps";

pub struct Host {
    folder: TempDir,
    data: PathBuf,
    /// A database elsewhere than in the data folder.
    database: Option<String>,
    /// A master key elsewhere than in the data folder.
    key: Option<String>,
    listen: String,
}

impl Host {
    pub fn new() -> Self {
        Self::with_data_in("data")
    }

    /// A host whose data folder has this name.
    pub fn with_data_in(name: &str) -> Self {
        // A port that was free a moment ago.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let folder = TempDir::new().unwrap();
        let data = folder.path().join(name);
        fs::create_dir(&data).unwrap();
        Self {
            folder,
            data,
            database: None,
            key: None,
            listen: free.local_addr().unwrap().to_string(),
        }
    }

    /// A host with a database at a URL.
    pub fn with_database(url: String) -> Self {
        Self {
            database: Some(url),
            ..Self::new()
        }
    }

    /// The same host with a master key that is configured.
    pub fn keyed(self, key: Option<String>) -> Self {
        Self { key, ..self }
    }

    /// The data folder.
    pub fn path(&self) -> &Path {
        &self.data
    }

    /// What is in the data folder.
    pub fn files(&self) -> Vec<String> {
        let files = fs::read_dir(&self.data).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    pub fn start(&self, arguments: &[&str]) -> Child {
        self.spawn(Command::new(KEYRACK).args(arguments))
    }

    pub fn spawn(&self, command: &mut Command) -> Child {
        let site = stub_site(self.folder.path());
        if let Some(url) = &self.database {
            command.env("KEYRACK_DATABASE_URL", url);
        }
        if let Some(key) = &self.key {
            command.env("KEYRACK_MASTER_KEY", key);
        }
        command
            .current_dir(self.path())
            .env("KEYRACK_DATA_DIR", self.path())
            .env("KEYRACK_LISTEN", &self.listen)
            .env("KEYRACK_SITE_DIR", site)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// A host with a superuser and one legacy credential with full access: its key id and secret.
    pub fn with_credential() -> (Self, [String; 2]) {
        let host = Self::new();
        let proof = host.add_credential();
        (host, proof)
    }

    /// Adds them.
    pub fn add_credential(&self) -> [String; 2] {
        self.add_mara();
        let issued = self.json(&refs(&Self::issue(&["--access", "full"])), "");
        ["key_id", "secret"].map(|name| issued[name].as_str().unwrap().to_owned())
    }

    /// Waits until a server that was started listens.
    pub fn wait_until_ready(&self) {
        let began = Instant::now();
        while !self.run(&["healthcheck"], "").status.success() {
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "the server does not become ready"
            );
            sleep(Duration::from_millis(50));
        }
    }

    /// What a server answers to a path.
    pub fn get(&self, path: &str) -> (u16, String) {
        let answer = ureq::get(format!("http://{}{path}", self.listen))
            .config()
            .http_status_as_error(false)
            .build()
            .call();
        let mut answer = answer.unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        (answer.status().as_u16(), text)
    }

    /// Begins to send a form, whose rest never comes, and returns when a server has begun to read it.
    pub fn begin_form(&self) -> TcpStream {
        let mut stream = TcpStream::connect(&self.listen).unwrap();
        let head = format!(
            "POST /login HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nExpect: 100-continue\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\n",
            self.listen
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut said = [0; 12];
        stream.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"HTTP/1.1 100");
        stream
    }

    /// Logs the superuser in.
    pub fn log_in(&self) -> u16 {
        let answer = ureq::post(format!("http://{}/login", self.listen))
            .header("Origin", format!("http://{}", self.listen))
            .config()
            .max_redirects(0)
            .http_status_as_error(false)
            .build()
            .send_form([
                ("email", "mara@example.com"),
                ("password", PASSWORD),
                ("next", ""),
            ]);
        answer.unwrap().status().as_u16()
    }

    pub fn ask_gate(&self, authorization: &str) -> u16 {
        let answer = ureq::get(format!("http://{}/v1/verify", self.listen))
            .header("X-Original-Method", READ.0)
            .header("X-Original-URI", READ.1)
            .header("Authorization", authorization)
            .config()
            .http_status_as_error(false)
            .build()
            .call();
        answer.unwrap().status().as_u16()
    }

    /// Asks for a token as somebody whom nobody knows.
    pub fn ask_token(&self) -> u16 {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", "KRQ7M2XZLP4TAVJ6NDB3EH"),
            ("client_secret", "wrong"),
        ];
        let answer = ureq::post(format!("http://{}/v1/oauth2/token", self.listen))
            .config()
            .http_status_as_error(false)
            .build()
            .send_form(form);
        answer.unwrap().status().as_u16()
    }

    pub fn run(&self, arguments: &[&str], typed: &str) -> Output {
        let mut process = self.start(arguments);
        // Most commands read nothing, and may be over by now.
        let _ = process.stdin.take().unwrap().write_all(typed.as_bytes());
        process.wait_with_output().unwrap()
    }

    /// What a command prints as JSON, if it succeeds.
    #[track_caller]
    pub fn json(&self, arguments: &[&str], typed: &str) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat(), typed);
        let problem = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {problem}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What a command says that fails, which prints no result.
    #[track_caller]
    pub fn refusal(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments, "");
        assert!(!output.status.success(), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    pub fn issue(more: &[&str]) -> Vec<String> {
        let what =
            "credential issue --name worker --owner mara@example.com --flow legacy --expires 1w";
        let words = what.split(' ').chain(["--purpose", "Moves cash"]);
        words
            .chain(more.iter().copied())
            .map(str::to_owned)
            .collect()
    }

    pub fn add_mara(&self) {
        let who = "user add --email mara@example.com --role superuser --password-stdin --name Mara";
        let words: Vec<_> = who.split(' ').collect();
        let mara = self.json(&words, PASSWORD);
        assert_eq!(
            (&mara["role"], &mara["active"]),
            (&"superuser".into(), &true.into())
        );
    }
}

/// Makes a folder with what a build's files are called, and nothing in them.
pub fn stub_site(within: &Path) -> PathBuf {
    let site = within.join("site");
    fs::create_dir_all(site.join("pkg")).unwrap();
    fs::write(site.join("hash.txt"), "js: a1\nwasm: b2\ncss: c3\n").unwrap();
    for file in ["keyrack.a1.js", "keyrack.b2.wasm", "keyrack.c3.css"] {
        fs::write(site.join("pkg").join(file), "").unwrap();
    }
    site
}

pub fn refs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

#[test]
fn every_command_prints_json_and_what_it_changes_is_audited_with_the_host_as_actor() {
    let host = Host::new();
    assert_eq!(host.json(&["config", "check"], "")["good"], true);
    assert_eq!(host.json(&["db", "migrate"], "")["up_to_date"], true);
    host.add_mara();
    let olu = ["--email", "olu@example.com"];
    let add = [
        &["user", "add", "--name", "Olu", "--role", "developer"][..],
        &olu,
    ]
    .concat();
    let link = host.json(&add, "")["password_link"].clone();
    assert!(link.as_str().unwrap().contains("/welcome?token="), "{link}");
    let set_role = [&["user", "set-role", "--role", "operations"][..], &olu].concat();
    assert_eq!(host.json(&set_role, "")["role"], "operations");
    let reset = [&["user", "reset-password"][..], &olu].concat();
    let again = host.json(&reset, "")["password_link"].clone();
    assert!(again.is_string() && again != link, "{again}");
    let typed = [&reset[..], &["--password-stdin"]].concat();
    assert_eq!(host.json(&typed, PASSWORD)["email"], "olu@example.com");
    let everybody = host.json(&["user", "list"], "");
    assert_eq!(everybody.as_array().unwrap().len(), 2);

    let issue = Host::issue(&["--access", "custom", "--scope", "accounts=read"]);
    let issued = host.json(&refs(&issue), "");
    let key_id = issued["key_id"].as_str().unwrap();
    assert_eq!(issued["scope"], "accounts:read");
    let state = |verb: &str| host.json(&["credential", verb, key_id], "")["state"].clone();
    assert_eq!(state("disable"), "disabled");
    assert_eq!(state("enable"), "active");
    assert_eq!(state("show"), "active");
    assert_eq!(state("revoke"), "revoked");
    host.json(&["signing-key", "rotate"], "");
    let keys = || host.json(&["signing-key", "list"], "");
    let kid = |keys: &Value, at: usize| keys[at]["kid"].as_str().unwrap().to_owned();
    let before = keys();
    let stages = [&before[0]["stage"], &before[1]["stage"]];
    assert_eq!(stages, ["signs", "published"]);
    let first = kid(&before, 0);
    let ended = host.json(&["signing-key", "rotate", "--compromised", &first], "");
    assert_eq!(ended["ended"], first);
    let after = keys();
    assert_eq!(ended["successor"], kid(&after, 0), "it signs at once");
    assert_eq!(after[0]["stage"], "signs");
    assert_eq!(kid(&after, 1), kid(&before, 1));
    let again = host.refusal(&["signing-key", "rotate", "--compromised", &first]);
    assert!(again.contains("signing key"), "{again}");

    let copy = host.path().join("copy.db");
    let backup = ["db", "backup", copy.to_str().unwrap()];
    assert_eq!(host.json(&backup, "")["file"], copy.to_str().unwrap());
    let refused = host.refusal(&backup);
    assert!(refused.contains("copy.db"), "{refused}");

    let log = host.path().join("log.jsonl");
    let export = ["audit", "export", "--out", log.to_str().unwrap()];
    assert!(host.run(&export, "").status.success());
    let log = fs::read_to_string(log).unwrap();
    let log: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let by_host = log.iter().filter(|event| event["actor_kind"] == "host");
    let actions: Vec<_> = by_host
        .map(|event| event["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions,
        [
            "user.added",
            "user.added",
            "user.role_changed",
            "user.password_reset_offered",
            "user.password_changed",
            "credential.issued",
            "credential.disabled",
            "credential.enabled",
            "credential.revoked",
            "signing_key.rotated",
            "signing_key.compromised",
            "database.backed_up",
            "audit.exported",
        ]
    );
    let head = host.json(&["audit", "verify"], "");
    assert_eq!(head["entries"], log.len());
}

#[test]
fn scopes_without_custom_access_are_refused() {
    let host = Host::new();
    host.add_mara();
    for access in ["full", "read-only"] {
        let issue = Host::issue(&["--access", access, "--scope", "data=read"]);
        let refused = host.refusal(&refs(&issue));
        assert!(refused.contains("use --access custom"), "{refused}");
    }
    assert_eq!(
        host.json(&["credential", "list"], "")
            .as_array()
            .unwrap()
            .len(),
        0
    );
}

/// What a process holds in memory but for its files, in megabytes.
#[cfg(target_os = "linux")]
fn resident(process: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line.unwrap().trim().strip_suffix(" kB").unwrap();
    kilobytes.parse::<u64>().unwrap() / 1024
}

#[cfg(target_os = "linux")]
#[test]
fn the_memory_that_log_ins_take_goes_back_to_the_system() {
    let host = Host::new();
    host.add_mara();
    let mut server = host.start(&["serve"]);
    host.wait_until_ready();
    let before = resident(&server);
    assert_eq!(host.log_in(), 303);
    let began = Instant::now();
    while resident(&server) > before + 8 {
        let waited = began.elapsed();
        assert!(
            waited < Duration::from_secs(30),
            "{before} MB, then {}",
            resident(&server)
        );
        sleep(Duration::from_millis(100));
    }
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn a_server_without_the_dashboards_files_does_not_start_and_says_what_to_copy() {
    let host = Host::new();
    let site = stub_site(host.folder.path());
    let serve = || {
        let mut serve = Command::new(KEYRACK);
        let serve = serve.arg("serve").current_dir(host.path());
        let serve = serve.env("KEYRACK_DATA_DIR", host.path().join("new"));
        let serve = serve.env("KEYRACK_SITE_DIR", &site);
        serve.output().unwrap()
    };
    for missing in ["hash.txt", "pkg/keyrack.a1.js", "pkg"] {
        let missing = site.join(missing);
        if missing.is_dir() {
            fs::remove_dir_all(&missing).unwrap();
        } else {
            fs::remove_file(&missing).unwrap();
        }
        let output = serve();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains("copy target/site and target/release/hash.txt"),
            "{said}"
        );
        // The debug build may have its list of hashes beside it.
        stub_site(host.folder.path());
    }
    assert!(host.files().is_empty(), "nothing was made");
}

#[test]
fn variables_of_others_stop_no_command_and_are_named() {
    let host = Host::new();
    let mut list = Command::new(KEYRACK);
    list.args(["config", "check"])
        .env("KEYRACK_SERVICE_HOST", "10.0.0.7")
        .env("KEYRACK_PORT", "tcp://10.0.0.7:80")
        .env("KEYRACK_PUBLC_URL", "https://keys.example.com");
    let output = host.spawn(&mut list).wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(
        said,
        "Warning: KEYRACK_PUBLC_URL is not a setting: did you mean KEYRACK_PUBLIC_URL?\n"
    );
}

#[test]
fn a_person_gets_another_name_and_address_and_the_old_one_is_free() {
    let host = Host::new();
    host.add_mara();
    let edit = |words: &[&str]| host.json(&[&["user", "edit", "--email"], words].concat(), "");
    let named = edit(&["mara@example.com", "--name", "Mara Lind"]);
    assert_eq!(
        (&named["name"], &named["email"]),
        (&"Mara Lind".into(), &"mara@example.com".into())
    );
    let moved = edit(&["mara@example.com", "--new-email", "lind@example.com"]);
    assert_eq!(
        (&moved["name"], &moved["email"]),
        (&"Mara Lind".into(), &"lind@example.com".into())
    );
    host.add_mara();
    let taken = [
        "user",
        "edit",
        "--email",
        "mara@example.com",
        "--new-email",
        "lind@example.com",
    ];
    let refused = host.refusal(&taken);
    assert!(refused.contains("email: "), "{refused}");
}
