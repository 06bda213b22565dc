//! Where a PostgreSQL is and how it is reached: what its URL says, above all about TLS.
//!
//! Names and meanings are those of libpq. What differs is what happens when nothing is said: a password
//! goes to another machine only over TLS with a server that has proved its name (`verify-full`).

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

use crate::{StoreError, StoreResult};

/// What a URL may say after its `?`. sqlx would only log what it does not know, and a misspelt `sslmode`
/// is not there.
const PARAMETERS: [&str; 11] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "options",
];

/// Where a PostgreSQL is and how it is reached.
pub(super) struct Address {
    /// Without what takes a look at files.
    options: PgConnectOptions,
    trust: Trust,
    /// The files of the client's certificate and of its key.
    client: Option<(PathBuf, PathBuf)>,
}

/// Which authorities may vouch for the server.
#[derive(Debug, PartialEq, Eq)]
enum Trust {
    /// None is asked.
    Unasked,
    /// Those that the system trusts.
    System,
    /// Those in this file alone.
    File(PathBuf),
}

fn unusable(problem: impl Into<String>) -> StoreError {
    StoreError::Unusable(problem.into())
}

impl Address {
    /// Reads a URL. What is wrong with it is said without a word of it that could be a password.
    pub(super) fn parse(url: &str) -> StoreResult<Self> {
        let url = Url::parse(url).map_err(|_| {
            unusable(
                "use postgres://user:password@host:5432/name, with one host, and with special characters \
                 of the password percent-encoded",
            )
        })?;
        let value = |wanted: &str| {
            let mut pairs = url.query_pairs();
            let found = pairs.find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.into_owned())
        };
        if let Some((name, _)) = url
            .query_pairs()
            .find(|(name, _)| !PARAMETERS.contains(&name.as_ref()))
        {
            return Err(unusable(format!(
                "{name} is not known in the URL of a database: leave it out; known are {}",
                PARAMETERS.join(", ")
            )));
        }
        let mut options = PgConnectOptions::from_url(&url)
            .map_err(|error| unusable(error.to_string()))?
            .application_name("keyrack")
            // What PgBouncer does not take, and binary answers don't need.
            .extra_float_digits(None)
            .disable_statement_logging();
        let host = options.get_host().trim_matches(['[', ']']).to_owned();
        let is_local = options.get_socket().is_some() || is_local(&host);
        options = options.host(&host);
        let (mode, trust) = tls(is_local, value("sslmode"), value("sslrootcert"))?;
        let client = match (value("sslcert"), value("sslkey")) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
            _ => return Err(unusable("sslcert and sslkey belong together: give both")),
        };
        Ok(Self {
            options: options.ssl_mode(mode),
            trust,
            client,
        })
    }

    /// What to connect with. The files are looked at, so that what is wrong with one is said by its name;
    /// they are read anew for each connection, so a renewed certificate needs no restart.
    pub(super) fn options(&self) -> StoreResult<PgConnectOptions> {
        let mut options = self.options.clone();
        options = match &self.trust {
            Trust::Unasked => options,
            Trust::System => options.ssl_root_cert_from_pem(system_roots()?),
            Trust::File(path) => {
                has_certificate("sslrootcert", path)?;
                options.ssl_root_cert(path)
            }
        };
        if let Some((certificate, key)) = &self.client {
            has_certificate("sslcert", certificate)?;
            has_key(key)?;
            options = options.ssl_client_cert(certificate).ssl_client_key(key);
        }
        Ok(options)
    }
}

/// Whether a host is this machine: what goes there passes no network.
fn is_local(host: &str) -> bool {
    let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
    host.starts_with('/')
        || host.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(is_loopback)
}

/// How much TLS there is, and whom it trusts.
fn tls(
    is_local: bool,
    mode: Option<String>,
    root: Option<String>,
) -> StoreResult<(PgSslMode, Trust)> {
    let of = |root: Option<String>| match root.as_deref() {
        None | Some("system") => Trust::System,
        Some(path) => Trust::File(path.into()),
    };
    let names_own = root.as_ref().is_some_and(|root| root != "system");
    match mode.as_deref() {
        None if is_local && root.is_none() => Ok((PgSslMode::Prefer, Trust::Unasked)),
        None | Some("verify-full") => Ok((PgSslMode::VerifyFull, of(root))),
        Some("disable") => Ok((PgSslMode::Disable, Trust::Unasked)),
        // As libpq: with an authority named, it is asked. sqlx would not.
        Some("require" | "verify-ca") if names_own => Ok((PgSslMode::VerifyCa, of(root))),
        Some("require") if root.is_none() => Ok((PgSslMode::Require, Trust::Unasked)),
        // Anybody has a certificate of a public authority: without a look at the name it proves nothing.
        Some("require" | "verify-ca") => Err(unusable(
            "sslmode=verify-ca needs the database's own authority: name its file with sslrootcert, or use \
             sslmode=verify-full",
        )),
        Some("prefer" | "allow") if is_local => Ok((PgSslMode::Prefer, Trust::Unasked)),
        Some("prefer" | "allow") => Err(unusable(
            "sslmode=prefer and sslmode=allow let whoever is on the way turn TLS off: use verify-full \
             (which is what happens without sslmode), verify-ca, require, or, where nobody else is on the \
             way, disable",
        )),
        Some(_) => Err(unusable(
            "sslmode is disable, require, verify-ca or verify-full",
        )),
    }
}

