// OAuth clients and a verifier that others wrote, against the issuer: oauth4webapi, openid-client 5 and 6, jose.
import type { Page } from "@playwright/test";
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import * as oauth from "oauth4webapi";
import * as openid from "openid-client";
import { type Client, Issuer } from "openid-client-5";
import { type Credential, type Keyrack, mara } from "../support/keyrack.js";
import { expect, ready, test, visit } from "../support/page.js";
import { logIn } from "../support/steps.js";

// The one page that is needed works without WASM.
test.use({ people: { mara }, javaScriptEnabled: false });

// Keyrack's own address is plain http here, on the loopback interface.
const http = { [oauth.allowInsecureRequests]: true };

/** The key pairs that a client may sign with. */
const pairs: Record<string, EcKeyGenParams | RsaHashedKeyGenParams | { name: string }> = {
  ES256: { name: "ECDSA", namedCurve: "P-256" },
  ES384: { name: "ECDSA", namedCurve: "P-384" },
  RS256: { name: "RSASSA-PKCS1-v1_5", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" },
  PS256: { name: "RSA-PSS", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" },
  Ed25519: { name: "Ed25519" },
};

async function discover(keyrack: Keyrack): Promise<oauth.AuthorizationServer> {
  const issuer = new URL(`${keyrack.url}/v1`);
  const answer = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...http });
  return oauth.processDiscoveryResponse(issuer, answer);
}

async function fetchToken(as: oauth.AuthorizationServer, clientId: string, auth: oauth.ClientAuth, scope?: string) {
  const client = { client_id: clientId };
  const parameters: Record<string, string> = scope === undefined ? {} : { scope };
  const answer = await oauth.clientCredentialsGrantRequest(as, client, auth, parameters, http);
  return oauth.processClientCredentialsResponse(as, client, answer);
}

/** A new key pair: the private key, and the public one as PEM. */
async function makeKey(algorithm: string): Promise<{ key: CryptoKey; pem: string }> {
  const usages: KeyUsage[] = ["sign", "verify"];
  const pair = await crypto.subtle.generateKey(pairs[algorithm] as EcKeyGenParams, true, usages);
  const der = Buffer.from(await crypto.subtle.exportKey("spki", pair.publicKey)).toString("base64");
  const lines = der.replace(/.{64}/g, "$&\n");
  return { key: pair.privateKey, pem: `-----BEGIN PUBLIC KEY-----\n${lines}\n-----END PUBLIC KEY-----\n` };
}

/** A credential with its private key, which never left this process. */
async function issueSigner(keyrack: Keyrack, algorithm: string): Promise<Credential & { key: CryptoKey }> {
  const { key, pem } = await makeKey(algorithm);
  const issued = await keyrack.issue({ name: `signs-${algorithm}`, flow: "private-key-jwt", publicKey: pem });
  return { ...issued, key };
}

/** The secret of a new gateway that introspects, called reports. */
async function addReports(page: Page): Promise<string> {
  await visit(page, "/gateways");
  await page.locator("#add").getByLabel("Name").fill("reports");
  await page.locator("#add").getByLabel("Kind").selectOption("introspection");
  await page.locator("#add").getByRole("button", { name: "Add gateway" }).click();
  await ready(page);
  return page.locator(".copy code").innerText();
}

