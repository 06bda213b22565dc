//! Settings as people write them.

use std::path::PathBuf;

use super::*;
use crate::state::GateMode;

fn load(file: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), file).unwrap();
    let environment = environment
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Config::load(Some(path.path()), environment)
}

#[test]
fn nothing_set_works() {
    let config = Config::load(None, []).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:3000");
    assert_eq!(config.settings.issuer, "http://127.0.0.1:3000/v1");
    assert_eq!(config.settings.audiences, ["http://127.0.0.1:3000/v1"]);
    let file = Location::File("data/keyrack.db".into());
    assert_eq!(config.database, file);
    assert_eq!(config.http.gate.mode, GateMode::Nginx);
    assert!(config.master_key.is_none());
}

#[test]
fn the_environment_goes_before_the_file() {
    let file = "listen = \"127.0.0.1:1\"\ndata_dir = \"a\"\n[gate]\nmode = \"caddy\"\n";
    let config = load(
        file,
        &[
            ("KEYRACK_LISTEN", "[::1]:2"),
            ("KEYRACK_GATE_TRUSTED", "10.0.0.1, 10.1.0.0/16"),
            ("PATH", "x"),
        ],
    )
    .unwrap();
    assert_eq!(config.listen.to_string(), "[::1]:2");
    assert_eq!(config.data_dir, PathBuf::from("a"));
    assert_eq!(config.http.gate.mode, GateMode::Caddy);
    assert_eq!(config.http.gate.trusted.len(), 2);
    assert_eq!(config.settings.issuer, "http://[::1]:2/v1");
}

#[test]
fn unknown_keys_are_errors_that_name_the_nearest() {
    let table = [
        (
            load("lisen = 1\n", &[]),
            "lisen is not a setting: did you mean listen?",
        ),
        (
            load("[gate]\nmodus = 1\n", &[]),
            "gate.modus is not a setting: did you mean gate.mode?",
        ),
        (
            load("", &[("KEYRACK_LISTN", "x")]),
            "KEYRACK_LISTN is not a setting: did you mean KEYRACK_LISTEN?",
        ),
        (
            load("", &[("KEYRACK_GATE_MODE_FILE", "x")]),
            "KEYRACK_GATE_MODE_FILE is not a setting: did you mean KEYRACK_GATE_MODE?",
        ),
    ];
    for (result, expected) in table {
        assert_eq!(result.unwrap_err().to_string(), expected);
    }
    assert!(
        load(
            "",
            &[
                ("KEYRACK_SERVICE_HOST", "x"),
                ("KEYRACK_PORT_3000_TCP", "y")
            ]
        )
        .is_ok()
    );
}

#[test]
fn values_that_cannot_be_used_are_errors_that_name_the_key() {
    let table = [
        ("listen = \"nowhere\"\n", "listen"),
        (
            "public_url = \"https://keys.example.com/path\"\n",
            "public_url",
        ),
        ("public_url = \"ftp://keys.example.com\"\n", "public_url"),
        ("database_url = \"mysql://x\"\n", "database_url"),
        ("master_key = \"abc\"\n", "master_key"),
        ("log = \"info,server=loud\"\n", "log"),
        ("[gate]\nmode = \"haproxy\"\n", "gate"),
        ("[gate]\ntrusted = [\"0.0.0.0/0\"]\n", "gate.trusted"),
        ("trusted_proxies = [\"::/0\"]\n", "trusted_proxies"),
        (
            "[outbound]\nallow_private_addresses = [\"0.0.0.0/0\"]\n",
            "outbound.allow_private_addresses",
        ),
        ("trusted_proxies = [\"proxy.local\"]\n", "trusted_proxies"),
        ("[mail]\nfolder = \"mail\"\n", "mail.from"),
        (
            "[mail]\nfrom = \"a@example.com\"\nfolder = \"x\"\nsmtp_url = \"smtps://x\"\n",
            "mail.folder",
        ),
        (
            "[mail]\nfrom = \"a@example.com\"\nsmtp_url = \"https://x\"\n",
            "mail.smtp_url",
        ),
        (
            "[mail]\nfrom = \"a@example.com\"\nsmtp_url = \"smtp://a:b@mail.example.com\"\n",
            "travel in clear",
        ),
        ("[log_in]\nsecond_factor = \"everybody\"\n", "log_in"),
        ("[tokens]\nminutes = 0\n", "tokens.minutes"),
        ("[tokens]\nminutes = \"x\"\n", "tokens"),
    ];
    for (file, key) in table {
        let error = load(file, &[]).unwrap_err().to_string();
        assert!(error.contains(key), "{file}: {error}");
    }
}

