//! No root certificates. sqlx trusts those of webpki-roots beside the one that `sslrootcert` names, so
//! that anybody with a certificate from a public authority could stand in for a database whose own
//! authority was named. With this in its place it trusts what it is given, and nothing else.

/// None.
pub const TLS_SERVER_ROOTS: &[pki_types::TrustAnchor<'static>] = &[];
