//! The assertion debugger: every rule of a client assertion, passed or failed. It uses nothing up
//! and lets nobody in.

use domain::confidential::{SECRET_ADVICE, is_confidential};
use domain::credential::Flow;
use domain::key_id::KeyId;

use crate::Services;
use crate::actor::Actor;
use crate::assertion::{Assertion, Finding, Rule};
use crate::error::{ServiceError, ServiceResult};

/// What the rules come to for one assertion.
#[derive(Debug, Clone)]
pub struct AssertionReport {
    /// The credential that it names, if there is one: its key id and name.
    pub client: Option<(KeyId, String)>,
    /// Every rule that was reached, in the order of [`Rule::ALL`].
    pub findings: Vec<Finding>,
}

impl Services {
    /// Checks an assertion as the token endpoint would at this moment.
    pub async fn debug_assertion(
        &self,
        actor: &Actor,
        text: &str,
    ) -> ServiceResult<AssertionReport> {
        Self::see(actor)?;
        let text = text.trim();
        if is_confidential(text) {
            return Err(ServiceError::field("assertion", SECRET_ADVICE));
        }
        let assertion = match Assertion::parse(text) {
            Ok(assertion) => assertion,
            Err(finding) => {
                return Ok(AssertionReport {
                    client: None,
                    findings: vec![finding],
                });
            }
        };
        let now = self.now();
        let form = Finding::new(Rule::Form, true, "a signed JWT", "a signed JWT");
        let live = match assertion.client() {
            Some(key_id) => self.find_live(key_id).await?,
            None => None,
        };
        let examined = match &live {
            Some(live) => self.examine(live, &assertion).await,
            None => assertion.check(&[], &self.0.settings.assertion_audiences, now),
        };
        let mut findings = vec![form];
        findings.extend(examined.findings);
        // Without a credential there is no key to ask, and without an algorithm none to ask it with;
        // but why keys by URL are not there, the finding about the signature says.
        let by_url = live
            .as_ref()
            .is_some_and(|live| live.stored.key_set.is_some());
        let known = findings
            .iter()
            .any(|finding| finding.rule == Rule::Algorithm && finding.passed);
        findings.retain(|finding| match finding.rule {
            Rule::Algorithm => live.is_some(),
            Rule::Signature => known || by_url,
            _ => true,
        });
        // The rule of the token endpoint about the client, told apart for people.
        if let Some(client) = findings.iter_mut().find(|f| f.rule == Rule::Client) {
            let problem = match &live {
                None => Some("no credential has this key id".to_owned()),
                Some(live) if live.flow() != Flow::PrivateKeyJwt => {
                    Some(format!("the credential's flow is {}", live.flow().label()))
                }
                Some(live) => live.denial(now).map(|denial| denial.cause.to_string()),
            };
            if let Some(problem) = problem {
                client.passed = false;
                client.found = format!("{}; {problem}", client.found);
            }
        }
        if let (Some(live), Some((id, _))) = (&live, examined.id) {
            let is_used = self.store().assertion_id_is_used(live.key_id(), id).await?;
            let found = if is_used {
                "it was used already"
            } else {
                "it was not used yet"
            };
            findings.push(Finding::new(Rule::SingleUse, !is_used, found, "used once"));
        }
        let client = live.map(|live| {
            let credential = &live.stored.credential;
            (credential.key_id, credential.name.to_string())
        });
        Ok(AssertionReport { client, findings })
    }
}
