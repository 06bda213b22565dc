//! The gateways page: the list, adding one, its token shown once with the configuration around it.

use domain::gateway::GatewayKind;
use domain::role::Permission;
use leptos::prelude::*;

use super::{GatewayRow, list_gateways};
use crate::components::{
    Cell, Column, CopyButton, Dialog, DialogActions, DialogLink, EmptyState, ErrorState, Field,
    Glyph, Moment, PageHead, PostForm, RefusedElsewhere, Select, Skeleton, State, Status, Table,
    Time,
};
use crate::error::ApiError;
use crate::features::signing_keys::SigningKeys;
use crate::form::{Answer, FormOutcome, ShownOnce, use_answer};
use crate::frame::Only;

/// Where a new gateway is posted to.
const ADD: &str = "/gateways";

/// The gateways page.
#[component]
pub fn GatewaysPage() -> impl IntoView {
    let answer = StoredValue::new(use_answer());
    view! {
        <Only permission=Permission::ManageGateways>
            <Contents answer=answer.get_value() />
        </Only>
    }
    .into_any()
}

#[component]
fn Contents(answer: Answer) -> impl IntoView {
    let Answer {
        outcome,
        shown_once,
    } = answer;
    let gateways = Resource::new_blocking(|| (), |()| list_gateways());
    view! {
        <PageHead
            title="Gateways"
            lead="The machines that ask Keyrack about calls and tokens, each with a token of its own."
        >
            <a class="btn" href="#add" rel="external">
                "Add a gateway"
            </a>
        </PageHead>
        <div class="stack">
            {shown_once.map(|shown| view! { <NewToken shown=shown /> })}
            <RefusedElsewhere outcome=outcome.clone() form=ADD />
            <div class="card">
                <Transition fallback=|| view! { <Skeleton /> }>
                    {move || Suspend::new(async move { table(gateways.await) })}
                </Transition>
            </div>
            <AddGateway outcome=outcome.clone() />
            <SigningKeys outcome=outcome />
        </div>
    }
    .into_any()
}

fn table(gateways: Result<Vec<GatewayRow>, ApiError>) -> AnyView {
    let gateways = match gateways {
        Ok(gateways) => gateways,
        Err(error) => return view! { <ErrorState error=error /> }.into_any(),
    };
    if gateways.is_empty() {
        return view! {
            <EmptyState
                glyph=Glyph::Lock
                title="No gateways yet"
                text="The gate answers whoever asks from a configured address. Add a gateway to give a machine a token of its own."
            />
        }
        .into_any();
    }
    let columns = [
        "Gateway",
        "Kind",
        "State",
        "Addresses",
        "Audiences",
        "Last seen",
    ]
    .map(Column::new)
    .into_iter()
    .chain([Column::hidden("Manage")])
    .collect();
    let rows = gateways
        .into_iter()
        .map(|gateway| view! { <GatewayLine gateway=gateway /> })
        .collect_view();
    view! {
        <Table caption="Gateways" columns=columns>
            {rows}
        </Table>
    }
    .into_any()
}

#[component]
fn GatewayLine(gateway: GatewayRow) -> impl IntoView {
    let dim = !gateway.active;
    let manage = gateway
        .active
        .then(|| view! { <Manage gateway=gateway.clone() /> });
    let status = if gateway.active {
        Status::Active
    } else {
        Status::Disabled
    };
    let seen = gateway.last_seen.map_or_else(
        || view! { <span class="quiet">"never"</span> }.into_any(),
        |(at, address)| {
            view! {
                <span class="two">
                    <Time at=at />
                    <span class="quiet">{address}</span>
                </span>
            }
            .into_any()
        },
    );
    let or_any = |list: String| {
        if list.is_empty() {
            "any".to_owned()
        } else {
            list
        }
    };
    let (addresses, audiences) = (or_any(gateway.addresses), or_any(gateway.audiences));
    view! {
        <tr role="row" class:dim=dim>
            <Cell names_row=true>
                <span class="two">
                    <b>{gateway.name}</b>
                    <span class="quiet">
                        "added " <Moment at=gateway.created_at /> {format!(" by {}", gateway.created_by)}
                    </span>
                </span>
            </Cell>
            <Cell label="Kind">{gateway.kind.label()}</Cell>
            <Cell label="State">
                <State status=status />
            </Cell>
            <Cell label="Addresses">{addresses}</Cell>
            <Cell label="Audiences">{audiences}</Cell>
            <Cell label="Last seen">{seen}</Cell>
            <Cell>
                <div class="row-actions">{manage}</div>
            </Cell>
        </tr>
    }
    .into_any()
}