#[test]
fn check_20_assertions_are_for_the_issuer_and_by_a_switch_for_the_token_endpoint() {
    let address = "public_url = \"https://keys.example.com\"\n";
    let (issuer, endpoint) = (
        "https://keys.example.com/v1",
        "https://keys.example.com/v1/oauth2/token",
    );
    let audiences = |more: &str, environment: &[(&str, &str)]| {
        let config = load(&format!("{address}{more}"), environment).unwrap();
        config.settings.assertion_audiences
    };
    assert_eq!(audiences("", &[]), [issuer]);
    let switch = "[tokens]\naccept_endpoint_audience = true\n";
    assert_eq!(audiences(switch, &[]), [issuer, endpoint]);
    let variable = |value| [("KEYRACK_TOKENS_ACCEPT_ENDPOINT_AUDIENCE", value)];
    assert_eq!(audiences("", &variable("true")), [issuer, endpoint]);
    assert_eq!(audiences(switch, &variable("false")), [issuer]);
}

#[test]
fn providers_are_one_by_plain_settings_and_more_in_the_file() {
    let file = "[sso]\nissuer = \"https://id.example.com\"\nclient_id = \"keyrack\"\n\
         role_map = [\"cn=admins=superuser\"]\n\
         [[sso.providers]]\nid = \"guests\"\nissuer = \"https://guests.example.com/\"\n\
         client_id = \"k\"\ndefault_role = \"support\"\n";
    let secret = [("KEYRACK_SSO_CLIENT_SECRET", "never-prints")];
    let config = load(file, &secret).unwrap();
    let [first, second] = &config.settings.sso.providers[..] else {
        panic!("two providers");
    };
    assert_eq!((first.id.as_str(), second.id.as_str()), ("sso", "guests"));
    assert_eq!(second.issuer.as_str(), "https://guests.example.com/");
    assert_eq!(second.scopes, ["email", "profile"]);
    assert!(first.client_secret.is_some() && second.client_secret.is_none());
    assert!(!format!("{config:?}").contains("never-prints"));
}

