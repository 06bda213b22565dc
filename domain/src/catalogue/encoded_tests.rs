//! Percent-encoded values: which are taken, for whom, and that none of them is another call.

use super::tests::{answer, catalogue, file, shipped};
use super::*;

#[test]
fn a_value_may_be_any_text() {
    let catalogue = catalogue("a GET /v1/accounts/{id}\na GET /v1/accounts/{id}/cip");
    for value in [
        "a%20b",
        "J%C3%BCrgen",
        "Ju%CC%88rgen",
        "%E6%9D%B1%E4%BA%AC",
        "%F0%9F%91%A9%E2%80%8D%F0%9F%9A%80",
        "%D9%85%DB%8C%E2%80%8C%D8%AE%D9%88%D8%A7%D9%87%D9%85",
        "100%25",
        "%25",
        "%25zz",
        "5%25%20off",
        "%7Bx%7D",
        "%5Ba%5D",
        "%22quoted%22",
        "%3Ctag%3E",
        "a%7Cb",
        "a%5Eb",
        "%60",
        "a%2Bb",
        "a%40b",
        "a%3Ab",
        "%2E%2E%2E",
        "%20",
    ] {
        let template = "a:read /v1/accounts/{id}";
        let path = format!("/v1/accounts/{value}");
        assert_eq!(answer(&catalogue, "GET", &path), Ok(template.to_owned()));
        let path = path + "/cip";
        assert_eq!(
            answer(&catalogue, "GET", &path),
            Ok(format!("{template}/cip"))
        );
    }
}

#[test]
fn an_encoded_slash_is_taken_only_where_the_catalogue_says_so() {
    let catalogue = catalogue(
        "a GET /v1/assets/{symbol:slashes}
         b GET /v1/accounts/{id}
         c GET /v1/files/{path*}
         d GET /v1/words/{word:word}
         e GET /v1/exports/{name:slashes}.csv",
    );
    for (path, wanted) in [
        ("assets/BTC%2FUSD", Ok("a:read /v1/assets/{symbol:slashes}")),
        ("assets/BTC%2fUSD", Ok("a:read /v1/assets/{symbol:slashes}")),
        ("assets/AAPL", Ok("a:read /v1/assets/{symbol:slashes}")),
        ("assets/a%2Fb%2Fc", Ok("a:read /v1/assets/{symbol:slashes}")),
        ("accounts/BTC%2FUSD", Err(PathFault::EncodedSlash.into())),
        ("files/a%2Fb/c", Ok("c:read /v1/files/{path*}")),
        ("words/a%2Fb", Err(Refusal::WrongKind)),
        (
            "exports/a%2Fb.csv",
            Ok("e:read /v1/exports/{name:slashes}.csv"),
        ),
        // Not even there.
        ("assets/BTC/USD", Err(Refusal::UnknownPath)),
        ("assets/..%2Faccounts", Err(PathFault::DotSegment.into())),
        ("assets/a%2F%2Fb", Err(PathFault::EmptySegment.into())),
        ("assets/a%2F", Err(PathFault::EmptySegment.into())),
        ("assets/a%252Fb", Err(PathFault::EncodedTwice.into())),
        ("assets/a%5Cb", Err(PathFault::Character.into())),
        ("assets/a%3Bb", Err(PathFault::Character.into())),
        ("files/a/..%2Fb", Err(PathFault::DotSegment.into())),
        // A literal has no slash.
        ("assets%2FAAPL", Err(Refusal::UnknownPath)),
    ] {
        let path = format!("/v1/{path}");
        let wanted = wanted.map(str::to_owned);
        assert_eq!(answer(&catalogue, "GET", &path), wanted, "{path}");
    }
}

#[test]
fn a_value_that_leads_elsewhere_once_its_slash_is_decoded_is_refused() {
    let catalogue = catalogue(
        "a GET /assets/{symbol:slashes}
         b GET /assets/bonds/treasuries
         b POST /assets/{symbol:slashes}/exercise
         c GET /files/{path*}
         d GET /files/{id}/versions",
    );
    let elsewhere = Err(Refusal::VariantOfLiteral);
    for (path, wanted) in [
        ("/assets/BTC%2FUSD", Ok("a:read /assets/{symbol:slashes}")),
        ("/assets/bonds%2Ftreasuries", elsewhere),
        ("/assets/Bonds%2FTreasuries.json", elsewhere),
        ("/assets/BTC%2Fexercise", elsewhere),
        (
            "/assets/bonds%2Fother",
            Ok("a:read /assets/{symbol:slashes}"),
        ),
        ("/files/a%2Fb", Ok("c:read /files/{path*}")),
        ("/files/a%2Fversions", elsewhere),
        ("/files/a/Versions", elsewhere),
    ] {
        let wanted = wanted.map(str::to_owned);
        assert_eq!(answer(&catalogue, "GET", path), wanted, "{path}");
    }
}

