//! What the server tells about an assertion that was checked.

use serde::{Deserialize, Serialize};

/// What the checks came to for one assertion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The credential that it names, if there is one: key id and name.
    pub credential: Option<(String, String)>,
    /// Every check, in the order in which the token endpoint makes them.
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What is asked: `Audience (aud)`.
    pub name: String,
    /// The answer.
    pub went: Went,
    /// What the assertion has; nothing if the check was not reached.
    pub found: String,
    /// What is asked for; nothing if the check was not reached.
    pub expected: String,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Went {
    /// The assertion is as it should be.
    Passed,
    /// It is not.
    Failed,
    /// An earlier failure left nothing to look at.
    NotReached,
}

#[cfg(feature = "ssr")]
impl From<service::AssertionReport> for Checked {
    fn from(report: service::AssertionReport) -> Self {
        let checks = service::Rule::ALL.map(|rule| {
            let finding = report.findings.iter().find(|finding| finding.rule == rule);
            let went = match finding {
                None => Went::NotReached,
                Some(finding) if finding.passed => Went::Passed,
                Some(_) => Went::Failed,
            };
            Check {
                name: rule.label().to_owned(),
                went,
                found: finding.map(|it| it.found.clone()).unwrap_or_default(),
                expected: finding.map(|it| it.expected.clone()).unwrap_or_default(),
            }
        });
        Self {
            credential: report
                .client
                .map(|(key_id, name)| (key_id.to_string(), name)),
            checks: checks.to_vec(),
        }
    }
}