#[test]
fn single_sign_on_that_cannot_work_is_refused() {
    let provider = "[sso]\nissuer = \"https://id.example.com\"\nclient_id = \"k\"\n";
    let header = "[sso.header]\nenabled = true\n";
    for (file, key) in [
        (
            "[sso]\nissuer = \"http://id.example.com\"\nclient_id = \"k\"\n",
            "sso.issuer",
        ),
        (
            "[sso]\nissuer = \"https://id.example.com\"\n",
            "sso.client_id",
        ),
        (&format!("{provider}id = \"A/b\"\n"), "sso.id"),
        (
            &format!("{provider}role_map = [\"admins\"]\n"),
            "sso.role_map",
        ),
        (
            &format!("{provider}default_role = \"superuser\"\n"),
            "sso.role_map",
        ),
        (
            &format!("{provider}default_role = \"root\"\n"),
            "sso.default_role",
        ),
        (
            &format!(
                "{provider}[[sso.providers]]\nissuer = \"https://b.example\"\nclient_id = \"k\"\n"
            ),
            "sso.providers",
        ),
        ("[[sso.providers]]\nisuer = \"x\"\n", "isuer"),
        ("[sso]\nlocal_login = false\n", "sso.local_login"),
        (
            &format!("{provider}local_login = false\nbreak_glass = [\"x\"]\n"),
            "sso.break_glass",
        ),
        (header, "sso.header.trusted"),
        (
            &format!("{header}trusted = [\"0.0.0.0/0\"]\n"),
            "sso.header.trusted",
        ),
        (
            &format!("{header}trusted = [\"::/0\"]\n"),
            "sso.header.trusted",
        ),
        (
            &format!("{header}trusted = [\"10.0.0.1\"]\nuser = \"a b\"\n"),
            "sso.header.user",
        ),
        ("[sso.header]\nenable = true\n", "sso.header.enable"),
    ] {
        let error = load(file, &[]).unwrap_err().to_string();
        assert!(error.contains(key), "{file}: {error}");
    }
    let alone = format!("{provider}local_login = false\n");
    let warnings = load(&alone, &[]).unwrap().warnings();
    assert!(
        warnings.len() == 1 && warnings[0].starts_with("sso.break_glass"),
        "{warnings:?}"
    );
    let glass = format!("{alone}break_glass = [\"mara@example.com\"]\n");
    for quiet in [glass.as_str(), provider, ""] {
        assert!(load(quiet, &[]).unwrap().warnings().is_empty(), "{quiet}");
    }
    let forced = format!("{header}trusted = [\"0.0.0.0/0\"]\nforce = true\n");
    assert!(load(&forced, &[]).unwrap().http.header_log_in.is_some());
    assert!(load("", &[]).unwrap().http.header_log_in.is_none());
    let variable = [("KEYRACK_SSO_PROVIDERS", "x")];
    let error = load("", &variable).unwrap_err().to_string();
    assert!(error.contains("in the configuration file"), "{error}");
}

#[test]
fn secrets_can_come_from_a_file_and_never_print() {
    let path = tempfile::NamedTempFile::new().unwrap();
    let key = "ab".repeat(32);
    std::fs::write(path.path(), format!("{key}\n")).unwrap();
    let name = path.path().display().to_string();
    let config = Config::load(None, [("KEYRACK_MASTER_KEY_FILE".to_owned(), name)]).unwrap();
    assert!(config.master_key.is_some());
    assert!(!format!("{config:?}").contains(&key));
    let mail = [
        ("KEYRACK_MAIL_FROM", "Keyrack <keyrack@example.com>"),
        (
            "KEYRACK_MAIL_SMTP_URL",
            "smtp://user:open-sesame@mail.example.com?tls=required",
        ),
    ];
    let config = load("", &mail).unwrap();
    assert!(config.mail.is_some());
    assert!(!format!("{config:?}").contains("sesame"));
    let bad = load("", &[("KEYRACK_MASTER_KEY", "not-hex-but-secret")]).unwrap_err();
    assert!(!bad.to_string().contains("not-hex"));
}

#[test]
fn the_example_file_is_valid_and_changes_nothing() {
    assert_eq!(
        format!("{:?}", load(&example(), &[]).unwrap()),
        format!("{:?}", Config::load(None, []).unwrap())
    );
    let set: String = example()
        .lines()
        .filter_map(|line| {
            line.strip_prefix("# ")
                .filter(|l| {
                    l.contains(" = ")
                        && !l.contains(" = \"\"")
                        && l.split(" = ").next().is_some_and(|k| !k.contains(' '))
                })
                .or(line.strip_prefix('[').map(|_| line))
        })
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(load(&set, &[]).is_ok(), "{set}");
}

#[test]
fn the_readme_holds_the_table_of_settings() {
    let readme = include_str!("../../../README.md");
    assert!(
        readme.contains(&reference()),
        "put this into README.md:\n{}",
        reference()
    );
}
