//! One OpenID provider: its metadata and keys, fetched when they are needed and kept for an hour;
//! the question that the browser brings it; and its answer, checked.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chrono::TimeDelta;
use domain::Instant;
use domain::outbound::OutboundRule;
use openidconnect::core::{CoreAuthPrompt, CoreClientAuthMethod, CoreResponseType};
use openidconnect::{
    AsyncHttpClient, AuthType, AuthenticationFlow, AuthorizationCode, Client, CsrfToken,
    DiscoveryError, HttpRequest, HttpResponse, IssuerUrl, Nonce, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope,
};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tracing::Instrument as _;
use url::Url;

use super::account::Arrival;
use super::flow::SsoAnswer;
use super::protocol::{Metadata, OidcClient, Tokens};
use super::tokens::ProviderKey;
use super::{ProviderSettings, SsoError, SsoSettings, shown};
use crate::Services;
use crate::crypto::{Keys, Token, hash_token};
use crate::error::{ServiceError, ServiceResult};
use crate::outbound::{InvalidUrl, Outbound, OutboundError, OutboundUrl};
use crate::time::lasts;

/// How long metadata and keys are taken without asking again.
const FRESH: TimeDelta = TimeDelta::hours(1);
/// How long a provider is left alone after it was asked, while something is known of it; and, counted by
/// itself, after it was asked because a signature did not fit: strangers can send such.
const PAUSE: TimeDelta = TimeDelta::seconds(30);
/// The same while nothing is known: whoever clicks again soon shares the failure.
const FAILED: TimeDelta = TimeDelta::seconds(5);

/// Asks for the time of the log-in as a claim that is needed (OpenID Connect Core section 5.5).
const AUTH_TIME: &str = r#"{"id_token":{"auth_time":{"essential":true}}}"#;

/// The providers of a deployment.
#[derive(Debug)]
pub(crate) struct Providers(Vec<Arc<Provider>>);

impl Providers {
    pub(crate) fn new(
        settings: &SsoSettings,
        outbound: &Arc<dyn Outbound>,
        rule: &OutboundRule,
    ) -> ServiceResult<Self> {
        let provider = |one: &ProviderSettings| {
            let back = format!("{}/sso/{}/callback", settings.public_url, one.id);
            Ok(Arc::new(Provider {
                settings: one.clone(),
                back: RedirectUrl::new(back).map_err(ServiceError::internal)?,
                network: Network(outbound.clone(), rule.clone()),
                state: Arc::default(),
            }))
        };
        let all: ServiceResult<_> = settings.providers.iter().map(provider).collect();
        Ok(Self(all?))
    }

    pub(super) fn find(&self, id: &str) -> Option<&Arc<Provider>> {
        self.0.iter().find(|provider| provider.settings.id == id)
    }
}

#[derive(Debug)]
pub(super) struct Provider {
    pub settings: ProviderSettings,
    back: RedirectUrl,
    network: Network,
    /// Whoever asks holds the lock; the others wait for what comes.
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    known: Option<Arc<Known>>,
    asked_at: Option<Instant>,
    /// When it was asked last because a signature did not fit.
    asked_anew_at: Option<Instant>,
    problem: Option<SsoError>,
}

impl State {
    /// Whether the provider must be asked: nothing is known of it, or that is old.
    fn is_due(&self, now: Instant) -> bool {
        let rests = |pause| self.asked_at.is_some_and(|at| lasts(at, pause, now));
        match (&self.known, &self.problem) {
            (Some(known), _) => !lasts(known.at, FRESH, now) && !rests(PAUSE),
            (None, Some(_)) => !rests(FAILED),
            (None, None) => true,
        }
    }

    fn answer(&self) -> Result<Arc<Known>, SsoError> {
        match (&self.known, &self.problem) {
            (Some(known), _) => Ok(known.clone()),
            (None, Some(problem)) => Err(problem.clone()),
            // Nobody has asked yet, which whoever calls this has made sure of.
            (None, None) => Err(SsoError::State),
        }
    }
}

