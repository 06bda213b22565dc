//! The gate: whether one call of the protected API goes through.

use std::sync::Arc;

use domain::Instant;
use domain::audience::AudienceList;
use domain::catalogue::{self, Method};
use domain::credential::Flow;
use domain::limits::{LimitKind, Limits};
use domain::scope::{AccessLevel, WireScope};
use http::HeaderValue;
use serde_json::{Value, json};

use crate::Services;
use crate::actor::RequestFacts;
use crate::denial::{Cause, Denial};
use crate::error::{ServiceError, ServiceResult};
use crate::gateways::KnownGateway;
use crate::limiter::{Quota, whole_seconds};
use crate::live::{Grant, Live};
use crate::tokens::{Effective, Verified};
use crate::usage::{Call, Kept};

/// What the caller of the API presented.
#[derive(Clone, Copy)]
pub enum Presented<'a> {
    /// Nothing.
    Nothing,
    /// A Bearer token (RFC 6750 section 2.1).
    Bearer(&'a str),
    /// Key id and secret, by Basic or by the legacy pair of headers.
    Secret {
        /// The key id.
        key_id: &'a str,
        /// The secret.
        secret: &'a str,
    },
}

/// One call of the protected API.
#[derive(Clone, Copy)]
pub struct GateRequest<'a> {
    /// The method, as the gateway got it.
    pub method: &'a str,
    /// Path and query, raw, as the gateway got them.
    pub path: &'a str,
    /// The method that a browser asks leave for by this call, if such questions are let through: a
    /// preflight of CORS, which carries no credentials.
    pub preflight_for: Option<&'a str>,
    /// What the caller presented.
    pub presented: Presented<'a>,
    /// The gateway that asks, if it has shown a token. The audiences of those that are trusted for their
    /// address alone are in the settings.
    pub gateway: Option<&'a KnownGateway>,
    /// The caller's address, and the id under which people look the decision up.
    pub facts: &'a RequestFacts,
}

/// A call that goes through, with what the gateway tells the API about the caller.
#[derive(Debug)]
pub struct Allowed {
    /// Nothing for one without credentials, where none are needed.
    caller: Option<Caller>,
    quota: Option<Quota>,
}

/// Who calls, and by what.
#[derive(Debug)]
enum Caller {
    Secret(Arc<Live>),
    Token(Arc<Effective>),
}

impl Caller {
    fn live(&self) -> &Live {
        match self {
            Self::Secret(live) => live,
            Self::Token(token) => &token.live,
        }
    }

    /// Everything that they may do: the token's scopes that the credential still has, or all of the
    /// credential's.
    fn grant(&self) -> &Grant {
        match self {
            Self::Secret(live) => &live.grant,
            Self::Token(token) => &token.grant,
        }
    }
}

impl Allowed {
    /// Whether nobody stands behind it, and nothing is to be said of the caller.
    #[must_use]
    pub const fn is_anonymous(&self) -> bool {
        self.caller.is_none()
    }

    /// Whose call it is, the credential's name in ASCII, and everything that the caller may do as a scope
    /// string: values of headers. Nothing for a call of nobody's, and if one of them can't be one, which is
    /// not to be let through.
    #[must_use]
    pub fn headers(&self) -> Option<[&HeaderValue; 3]> {
        let caller = self.caller.as_ref()?;
        let introduction = caller.live().headers.as_ref()?;
        let scope = caller.grant().header.as_ref()?;
        Some([&introduction.key_id, &introduction.name, scope])
    }

    /// What is left of the credential's limit on calls, if it has one that does more than report.
    #[must_use]
    pub const fn quota(&self) -> Option<Quota> {
        self.quota
    }

    /// Everything that the caller may do.
    #[must_use]
    pub fn scope(&self) -> &str {
        let caller = self.caller.as_ref();
        caller.map_or("", |caller| &caller.grant().text)
    }
}