/// The dialog with everything that can be done about a gateway.
#[component]
fn Manage(gateway: GatewayRow) -> impl IntoView {
    let GatewayRow {
        id,
        name,
        kind,
        addresses,
        audiences,
        ..
    } = gateway;
    let dialog = format!("manage-{id}");
    let action = |what: &str| format!("/gateways/{id}/{what}");
    let (edit, token, remove) = (action("edit"), action("token"), action("remove"));
    let field = |what: &str| format!("{what}-{id}");
    let ids = ["name", "kind", "addresses", "audiences"].map(field);
    let [name_id, kind_id, addresses_id, audiences_id] = ids;
    let (title, hidden) = (name.clone(), name.clone());
    view! {
        <DialogLink dialog=dialog.clone() class="btn small">
            "Manage "
            <span class="vh">{hidden}</span>
        </DialogLink>
        <Dialog id=dialog title=title>
            <section>
                <form class="stack-s" method="post" action=edit data-proof="">
                    <Field name="name" id=name_id label="Name" value=name maxlength=80 />
                    <Select
                        name="kind"
                        id=kind_id
                        label="Kind"
                        options=kinds()
                        value=kind.as_str()
                    />
                    <Field
                        name="addresses"
                        id=addresses_id
                        label="Addresses"
                        value=addresses
                        maxlength=2_000
                        hint="Its token works from these only; from anywhere if there are none."
                        optional=true
                    />
                    <Field
                        name="audiences"
                        id=audiences_id
                        label="Audiences"
                        value=audiences
                        maxlength=2_000
                        hint="It accepts access tokens for these only, and no legacy keys; everything if there are none."
                        optional=true
                    />
                    <button class="btn">"Save"</button>
                </form>
            </section>
            <section>
                <form class="stack-s" method="post" action=token data-proof="">
                    <p class="dialog-text">
                        "A new token is shown once. The old one ends at once: until the gateway has \
                        the new one, its calls are refused."
                    </p>
                    <button class="btn danger">"Replace the token"</button>
                </form>
            </section>
            <section>
                <form class="stack-s" method="post" action=remove data-proof="">
                    <p class="dialog-text">
                        "Its token ends at once, and this can't be undone. It stays in the list."
                    </p>
                    <button class="btn danger">"Remove"</button>
                </form>
            </section>
            <DialogActions leave="Close" />
        </Dialog>
    }
    .into_any()
}

/// Values and words of the kinds.
fn kinds() -> Vec<(String, String)> {
    GatewayKind::ALL
        .map(|kind| (kind.as_str().to_owned(), kind.label().to_owned()))
        .to_vec()
}

#[component]
fn AddGateway(outcome: Option<FormOutcome>) -> impl IntoView {
    view! {
        <section class="card section" id="add">
            <h2>"Add a gateway"</h2>
            <p>"You get its token, and a configuration that uses it."</p>
            <PostForm action=ADD outcome=outcome proof=true>
                <div class="fields">
                    <Field name="name" label="Name" maxlength=80 />
                    <Select
                        name="kind"
                        label="Kind"
                        options=kinds()
                        value=GatewayKind::Nginx.as_str()
                        hint="It decides how the gateway says what was called."
                    />
                    <Field
                        name="addresses"
                        label="Addresses"
                        hint="Such as 192.0.2.7 or 10.0.0.0/8, with commas between. Its token works from these only."
                        maxlength=2_000
                        optional=true
                        whole=true
                    />
                    <Field
                        name="audiences"
                        label="Audiences"
                        hint="Where access tokens can be for several APIs: the ones behind this gateway, with commas between. Tokens for others are refused, and legacy keys, which are for none."
                        maxlength=2_000
                        optional=true
                        whole=true
                    />
                </div>
                <div class="form-actions">
                    <button class="btn primary">"Add gateway"</button>
                </div>
            </PostForm>
        </section>
    }
    .into_any()
}

/// A gateway's new token. It is not kept anywhere.
#[component]
fn NewToken(shown: ShownOnce) -> impl IntoView {
    let ShownOnce::GatewayToken {
        name,
        gateway: kind,
        token,
        configuration,
    } = shown
    else {
        return ().into_any();
    };
    let is_for_calls = kind != GatewayKind::Introspection;
    let advice = is_for_calls.then(|| {
        view! {
            <p>
                "Change the names and addresses of the example to yours. Then let the API refuse every call that \
                lacks X-Keyrack-Key-Id: nothing reaches it past the gateway, then."
            </p>
        }
    });
    view! {
        <section class="card section stack" aria-labelledby="token-title">
            <h2 id="token-title">{format!("The token of {name}")}</h2>
            <p>"It is shown only now. If it gets lost, replace it."</p>
            <div class="copy">
                <code>{token.clone()}</code>
                <CopyButton text=token what="the token" />
            </div>
            <h3>{format!("For {}", kind.label())}</h3>
            {advice}
            <div class="snippet">
                <pre tabindex="0">
                    <code>{configuration.clone()}</code>
                </pre>
                <CopyButton text=configuration what="the configuration" />
            </div>
        </section>
    }
    .into_any()
}
