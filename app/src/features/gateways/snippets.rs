//! What goes into a gateway's configuration, with its token filled in.

use domain::gateway::GatewayKind;

/// The part of the configuration that asks Keyrack.
#[must_use]
pub fn configuration(kind: GatewayKind, url: &str, token: &str) -> String {
    let template = match kind {
        GatewayKind::Nginx => include_str!("snippets/nginx.txt"),
        GatewayKind::Caddy => include_str!("snippets/caddy.txt"),
        GatewayKind::Traefik => include_str!("snippets/traefik.txt"),
        GatewayKind::Envoy => include_str!("snippets/envoy.txt"),
        GatewayKind::Introspection => include_str!("snippets/introspection.txt"),
    };
    template
        .trim_end()
        .replace("@URL@", url)
        .replace("@TOKEN@", token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_told_of_limits_where_the_gateway_can() {
        // What goes into nginx.conf leaves the lines there alone that do it for nginx.
        for kind in [GatewayKind::Caddy, GatewayKind::Envoy] {
            let text = configuration(kind, "https://keys.example.com", "krg_token");
            assert!(text.to_lowercase().contains("ratelimit-policy"), "{text}");
        }
    }

    #[test]
    fn every_kind_is_told_where_to_ask_and_with_what() {
        for kind in GatewayKind::ALL {
            let text = configuration(kind, "https://keys.example.com", "krg_token");
            assert!(text.contains("https://keys.example.com"), "{text}");
            assert!(
                text.contains("krg_token") && !text.contains("@TOKEN"),
                "{text}"
            );
        }
    }
}