/// Why a call does not go through.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Nothing was presented.
    #[error("no credentials were sent")]
    NoCredentials,
    /// The token is not ours, has ended, or its credential has.
    #[error("the access token is not valid, has ended, or its key has been stopped")]
    InvalidToken(Denial),
    /// Key id and secret don't fit, or the credential has ended.
    #[error("key id and secret don't match, or the key has ended or been stopped")]
    InvalidSecret(Denial),
    /// The credential may not be used from the caller's address.
    #[error("this key may not be used from this address")]
    AddressNotAllowed,
    /// The credential has used up its limit on calls.
    #[error("this key has used up its limit on calls: wait {} seconds", whole_seconds(.0.reset))]
    RateLimited(Quota),
    /// The gateway asks again about a call that was refused, and by now nothing is wrong with it.
    #[error("nothing stands against this call by now: send it again")]
    AskedAgain,
    /// The catalogue does not know the call.
    #[error("{0}")]
    Path(catalogue::Refusal),
    /// The caller has too little access.
    #[error("{}", explain(.required, *.have))]
    InsufficientScope {
        /// What the call needs.
        required: WireScope,
        /// What the caller has on that scope.
        have: AccessLevel,
    },
    /// The store failed: nobody goes through.
    #[error("the server can't check credentials at the moment")]
    Unavailable(#[source] ServiceError),
}

fn explain(required: &WireScope, have: AccessLevel) -> String {
    match have {
        AccessLevel::None => {
            format!(
                "needs {required}, this key has no access to {}",
                required.scope
            )
        }
        level => format!(
            "needs {required}, this key has {}:{}",
            required.scope,
            level.as_str()
        ),
    }
}

/// A decision on its way: what is known so far, for whoever looks it up.
#[derive(Default)]
struct Trace<'a> {
    live: Option<&'a Live>,
    needed: Option<catalogue::Requirement<'a>>,
    /// What would have been refused if the credential's limit were more than a report.
    reported: Option<Refusal>,
    /// Whether the call was refused before, and only the words are wanted.
    is_repeat: bool,
}

impl Trace<'_> {
    /// Refuses, or only notes that it would have.
    fn limit(&mut self, limits: &Limits, kind: LimitKind, refusal: Refusal) -> Result<(), Refusal> {
        if limits.only_reports(kind) {
            self.reported.get_or_insert(refusal);
            Ok(())
        } else {
            Err(refusal)
        }
    }
}

impl Refusal {
    /// The word under which a refusal is stored; it never changes.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoCredentials => "no_credentials",
            Self::InvalidToken(denial) | Self::InvalidSecret(denial) => denial.cause.code(),
            Self::AddressNotAllowed => "address_not_allowed",
            Self::RateLimited(_) => "rate_limited",
            Self::AskedAgain => "asked_again",
            Self::Path(refusal) => refusal.code(),
            Self::InsufficientScope { .. } => "insufficient_scope",
            Self::Unavailable(_) => "unavailable",
        }
    }

    /// What is wrong with the credentials, if they are the reason.
    const fn denial(&self) -> Option<&Denial> {
        match self {
            Self::InvalidToken(denial) | Self::InvalidSecret(denial) => Some(denial),
            _ => None,
        }
    }

    /// The whole reason, which the caller is not told.
    fn words(&self) -> String {
        self.denial()
            .map_or_else(|| self.to_string(), |denial| denial.cause.to_string())
    }
}

/// What whoever looks a decision up reads of it.
fn detail(refusal: Option<&Refusal>, allowed: bool, is_repeat: bool) -> Value {
    let mut detail = json!({});
    if is_repeat {
        detail["asked_again"] = json!(true);
    }
    if let Some(refusal) = refusal {
        detail["words"] = json!(refusal.words());
        // A limit that only reports.
        if allowed {
            detail["report_only"] = json!(true);
        }
        if let Refusal::InsufficientScope { required, have } = refusal {
            detail["required"] = json!(required.to_string());
            detail["have"] = json!(have.as_str());
        }
    }
    detail
}

impl Services {
    /// Decides about one call.
    ///
    /// # Errors
    /// Why it does not go through.
    pub async fn decide(&self, request: GateRequest<'_>) -> Result<Allowed, Refusal> {
        self.judge(request, false).await
    }