/// What a provider says about itself.
#[derive(Debug)]
pub(super) struct Known {
    client: OidcClient,
    pub keys: Vec<ProviderKey>,
    names_itself: bool,
    takes_claims: bool,
    end_session: Option<Url>,
    at: Instant,
}

/// What a session keeps of the log-in at a provider, for logging out there, or here from there.
#[derive(Clone, Serialize, Deserialize)]
pub struct AtProvider {
    /// The ID token, as a hint of who wants to log out; sealed once it is in a session.
    id_token: String,
    /// The session at the provider, if it says.
    pub(super) sid: Option<String>,
}

impl std::fmt::Debug for AtProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AtProvider(…)")
    }
}

/// What an ID token is sealed for.
const HINT: &str = "ID token";
/// The longest one that is used as a hint, in bytes: it travels in an address.
const LONGEST_HINT: usize = 4096;

impl AtProvider {
    pub(super) fn sealed(self, keys: &Keys) -> ServiceResult<Self> {
        let sealed = keys.seal(HINT, self.id_token.as_bytes());
        let id_token = STANDARD_NO_PAD.encode(sealed.map_err(ServiceError::internal)?);
        Ok(Self { id_token, ..self })
    }

    /// The ID token, opened.
    pub(super) fn id_token(&self, keys: &Keys) -> ServiceResult<String> {
        let sealed = STANDARD_NO_PAD.decode(&self.id_token);
        let opened = keys.open(HINT, &sealed.map_err(ServiceError::internal)?);
        let opened = opened.map_err(ServiceError::internal)?.to_vec();
        String::from_utf8(opened).map_err(ServiceError::internal)
    }
}

/// What was asked, to be compared with the answer.
#[derive(Serialize, Deserialize)]
pub(super) struct Asked {
    provider: String,
    state: String,
    nonce: Nonce,
    verifier: PkceCodeVerifier,
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Asked({})", self.provider)
    }
}

impl Asked {
    pub(super) fn state(&self) -> &str {
        &self.state
    }

    /// Whether an answer has this question's state, at this question's provider.
    pub(super) fn is_answered_by(&self, provider: &Provider, answer: &SsoAnswer) -> bool {
        // Compared as hashes, whose first difference tells nothing.
        let is_ours = |state: &str| hash_token(state) == hash_token(&self.state);
        self.provider == provider.settings.id && answer.state.as_deref().is_some_and(is_ours)
    }
}

impl Provider {
    /// What is known of the provider, which is asked if that is nothing, or old.
    pub(super) async fn known(self: &Arc<Self>, now: Instant) -> Result<Arc<Known>, SsoError> {
        let state = self.state.clone().lock_owned().await;
        if state.is_due(now) {
            self.ask_for(state, now).await
        } else {
            state.answer()
        }
    }

    /// The same when a signature does not fit: the provider may have other keys by now, even under the
    /// same names.
    pub(super) async fn known_anew(
        self: &Arc<Self>,
        old: &Arc<Known>,
        now: Instant,
    ) -> Result<Arc<Known>, SsoError> {
        let mut state = self.state.clone().lock_owned().await;
        let is_tried = state
            .known
            .as_ref()
            .is_none_or(|known| Arc::ptr_eq(known, old));
        let rests = state.asked_anew_at.is_some_and(|at| lasts(at, PAUSE, now));
        if is_tried && !rests {
            state.asked_anew_at = Some(now);
            self.ask_for(state, now).await
        } else {
            state.answer()
        }
    }

    /// Asks the provider in a task of its own, which goes on when the caller goes away: callers who do
    /// so each time must not be able to keep the keys from ever coming.
    async fn ask_for(
        self: &Arc<Self>,
        mut state: OwnedMutexGuard<State>,
        now: Instant,
    ) -> Result<Arc<Known>, SsoError> {
        let provider = self.clone();
        let asking = async move {
            state.asked_at = Some(now);
            match (provider.discover(now).await, &state.known) {
                (Ok(known), _) => {
                    (state.known, state.problem) = (Some(Arc::new(known)), None);
                }
                // What was true an hour ago is the best that there is.
                (Err(_), Some(_)) => {}
                (Err(problem), None) => state.problem = Some(problem),
            }
            state.answer()
        };
        let asked = tokio::spawn(asking.in_current_span()).await;
        asked.unwrap_or_else(|_| Err(self.unreachable(OutboundError::Unreachable)))
    }

