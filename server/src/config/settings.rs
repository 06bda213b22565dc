//! The list of all settings, and what is made from it: the example file and the README's table.

use toml::{Table, Value};

/// How a setting is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Switch,
    /// In the file a list, in the environment separated by commas or a JSON array.
    List,
    /// A text that never prints, and that can be read from a file.
    Secret,
    /// Tables of settings, which only the file can hold.
    Tables,
}

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Its key in the file, with its table before a dot.
    pub key: &'static str,
    /// Its value when nothing is set, as in the file; nothing if it depends on others.
    pub default: &'static str,
    /// What it is for.
    pub doc: &'static str,
    pub(super) kind: Kind,
}

macro_rules! settings {
    ($($key:literal $kind:ident $default:literal $doc:literal)+) => {
        /// Every setting, in the order of the example file.
        pub const SETTINGS: &[Setting] =
            &[$(Setting { key: $key, kind: Kind::$kind, default: $default, doc: $doc }),+];
    };
}

settings! {
    "listen" Text "\"127.0.0.1:3000\"" "The address for browsers, programs and gateways."
    "public_url" Text "" "Where they reach it, such as https://keys.example.com; http:// and the address of `listen` by default. Links and token metadata are made from it."
    "data_dir" Text "\"data\"" "The folder for the SQLite file and the master key."
    "database_url" Text "" "`sqlite://path` or `postgres://user:password@host/name`; a SQLite file in `data_dir` by default. Another host is reached over TLS and has to prove its name, unless `?sslmode=` says otherwise: see docs/postgresql.md."
    "metrics_listen" Text "" "The address for Prometheus; no metrics by default."
    "catalogue" Text "" "The catalogue of the protected API, a TOML file; Alpaca's Broker API by default."
    "site_dir" Text "" "The folder with the dashboard's files; `site` beside the program by default. `hash.txt` belongs into it or beside the program. Without them nothing starts."
    "log" Text "\"info\"" "How much is logged: error, warn, info, debug, or a filter for each module."
    "log_format" Text "\"text\"" "`text` for people, `json` for machines."
    "master_key" Secret "" "64 hexadecimal digits from which the server's own keys are derived; made and kept in `data_dir` by default."
    "trusted_proxies" List "[]" "Addresses of proxies in front of Keyrack that are believed where a request has come from."
    "forwarded_header" Text "\"x-forwarded-for\"" "The header in which they say it: `x-forwarded-for`, or `forwarded` (RFC 7239). The other one is not read. Gateways that ask the gate name their callers in the same one."
    "gate.mode" Text "\"nginx\"" "The gateway that asks the gate: nginx, caddy, traefik or envoy."
    "gate.trusted" List "[\"127.0.0.0/8\", \"::1\"]" "Addresses of gateways that may ask the gate."
    "gate.audiences" List "[]" "The audiences of what is behind these gateways, of `tokens.audiences`: tokens for others are refused, and so are keys with their secret, which are for none; all by default."
    "gate.preflights" Text "\"refuse\"" "Browsers' preflights (CORS), which never carry credentials: refuse, or allow those of calls that the catalogue has."
    "gate.key_id_header" Text "\"APCA-API-KEY-ID\"" "The legacy header with the key id."
    "gate.secret_header" Text "\"APCA-API-SECRET-KEY\"" "The legacy header with the secret."
    "tokens.minutes" Number "15" "How long an access token lives, 1 to 60 minutes."
    "tokens.audiences" List "[]" "The resources that tokens can be for, first the usual one; the issuer itself by default."
    "tokens.signing_key_days" Number "90" "How old a signing key grows before a new one takes its place; 0 to rotate by command only."
    "tokens.accept_endpoint_audience" Switch "false" "Whether a client's assertion may name the token endpoint as its audience, as clients older than RFC 10070 do; the issuer is always right."
    "policy.maximum_days" Number "0" "The longest life of a new credential in days; 0 for no limit."
    "audit.keep_days" Number "400" "How many days the audit log is kept; 0 for ever. What is older is trimmed away, and the rest stays provable: export it before."
    "log_in.second_factor" Text "\"optional\"" "Who needs a second factor: `optional` for nobody, `superusers` for superusers who log in with a password; they make one before anything else."
    "sessions.idle_minutes" Number "60" "A log-in ends after so many minutes without a request."
    "sessions.absolute_hours" Number "24" "A log-in ends after so many hours in any case."
    "outbound.allow_private_addresses" List "[]" "Networks that the URLs of public keys may lead to although they are not public, such as 10.1.0.0/16; with 127.0.0.0/8, plain http to this machine works too."
    "mail.from" Text "" "Who mails come from, such as Keyrack <keyrack@example.com>; needed for the settings below. Without mail, superusers pass links on themselves."
    "mail.smtp_url" Secret "" "The mail server: smtps://user:password@host, or smtp://user:password@host:587?tls=required for STARTTLS."
    "mail.folder" Text "" "A folder that each mail is written to in place of being sent, for development."
    "sso.id" Text "\"sso\"" "The provider's name in addresses; the way back from it is `public_url` + `/sso/` + id + `/callback`."
    "sso.name" Text "\"single sign-on\"" "What its button says after \"Log in with\"."
    "sso.issuer" Text "" "The issuer of an OpenID provider, exactly as in its metadata; no single sign-on by default."
    "sso.client_id" Text "\"\"" "Who Keyrack is at the provider."
    "sso.client_secret" Secret "" "What Keyrack proves that with. In `[[sso.providers]]` also as `client_secret_file`."
    "sso.scopes" List "[\"email\", \"profile\"]" "What is asked for besides openid; some providers give the groups only for the scope groups."
    "sso.groups_claim" Text "\"groups\"" "The claim of the ID token with the groups, a list of texts or one; with dots, its path in other claims, such as realm_access.roles."
    "sso.role_map" List "[]" "Which group gives which role, such as keyrack-admins=superuser; the highest wins, at each log-in. Without any, roles are given in Keyrack."
    "sso.default_role" Text "" "The role of those whose groups give none: developer, operations or support. They are refused by default."
    "sso.require_verified_email" Switch "true" "Whether a new account needs an address that the provider says is verified. Microsoft Entra ID does not say."
    "sso.providers" Tables "[]" "More providers, each with the settings above. Only in the file."
    "sso.local_login" Switch "true" "Whether people may log in with a password."
    "sso.break_glass" List "[]" "The addresses of superusers who may in any case, for when single sign-on is down."
    "sso.header.enabled" Switch "false" "Whether a proxy in front may say in a header who somebody is."
    "sso.header.trusted" List "[]" "The addresses of that proxy."
    "sso.header.force" Switch "false" "Whether these addresses may be everyone's (0.0.0.0/0). Then anybody who reaches the port is whoever they say."
    "sso.header.user" Text "\"X-Auth-User\"" "The header with the user name, which an account belongs to."
    "sso.header.email" Text "\"X-Auth-Email\"" "The header with the e-mail address; without one, the user name must be one."
    "sso.header.name" Text "\"X-Auth-Name\"" "The header with the name."
    "sso.header.groups" Text "\"X-Auth-Groups\"" "The header with the groups, between commas."
    "sso.header.role_map" List "[]" "As `sso.role_map`."
    "sso.header.default_role" Text "" "As `sso.default_role`."
    "cache.megabytes" Number "96" "How much memory caches may take, 16 to 65536: credentials and tokens in use, keys behind URLs, counts of failures. 96 hold some 15,000 credentials and 10,000 tokens that are in use; more work as well, and are looked up in the database."
    "database.direct_url" Secret "" "The URL of PostgreSQL itself, where `database_url` leads to a pooler in transaction mode, such as PgBouncer's: for migrations and for hearing of changes."
    "passwords.hashers" Number "2" "How many passwords are checked at once; each takes 19 MiB."
}