/// The certificates that the system trusts.
fn system_roots() -> StoreResult<Vec<u8>> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        return Err(unusable(
            "this system trusts no certificate authority: install its ca-certificates, or name the \
             database's own authority with sslrootcert",
        ));
    }
    Ok(found
        .certs
        .iter()
        .flat_map(|certificate| pem(certificate))
        .collect())
}

/// A certificate as text (RFC 7468), which is the form in which sqlx takes it.
fn pem(certificate: &CertificateDer<'_>) -> Vec<u8> {
    let text =
        base64::engine::Engine::encode(&base64::engine::general_purpose::STANDARD, certificate);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n").into_bytes()
}

fn read(parameter: &str, path: &Path) -> StoreResult<Vec<u8>> {
    std::fs::read(path).map_err(|error| {
        unusable(format!(
            "{parameter}: {} can't be read by the account that Keyrack runs as: {error}",
            path.display()
        ))
    })
}

fn has_certificate(parameter: &str, path: &Path) -> StoreResult<()> {
    let text = read(parameter, path)?;
    match CertificateDer::pem_slice_iter(&text).next() {
        Some(Ok(_)) => Ok(()),
        _ => Err(unusable(format!(
            "{parameter}: {} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)",
            path.display()
        ))),
    }
}

fn has_key(path: &Path) -> StoreResult<()> {
    match PrivateKeyDer::from_pem_slice(&read("sslkey", path)?) {
        Ok(_) => Ok(()),
        Err(_) => Err(unusable(format!(
            "sslkey: {} holds no private key in PEM without a password: openssl pkey -in FILE -out FILE \
             makes one",
            path.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> Result<&'static str, String> {
        let address = Address::parse(url).map_err(|error| error.to_string())?;
        Ok(match (address.options.get_ssl_mode(), address.trust) {
            (PgSslMode::Disable, Trust::Unasked) => "plain",
            (PgSslMode::Prefer, Trust::Unasked) => "either",
            (PgSslMode::Require, Trust::Unasked) => "encrypted",
            (PgSslMode::VerifyCa, Trust::File(_)) => "own authority",
            (PgSslMode::VerifyFull, Trust::File(_)) => "own authority and name",
            (PgSslMode::VerifyFull, Trust::System) => "name",
            other => return Err(format!("{other:?}")),
        })
    }

    #[test]
    fn a_password_goes_in_clear_to_nobody_else_unless_the_url_says_so() {
        for host in [
            "db",
            "db.example.com",
            "10.0.0.7",
            "[2001:db8::7]",
            "localhost.example.com",
            "127.0.0.1.example.com",
        ] {
            for (more, expected) in [
                ("", "name"),
                ("?sslmode=verify-full", "name"),
                ("?sslrootcert=system", "name"),
                ("?sslrootcert=/ca.pem", "own authority and name"),
                (
                    "?sslmode=verify-full&sslrootcert=/ca.pem",
                    "own authority and name",
                ),
                ("?sslmode=verify-ca&sslrootcert=/ca.pem", "own authority"),
                ("?sslmode=require&sslrootcert=/ca.pem", "own authority"),
                ("?sslmode=require", "encrypted"),
                ("?sslmode=disable", "plain"),
            ] {
                let url = format!("postgres://me:hunter2@{host}:5432/name{more}");
                assert_eq!(mode(&url).as_deref(), Ok(expected), "{url}");
            }
            for more in [
                "?sslmode=prefer",
                "?sslmode=allow",
                "?sslmode=verify-ca",
                "?sslmode=verify-ca&sslrootcert=system",
                "?sslmode=require&sslrootcert=system",
                "?sslmode=Disable",
                "?sslmode=",
                "?sslmod=disable",
                "?ssl-mode=disable",
                "?channel_binding=require",
                "?sslcert=/me.pem",
            ] {
                let url = format!("postgres://me:hunter2@{host}/name{more}");
                let refused = mode(&url).unwrap_err();
                assert!(!refused.contains("hunter2"), "{refused}");
            }
        }
    }

    #[test]
    fn what_stays_on_this_machine_needs_no_tls() {
        for host in [
            "localhost",
            "127.0.0.1",
            "127.3.2.1",
            "[::1]",
            "%2Frun%2Fpostgresql",
            "",
        ] {
            let url = format!("postgres://me@{host}/name");
            let url = if host.is_empty() {
                "postgres:///name?host=/run/postgresql"
            } else {
                &url
            };
            assert_eq!(mode(url).as_deref(), Ok("either"), "{url}");
        }
        let named = "postgres://me@localhost/name?sslrootcert=/ca.pem";
        assert_eq!(mode(named).as_deref(), Ok("own authority and name"));
    }

    #[test]
    fn no_authority_is_trusted_beside_the_configured_one() {
        assert!(webpki_roots::TLS_SERVER_ROOTS.is_empty());
    }
}
