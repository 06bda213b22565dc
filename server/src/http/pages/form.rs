//! Forms, read strictly: each field once, and no field that the form doesn't have.

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http_body_util::BodyExt as _;

/// The fields of a form, in the order in which they came.
#[derive(Debug)]
pub struct Form(Vec<(String, String)>);

/// A field is there twice, or is none of the form's. Nothing was done.
#[derive(Debug)]
pub struct Malformed;

impl IntoResponse for Malformed {
    fn into_response(self) -> Response {
        let text = "This form was changed on its way. Load the page again and try once more.";
        (StatusCode::BAD_REQUEST, text).into_response()
    }
}

impl<S: Sync> FromRequest<S> for Form {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<Self, Response> {
        // The limit of the size of bodies is a layer around every handler.
        let body = request.into_body().collect().await.map_err(|_| {
            (StatusCode::PAYLOAD_TOO_LARGE, "This form is too large.").into_response()
        })?;
        Self::parse(&body.to_bytes()).map_err(IntoResponse::into_response)
    }
}

impl Form {
    fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        const MOST_FIELDS: usize = 200;
        let mut fields: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(bytes) {
            if fields.len() == MOST_FIELDS || fields.iter().any(|(known, _)| *known == name) {
                return Err(Malformed);
            }
            fields.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(fields))
    }

    /// Takes a field out; a missing one is empty, and so are line ends made one.
    pub fn take(&mut self, name: &str) -> String {
        match self.0.iter().position(|(known, _)| known == name) {
            Some(at) => self.0.swap_remove(at).1,
            None => String::new(),
        }
    }

    /// Takes out the fields whose names begin with a prefix, which is cut off.
    pub fn take_all(&mut self, prefix: &str) -> Vec<(String, String)> {
        let (taken, left) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|(name, _)| name.starts_with(prefix));
        self.0 = left;
        let taken: Vec<(String, String)> = taken;
        taken
            .into_iter()
            .map(|(name, value)| (name[prefix.len()..].to_owned(), value))
            .collect()
    }

    /// What was typed, for a form that comes back; without the fields named.
    #[must_use]
    pub fn typed(&self, but: &[&str]) -> Vec<(String, String)> {
        self.0
            .iter()
            .filter(|(name, _)| !but.contains(&name.as_str()))
            .cloned()
            .collect()
    }

    /// Ends the reading: nothing may be left.
    ///
    /// # Errors
    /// There is a field that nobody asked for.
    pub fn finish(self) -> Result<(), Malformed> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Malformed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_86_doubled_and_unknown_fields_are_refused() {
        assert!(Form::parse(b"role=support&role=superuser").is_err());
        let mut form = Form::parse(b"name=a+b%26&created_at=1").unwrap();
        assert_eq!(form.take("name"), "a b&");
        assert_eq!(form.take("missing"), "");
        assert!(form.finish().is_err());
    }

    #[test]
    fn fields_with_a_prefix_are_taken_together() {
        let mut form = Form::parse(b"scope.data=read&name=x&scope.admin=none").unwrap();
        let mut levels = form.take_all("scope.");
        levels.sort();
        assert_eq!(
            levels,
            [
                ("admin".into(), "none".into()),
                ("data".into(), "read".into())
            ]
        );
        assert_eq!(form.typed(&["password"]), [("name".into(), "x".into())]);
        form.take("name");
        form.finish().unwrap();
    }

    #[test]
    fn many_fields_are_refused() {
        let many: String = (0..100_000).map(|n| format!("f{n}=&")).collect();
        assert!(Form::parse(many.as_bytes()).is_err());
    }
}