impl Setting {
    /// Its name in the environment.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("KEYRACK_{}", self.key.replace('.', "_").to_uppercase())
    }

    /// Its value when nothing is set.
    pub(super) fn default_value(&self) -> Option<Value> {
        // The defaults are constants of this file; the tests read every one.
        let mut parsed: Table = format!("value = {}", self.default).parse().ok()?;
        parsed.remove("value")
    }
}

/// The example file: every setting with its meaning and default, commented out.
#[must_use]
pub fn example() -> String {
    let mut text = String::from(
        "# Keyrack's settings. Each is also an environment variable: KEYRACK_ and the key in upper\n\
         # case, tables joined by an underscore (gate.mode is KEYRACK_GATE_MODE), lists between commas\n\
         # or as a JSON array. Secrets can be read from a file: KEYRACK_MASTER_KEY_FILE,\n\
         # KEYRACK_DATABASE_URL_FILE, KEYRACK_DATABASE_DIRECT_URL_FILE, KEYRACK_MAIL_SMTP_URL_FILE,\n\
         # KEYRACK_SSO_CLIENT_SECRET_FILE.\n",
    );
    let mut table = "";
    for setting in SETTINGS {
        let (section, key) = setting.key.rsplit_once('.').unwrap_or(("", setting.key));
        if section != table {
            text.push_str(&format!("\n[{section}]\n"));
            table = section;
        }
        let default = if setting.default.is_empty() {
            "\"\""
        } else {
            setting.default
        };
        text.push_str(&format!("\n# {}\n# {key} = {default}\n", setting.doc));
    }
    text
}

/// The table of the README.
#[must_use]
pub fn reference() -> String {
    let mut text =
        String::from("| setting | environment | default | what it is |\n|---|---|---|---|\n");
    for setting in SETTINGS {
        let default = match setting.default {
            "" => String::new(),
            default => format!("`{default}`"),
        };
        let row = format!(
            "| `{}` | {} | {default} | {} |\n",
            setting.key,
            match setting.kind {
                Kind::Tables => String::new(),
                _ => format!("`{}`", setting.variable()),
            },
            setting.doc
        );
        text.push_str(&row);
    }
    text
}
