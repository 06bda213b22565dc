// Log-in by a proxy in front: the real nginx, which asks for names and passwords of its own.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { freePort, mara } from "../support/keyrack.js";
import { Nginx } from "../support/nginx.js";
import { test as base, expect, visit } from "../support/page.js";

const password = "what nginx knows";
const forged = { "X-Auth-User": "ada", "X-Auth-Email": "ada@example.com", "X-Auth-Groups": "keyrack-admins" };

const test = base.extend<{ port: number; nginx: Nginx }>({
  port: async ({}, use) => use(await freePort()),
  settings: ({ port }, use) =>
    use({
      KEYRACK_PUBLIC_URL: `http://127.0.0.1:${port}`,
      KEYRACK_SSO_HEADER_ENABLED: "true",
      KEYRACK_SSO_HEADER_TRUSTED: "127.0.0.2",
      KEYRACK_SSO_HEADER_ROLE_MAP: "keyrack-admins=superuser,on-call=operations",
    }),
  baseURL: ({ port }, use) => use(`http://127.0.0.1:${port}`),
  nginx: [
    async ({ keyrack, port }, use) => {
      const passwords = join(keyrack.folder, "htpasswd");
      await writeFile(passwords, ["ada", "ben", "cleo"].map((name) => `${name}:{PLAIN}${password}\n`).join(""));
      const nginx = await Nginx.start("sso/nginx.conf", port, {
        "server_name keys.example.com;": "proxy_bind 127.0.0.2;",
        "127.0.0.1:3000": `127.0.0.1:${keyrack.port}`,
        "/etc/nginx/keyrack.htpasswd": passwords,
      });
      await use(nginx);
      await nginx.stop();
    },
    { auto: true },
  ],
});

test.use({ people: { mara } });

/** From now on the browser says who it is, and whatever else. */
function be(page: Page, name: string, more: Record<string, string> = {}): Promise<void> {
  return page.setExtraHTTPHeaders({ Authorization: `Basic ${btoa(`${name}:${password}`)}`, ...more });
}

/** What the account page says of whoever is logged in. */
async function expectMe(page: Page, name: string, role: string): Promise<void> {
  expect(await visit(page, "/account")).toBe(200);
  await expect(page.getByRole("main")).toContainText(`${name}@example.com`);
  await expect(page.getByRole("main")).toContainText(role);
}

async function session(page: Page): Promise<string | undefined> {
  const cookies = await page.context().cookies();
  return cookies.find(({ name }) => name === "__Host-keyrack")?.value;
}

test.describe("the browser asks its user", () => {
  test.use({ httpCredentials: { username: "ada", password } });

  test("whom nginx lets in has an account at once, with the role of their groups", async ({ page, baseURL }) => {
    expect((await fetch(`${baseURL}/login`)).status, "without a password").toBe(401);
    expect((await fetch(`${baseURL}/healthz`)).status, "what programs ask").toBe(200);
    await visit(page, "/users");
    await expect(page.getByRole("row").filter({ hasText: "ada@example.com" })).toContainText("Trusted header");
    await expectMe(page, "ada", "Superuser");
    await expect(page.locator("#sessions")).toContainText("trusted proxy");
    expect(await visit(page, "/credentials/new")).toBe(200);
  });
});

test("whoever is in no group with a role stays out, and is told whom to ask", async ({ page }) => {
  await be(page, "cleo");
  expect((await page.goto("/"))?.status()).toBe(403);
  await expect(page.locator("body")).toContainText("None of your groups has a role in Keyrack: ask a superuser");
});

test("what a client sends under the names of the headers is replaced", async ({ page }) => {
  await be(page, "ben", { ...forged, "X-Auth-Name": mara.name, X_Auth_User: "ada", X_Auth_Groups: "keyrack-admins" });
  await expectMe(page, "ben", "Operations");
  await expect(page.getByRole("banner")).not.toContainText(mara.name);
  expect(await visit(page, "/credentials/new")).toBe(403);
});

test("another user is another session, and the one before is dead", async ({ page, another, port }) => {
  await be(page, "ada");
  await expectMe(page, "ada", "Superuser");
  const before = await session(page);
  await be(page, "ben");
  await expectMe(page, "ben", "Operations");
  expect(await session(page)).not.toBe(before);

  const thief = await another();
  // Chromium takes a cookie of this name by hand for https only, and sends it to both.
  const url = `https://127.0.0.1:${port}`;
  await thief.context().addCookies([{ name: "__Host-keyrack", value: before ?? "", url, httpOnly: true }]);
  await be(thief, "ada");
  await expectMe(thief, "ada", "Superuser");
  expect(await session(thief)).not.toBe(before);
});

test("round the proxy there is no way in, with its headers or with its session", async ({ page, keyrack, port }) => {
  await be(page, "ada");
  await expectMe(page, "ada", "Superuser");
  const before = await session(page);
  expect(before).toBeDefined();

  // At its own address Keyrack leads to the proxy, unless it is asked by the proxy's name.
  await page.setExtraHTTPHeaders({});
  const headers = { ...forged, Cookie: `__Host-keyrack=${before}`, Host: `127.0.0.1:${port}` };
  const answer = await page.request.get(`${keyrack.url}/users`, { headers, maxRedirects: 0 });
  expect(answer.status()).toBe(303);
  expect(answer.headers().location).toMatch(/^\/login\?next=/);
  const noted = (await keyrack.audit()).filter(({ action }) => action === "session.sso_header_ignored");
  expect(noted.map(({ object_name }) => object_name)).toEqual(["ada"]);

  // The cookie came along, and its session has ended.
  await be(page, "ada");
  await expectMe(page, "ada", "Superuser");
  expect(await session(page)).not.toBe(before);
});