    /// Says again why a call was refused, for gateways that throw away what they hear first: it is
    /// not counted, uses nothing up, and lets nothing through.
    pub async fn explain(&self, request: GateRequest<'_>) -> Refusal {
        let judged = self.judge(request, true).await;
        judged.err().unwrap_or(Refusal::AskedAgain)
    }

    async fn judge(&self, request: GateRequest<'_>, is_repeat: bool) -> Result<Allowed, Refusal> {
        let mut trace = Trace {
            is_repeat,
            ..Trace::default()
        };
        if matches!(request.presented, Presented::Nothing) && self.is_open(request) {
            // Kept nowhere: strangers could make as many as they like.
            return if is_repeat {
                Err(Refusal::AskedAgain)
            } else {
                Ok(Allowed {
                    caller: None,
                    quota: None,
                })
            };
        }
        let now = self.now();
        let caller = match self.authenticate(request, now).await {
            Ok(caller) => caller,
            Err(refusal) => {
                self.note(request, &trace, Some(&refusal), now);
                return Err(refusal);
            }
        };
        let decided = Self::weigh(request, &caller, &mut trace);
        self.note(request, &trace, decided.as_ref().err(), now);
        decided.map(|quota| Allowed {
            caller: Some(caller),
            quota,
        })
    }

    /// Whether anybody may make the call: one that the catalogue says so of, or a browser's preflight of
    /// one that it has. Where it lists `OPTIONS` itself, that is a call like any other, and no preflight.
    fn is_open(&self, request: GateRequest<'_>) -> bool {
        let catalogue = self.catalogue();
        let find = |method| catalogue.find(method, request.path);
        let Ok(needed) = find(request.method) else {
            return false;
        };
        let is_preflight = || {
            let is_known = request.preflight_for.map(|method| find(method).is_ok());
            needed.listed != Method::Options && is_known.unwrap_or_default()
        };
        needed.public || is_preflight()
    }

