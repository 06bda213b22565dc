//! What an error of PostgreSQL, of a pooler such as PgBouncer before it, or of TLS means, and what to do.
//! The words are fixed, apart from the error's own.

use rustls::{AlertDescription, CertificateError};

/// An error with what it means.
#[derive(Debug, thiserror::Error)]
#[error("{meaning} ({error})")]
struct Explained {
    meaning: &'static str,
    // It is in the text, so it is no source as well.
    error: sqlx::Error,
}

/// The error with what it means, if that is known.
pub(in crate::sql) fn explain(error: sqlx::Error) -> Box<dyn std::error::Error + Send + Sync> {
    match meaning(&error) {
        Some(meaning) => Box::new(Explained { meaning, error }),
        None => error.into(),
    }
}

fn meaning(error: &sqlx::Error) -> Option<&'static str> {
    if let Some(error) = of_tls(error) {
        return tls(error);
    }
    match error {
        sqlx::Error::Database(error) => {
            server(error.code().unwrap_or_default().as_ref(), error.message())
        }
        // sqlx has no kind for it.
        sqlx::Error::Tls(error) if error.to_string() == "server does not support TLS" => Some(
            "the server does not speak TLS: turn it on there (ssl = on), or, where nobody else is on the \
             way, add ?sslmode=disable to the URL",
        ),
        sqlx::Error::PoolTimedOut => Some("no connection in time: the server is away, or busy"),
        _ => None,
    }
}

/// The error of TLS in an error of sqlx.
fn of_tls(error: &sqlx::Error) -> Option<&rustls::Error> {
    match error {
        sqlx::Error::Io(error) => error.get_ref()?.downcast_ref(),
        sqlx::Error::Tls(error) => error.downcast_ref(),
        _ => None,
    }
}

fn tls(error: &rustls::Error) -> Option<&'static str> {
    use CertificateError as Certificate;
    Some(match error {
        rustls::Error::InvalidCertificate(
            Certificate::UnknownIssuer | Certificate::BadSignature,
        ) => {
            "the server's certificate is of an authority that is not trusted here: name the file of the \
             server's own authority with sslrootcert in the URL"
        }
        rustls::Error::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        ) => {
            "the server's certificate is for another host: use a name that it is for in the URL, or, with \
             an authority that makes certificates for this database alone, sslmode=verify-ca and sslrootcert"
        }
        rustls::Error::InvalidCertificate(
            Certificate::Expired | Certificate::ExpiredContext { .. },
        ) => "the server's certificate has ended: renew it there",
        rustls::Error::InvalidCertificate(
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. },
        ) => "the server's certificate is not valid yet: look at both clocks",
        rustls::Error::InvalidCertificate(_) => {
            "the server's certificate can't be used: give the server one of its own, signed by the authority \
             in sslrootcert, which is no authority itself"
        }
        rustls::Error::InconsistentKeys(_) => "sslkey is not the key of the certificate in sslcert",
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure,
        ) => {
            "the server asks for a client certificate: name it and its key with sslcert and sslkey"
        }
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::DecryptError,
        ) => {
            "the server does not accept the client certificate in sslcert: it has ended, or is of an \
             authority that the server does not know"
        }
        _ => return None,
    })
}

/// What a server or a pooler means by a code (PostgreSQL's appendix A) and its words.
fn server(code: &str, words: &str) -> Option<&'static str> {
    let says = |part: &str| words.contains(part);
    Some(match code {
        "28000" if says("client certificate") => {
            "the server asks for a client certificate: name it and its key with sslcert and sslkey"
        }
        "28000" if says("no encryption") => {
            "the server takes connections over TLS alone: leave sslmode out of the URL, or use \
             sslmode=verify-full"
        }
        "28000" => "the server lets nobody of this name in from here: look at its pg_hba.conf",
        "28P01" => "the password or the user in the URL is wrong",
        "3D000" => {
            "make the database first: CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0"
        }
        "53300" => {
            "the server has no connection left: raise its max_connections, a node of Keyrack takes up to 18"
        }
        "42501" => {
            "the account lacks a right: GRANT CREATE ON SCHEMA public TO the account (PostgreSQL 15 and \
             later give it to the database's owner alone), and GRANT CREATE ON DATABASE for the extension \
             pg_trgm"
        }
        "0A000" | "58P01" if says("pg_trgm") => {
            "the extension pg_trgm is missing: install the server's contrib package (postgresql-contrib)"
        }
        // What PgBouncer and its like say.
        "26000" | "42P05" => {
            "a pooler hands each transaction to another session: set database.direct_url to PostgreSQL \
             itself, which makes Keyrack keep to that (docs/postgresql.md)"
        }
        "08P01" if says("unsupported startup parameter") => {
            "the pooler does not take what is in options: leave it out of the URL"
        }
        "08P01" if says("no such database") || says("does not exist") => {
            "make the database first, and let the pooler have an entry for it under [databases]"
        }
        "08P01" if says("no such user") => "the pooler's auth_file or auth_query has no such user",
        "08P01" if says("max_client_conn") => "raise the pooler's max_client_conn",
        "08P01" if says("query_wait_timeout") => {
            "the pooler had no connection to PostgreSQL left: raise its default_pool_size, a node of \
             Keyrack takes up to 18 in session mode"
        }
        "08P01" if says("SSL required") => {
            "the pooler takes connections over TLS alone: leave sslmode out of the URL"
        }
        "08P01" if says("statement pooling mode") => {
            "a pooler in statement mode has no transactions: use session or transaction mode"
        }
        "08P01" if says("login") || says("cannot connect") => {
            "the pooler does not reach PostgreSQL, or is refused there: its log says why"
        }
        _ => return None,
    })
}
