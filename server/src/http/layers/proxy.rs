//! What a proxy in front says about who somebody is, in headers. They are believed only from
//! addresses that the configuration names, and only if there is exactly one way to read them.

use std::borrow::Cow;
use std::net::IpAddr;

use domain::groups::{Groups, RoleMap};
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use service::HeaderIdentity;

/// Which proxies are believed, and what their headers are called.
#[derive(Debug, Clone)]
pub struct HeaderLogIn {
    /// The addresses of the proxies themselves, not of whoever they speak for.
    pub trusted: Vec<IpNet>,
    /// The header with the user name.
    pub user: HeaderName,
    /// The header with the e-mail address.
    pub email: Option<HeaderName>,
    /// The header with the name.
    pub name: Option<HeaderName>,
    /// The header with the groups, between commas.
    pub groups: Option<HeaderName>,
    /// Which group gives which role.
    pub roles: RoleMap,
}

/// Whom the headers of a request name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// There is no such header.
    Nobody,
    /// A trusted proxy names somebody.
    Somebody(HeaderIdentity),
    /// Somebody is named by an address that is not trusted to.
    ByStranger(String),
}

/// The headers of a trusted proxy can be read in more than one way, or in none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// There twice, empty, a list, or not of printable characters in UTF-8.
    #[error(
        "The header {0} that the proxy in front sent is there twice, empty, a list, or not UTF-8, plain or \
         as in RFC 8187. Tell whoever runs it."
    )]
    Value(HeaderName),
    /// Servers that turn `_` and `.` into `-` would take it for another header.
    #[error(
        "The request has a header that is spelt almost like {0}. The proxy in front must remove it: \
         tell whoever runs it."
    )]
    Alias(HeaderName),
}

impl HeaderLogIn {
    /// Reads the headers of a request that came from this peer.
    ///
    /// # Errors
    /// A trusted proxy sent something that may not be what it meant.
    pub fn read(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Result<Named, BadHeader> {
        let peer = peer.map(|peer| peer.to_canonical());
        if !peer.is_some_and(|peer| self.trusted.iter().any(|net| net.contains(&peer))) {
            let user = headers.get(&self.user);
            return Ok(user.map_or(Named::Nobody, |user| {
                Named::ByStranger(String::from_utf8_lossy(user.as_bytes()).into_owned())
            }));
        }
        let names = [Some(&self.user), self.email.as_ref()];
        let more = [self.name.as_ref(), self.groups.as_ref()];
        for expected in names.into_iter().chain(more).flatten() {
            let is_alias = |name: &HeaderName| name != expected && plain(name) == plain(expected);
            if headers.keys().any(is_alias) {
                return Err(BadHeader::Alias(expected.clone()));
            }
        }
        let Some(user) = single(headers, Some(&self.user))? else {
            return Ok(Named::Nobody);
        };
        let groups = text(headers, self.groups.as_ref())?;
        Ok(Named::Somebody(HeaderIdentity {
            user,
            email: single(headers, self.email.as_ref())?,
            name: text(headers, self.name.as_ref())?,
            groups: groups.map_or_else(Groups::default, |text| Groups::from_header(&text)),
        }))
    }
}

/// A header's name as a server sees it that makes a variable of it (RFC 3875 section 4.1.18).
fn plain(name: &HeaderName) -> String {
    let same = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    name.as_str().chars().map(same).collect()
}

/// A value that is exactly one.
fn single(headers: &HeaderMap, name: Option<&HeaderName>) -> Result<Option<String>, BadHeader> {
    let (Some(name), Some(text)) = (name, text(headers, name)?) else {
        return Ok(None);
    };
    let is_one = !text.is_empty() && !text.contains(',');
    is_one
        .then_some(Some(text))
        .ok_or_else(|| BadHeader::Value(name.clone()))
}

/// A value that may be anything but there twice.
fn text(headers: &HeaderMap, name: Option<&HeaderName>) -> Result<Option<String>, BadHeader> {
    let Some(name) = name else { return Ok(None) };
    let bad = || BadHeader::Value(name.clone());
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return if headers.contains_key(name) {
            Err(bad())
        } else {
            Ok(None)
        };
    };
    let text = decoded(value.as_bytes()).ok_or_else(bad)?;
    let text = text.trim();
    let is_plain = !text.contains(char::is_control);
    is_plain.then(|| Some(text.to_owned())).ok_or_else(bad)
}

