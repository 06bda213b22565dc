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
    ];
    for (result, expected) in table {
        assert_eq!(result.unwrap_err().to_string(), expected);
    }
}

#[test]
fn unknown_variables_are_warnings_that_name_the_nearest() {
    for (name, value, warning) in [
        (
            "KEYRACK_LISTN",
            "x",
            "KEYRACK_LISTN is not a setting: did you mean KEYRACK_LISTEN?",
        ),
        (
            "KEYRACK_GATE_MODE_FILE",
            "x",
            "KEYRACK_GATE_MODE_FILE is not a setting: did you mean KEYRACK_GATE_MODE?",
        ),
        ("KEYRACK_PORT", "8080", "KEYRACK_PORT is not a setting"),
        (
            "KEYRACK_IMAGE",
            "keyrack:1.2",
            "KEYRACK_IMAGE is not a setting",
        ),
        ("KEYRACK_", "x", "KEYRACK_ is not a setting"),
        (
            "KEYRACK_NAME_PORT_80_X",
            "x",
            "KEYRACK_NAME_PORT_80_X is not a setting",
        ),
    ] {
        let config = load("", &[(name, value)]).unwrap();
        assert_eq!(config.warnings(), [warning]);
        assert_eq!(config.unknown_variables, [warning]);
    }
}

#[test]
fn what_kubernetes_says_of_services_is_no_setting_and_worth_no_warning() {
    let links = |service: &str| {
        [
            ("_SERVICE_HOST", "10.0.0.7"),
            ("_SERVICE_PORT", "80"),
            ("_SERVICE_PORT_HTTP", "80"),
            ("_PORT", "tcp://10.0.0.7:80"),
            ("_PORT_80_TCP", "tcp://10.0.0.7:80"),
            ("_PORT_80_TCP_PROTO", "tcp"),
            ("_PORT_80_TCP_PORT", "80"),
            ("_PORT_80_TCP_ADDR", "10.0.0.7"),
            ("_PORT_53_UDP", "udp://10.0.0.7:53"),
        ]
        .map(|(end, value)| (format!("KEYRACK{service}{end}"), value.to_owned()))
    };
    for service in ["", "_GATE", "_METRICS", "_DATABASE_URL", "_TEST"] {
        let config = Config::load(None, links(service)).unwrap();
        assert_eq!(config.warnings(), Vec::<String>::new());
    }
    // A setting of such a name would be set by Kubernetes.
    for setting in SETTINGS {
        let variable = setting.variable();
        assert!(
            !sources::is_service_link(&variable, "tcp://10.0.0.7:80"),
            "{variable}"
        );
    }
}

#[test]
fn a_value_that_cannot_be_used_is_named_with_its_place_and_what_would_be_valid() {
    for (file, environment, expected) in [
        (
            "",
            ("KEYRACK_LISTEN", "localhost"),
            "the setting listen (KEYRACK_LISTEN): use an address and a port, such as 127.0.0.1:3000",
        ),
        (
            "",
            ("KEYRACK_METRICS_LISTEN", "9100"),
            "the setting metrics_listen (KEYRACK_METRICS_LISTEN): use an address and a port",
        ),
        (
            "",
            ("KEYRACK_PUBLIC_URL", "keys.example.com"),
            "the setting public_url (KEYRACK_PUBLIC_URL): use https:// and a host, without a path",
        ),
        (
            "",
            ("KEYRACK_GATE_MODE", "haproxy"),
            "the setting gate.mode (KEYRACK_GATE_MODE): unknown variant `haproxy`, expected one of `nginx`",
        ),
        (
            "",
            ("KEYRACK_TOKENS_MINUTES", "0"),
            "the setting tokens.minutes (KEYRACK_TOKENS_MINUTES): use 1 to 60",
        ),
        (
            "",
            ("KEYRACK_SSO_LOCAL_LOGIN", "maybe"),
            "the setting KEYRACK_SSO_LOCAL_LOGIN: use true or false",
        ),
        (
            "",
            ("KEYRACK_MASTER_KEY_FILE", "/nowhere"),
            "the setting KEYRACK_MASTER_KEY_FILE: the file /nowhere can't be read",
        ),
        (
            "[gate]\nmode = \"x\"\n",
            ("A", ""),
            "the setting gate.mode (in /",
        ),
        (
            "[tokens]\nminutes = \"x\"\n",
            ("A", ""),
            "the setting tokens.minutes (in /",
        ),
        ("listen = 3000\n", ("A", ""), "the setting listen (in /"),
        (
            "[gate]\ntrusted = [1]\n",
            ("A", ""),
            "the setting gate.trusted (in /",
        ),
        (
            "[[sso.providers]]\nid = \"a\"\n",
            ("A", ""),
            "the setting sso.providers[0] (in /",
        ),
    ] {
        let error = load(file, &[environment]).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}\n{expected}");
    }
}

#[test]
fn a_value_that_cannot_be_used_is_not_shown_if_it_may_be_a_secret() {
    for (file, words) in [
        (
            "listen = \"127.0.0.1:1\"\nmaster_key = 5eCr3t\n",
            "line 2: ",
        ),
        ("master_key = 53637\n", "use a text between quotes"),
        (
            "[[sso.providers]]\nclient_secret = 53637\n",
            "use a text between quotes",
        ),
        (
            "[sso]\nclient_secret = [\"5eCr3t\"]\n",
            "use a text between quotes",
        ),
    ] {
        let error = load(file, &[]).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert!(
            !error.contains("5eCr3t") && !error.contains("53637"),
            "{error}"
        );
    }
}

