// The main job with real parts only: from an empty folder to a call that is refused after a
// restart. One browser for each person, the program, nginx, a foreign OAuth client.
import { generateKeyPairSync, randomUUID } from "node:crypto";
import * as oauth from "openid-client";
import { allows, concrete, type Level, type Row, rows } from "../support/catalogue.js";
import { create, fieldsOf, fillCredential, leaveShownOnce, readShownOnce } from "../support/credentials.js";
import { Foreign } from "../support/foreign.js";
import { type Credential, eve, mara } from "../support/keyrack.js";
import { Gateway } from "../support/nginx.js";
import { expect, ready, test, visit } from "../support/page.js";
import { logIn, post, sendLogIn, setUp } from "../support/steps.js";

const levels: Record<string, Level> = { accounts: "read", trading: "write", journaling: "write", data: "read" };

test("the whole job, from an empty folder to a refused call", async ({ page, another, keyrack }) => {
  test.setTimeout(240_000);
  const support = await another();
  const api = await Foreign.api();
  const gateway = await Gateway.start(keyrack, api);
  let [secret, legacy, assertion]: Credential[] = [];
  try {
    await test.step("the first superuser sets Keyrack up", async () => {
      await setUp(page, await keyrack.setUpLink(), mara);
      await sendLogIn(page, mara.email, mara.password);
      await expect(page).toHaveURL(/\/credentials$/);
      await ready(page);
    });

    await test.step("a second person joins as support", async () => {
      await page.getByRole("link", { name: "Users" }).click();
      await page.getByLabel("People", { exact: true }).fill(`${eve.name} <${eve.email}>`);
      await page.getByLabel("Role of all of them").selectOption("support");
      await page.getByRole("button", { name: "Invite", exact: true }).click();
      const link = page.getByRole("region", { name: `Pass this link on to ${eve.name}` }).locator("code");
      await visit(support, (await link.textContent()) ?? "");
      await support.getByLabel("Password", { exact: true }).fill(eve.password);
      await support.getByRole("button", { name: "Set the password" }).click();
      await expect(support).toHaveURL(/\/login\?done=welcome$/);
      await sendLogIn(support, eve.email, eve.password);
      await expect(support).toHaveURL(/\/credentials$/);
    });

    await test.step("one credential of each kind is issued", async () => {
      const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
      const issue = async (draft: Parameters<typeof fillCredential>[1] & { name: string }) => {
        await visit(page, "/credentials/new");
        await fillCredential(page, { purpose: "A part of the proof", ...draft });
        await create(page);
        const issued = await readShownOnce(page, draft.name);
        await leaveShownOnce(page);
        return issued;
      };
      secret = await issue({
        name: "settlement-worker",
        levels: { Accounts: "Read only", Trading: "Read & write", Journaling: "Read & write", Data: "Read only" },
      });
      legacy = await issue({ name: "reconciliation-cron", flow: "Legacy", access: "Read only" });
      assertion = await issue({
        name: "risk-dashboard",
        flow: "Private key JWT",
        publicKey: pem,
        access: "Full access",
        lifetime: "Never",
      });
      expect(secret.secret).toMatch(/^krs_/);
      expect(legacy.secret).toMatch(/^krs_/);
      expect(assertion.secret).toBe("");
    });

    await test.step("support sees all of them and cannot issue, by no door", async () => {
      await visit(support, "/credentials");
      for (const { key_id, name } of [secret, legacy, assertion] as Credential[]) {
        await expect(support.getByRole("row").filter({ hasText: key_id })).toContainText(name);
      }
      await expect(support.getByRole("link", { name: "New credential" })).toHaveCount(0);
      const before = (await keyrack.audit()).length;
      expect(await visit(support, "/credentials/new")).toBe(403);
      const draft = fieldsOf(await keyrack.idOf(mara), {});
      expect(await post(support, "/credentials/new", draft)).toBe(403);
      const byFunction = await support.evaluate(
        async ([draft, key]) => {
          const answer = await fetch("/_fn/credentials/issue", {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({ draft: { ...draft, levels: {} }, idempotency_key: key }),
          });
          return answer.status;
        },
        [draft, randomUUID()] as const,
      );
      expect(byFunction).toBe(403);
      const refusals = (await keyrack.audit()).slice(before).filter(({ outcome }) => outcome === "denied");
      const refusal = { action: "credential.issued", actor_kind: "person", actor_name: eve.name };
      expect(refusals).toEqual([expect.objectContaining(refusal), expect.objectContaining(refusal)]);
      const listed = JSON.parse(await keyrack.run(["credential", "list", "--json"])) as unknown[];
      expect(listed).toHaveLength(3);
    });

    let token = "";
    await test.step("a foreign OAuth client fetches tokens", async () => {
      const fetchToken = async (credential: Credential, method: typeof oauth.ClientSecretPost) => {
        const client = await oauth.discovery(
          new URL(`${keyrack.url}/v1`),
          credential.key_id,
          undefined,
          method(credential.secret),
          // Keyrack's own address is plain http here, on the loopback interface.
          { algorithm: "oauth2", execute: [oauth.allowInsecureRequests] },
        );
        return oauth.clientCredentialsGrant(client);
      };
      const byPost = await fetchToken(secret as Credential, oauth.ClientSecretPost);
      const byBasic = await fetchToken(secret as Credential, oauth.ClientSecretBasic);
      for (const answer of [byPost, byBasic]) {
        expect(answer.token_type).toBe("bearer");
        expect(answer.expires_in).toBe(900);
        expect(answer.scope?.split(" ").sort()).toEqual(
          "accounts:read data:read journaling:read journaling:write trading:read trading:write".split(" "),
        );
      }
      token = byPost.access_token;
      const wrong = { ...(secret as Credential), secret: (legacy as Credential).secret };
      await expect(fetchToken(wrong, oauth.ClientSecretBasic)).rejects.toThrow();
    });

    const bearer = () => ({ authorization: `Bearer ${token}` });
    const pair = () => ({
      "apca-api-key-id": (legacy as Credential).key_id,
      "apca-api-secret-key": (legacy as Credential).secret,
    });

    await test.step("nginx lets through what the matrix allows, row by row, and nothing else", async () => {
      /** The rows whose answer is not the one that the level of the row's scope asks for. */
      const wrong = async (headers: Record<string, string>, level: (row: Row) => Level | undefined) => {
        const wrong: string[] = [];
        for (const row of rows) {
          const path = concrete(row);
          const before = api.calls.length;
          const { status, body } = await gateway.call(row.method, path, headers);
          const expected = allows(level(row), row) ? 200 : 403;
          const reached = api.calls.length - before;
          const good = status === expected && reached === (expected === 200 ? 1 : 0);
          if (!good) wrong.push(`${row.method} ${path}: ${status} instead of ${expected}, ${reached} at the API`);
          if (expected === 403 && row.method !== "HEAD") {
            expect(JSON.parse(body)).toMatchObject({ required: [`${row.scope}:${row.needs}`] });
          }
        }
        return wrong;
      };
      expect(rows.length).toBeGreaterThan(90);
      expect(await wrong(bearer(), (row) => levels[row.scope])).toEqual([]);
      expect(await wrong(pair(), () => "read")).toEqual([]);
      const name = api.calls.at(-1)?.headers["x-keyrack-name"];
      expect(name, "the API is told who calls").toBe("reconciliation-cron");
      // What is not in the catalogue, and what only looks as if it were.
      for (const path of ["/v1/nothing", "/v1/accounts/../journals", "/v1//accounts", "/v1/accounts%2f42", "/v1/accounts/Positions"]) {
        expect((await gateway.call("GET", path, bearer())).status, path).toBe(403);
      }
      expect((await gateway.call("GET", "/v1/accounts", {})).status).toBe(401);
    });

    const refused = async () => {
      expect((await gateway.call("GET", "/v1/accounts", bearer())).status).toBe(401);
      const headers = { ...bearer(), "x-original-method": "GET", "x-original-uri": "/v1/accounts" };
      expect((await fetch(`${keyrack.url}/v1/verify`, { headers })).status).toBe(401);
    };
    await test.step("quarantined in the browser, refused at the very next call", async () => {
      const keyId = (secret as Credential).key_id;
      await visit(page, `/credentials/${keyId}`);
      expect((await gateway.call("GET", "/v1/accounts", bearer())).status).toBe(200);
      await page.getByRole("link", { name: "Quarantine", exact: true }).click();
      const dialog = page.getByRole("dialog");
      await dialog.getByLabel("Reason").fill("Seen in a public log");
      const answer = page.waitForResponse((response) => response.url().endsWith(`${keyId}/disable`));
      await dialog.getByRole("button", { name: "Quarantine" }).click();
      await answer;
      await refused();
      await expect(page.getByRole("region", { name: "Facts" })).toContainText("Quarantined");
      expect((await gateway.call("GET", "/v1/accounts", pair())).status).toBe(200);
    });

    await test.step("refused after a restart, and the audit log is whole", async () => {
      // A page that is still fetching something would complain about the server that is gone.
      await page.goto("about:blank");
      await keyrack.restart();
      await refused();
      expect((await gateway.call("GET", "/v1/accounts", pair())).status).toBe(200);
      expect(await keyrack.run(["audit", "verify"])).toContain("The audit log is whole");
      await logIn(page, mara);
      await visit(page, `/credentials/${(secret as Credential).key_id}`);
      await expect(page.locator("ol.story > li").first()).toContainText("Mara Okafor quarantined it");
    });
  } finally {
    await gateway.stop();
    api.stop();
  }
});