    async fn discover(&self, now: Instant) -> Result<Known, SsoError> {
        let metadata = Metadata::discover_async(self.settings.issuer.clone(), &self.network)
            .await
            .map_err(|error| self.undiscovered(error))?;
        let keys = metadata
            .jwks()
            .keys()
            .iter()
            .filter_map(ProviderKey::read)
            .collect();
        let more = metadata.additional_metadata();
        let names_itself = more.authorization_response_iss_parameter_supported;
        let end_session = more.end_session_endpoint.clone();
        let takes_claims = metadata.claims_parameter_supported() == Some(true);
        let methods = metadata.token_endpoint_auth_methods_supported();
        let takes_basic = methods
            .is_none_or(|methods| methods.contains(&CoreClientAuthMethod::ClientSecretBasic));
        let auth = if takes_basic {
            AuthType::BasicAuth
        } else {
            AuthType::RequestBody
        };
        let (id, secret) = (&self.settings.client_id, &self.settings.client_secret);
        let client = Client::from_provider_metadata(metadata, id.clone(), secret.clone())
            .set_redirect_uri(self.back.clone())
            .set_auth_type(auth);
        Ok(Known {
            client,
            keys,
            names_itself,
            takes_claims,
            end_session,
            at: now,
        })
    }

    /// The question that the browser brings to the provider; to `prove` something, whoever sits at it
    /// logs in anew (OpenID Connect Core section 3.1.2.1).
    pub(super) fn ask(&self, known: &Known, prove: bool) -> (Url, Asked) {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let [state, nonce] = [Token::generate(), Token::generate()].map(|t| t.expose().to_owned());
        let (sent_state, nonce) = (CsrfToken::new(state.clone()), Nonce::new(nonce));
        let sent_nonce = nonce.clone();
        let scopes = self.settings.scopes.iter().cloned().map(Scope::new);
        let request = known
            .client
            .authorize_url(
                AuthenticationFlow::<CoreResponseType>::AuthorizationCode,
                || sent_state,
                || sent_nonce,
            )
            .add_scopes(scopes)
            .set_pkce_challenge(challenge);
        let request = if prove {
            let anew = CoreAuthPrompt::Login;
            // Some providers refuse zero, or take it for nothing. A second is as good: `auth_time` decides.
            request.add_prompt(anew).set_max_age(Duration::from_secs(1))
        } else {
            request
        };
        // `max_age` alone should bring `auth_time`; some providers want to be asked for it.
        let request = if prove && known.takes_claims {
            request.add_extra_param("claims", AUTH_TIME)
        } else {
            request
        };
        let (url, _, _) = request.url();
        let asked = Asked {
            provider: self.settings.id.clone(),
            state,
            nonce,
            verifier,
        };
        (url, asked)
    }

    /// Checks the answer, whose state is right, and fetches who it is.
    pub(super) async fn finish(
        self: &Arc<Self>,
        services: &Services,
        asked: Asked,
        answer: SsoAnswer,
    ) -> Result<(Arrival, AtProvider), SsoError> {
        let known = self.known(services.now()).await?;
        match answer.iss {
            Some(issuer) if issuer != self.settings.issuer.as_str() => {
                return Err(SsoError::Issuer);
            }
            None if known.names_itself => return Err(SsoError::Issuer),
            _ => {}
        }
        if let Some(error) = answer.error {
            let words = answer.error_description.unwrap_or_default();
            return Err(self.refused(&error, &words));
        }
        let code = answer.code.ok_or_else(|| self.answered("no code"))?;
        let tokens = self.exchange(&known, code, asked.verifier).await?;
        let token = tokens
            .id_token
            .ok_or_else(|| self.answered("no ID token"))?;
        let now = services.now();
        let nonce = Some(asked.nonce.secret().as_str());
        let claims = self.verified(&known, &token, now, nonce).await?;
        let arrival = self.arrival(&claims, now)?;
        let sid = claims.text("sid").map(ToOwned::to_owned);
        // With a thousand groups in it, it would be too long for an address.
        let id_token = if token.len() > LONGEST_HINT {
            String::new()
        } else {
            token
        };
        Ok((arrival, AtProvider { id_token, sid }))
    }