#[test]
fn switches_numbers_and_lists_are_read_as_people_write_them() {
    let key = "KEYRACK_TOKENS_ACCEPT_ENDPOINT_AUDIENCE";
    let is_on = |file: &str, environment: &[(&str, &str)]| {
        let config = load(file, environment).unwrap();
        config.settings.assertion_audiences.len() == 2
    };
    for (text, expected) in [
        ("true", true),
        ("TRUE", true),
        ("1", true),
        ("Yes", true),
        ("on", true),
        (" true ", true),
        ("false", false),
        ("0", false),
        ("no", false),
        ("Off", false),
    ] {
        assert_eq!(is_on("", &[(key, text)]), expected, "{text:?}");
        let file = format!("[tokens]\naccept_endpoint_audience = {text:?}\n");
        assert_eq!(is_on(&file, &[]), expected, "{text:?}");
    }
    assert!(is_on("[tokens]\naccept_endpoint_audience = 1\n", &[]));
    for text in ["2", "-1", "y", "truee", "enabled"] {
        assert!(load("", &[(key, text)]).is_err(), "{text:?}");
    }
    let gates = |list: &str| load("", &[("KEYRACK_GATE_TRUSTED", list)]).unwrap();
    for list in [
        "10.0.0.1,10.0.0.2",
        "10.0.0.1, 10.0.0.2,",
        "[\"10.0.0.1\", \"10.0.0.2\"]",
    ] {
        assert_eq!(gates(list).http.gate.trusted.len(), 2, "{list}");
    }
    assert!(load("", &[("KEYRACK_GATE_TRUSTED", "[10.0.0.1]")]).is_err());
    assert_eq!(
        load("[cache]\nmegabytes = \"32\"\n", &[])
            .unwrap()
            .warnings()
            .len(),
        0
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
        (
            "database_url = \"postgres://me@db/name?sslmode=prefer\"\n",
            "database_url",
        ),
        (
            "[database]\ndirect_url = \"postgres://me@db/name\"\n",
            "database.direct_url",
        ),
        (
            "database_url = \"postgres://me@pooler/name\"\n[database]\ndirect_url = \"sqlite://x\"\n",
            "database.direct_url",
        ),
        ("master_key = \"abc\"\n", "master_key"),
        ("log = \"info,server=loud\"\n", "log"),
        ("[gate]\nmode = \"haproxy\"\n", "gate.mode"),
        ("[gate]\ntrusted = [\"0.0.0.0/0\"]\n", "gate.trusted"),
        (
            "[gate]\naudiences = [\"https://keys.example.com\"]\n",
            "gate.audiences",
        ),
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
fn an_unspecified_address_is_a_place_to_listen_at_and_never_in_a_link() {
    for (listen, url) in [
        ("0.0.0.0:3000", "http://127.0.0.1:3000/v1"),
        ("[::]:3000", "http://[::1]:3000/v1"),
    ] {
        let config = load("", &[("KEYRACK_LISTEN", listen)]).unwrap();
        assert_eq!(config.settings.issuer, url);
        let warnings = config.warnings();
        assert!(warnings.len() == 1 && warnings[0].contains("leads nowhere from other machines"));
    }
    for url in [
        "http://0.0.0.0:3000",
        "https://[::]",
        "http://0:3000",
        "http://0x0",
    ] {
        let error = load("", &[("KEYRACK_PUBLIC_URL", url)])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("(KEYRACK_PUBLIC_URL): every address is a place"),
            "{error}"
        );
    }
}

#[test]
fn plain_http_is_warned_of_unless_only_the_machine_itself_uses_it() {
    for (listen, public_url, words) in [
        (
            "127.0.0.1:3000",
            "http://keys.lan",
            Some("nobody can log in"),
        ),
        (
            "0.0.0.0:3000",
            "http://10.0.0.5:3000",
            Some("nobody can log in"),
        ),
        (
            "0.0.0.0:3000",
            "http://localhost:3000",
            Some("leads nowhere from other machines"),
        ),
        ("127.0.0.1:3000", "http://localhost:3000", None),
        ("127.0.0.1:3000", "http://keyrack.localhost", None),
        ("[::1]:3000", "http://[::1]:3000", None),
        ("0.0.0.0:3000", "https://keys.example.com", None),
    ] {
        let settings = [
            ("KEYRACK_LISTEN", listen),
            ("KEYRACK_PUBLIC_URL", public_url),
        ];
        let warnings = load("", &settings).unwrap().warnings();
        assert_eq!(warnings.len(), usize::from(words.is_some()), "{warnings:?}");
        assert!(
            warnings.iter().all(|text| text.contains(words.unwrap())),
            "{warnings:?}"
        );
    }
}

#[test]
fn the_header_with_addresses_is_one_of_two() {
    use crate::http::layers::forwarded::ForwardedHeader::{Forwarded, XForwardedFor};
    for (text, expected) in [
        ("x-forwarded-for", XForwardedFor),
        ("X-Forwarded-For", XForwardedFor),
        ("forwarded", Forwarded),
        ("Forwarded", Forwarded),
    ] {
        let config = load("", &[("KEYRACK_FORWARDED_HEADER", text)]).unwrap();
        assert_eq!(config.http.forwarded_header, expected);
    }
    assert!(load("", &[("KEYRACK_FORWARDED_HEADER", "x-real-ip")]).is_err());
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