#[test]
fn a_tail_takes_what_is_left_of_a_path() {
    let catalogue = catalogue(
        "a GET /files/{path*}
         b GET /files/{id}
         c GET /files/index
         d GET /{any*}",
    );
    for (path, wanted) in [
        ("/files/a/b/c.txt", Ok("a:read /files/{path*}")),
        ("/files/a/b%20c", Ok("a:read /files/{path*}")),
        ("/files/a", Ok("b:read /files/{id}")),
        ("/files/index", Ok("c:read /files/index")),
        ("/files/Index", Err(Refusal::VariantOfLiteral)),
        ("/files/index/a", Ok("a:read /files/{path*}")),
        ("/files", Ok("d:read /{any*}")),
        ("/x/y/z", Ok("d:read /{any*}")),
        ("/", Err(Refusal::UnknownPath)),
        ("/files/a/", Err(Refusal::UnknownPath)),
        ("/files/a//b", Err(PathFault::EmptySegment.into())),
        ("/files/../b", Err(PathFault::DotSegment.into())),
    ] {
        let wanted = wanted.map(str::to_owned);
        assert_eq!(answer(&catalogue, "GET", path), wanted, "{path}");
    }
}

#[test]
fn a_tail_is_the_whole_last_segment_without_a_kind() {
    for path in [
        "/{x*}/y",
        "/{x*}/",
        "/a{x*}",
        "/{x*}.json",
        "/{x*:word}",
        "/{x*:nothing}",
    ] {
        let error = Catalogue::try_from(file(&format!("a GET {path}"))).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("{name*}"), "{path}: {message}");
    }
}

/// What an API that decodes a path before it looks for it would see: no gateway changes that.
#[test]
fn an_encoded_literal_never_falls_to_a_parameter() {
    let catalogue = catalogue(
        "a GET /x/{id}
         b GET /x/books
         b GET /x/{id}:renew
         c GET /{a}/{b}/{c}",
    );
    for (path, wanted) in [
        ("/x/%62ooks", Ok("b:read /x/books")),
        ("/x/%42ooks", Err(Refusal::VariantOfLiteral)),
        ("/x/books%20", Err(Refusal::VariantOfLiteral)),
        ("/x/books%27", Err(Refusal::VariantOfLiteral)),
        ("/x/b%6Foks%2Ejson", Err(Refusal::VariantOfLiteral)),
        ("/x/1%3Arenew", Ok("b:read /x/{id}:renew")),
        ("/x/1%3ARenew", Err(Refusal::VariantOfLiteral)),
        ("/x/1:r%65new%20", Err(Refusal::VariantOfLiteral)),
        ("/x/%E6%9D%B1", Ok("a:read /x/{id}")),
    ] {
        let wanted = wanted.map(str::to_owned);
        assert_eq!(answer(&catalogue, "GET", path), wanted, "{path}");
    }
}

#[test]
fn the_shipped_catalogue_takes_crypto_symbols() {
    let account = "0c6b1f3e-7a55-4b0e-9d8e-6f2d3c4b5a69";
    for (path, scope) in [
        ("/v1/assets/BTC%2FUSD", Ok("data:read")),
        ("/v1/assets/BTC%2fUSD", Ok("data:read")),
        (
            "/v1/trading/accounts/{}/positions/ETH%2FUSD",
            Ok("trading:read"),
        ),
        (
            "/v1/assets/fixed_income%2Fus_treasuries",
            Err(Refusal::VariantOfLiteral),
        ),
        (
            "/v1/trading/accounts/{}/positions/X%2Fexercise",
            Err(Refusal::VariantOfLiteral),
        ),
        ("/v2/stocks/A%2FB/bars", Err(PathFault::EncodedSlash.into())),
        ("/v1/accounts/{}%2Fcip", Err(Refusal::WrongKind)),
    ] {
        let path = path.replace("{}", account);
        let found = shipped().find("GET", &path);
        let found = found.map(|found| found.scope.name.at(found.level).to_string());
        assert_eq!(found, scope.map(str::to_owned), "{path}");
    }
}
