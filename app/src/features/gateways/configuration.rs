//! A gateway's configuration with its token filled in: the file of `docs/gateways`, so that the page says what
//! the documentation does. Made on the server, as it is shown once.

use domain::gateway::GatewayKind;

/// Where the files have Keyrack.
const KEYRACK: &str = "127.0.0.1:3000";

/// The configuration of a gateway that reaches Keyrack at `url`, an origin, and shows its own token.
#[must_use]
pub fn configuration(kind: GatewayKind, url: &str, token: &str) -> String {
    let http = format!("http://{KEYRACK}");
    match kind {
        GatewayKind::Nginx => nginx(url, token),
        GatewayKind::Caddy => fill(
            include_str!("../../../../docs/gateways/Caddyfile"),
            &[
                (KEYRACK, url),
                (
                    "#header_up X-Keyrack-Gateway",
                    "header_up X-Keyrack-Gateway",
                ),
                (r#""TOKEN""#, &format!(r#""{token}""#)),
            ],
        ),
        GatewayKind::Traefik => fill(
            include_str!("../../../../docs/gateways/traefik.yaml"),
            &[
                (&http, url),
                (
                    r#"X-Keyrack-Gateway: """#,
                    &format!(r#"X-Keyrack-Gateway: "{token}""#),
                ),
            ],
        ),
        GatewayKind::Envoy => fill(
            include_str!("../../../../docs/gateways/envoy.yaml"),
            &[
                (&http, url),
                ("#authorization_request", "authorization_request"),
                (r#""TOKEN""#, &format!(r#""{token}""#)),
            ],
        ),
        GatewayKind::Introspection => fill(
            include_str!("introspection.txt"),
            &[("@URL@", url), ("@TOKEN@", token)],
        ),
    }
}

/// nginx asks a group of servers, whose name is what it sends as `Host` and expects in the certificate.
fn nginx(url: &str, token: &str) -> String {
    let (scheme, authority) = url.split_once("://").unwrap_or(("https", url));
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if is_port(port) => (host, port),
        _ => (authority, if scheme == "http" { "80" } else { "443" }),
    };
    fill(
        include_str!("../../../../docs/gateways/nginx.conf"),
        &[
            (KEYRACK, &format!("{host}:{port}")),
            ("upstream keyrack {", &format!("upstream {host} {{")),
            ("http://keyrack", &format!("{scheme}://{host}")),
            (
                r#"X-Keyrack-Gateway """#,
                &format!(r#"X-Keyrack-Gateway "{token}""#),
            ),
        ],
    )
}

fn fill(file: &str, places: &[(&str, &str)]) -> String {
    let filled = places.iter().fold(file.to_owned(), |text, (place, with)| {
        text.replace(place, with)
    });
    filled.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_told_of_limits_where_the_gateway_can() {
        for kind in [GatewayKind::Nginx, GatewayKind::Caddy, GatewayKind::Envoy] {
            let text = configuration(kind, "https://keys.example.com", "krg_token");
            assert!(text.to_lowercase().contains("ratelimit-policy"), "{text}");
        }
    }

    #[test]
    fn every_kind_is_told_where_to_ask_and_with_what() {
        for kind in GatewayKind::ALL {
            let text = configuration(kind, "https://keys.example.com", "krg_token");
            assert!(text.contains("https://keys.example.com"), "{text}");
            assert_eq!(text.matches("krg_token").count(), 1, "{text}");
            for left in [
                KEYRACK,
                "http://keyrack",
                r#""TOKEN""#,
                "@URL",
                "@TOKEN",
                "#header_up",
                "#auth",
            ] {
                assert!(!text.contains(left), "{left}: {text}");
            }
            assert!(!text.contains(r#"X-Keyrack-Gateway """#), "{text}");
            assert!(!text.contains(r#"X-Keyrack-Gateway: """#), "{text}");
        }
    }

    #[test]
    fn nginx_asks_the_port_that_the_url_means() {
        for (url, server, asked) in [
            (
                "https://keys.example.com",
                "keys.example.com:443",
                "https://keys.example.com",
            ),
            ("http://keys.local", "keys.local:80", "http://keys.local"),
            (
                "http://127.0.0.1:3117",
                "127.0.0.1:3117",
                "http://127.0.0.1",
            ),
            (
                "https://[2001:db8::1]",
                "[2001:db8::1]:443",
                "https://[2001:db8::1]",
            ),
            (
                "https://[2001:db8::1]:8443",
                "[2001:db8::1]:8443",
                "https://[2001:db8::1]",
            ),
        ] {
            let text = configuration(GatewayKind::Nginx, url, "krg_token");
            assert!(text.contains(&format!("server {server};")), "{text}");
            assert!(
                text.contains(&format!("proxy_pass              {asked}/v1/verify;")),
                "{text}"
            );
        }
    }
}