/// A value in UTF-8, as oauth2-proxy and Authelia write it, or in the extended notation of RFC 8187 (`UTF-8''J%C3%B6rg`)
/// for proxies that can't put more than ASCII into a header. Any other encoding could be meant in two ways.
fn decoded(value: &[u8]) -> Option<Cow<'_, str>> {
    let text = str::from_utf8(value).ok()?;
    let mut parts = text.splitn(3, '\'');
    let (charset, _language, encoded) = (parts.next()?, parts.next(), parts.next());
    match encoded {
        Some(encoded) if charset.trim().eq_ignore_ascii_case("utf-8") => {
            percent_decode_str(encoded).decode_utf8().ok()
        }
        _ => Some(Cow::Borrowed(text)),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn rules() -> HeaderLogIn {
        HeaderLogIn {
            trusted: vec!["10.0.0.0/24".parse().unwrap()],
            user: HeaderName::from_static("x-auth-user"),
            email: Some(HeaderName::from_static("x-auth-email")),
            name: Some(HeaderName::from_static("x-auth-name")),
            groups: Some(HeaderName::from_static("x-auth-groups")),
            roles: RoleMap::default(),
        }
    }

    fn read(peer: &str, headers: &[(&str, &str)]) -> Result<Named, BadHeader> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        rules().read(peer.parse().ok(), &map)
    }

    #[test]
    fn check_73_a_trusted_proxy_names_somebody_and_a_stranger_does_not() {
        let headers = [
            ("x-auth-user", "ada"),
            ("x-auth-email", "ada@example.com"),
            ("x-auth-name", "Ada Løve"),
            ("x-auth-groups", "ops, staff"),
        ];
        let ada = HeaderIdentity {
            user: "ada".to_owned(),
            email: Some("ada@example.com".to_owned()),
            name: Some("Ada Løve".to_owned()),
            groups: Groups::from_header("ops,staff"),
        };
        for peer in ["10.0.0.7", "::ffff:10.0.0.7"] {
            assert_eq!(read(peer, &headers), Ok(Named::Somebody(ada.clone())));
        }
        for peer in ["10.0.1.7", "127.0.0.1", "::1", "unknown"] {
            let stranger = Named::ByStranger("ada".to_owned());
            assert_eq!(read(peer, &headers), Ok(stranger), "{peer}");
            assert_eq!(read(peer, &headers[1..]), Ok(Named::Nobody));
        }
        assert_eq!(read("10.0.0.7", &headers[1..]), Ok(Named::Nobody));
    }

    #[test]
    fn names_beyond_ascii_come_in_utf_8_plain_or_encoded() {
        for (value, expected) in [
            ("jörg", "jörg"),
            ("UTF-8''j%C3%B6rg", "jörg"),
            ("utf-8'de'j%C3%B6rg", "jörg"),
            ("o'brien", "o'brien"),
            ("o'brien's", "o'brien's"),
            ("100%25", "100%25"),
        ] {
            let Ok(Named::Somebody(who)) = read("10.0.0.7", &[("x-auth-user", value)]) else {
                panic!("{value}");
            };
            assert_eq!(who.user, expected);
        }
        let all = [
            ("x-auth-user", "j"),
            ("x-auth-name", "Jörg 李"),
            ("x-auth-groups", "UTF-8''b%C3%BCro,ops"),
        ];
        let Ok(Named::Somebody(who)) = read("10.0.0.7", &all) else {
            panic!("nobody")
        };
        assert_eq!(who.name.as_deref(), Some("Jörg 李"));
        assert_eq!(who.groups, Groups::from_header("büro,ops"));
        // Latin-1 could be anything.
        let mut latin = HeaderMap::new();
        latin.insert("x-auth-user", HeaderValue::from_bytes(b"j\xf6rg").unwrap());
        let user = HeaderName::from_static("x-auth-user");
        assert_eq!(
            rules().read("10.0.0.7".parse().ok(), &latin),
            Err(BadHeader::Value(user))
        );
    }

    #[test]
    fn check_73_what_can_be_read_in_two_ways_is_refused() {
        let user = HeaderName::from_static("x-auth-user");
        let bad = Err(BadHeader::Value(user.clone()));
        for value in [
            "",
            " ",
            "ada,mara",
            "ada, mara",
            "UTF-8''ada%2Cmara",
            "UTF-8''%FC",
            "UTF-8''a%0Ab",
        ] {
            assert_eq!(
                read("10.0.0.7", &[("x-auth-user", value)]),
                bad,
                "{value:?}"
            );
        }
        let doubled = [("x-auth-user", "ada"), ("X-Auth-User", "ada")];
        assert_eq!(read("10.0.0.7", &doubled), bad);
        for alias in ["X_Auth_User", "X-Auth_User", "X.Auth.User", "x_auth-user"] {
            let headers = [("x-auth-user", "ada"), (alias, "mara")];
            let expected = Err(BadHeader::Alias(user.clone()));
            assert_eq!(read("10.0.0.7", &headers), expected, "{alias}");
            assert_eq!(read("10.0.0.7", &headers[1..]), expected, "{alias}");
        }
        let groups = [("x-auth-user", "ada"), ("X_Auth_Groups", "admins")];
        assert!(matches!(
            read("10.0.0.7", &groups),
            Err(BadHeader::Alias(_))
        ));
        let doubled = [
            ("x-auth-user", "ada"),
            ("x-auth-groups", "ops"),
            ("x-auth-groups", "admins"),
        ];
        assert!(matches!(
            read("10.0.0.7", &doubled),
            Err(BadHeader::Value(_))
        ));
    }
}