test("oauth4webapi and openid-client fetch tokens by every key, ask about them and end them", async ({
  page,
  keyrack,
}) => {
  const as = await discover(keyrack);
  const worker = await keyrack.issue({ access: "custom", scopes: ["accounts=read", "data=read"] });
  const bySecret = oauth.ClientSecretBasic(worker.secret);

  await test.step("a token by client_secret_basic is an RFC 9068 token with the scope that was asked for", async () => {
    const answer = await fetchToken(as, worker.key_id, bySecret, "accounts:read");
    expect(answer).toMatchObject({ token_type: "bearer", expires_in: 900, scope: "accounts:read" });
    const call = new Request("https://api.example.com/v1/accounts", {
      headers: { authorization: `Bearer ${answer.access_token}` },
    });
    const claims = await oauth.validateJwtAccessToken(as, call, as.issuer, http);
    expect(claims).toMatchObject({ sub: worker.key_id, client_id: worker.key_id, scope: "accounts:read" });
  });

  await test.step("a refusal has its code", async () => {
    const asks = (clientId: string, auth: oauth.ClientAuth, scope: string) => fetchToken(as, clientId, auth, scope);
    await expect(asks(worker.key_id, bySecret, "accounts:write")).rejects.toMatchObject({ error: "invalid_scope" });
    // Basic is answered with a challenge, a form with an error.
    const wrong = "krs_wrong";
    const byBasic = asks(worker.key_id, oauth.ClientSecretBasic(wrong), "accounts:read");
    await expect(byBasic).rejects.toMatchObject({ code: "OAUTH_WWW_AUTHENTICATE_CHALLENGE", status: 401 });
    const byPost = asks(worker.key_id, oauth.ClientSecretPost(wrong), "accounts:read");
    await expect(byPost).rejects.toMatchObject({ error: "invalid_client", status: 401 });
  });

  await test.step("assertions of each algorithm, by both clients", async () => {
    for (const algorithm of Object.keys(pairs)) {
      const { key_id, key } = await issueSigner(keyrack, algorithm);
      const answer = await fetchToken(as, key_id, oauth.PrivateKeyJwt(key));
      expect(answer.expires_in, algorithm).toBe(900);
      const client = await openid.discovery(new URL(as.issuer), key_id, undefined, openid.PrivateKeyJwt(key), {
        algorithm: "oauth2",
        execute: [openid.allowInsecureRequests],
      });
      expect((await openid.clientCredentialsGrant(client)).expires_in, algorithm).toBe(900);
      const stranger = await makeKey(algorithm);
      const stolen = fetchToken(as, key_id, oauth.PrivateKeyJwt(stranger.key));
      await expect(stolen, algorithm).rejects.toMatchObject({ error: "invalid_client" });
    }
  });

  const gateway = await test.step("a gateway gets its token in the browser", async () => {
    await logIn(page, mara);
    return addReports(page);
  });

  await test.step("oauth4webapi introspects and revokes", async () => {
    const { access_token: token } = await fetchToken(as, worker.key_id, bySecret);
    const introspect = async (asked: string) => {
      const client = { client_id: "reports" };
      const auth = oauth.ClientSecretBasic(gateway);
      const answer = await oauth.introspectionRequest(as, client, auth, asked, http);
      return oauth.processIntrospectionResponse(as, client, answer);
    };
    const known = await introspect(token);
    expect(known).toMatchObject({ active: true, client_id: worker.key_id, iss: as.issuer, token_type: "Bearer" });
    expect(await introspect("made-up")).toEqual({ active: false });
    const client = { client_id: worker.key_id };
    await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, bySecret, token, http));
    expect(await introspect(token)).toEqual({ active: false });
  });

  await test.step("openid-client introspects and revokes", async () => {
    const connect = (id: string, auth: openid.ClientAuth) =>
      openid.discovery(new URL(as.issuer), id, undefined, auth, {
        algorithm: "oauth2",
        execute: [openid.allowInsecureRequests],
      });
    const signer = await issueSigner(keyrack, "ES256");
    const client = await connect(signer.key_id, openid.PrivateKeyJwt(signer.key));
    const reports = await connect("reports", openid.ClientSecretBasic(gateway));
    const { access_token: token } = await openid.clientCredentialsGrant(client);
    expect(await openid.tokenIntrospection(reports, token)).toMatchObject({ active: true, sub: signer.key_id });
    await openid.tokenRevocation(client, token);
    expect(await openid.tokenIntrospection(reports, token)).toEqual({ active: false });
  });
});

