//! The fields of the credential form, by name: from what was typed to a draft.

use domain::access::{Access, AccessKind};
use domain::draft::CredentialDraft;

/// What each radio of the matrix is called before the wire name of its scope.
const SCOPE: &str = "scope.";

/// The choice of a URL in place of a public key.
pub(super) const BY_URL: &str = "url";

/// Reads the fields into a draft. A field that is missing is empty.
#[must_use]
pub fn read_draft(fields: &[(String, String)]) -> CredentialDraft {
    let text = |name: &str| {
        fields
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.clone())
    };
    let take = |name: &str| text(name).unwrap_or_default();
    let (public_key, jwks_url) =
        chosen_key(&take("key_source"), take("public_key"), take("jwks_url"));
    CredentialDraft {
        name: take("name"),
        purpose: take("purpose"),
        owner: take("owner"),
        flow: take("flow"),
        expires: take("expires"),
        // With WASM the browser adds the chosen time as an instant; without, the field means UTC.
        expires_at: text("expires_at_utc")
            .filter(|at| !at.is_empty())
            .unwrap_or_else(|| take("expires_at")),
        access: take("access"),
        levels: fields
            .iter()
            .filter_map(|(name, level)| Some((name.strip_prefix(SCOPE)?, level)))
            .map(|(scope, level)| (scope.to_owned(), level.clone()))
            .collect(),
        public_key,
        jwks_url,
    }
}

/// Of the two ways to give a public key the one that was chosen. What was typed for the other stays
/// in the form, folded away.
#[must_use]
pub fn chosen_key(source: &str, public_key: String, url: String) -> (String, Option<String>) {
    if source == BY_URL {
        (String::new(), Some(url))
    } else {
        (public_key, None)
    }
}

/// The access that a draft asks for so far: what is not chosen yet is not allowed.
#[must_use]
pub(super) fn access_so_far(draft: &CredentialDraft) -> Access {
    match draft.access.parse() {
        Ok(AccessKind::ReadOnly) => Access::ReadOnly,
        Ok(AccessKind::Full) => Access::Full,
        Ok(AccessKind::Custom) | Err(_) => Access::Custom(
            draft
                .levels
                .iter()
                .filter_map(|(scope, level)| Some((scope.parse().ok()?, level.parse().ok()?)))
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::scope::AccessLevel;

    fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn the_browsers_instant_counts_where_there_is_one() {
        let typed = ("expires_at", "2027-05-24T11:00");
        let with = fields(&[typed, ("expires_at_utc", "2027-05-24T09:00:00Z")]);
        assert_eq!(read_draft(&with).expires_at, "2027-05-24T09:00:00Z");
        let without = fields(&[typed, ("expires_at_utc", "")]);
        assert_eq!(read_draft(&without).expires_at, "2027-05-24T11:00");
    }

    #[test]
    fn of_a_public_key_and_a_url_the_chosen_one_counts() {
        let typed = [("public_key", "pem"), ("jwks_url", "https://a.example")];
        let with = |source| fields(&[typed[0], typed[1], ("key_source", source)]);
        for (source, public_key, jwks_url) in [
            ("url", "", Some("https://a.example")),
            ("paste", "pem", None),
            ("", "pem", None),
        ] {
            let draft = read_draft(&with(source));
            assert_eq!(draft.public_key, public_key, "{source}");
            assert_eq!(draft.jwks_url.as_deref(), jwks_url, "{source}");
        }
    }

    #[test]
    fn levels_are_read_by_scope_and_nothing_is_allowed_by_accident() {
        let typed = fields(&[
            ("access", "custom"),
            ("scope.accounts", "read"),
            ("scope.data", "everything"),
            ("scope.No Scope", "write"),
        ]);
        let draft = read_draft(&typed);
        assert_eq!(draft.levels.len(), 3);
        let access = access_so_far(&draft);
        assert_eq!(
            access,
            Access::Custom([("accounts".parse().unwrap(), AccessLevel::Read)].into())
        );
        let unknown = CredentialDraft {
            access: "root".to_owned(),
            ..CredentialDraft::default()
        };
        assert_eq!(access_so_far(&unknown), Access::Custom([].into()));
    }
}
