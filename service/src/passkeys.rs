//! Passkeys (W3C Web Authentication), by `webauthn-rs`: the person's authenticator asks for their
//! finger, face or PIN and signs what it is asked. Each question is answered once.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::recovery_code::RecoveryCode;
use domain::text::PasskeyName;
use domain::user::UserId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use storage::{Epoch, NewSecondFactor, PasskeyRow};
use url::Url;
use webauthn_rs::prelude::{
    CredentialID, Passkey, PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Webauthn, WebauthnBuilder,
};

use crate::Services;
use crate::actor::Actor;
use crate::error::{ServiceError, ServiceResult};
use crate::proof::person;
use crate::sessions::HalfLogIn;

/// What authenticators know Keyrack by; nothing, where browsers have no passkeys: without TLS, or at
/// an address in place of a name.
#[derive(Debug)]
pub(crate) struct RelyingParty(Option<Webauthn>);

impl RelyingParty {
    pub(crate) fn new(issuer: &str) -> Self {
        Self(Url::parse(issuer).ok().and_then(|url| relying_party(&url)))
    }

    fn get(&self) -> ServiceResult<&Webauthn> {
        self.0.as_ref().ok_or_else(|| {
            let problem = "passkeys need https:// and a name in the address of Keyrack";
            ServiceError::field("", problem)
        })
    }
}

fn relying_party(issuer: &Url) -> Option<Webauthn> {
    let name = issuer.domain()?;
    let is_secure = issuer.scheme() == "https" || name == "localhost";
    let origin = Url::parse(&issuer.origin().ascii_serialization()).ok()?;
    let builder = WebauthnBuilder::new(name, &origin).ok()?.rp_name("Keyrack");
    builder.build().ok().filter(|_| is_secure)
}

/// What the browser asks an authenticator.
#[derive(Debug, Serialize)]
pub struct PasskeyQuestion {
    /// What its answer is to bring along.
    ticket: String,
    /// The options, as `PublicKeyCredential.parse…OptionsFromJSON` reads them.
    options: Value,
}

/// What the browser brings: the ticket, and the authenticator's answer.
#[derive(Deserialize)]
struct Presented<T> {
    ticket: String,
    response: T,
}

impl Services {
    /// Whether people can have passkeys here.
    #[must_use]
    pub fn has_passkeys(&self) -> bool {
        self.0.relying_party.0.is_some()
    }

    /// The question for a new passkey of the actor's.
    pub async fn ask_for_new_passkey(&self, actor: &Actor) -> ServiceResult<PasskeyQuestion> {
        self.may_add_second_factor(actor).await?;
        let person = person(actor)?;
        self.count_question(person.id)?;
        let known = self.passkeys_of(person.id).await?;
        let known: Vec<CredentialID> = known.iter().map(|one| one.cred_id().clone()).collect();
        let (options, asked) = self
            .0
            .relying_party
            .get()?
            .start_passkey_registration(person.id.0, &person.email, &person.name, Some(known))
            .map_err(ServiceError::internal)?;
        let ticket = self.keep(&new_context(person.epoch), &asked).await?;
        question(ticket.expose(), &options.public_key)
    }

    /// Adds a passkey that an authenticator has made; the actor's other sessions end. With the first
    /// second factor come recovery codes, shown once.
    pub async fn add_passkey(
        &self,
        actor: &Actor,
        name: &str,
        presented: &str,
    ) -> ServiceResult<Vec<RecoveryCode>> {
        self.may_add_second_factor(actor).await?;
        let epoch = person(actor)?.epoch;
        let name: PasskeyName = name.parse().map_err(|e| ServiceError::field("name", e))?;
        let wrong = || {
            ServiceError::field(
                "",
                "this passkey was not made for Keyrack, or took too long: begin again",
            )
        };
        let presented: Presented<RegisterPublicKeyCredential> =
            read(presented).ok_or_else(wrong)?;
        let asked = self.take(&new_context(epoch), &presented.ticket).await?;
        let asked: PasskeyRegistration = asked.ok_or_else(wrong)?;
        let party = self.0.relying_party.get()?;
        let passkey = party.finish_passkey_registration(&presented.response, &asked);
        let passkey = passkey.map_err(|_| wrong())?;
        let row = PasskeyRow {
            id: id_of(passkey.cred_id()),
            name: name.to_string(),
            state: serde_json::to_string(&passkey).map_err(ServiceError::internal)?,
            created_at: self.now(),
            last_used_at: None,
        };
        let detail = json!({ "kind": "passkey", "name": row.name });
        let factor = NewSecondFactor::Passkey(row);
        self.add_second_factor(actor, factor, detail).await
    }

