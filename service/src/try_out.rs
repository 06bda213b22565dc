//! Trying a credential out: what a program would do with it, by the very same use cases.

use domain::catalogue::Method;
use domain::credential::Flow;
use domain::key_id::KeyId;

use crate::Services;
use crate::actor::Actor;
use crate::error::ServiceResult;
use crate::gate::{GateRequest, Presented};
use crate::issuer::{ClientProof, TokenRequest};

/// A call that nobody may make: no catalogue has it.
const NOWHERE: &str = "/no-such-call";

/// One thing that was tried.
#[derive(Debug, PartialEq, Eq)]
pub struct Tried {
    /// The call that the gate was asked about; nothing for the request for a token.
    pub call: Option<(Method, String)>,
    /// Whether it should go through.
    pub should_pass: bool,
    /// Why it did not.
    pub refusal: Option<String>,
}

impl Services {
    /// Uses a credential with its secret for real: asks for a token, if its flow has tokens, then asks
    /// the gate about a call that its access allows and about one that it does not. Nothing of the
    /// secret is kept. Whoever has it could do the same from anywhere, so every role may.
    pub async fn try_out(
        &self,
        actor: &Actor,
        key_id: KeyId,
        secret: &str,
    ) -> ServiceResult<Vec<Tried>> {
        let credential = self.credential(actor, key_id).await?.credential;
        let (client_id, facts) = (key_id.to_string(), actor.facts());
        let mut tried = Vec::new();
        let mut token = None;
        if credential.flow != Flow::Legacy {
            let proof = ClientProof::Secret {
                client_id: &client_id,
                secret,
            };
            let request = TokenRequest {
                proof,
                scope: None,
                resources: &[],
            };
            let answer = self.issue_token(request, facts).await;
            tried.push(Tried {
                call: None,
                should_pass: true,
                refusal: answer.as_ref().err().map(ToString::to_string),
            });
            match answer {
                Ok(answer) => token = Some(answer.access_token),
                Err(_) => return Ok(tried),
            }
        }
        let presented = match &token {
            Some(token) => Presented::Bearer(token),
            None => Presented::Secret {
                key_id: &client_id,
                secret,
            },
        };
        let catalogue = self.catalogue();
        let scopes = credential.access.scopes(&catalogue);
        for should_pass in [true, false] {
            let call = catalogue.example(|scope, endpoint| {
                scopes.allows(&scope.name, endpoint.level) == should_pass
            });
            let nowhere = || (!should_pass).then(|| (Method::Get, NOWHERE.to_owned()));
            let Some((method, path)) = call.or_else(nowhere) else {
                continue;
            };
            let request = GateRequest {
                preflight_for: None,
                gateway: None,
                method: method.as_str(),
                path: &path,
                presented,
                facts,
            };
            let refusal = self.decide(request).await.err();
            tried.push(Tried {
                refusal: refusal.map(|refusal| refusal.to_string()),
                call: Some((method, path)),
                should_pass,
            });
        }
        Ok(tried)
    }
}
