// Single sign-on at an OpenID provider that others wrote.
import type { Page } from "@playwright/test";
import { create, type Draft, fillCredential } from "../support/credentials.js";
import { type Bend, IdentityProvider, newKey } from "../support/identity-provider.js";
import { type Keyrack, mara, noor, pause } from "../support/keyrack.js";
import { test as base, expect, expectAccessible, ready, visit } from "../support/page.js";
import { forgetProofs } from "../support/second-factor.js";
import { sendLogIn, toast } from "../support/steps.js";

const ada = { name: "Ada King", email: "ada@example.com", email_verified: true, groups: ["keyrack-admins", "all"] };
const ben = { name: "Ben Ito", email: "ben@example.com", email_verified: true, groups: ["all"] };

const test = base.extend<{ provider: IdentityProvider }>({
  provider: async ({}, use) => {
    const provider = await IdentityProvider.start();
    provider.accounts = { ada, ben };
    await use(provider);
    provider.stop();
  },
  settings: ({ provider }, use) => use(provider.settings),
  keyrack: async ({ keyrack, provider }, use) => {
    await provider.serve(keyrack);
    await use(keyrack);
  },
});

test.use({ people: { mara } });

/** Goes to the provider by the button of the log-in page. */
async function leave(page: Page): Promise<void> {
  await page.getByRole("link", { name: "Log in with Acme" }).click();
}

/** Comes in from the log-in page, by somebody's account at the provider. */
async function comeIn(page: Page, provider: IdentityProvider, account = "ada"): Promise<void> {
  await visit(page, "/login");
  await leave(page);
  await provider.signIn(page, account);
  await expect(page).toHaveURL(/\/credentials$/);
  await ready(page);
}

/** Stays out, for a reason in these words. */
async function expectRefusal(page: Page, words: string): Promise<void> {
  await expect(page.getByRole("alert")).toContainText(words);
  await ready(page);
  const cookies = await page.context().cookies();
  expect(cookies.filter(({ name }) => name.startsWith("__Host-"))).toEqual([]);
}

const typed: Draft = {
  name: 'worker "&<b>',
  purpose: "Moves cash & more at night",
  levels: { Accounts: "Read only" },
};

/** Sends the form for a new credential, and is asked who one is. */
async function issue(page: Page): Promise<void> {
  await visit(page, "/credentials/new");
  await fillCredential(page, typed);
  await create(page);
  await expect(page.getByRole("heading", { name: "Confirm that it is you" })).toBeVisible();
  await ready(page);
}

/** Why people were refused, as the audit log has it. */
async function refusals(keyrack: Keyrack): Promise<string[]> {
  const events = (await keyrack.audit()).filter(({ action }) => action === "session.sso_refused");
  return events.map(({ detail }) => (JSON.parse(detail) as { reason: string }).reason);
}

for (const wasm of [true, false]) {
  test.describe(wasm ? "with WASM" : "without WASM", () => {
    test.use({ javaScriptEnabled: wasm });

    test("somebody new comes by the button, gets where they wanted, and is what their groups say", async ({
      page,
      another,
      provider,
    }) => {
      await visit(page, "/users?role=superuser");
      await expectAccessible(page);
      await leave(page);
      await provider.signIn(page, "ada");
      await expect(page).toHaveURL(/\/users\?role=superuser$/);
      await ready(page);
      await expect(page.getByRole("row").filter({ hasText: ada.email })).toContainText("Single sign-on");
      await visit(page, "/account");
      await expect(page.getByRole("main")).toContainText("Superuser");
      await expect(page.locator("#sessions")).toContainText("single sign-on (sso)");
      expect(await visit(page, "/credentials/new")).toBe(200);

      provider.accounts.ada = { ...ada, groups: ["on-call"] };
      const other = await another();
      await comeIn(other, provider);
      await visit(other, "/account");
      await expect(other.getByRole("main")).toContainText("Operations");
      await visit(page, "/credentials/new");
      await expect(page, "the session of before").toHaveURL(/\/login\?next=/);
    });

    test("who follows a provider is called what it says, and their page says so", async ({ page, another, provider }) => {
      await comeIn(page, provider);
      const other = await another();
      await visit(other, "/login");
      await sendLogIn(other, mara.email, mara.password);
      await visit(other, "/users");
      await other.getByRole("row").filter({ hasText: ada.email }).getByRole("link", { name: ada.name }).click();
      const manage = other.locator("#manage");
      await expect(manage).toContainText("Their single sign-on says both at each log-in: change them there, too.");
      await ready(other);
      await manage.getByLabel("Name", { exact: true }).fill("Ada Lovelace");
      await manage.getByRole("button", { name: "Change name and address" }).click();
      await expect(other.getByRole("heading", { name: "Ada Lovelace", level: 1 })).toBeVisible();

      await comeIn(await another(), provider);
      await other.reload();
      await expect(other.getByRole("heading", { name: ada.name, level: 1 })).toBeVisible();
    });

    test("whose groups have no role stays out, and is told whom to ask", async ({ page, provider, keyrack }) => {
      await visit(page, "/login");
      await leave(page);
      await provider.signIn(page, "ben");
      await expectRefusal(page, "None of your groups has a role in Keyrack: ask a superuser");
      await expectAccessible(page);
      expect(await keyrack.run(["user", "list"])).not.toContain(ben.email);
    });

    test("what was typed waits while its sender signs in at the provider once more", async ({
      page,
      provider,
      keyrack,
    }) => {
      await comeIn(page, provider);
      await forgetProofs(page, keyrack);
      await issue(page);
      await expectAccessible(page);
      await leave(page);
      await provider.signIn(page, "ada");
      await ready(page);
      await page.getByRole("button", { name: "Confirm and go on" }).click();
      await expect(page.getByRole("heading", { name: "Store the secret now" })).toBeVisible();
      await expect(page.getByRole("heading", { name: 'worker "&<b>' })).toBeVisible();
    });
  });
}