    /// Where a person logs out of the provider, and comes back from to the log-in page.
    pub(super) fn log_out_url(&self, known: &Known, id_token: &str, back: &str) -> Option<Url> {
        let mut url = known.end_session.clone()?;
        let is_web = matches!(url.scheme(), "https" | "http");
        let mut query = url.query_pairs_mut();
        if !id_token.is_empty() {
            query.append_pair("id_token_hint", id_token);
        }
        query
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("post_logout_redirect_uri", back);
        drop(query);
        is_web.then_some(url)
    }

    async fn exchange(
        &self,
        known: &Known,
        code: String,
        verifier: PkceCodeVerifier,
    ) -> Result<Tokens, SsoError> {
        let request = known.client.exchange_code(AuthorizationCode::new(code));
        let request = request.map_err(|_| self.answered("metadata without a token endpoint"))?;
        let answer = request
            .set_pkce_verifier(verifier)
            .request_async(&self.network);
        answer.await.map_err(|error| match error {
            RequestTokenError::Request(cause) => self.unreachable(cause),
            RequestTokenError::ServerResponse(said) => {
                let words = said.error_description().map_or("", String::as_str);
                self.refused(said.error().as_ref(), words)
            }
            _ => self.answered("tokens that can't be read"),
        })
    }

    fn unreachable(&self, cause: OutboundError) -> SsoError {
        let name = self.settings.name.clone();
        SsoError::Unreachable { name, cause }
    }

    pub(super) fn answered(&self, fault: impl Into<String>) -> SsoError {
        let (name, fault) = (self.settings.name.clone(), fault.into());
        SsoError::Answer { name, fault }
    }

    fn refused(&self, error: &str, words: &str) -> SsoError {
        SsoError::Provider {
            name: self.settings.name.clone(),
            error: shown(&format!("{error} {words}")).trim().to_owned(),
        }
    }

    fn undiscovered(&self, error: DiscoveryError<OutboundError>) -> SsoError {
        match error {
            DiscoveryError::Request(cause) => self.unreachable(cause),
            DiscoveryError::Response(status, ..) if status != http::StatusCode::OK => {
                self.unreachable(OutboundError::Status(status.as_u16()))
            }
            DiscoveryError::Validation(_) => self.answered("the metadata of another issuer"),
            _ => self.answered("metadata or keys that can't be read"),
        }
    }
}

/// Asks what a provider's metadata leads to, under the rules for every URL that is asked.
#[derive(Debug)]
struct Network(Arc<dyn Outbound>, OutboundRule);

impl<'c> AsyncHttpClient<'c> for Network {
    type Error = OutboundError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, OutboundError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let url = OutboundUrl::parse(&request.uri().to_string(), &self.1);
            let url = url.map_err(|error| match error {
                InvalidUrl::Closed => OutboundError::Closed,
                _ => OutboundError::Unreachable,
            })?;
            self.0.send(&url, request).await
        })
    }
}

/// Reads an issuer as it is configured: an address that can be asked for metadata.
///
/// # Errors
/// What is wrong with it.
pub fn read_issuer(text: &str, rule: &OutboundRule) -> Result<IssuerUrl, String> {
    OutboundUrl::parse(text, rule).map_err(|error| error.to_string())?;
    IssuerUrl::new(text.to_owned()).map_err(|error| error.to_string())
}
