// Keys and assertions as a program makes them that has nothing of Keyrack: with node:crypto only.
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, randomUUID, sign } from "node:crypto";

export interface Pair {
  privateKey: KeyObject;
  /** PEM. */
  public: string;
  /** PEM, PKCS#8. */
  private: string;
  /** RFC 7638. */
  thumbprint: string;
}

/** A P-256 key pair. */
export function makePair(): Pair {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return {
    privateKey,
    public: publicKey.export({ type: "spki", format: "pem" }).toString(),
    private: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    thumbprint: thumbprint(publicKey),
  };
}

/** The thumbprint of a key, or of the public part of one. */
export function thumbprint(key: KeyObject): string {
  const { crv, kty, x, y, e, n } = (key.type === "private" ? createPublicKey(key) : key).export({ format: "jwk" });
  const members = kty === "RSA" ? { e, kty, n } : kty === "OKP" ? { crv, kty, x } : { crv, kty, x, y };
  return createHash("sha256").update(JSON.stringify(members)).digest("base64url");
}

/** An assertion of a credential for an issuer, with other claims where they are given. */
export function assertion(key: KeyObject, keyId: string, issuer: string, claims: Record<string, unknown> = {}): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const usual = { iss: keyId, sub: keyId, aud: issuer, iat: now, exp: now + 60, jti: randomUUID() };
  const signed = `${part({ alg: "ES256", typ: "client-authentication+jwt" })}.${part({ ...usual, ...claims })}`;
  const signature = sign("sha256", Buffer.from(signed), { key, dsaEncoding: "ieee-p1363" });
  return `${signed}.${signature.toString("base64url")}`;
}