test("only who sent it confirms it, by a sign-in of now", async ({ page, provider, keyrack }) => {
  provider.accounts.noor = { ...ada, name: noor.name, email: noor.email };
  await comeIn(page, provider);
  await forgetProofs(page, keyrack);
  await issue(page);
  provider.bend = { claims: { auth_time: Math.floor(Date.now() / 1000) - 120 } };
  await leave(page);
  await provider.signIn(page, "ada");
  await expect(page.getByRole("alert")).toContainText("Acme did not say that you logged in just now");

  provider.bend = undefined;
  await issue(page);
  await leave(page);
  await provider.signIn(page, "noor");
  await expect(page.getByRole("main")).toContainText("Nothing waits for you here");
  await visit(page, "/credentials");
  await expect(page.getByRole("banner")).toContainText(noor.name);
  await expect(page.getByRole("main")).toContainText("No credentials yet");
});

test("a new key at the provider keeps nobody out", async ({ page, another, provider, keyrack }) => {
  await comeIn(page, provider);
  await provider.serve(keyrack);
  // Keyrack asks for keys once in half a minute at most.
  await pause(30_000);
  await comeIn(await another(), provider);
});

test("an ID token that was bent lets nobody in, and the audit log says why", async ({ page, provider, keyrack }) => {
  const past = Math.floor(Date.now() / 1000) - 120;
  const cases: [string, Bend, string][] = [
    ["nonce", { claims: { nonce: "of somebody else" } }, "an ID token of another log-in"],
    ["audience", { claims: { aud: "another-client" } }, "an ID token for somebody else"],
    ["issuer", { claims: { iss: "https://id.example.com" } }, "an ID token of another issuer"],
    ["expiry", { claims: { exp: past } }, "an ID token that has ended"],
    ["key", { key: await newKey() }, "an ID token whose signature can't be trusted"],
  ];
  for (const [what, bend, words] of cases) {
    provider.bend = bend;
    await visit(page, "/login");
    await leave(page);
    if (what === "nonce") await provider.signIn(page, "ada");
    await expectRefusal(page, `Acme answered with ${words}`);
  }
  const reasons = await refusals(keyrack);
  expect(reasons).toHaveLength(cases.length);
  cases.forEach(([what, , words], index) => expect(reasons[index], what).toContain(words));

  // Signed anew with nothing bent, the same token lets her in: the refusals were for the right reasons.
  provider.bend = {};
  await visit(page, "/login");
  await leave(page);
  await expect(page).toHaveURL(/\/credentials$/);
});

test("logging out leads through the provider and back, and is a log-out there too", async ({ page, provider }) => {
  await comeIn(page, provider);
  await page.getByRole("button", { name: "Log out" }).click();
  await provider.signOut(page);
  await expect(page).toHaveURL(/\/login\?done=logged-out$/);
  await expect(toast(page)).toContainText("You are logged out.");
  await visit(page, "/credentials");
  await expect(page).toHaveURL(/\/login/);
  // The provider asks again.
  await comeIn(page, provider);
});

test("a log-out at the provider ends the session in Keyrack, and no other", async ({ page, another, provider }) => {
  const other = await another();
  await comeIn(page, provider);
  await comeIn(other, provider);
  await page.goto(`${provider.issuer}/session/end`);
  await provider.signOut(page);
  await page.waitForURL(/success/);
  await visit(page, "/credentials");
  await expect(page).toHaveURL(/\/login/);
  await visit(other, "/credentials");
  await expect(other).toHaveURL(/\/credentials$/);
});

test("a provider that is down is said to be, and passwords still work", async ({ page, provider }) => {
  provider.stop();
  await visit(page, "/login?next=/users");
  await leave(page);
  await expect(page.getByRole("alert")).toContainText("Acme can't be reached");
  await expectAccessible(page);
  await ready(page);
  await sendLogIn(page, mara.email, mara.password);
  await expect(page).toHaveURL(/\/users$/);
});

test("an account that is there already is linked on the host, and not taken over", async ({
  page,
  provider,
  keyrack,
}) => {
  provider.accounts.mara = { ...ada, name: mara.name, email: mara.email };
  await visit(page, "/login");
  await leave(page);
  await provider.signIn(page, "mara");
  await expectRefusal(page, "is there already, and is not given to you");
  await keyrack.run(["user", "link", "--email", mara.email, "--issuer", provider.issuer, "--subject", "mara"]);
  await leave(page);
  await expect(page).toHaveURL(/\/credentials$/);
  await expect(page.getByRole("banner")).toContainText(mara.name);
});
