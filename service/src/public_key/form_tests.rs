//! One key is one key, in whatever form people have it. The files are OpenSSL's.

use super::*;

/// The key as `openssl pkey -pubout` writes it, and the same in other forms.
const FORMS: [(&str, &[&str]); 4] = [
    (
        include_str!("fixtures/p256.pem"),
        &[
            include_str!("fixtures/p256-compressed.pem"),
            include_str!("fixtures/p256.crt"),
            // As `openssl x509 -text` writes it, with words before.
            include_str!("fixtures/p256-described.crt"),
        ],
    ),
    (
        include_str!("fixtures/p384.pem"),
        &[
            include_str!("fixtures/p384-compressed.pem"),
            include_str!("fixtures/p384.crt"),
        ],
    ),
    (
        include_str!("fixtures/rsa.pem"),
        &[
            include_str!("fixtures/rsa-pkcs1.pem"),
            include_str!("fixtures/rsa.crt"),
        ],
    ),
    (
        include_str!("fixtures/ed.pem"),
        &[include_str!("fixtures/ed.crt")],
    ),
];

/// What happens to a text on its way through editors, variables and forms.
fn ways(text: &str) -> [String; 7] {
    [
        text.to_owned(),
        format!("\u{feff}{text}"),
        text.replace('\n', "\r\n"),
        text.replace('\n', ""),
        text.replace('\n', " "),
        text.replace('\n', "\\n"),
        format!("\n\n  {text}\n\n"),
    ]
}

#[test]
fn a_key_is_read_in_every_form_that_people_have_it_in() {
    for (plain, others) in FORMS {
        let key: PublicKey = plain.parse().unwrap();
        for form in [plain].iter().chain(others) {
            for text in ways(form) {
                assert_eq!(text.parse().as_ref(), Ok(&key), "{text}");
                assert_eq!(
                    PublicKey::parse_all(&text).as_deref(),
                    Ok(&[key.clone()][..])
                );
            }
        }
        // As consoles show it: without its first and last line, with or without the others' ends.
        let lines: Vec<_> = plain
            .lines()
            .filter(|line| !line.starts_with('-'))
            .collect();
        for text in [lines.concat(), lines.join("\n")] {
            assert_eq!(text.parse().as_ref(), Ok(&key), "{text}");
        }
    }
}

#[test]
fn a_jwk_or_a_set_with_the_mark_of_a_byte_order_is_read() {
    let key: PublicKey = FORMS[0].0.parse().unwrap();
    let jwk = Value::Object(key.jwk.clone()).to_string();
    assert_eq!(format!("\u{feff}{jwk}").parse().as_ref(), Ok(&key));
    let set = format!("\u{feff}{{\"keys\":[{jwk}]}}");
    assert_eq!(
        PublicKey::parse_all(&set).as_deref(),
        Ok(&[key.clone()][..])
    );
    assert_eq!(PublicKey::parse_published(&set).as_deref(), Ok(&[key][..]));
}

#[test]
fn check_26_what_is_no_single_public_key_is_refused_in_every_form() {
    let (p256, certificate) = (FORMS[0].0, FORMS[0].1[1]);
    let body = p256.replace("BEGIN PUBLIC", "BEGIN SECRET");
    let off_curve = p256.replace("bg==", "bw==");
    let table = [
        (
            format!("{certificate}{certificate}"),
            InvalidPublicKey::Several,
        ),
        (format!("{p256}{certificate}"), InvalidPublicKey::Several),
        (
            include_str!("fixtures/k1.pem").to_owned(),
            InvalidPublicKey::Unsupported,
        ),
        (
            include_str!("fixtures/request.pem").to_owned(),
            InvalidPublicKey::Malformed,
        ),
        (body, InvalidPublicKey::Malformed),
        (off_curve, InvalidPublicKey::Malformed),
        (
            certificate.replace("CERTIFICATE", "PUBLIC KEY"),
            InvalidPublicKey::Malformed,
        ),
        (
            p256.replace("PUBLIC KEY", "CERTIFICATE"),
            InvalidPublicKey::Malformed,
        ),
        (p256[..120].to_owned(), InvalidPublicKey::Malformed),
        (
            "-----BEGIN PUBLIC KEY".to_owned(),
            InvalidPublicKey::Malformed,
        ),
        (
            format!("{certificate}-----BEGIN PRIVATE KEY-----\nAA"),
            InvalidPublicKey::Private,
        ),
        (
            "-----BEGIN PRIVATE KEY-----\\nMII".to_owned(),
            InvalidPublicKey::Private,
        ),
    ];
    for (text, error) in table {
        assert_eq!(text.parse::<PublicKey>(), Err(error), "{text}");
    }
}
