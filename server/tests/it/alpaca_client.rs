//! Each method of Alpaca's own client library makes a call that the shipped catalogue lists: none is
//! refused for its path, and none goes to the scope of another. Through a gateway its calls are let through
//! or refused as the credential's access says, and it understands the refusals.

use std::process::Command;

use domain::catalogue::Catalogue;
use server::state::GateMode;

use crate::foreign_client::printed_by;
use crate::gateways::Gateway;

const SHIPPED: &str = include_str!("../../../catalogue/alpaca-broker.toml");

/// The scope that the documents put a call under, by the beginning of its path: the first that fits.
/// Without a level it is that of the method.
const SCOPES: [(&str, &str); 20] = [
    ("/v1/events/", "sse_events:read"),
    ("/v1/rebalancing/", "rebalancing"),
    ("/v1/journals", "journaling"),
    ("/v1/assets", "data:read"),
    ("/v1/calendar", "data:read"),
    ("/v1/clock", "data:read"),
    ("/v1/corporate_actions/", "data:read"),
    ("/v1/accounts/positions", "trading:read"),
    ("/v1/accounts/{}/ach_relationships", "funding"),
    ("/v1/accounts/{}/recipient_banks", "funding"),
    ("/v1/accounts/{}/transfers", "funding"),
    ("/v1/accounts/{}/documents", "accounts"),
    ("/v1/accounts/{}/actions/close", "accounts"),
    ("/v1/accounts", "accounts"),
    ("/v1/trading/accounts/{}/account/configurations", "trading"),
    ("/v1/trading/accounts/{}/account/portfolio", "trading"),
    ("/v1/trading/accounts/{}/account", "accounts"),
    ("/v1/trading/accounts/{}/orders", "trading"),
    ("/v1/trading/accounts/{}/positions", "trading"),
    ("/v1/trading/accounts/{}/watchlists", "trading"),
];

#[test]
fn every_call_of_alpacas_client_goes_where_its_documents_say() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/alpaca_client.py");
    let output = Command::new("python-alpaca").arg(script).output();
    let output = output.expect("tools/setup.sh test installs alpaca-py");
    assert!(output.status.success(), "{output:?}");
    let catalogue = Catalogue::read(SHIPPED).catalogue.unwrap();
    let mut silent = Vec::new();
    let mut calls = 0;
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let [name, method, path] = line.split(' ').collect::<Vec<_>>()[..] else {
            silent.push(line.to_owned());
            continue;
        };
        let found = catalogue.find(method, path);
        let found = found.unwrap_or_else(|refusal| panic!("{line}: {refusal}"));
        let shape = path.replace("0c6b1f3e-7a55-4b0e-9d8e-6f2d3c4b5a69", "{}");
        let (_, wanted) = SCOPES
            .iter()
            .find(|(start, _)| shape.starts_with(start))
            .unwrap();
        let level = if method == "GET" { "read" } else { "write" };
        let wanted = match wanted.split_once(':') {
            Some(_) => (*wanted).to_owned(),
            None => format!("{wanted}:{level}"),
        };
        assert_eq!(
            found.scope.name.at(found.level).to_string(),
            wanted,
            "{line}"
        );
        // No id of the call stands for a word of the API, nor a word for an id.
        let words = |path: &str| path.split('/').filter(|part| !part.contains('{')).count();
        let sent = shape.replace("BTC%2FUSD", "{}");
        assert_eq!(
            words(found.template),
            words(&sent),
            "{name} {}",
            found.template
        );
        calls += 1;
    }
    // These two are in the library, and empty.
    let empty = [
        "get_cip_data_for_account_by_id",
        "upload_cip_data_for_account_by_id",
    ];
    assert_eq!(silent, empty);
    assert_eq!(calls, 74);
}

/// What the library prints of its calls, [`alpaca_calls.py`], with the credential's pair as the legacy one.
#[tokio::test]
async fn alpacas_client_goes_through_each_gateway_as_its_access_says() {
    for mode in [GateMode::Nginx, GateMode::Caddy] {
        let gateway = Gateway::start(mode).await;
        let access = "accounts=read data=read trading=write";
        let key = gateway.app.issue("legacy", access).await;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/alpaca_calls.py");
        let mut client = Command::new("python-alpaca");
        client
            .arg(script)
            .args([&format!("http://{}", gateway.address), &key.id, &key.secret]);
        let printed = printed_by(client).await;
        let id = "0c6b1f3e-7a55-4b0e-9d8e-6f2d3c4b5a69";
        let expected = [
            format!("account GET /v1/trading/accounts/{id}/account"),
            "asset GET /v1/assets/BTC%2FUSD".to_owned(),
            format!("position DELETE /v1/trading/accounts/{id}/positions/AAPL"),
            "journal 403 insufficient_scope".to_owned(),
            "stranger 401 invalid_credentials".to_owned(),
            "headers GET /v1/clock".to_owned(),
            "other_version 403 path_not_allowed".to_owned(),
        ];
        assert_eq!(printed.lines().collect::<Vec<_>>(), expected, "{mode:?}");
    }
}