    /// The question for one of the actor's passkeys.
    pub async fn ask_for_passkey(&self, actor: &Actor) -> ServiceResult<PasskeyQuestion> {
        self.ask_passkeys_of(person(actor)?.epoch).await
    }

    /// The question for a passkey in the second step of a log-in.
    pub async fn ask_half_for_passkey(&self, half: &HalfLogIn) -> ServiceResult<PasskeyQuestion> {
        self.half_logged_in(half).await?;
        self.ask_passkeys_of(half.epoch()).await
    }

    async fn ask_passkeys_of(&self, epoch: Epoch) -> ServiceResult<PasskeyQuestion> {
        let passkeys = self.passkeys_of(epoch.user()).await?;
        if passkeys.is_empty() {
            return Err(ServiceError::field(
                "proof",
                "you have no passkey here: use a code",
            ));
        }
        self.count_question(epoch.user())?;
        let party = self.0.relying_party.get()?;
        let asked = party.start_passkey_authentication(&passkeys);
        let (options, asked) = asked.map_err(ServiceError::internal)?;
        let ticket = self.keep(&context(epoch), &asked).await?;
        question(ticket.expose(), &options.public_key)
    }

    /// Each question is kept until it is answered or too old; so many an hour, answered or not.
    fn count_question(&self, user: UserId) -> ServiceResult<()> {
        self.0.passkey_questions.count(&user, self.now())
    }

    /// Checks what an authenticator signed, and notes the use.
    pub(crate) async fn use_passkey(
        &self,
        epoch: Epoch,
        presented: &str,
    ) -> ServiceResult<Option<&'static str>> {
        let Some(presented) = read::<Presented<PublicKeyCredential>>(presented) else {
            return Ok(None);
        };
        let user = epoch.user();
        let asked = self.take(&context(epoch), &presented.ticket).await?;
        let Some(asked): Option<PasskeyAuthentication> = asked else {
            return Ok(None);
        };
        let party = self.0.relying_party.get()?;
        let Ok(result) = party.finish_passkey_authentication(&presented.response, &asked) else {
            return Ok(None);
        };
        let passkeys = self.passkeys_of(user).await?.into_iter();
        for mut passkey in passkeys {
            if passkey.update_credential(&result).is_some() {
                let state = serde_json::to_string(&passkey).map_err(ServiceError::internal)?;
                let (id, now) = (id_of(passkey.cred_id()), self.now());
                let used = self.store().use_passkey(user, id, state, now).await?;
                return Ok(used.then_some("passkey"));
            }
        }
        Ok(None)
    }

    async fn passkeys_of(&self, user: UserId) -> ServiceResult<Vec<Passkey>> {
        let rows = self.store().find_second_factors(user).await?.passkeys;
        let passkeys = rows.iter().map(|row| serde_json::from_str(&row.state));
        passkeys
            .collect::<Result<_, _>>()
            .map_err(ServiceError::internal)
    }
}

fn question(ticket: &str, options: &impl Serialize) -> ServiceResult<PasskeyQuestion> {
    Ok(PasskeyQuestion {
        ticket: ticket.to_owned(),
        options: serde_json::to_value(options).map_err(ServiceError::internal)?,
    })
}

/// An authenticator's id of a passkey, base64url.
fn id_of(id: &CredentialID) -> String {
    URL_SAFE_NO_PAD.encode(id)
}

fn read<T: DeserializeOwned>(text: &str) -> Option<T> {
    const LONGEST: usize = 16_384;
    if text.len() > LONGEST {
        return None;
    }
    serde_json::from_str(text).ok()
}

/// What a question is sealed in: it is answered by its person only, and in the epoch it was asked in.
fn context(epoch: Epoch) -> String {
    format!("passkey question {epoch}")
}

fn new_context(epoch: Epoch) -> String {
    format!("new passkey {epoch}")
}