    /// Decides about the call of a caller who is known, by the catalogue that the caller was seen under.
    fn weigh<'a>(
        request: GateRequest<'_>,
        caller: &'a Caller,
        trace: &mut Trace<'a>,
    ) -> Result<Option<Quota>, Refusal> {
        let live = caller.live();
        trace.live = Some(live);
        let limits = &live.stored.credential.limits;
        if !limits.addresses.allows_caller(request.facts.address) {
            trace.limit(limits, LimitKind::Addresses, Refusal::AddressNotAllowed)?;
        }
        let needed = live
            .catalogue
            .find(request.method, request.path)
            .map_err(Refusal::Path)?;
        let scope = &needed.scope.name;
        let level = needed.level;
        trace.needed = Some(needed);
        let scopes = &caller.grant().scopes;
        if !needed.public && !scopes.allows(scope, level) {
            let (required, have) = (scope.at(level), scopes.level_of(scope));
            return Err(Refusal::InsufficientScope { required, have });
        }
        if trace.is_repeat {
            if let Some(full) = live.limiter.as_ref().and_then(|limiter| limiter.full()) {
                trace.limit(limits, LimitKind::Calls, Refusal::RateLimited(full))?;
            }
            return Err(Refusal::AskedAgain);
        }
        // Last, so that calls which are refused anyway use nothing up.
        match live.limiter.as_ref().map(|limiter| limiter.call()) {
            None => Ok(None),
            Some(Ok(quota)) => Ok(quota.filter(|_| !limits.only_reports(LimitKind::Calls))),
            Some(Err(full)) => {
                trace.limit(limits, LimitKind::Calls, Refusal::RateLimited(full))?;
                Ok(None)
            }
        }
    }

    /// Counts a decision for its credential, and keeps it for looking up: each refusal, each that a
    /// limit would have refused, and a sample of the others.
    fn note(
        &self,
        request: GateRequest<'_>,
        trace: &Trace<'_>,
        refusal: Option<&Refusal>,
        now: Instant,
    ) {
        let allowed = refusal.is_none();
        let mut is_kept = !allowed || trace.reported.is_some();
        if let (Some(live), Some(needed), false) = (trace.live, &trace.needed, trace.is_repeat) {
            let call = Call {
                at: now,
                address: request.facts.address,
                scope: &needed.scope.name,
                level: needed.level,
                allowed,
            };
            let endpoint = || format!("{} {}", request.method, needed.template);
            is_kept |= self.0.usage.note_call(live, &call, endpoint);
        }
        if !is_kept {
            return;
        }
        let refusal = refusal.or(trace.reported.as_ref());
        // Whoever was refused before the catalogue was asked is told of by its template, too.
        let catalogue = trace
            .live
            .map_or_else(|| self.catalogue(), |live| live.catalogue.clone());
        let template = match &trace.needed {
            Some(needed) => Some(needed.template),
            None => catalogue
                .find(request.method, request.path)
                .ok()
                .map(|needed| needed.template),
        };
        let known = trace.live.map(Live::key_id);
        let named = refusal
            .and_then(Refusal::denial)
            .and_then(|denial| denial.key_id);
        let kept = Kept {
            surface: "gate",
            method: request.method,
            key_id: known.or(named),
            template,
            allowed,
            reason: refusal.map_or("allowed", Refusal::code),
            detail: detail(refusal, allowed, trace.is_repeat),
        };
        self.keep_decision(kept, request.facts);
    }

    async fn authenticate(
        &self,
        request: GateRequest<'_>,
        now: Instant,
    ) -> Result<Caller, Refusal> {
        let of_address = &self.0.settings.gate_audiences;
        let audiences = request.gateway.map_or(of_address, KnownGateway::audiences);
        match request.presented {
            Presented::Nothing => Err(Refusal::NoCredentials),
            Presented::Secret { key_id, secret } => {
                let unknown = || Refusal::InvalidSecret(Denial::new(None, Cause::UnknownKey));
                let key_id = key_id.parse().map_err(|_| unknown())?;
                let live = self.check_secret(key_id, secret, Flow::Legacy, now).await;
                let live = live
                    .map_err(Refusal::Unavailable)?
                    .map_err(Refusal::InvalidSecret)?;
                // What sees it there could show it to the API of any other audience.
                if !audiences.is_all() {
                    let denial = Denial::new(Some(key_id), Cause::NoAudience);
                    return Err(Refusal::InvalidSecret(denial));
                }
                Ok(Caller::Secret(live))
            }
            Presented::Bearer(token) => {
                let checked = self
                    .check_token(token, audiences, now)
                    .await
                    .map_err(Refusal::Unavailable)?;
                let (_, effective) = checked.map_err(Refusal::InvalidToken)?;
                Ok(Caller::Token(effective))
            }
        }
    }

    /// A token with its credential and what it may still do: the gate and introspection agree
    /// because both ask here.
    pub(crate) async fn check_token(
        &self,
        token: &str,
        audiences: &AudienceList,
        now: Instant,
    ) -> ServiceResult<Result<(Arc<Verified>, Arc<Effective>), Denial>> {
        let ring = self.key_ring().await?;
        let checked = self.0.tokens.check(token, &ring, &self.0.settings, now);
        drop(ring);
        let verified = match checked {
            Ok(verified) => verified,
            Err(denial) => return Ok(Err(denial)),
        };
        if !audiences.lets_through(&verified.claims.aud) {
            let cause = Cause::OtherAudience(verified.claims.aud.clone());
            return Ok(Err(Denial::new(Some(verified.key_id), cause)));
        }
        let effective = verified.effective(&self.0.live, now).await?;
        Ok(effective.map(|effective| (verified, effective)))
    }

    /// Reads which tokens are revoked that have not ended by then.
    pub(crate) async fn load_revoked_tokens(&self, now: Instant) -> ServiceResult<()> {
        for token in self.store().list_revoked_tokens(now).await? {
            self.0.tokens.revoked.note(token.jti, token.expires_at);
        }
        Ok(())
    }
}