test("openid-client 5 fetches tokens in each way, asks about them and ends them", async ({ page, keyrack }) => {
  // It looks for OpenID Connect by itself, and is told where else to look.
  await expect(Issuer.discover(`${keyrack.url}/v1`)).rejects.toMatchObject({ error: "invalid_request" });
  const issuer = await Issuer.discover(`${keyrack.url}/.well-known/oauth-authorization-server/v1`);
  await logIn(page, mara);
  const secret = await addReports(page);
  const reports = new issuer.Client({ client_id: "reports", client_secret: secret });
  const worker = await keyrack.issue({ access: "custom", scopes: ["accounts=read", "data=read"] });
  const bySecret = (method: "client_secret_basic" | "client_secret_post") =>
    new issuer.Client({
      client_id: worker.key_id,
      client_secret: worker.secret,
      token_endpoint_auth_method: method,
    });
  const bySignature = async (algorithm: string) => {
    const { key_id, key } = await issueSigner(keyrack, algorithm);
    const jwk = { ...(await crypto.subtle.exportKey("jwk", key)), alg: algorithm, kty: algorithm.startsWith("ES") ? "EC" : "RSA" };
    const metadata = { client_id: key_id, token_endpoint_auth_method: "private_key_jwt" as const };
    return new issuer.Client({ ...metadata, token_endpoint_auth_signing_alg: algorithm }, { keys: [jwk] });
  };
  const clients: [string, Client][] = [
    ["client_secret_basic", bySecret("client_secret_basic")],
    ["client_secret_post", bySecret("client_secret_post")],
    ["ES256", await bySignature("ES256")],
    ["RS256", await bySignature("RS256")],
    ["PS256", await bySignature("PS256")],
  ];
  for (const [name, client] of clients) {
    await test.step(name, async () => {
      const { access_token: token, ...answer } = await client.grant({ grant_type: "client_credentials" });
      expect(answer).toMatchObject({ token_type: "Bearer" });
      if (token === undefined) throw new Error("no token");
      expect(await reports.introspect(token)).toMatchObject({ active: true, sub: client.metadata.client_id });
      await client.revoke(token);
      expect(await reports.introspect(token)).toEqual({ active: false });
    });
  }
  const tooMuch = { grant_type: "client_credentials", scope: "accounts:write" };
  await expect(bySecret("client_secret_post").grant(tooMuch)).rejects.toMatchObject({ error: "invalid_scope" });
});

test("jose verifies tokens before and after the signing key changes, from one fetch of the key set", async ({
  keyrack,
}) => {
  const as = await discover(keyrack);
  const worker = await keyrack.issue();
  const token = async () =>
    (await fetchToken(as, worker.key_id, oauth.ClientSecretBasic(worker.secret))).access_token;
  const expected = { issuer: as.issuer, audience: as.issuer, typ: "at+jwt", algorithms: ["ES256"] };

  const first = await token();
  await keyrack.run(["signing-key", "rotate"]);
  const published = async () => {
    const answer = await fetch(as.jwks_uri ?? "");
    return ((await answer.json()) as { keys: unknown[] }).keys.length;
  };
  await expect.poll(published, "the server hears of the new key").toBe(2);
  const keys = createRemoteJWKSet(new URL(as.jwks_uri ?? ""));
  await jwtVerify(first, keys, expected);
  const fetched = keys.jwks();

  // A quarter of an hour later.
  await keyrack.stop();
  keyrack.change("UPDATE signing_keys SET used_from = used_from - 15 * 60 * 1000 WHERE used_from > created_at");
  await keyrack.start();
  const second = await token();
  const kid = (jwt: string) => decodeProtectedHeader(jwt).kid;
  expect(kid(second)).not.toBe(kid(first));
  for (const jwt of [first, second]) {
    const { payload } = await jwtVerify(jwt, keys, expected);
    expect(payload).toMatchObject({ sub: worker.key_id, client_id: worker.key_id });
  }
  expect(keys.jwks()).toEqual(fetched);
  const [head, , signature] = first.split(".");
  await expect(jwtVerify([head, second.split(".")[1], signature].join("."), keys, expected)).rejects.toThrow();
});
