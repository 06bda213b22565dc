// Every page at every width, in light and dark.
import type { Page } from "@playwright/test";
import { create, fillCredential, readShownOnce } from "../support/credentials.js";
import { eve, jonas, mara } from "../support/keyrack.js";
import { look } from "../support/look.js";
import { expect, expectAccessible, ready, test, visit } from "../support/page.js";
import { forgetProofs, setUpCode } from "../support/second-factor.js";
import { logIn, logOut, sendLogIn } from "../support/steps.js";
import { code } from "../support/totp.js";

// Many pictures, each of a whole page.
test.describe.configure({ timeout: 240_000 });

test.describe("before anybody is there", () => {
  test("set-up, log-in and welcome", async ({ page, keyrack }) => {
    await visit(page, await keyrack.setUpLink());
    await look(page, "setup");
    await visit(page, "/login");
    await look(page, "login");
    await visit(page, "/welcome?token=none");
    await look(page, "welcome");
    await page.getByLabel("Password", { exact: true }).fill(mara.password);
    await page.getByRole("button", { name: "Set the password" }).click();
    await ready(page);
    await look(page, "welcome-refused");
  });
});

test.describe("with mail and single sign-on", () => {
  test.use({
    people: { mara },
    settings: {
      KEYRACK_MAIL_FROM: "keyrack@example.com",
      KEYRACK_MAIL_FOLDER: "mail",
      KEYRACK_SSO_ISSUER: "https://id.example.com",
      KEYRACK_SSO_CLIENT_ID: "keyrack",
      KEYRACK_SSO_NAME: "Acme",
      KEYRACK_SSO_DEFAULT_ROLE: "support",
    },
  });

  test("log-in at a provider, and a forgotten password", async ({ page }) => {
    await visit(page, "/login");
    await expect(page.getByRole("link", { name: "Log in with Acme" })).toBeVisible();
    await look(page, "login-provider");
    await page.getByRole("link", { name: "Forgot your password?" }).click();
    await ready(page);
    await look(page, "forgot");
  });
});

test.describe("a second factor", () => {
  test.use({ people: { mara } });

  test("from its QR code to a confirmation", async ({ page, keyrack }) => {
    await logIn(page, mara);
    await visit(page, "/account");
    await page.getByRole("button", { name: "Set up an authenticator app" }).click();
    await ready(page);
    await look(page, "second-factor-qr");
    const { secret } = await setUpCode(page);
    await look(page, "second-factor-codes");
    await logOut(page);
    await sendLogIn(page, mara.email, mara.password);
    await ready(page);
    await look(page, "second-step");
    await page.getByLabel("Code", { exact: true }).fill(code(secret));
    await page.getByRole("button", { name: "Log in" }).click();
    await ready(page);
    await forgetProofs(page, keyrack);
    await visit(page, "/account");
    await page.getByRole("button", { name: "Make new recovery codes" }).click();
    await expect(page.getByRole("dialog")).toBeVisible();
    await look(page, "confirm-dialog");
  });

  test.describe("without WASM", () => {
    test.use({ javaScriptEnabled: false });

    test("the page that confirms", async ({ page, keyrack }) => {
      await logIn(page, mara);
      await forgetProofs(page, keyrack);
      await visit(page, "/users");
      await page.getByLabel("People", { exact: true }).fill("ada@example.com");
      await page.getByRole("button", { name: "Invite", exact: true }).click();
      await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
      await look(page, "confirm-page");
    });
  });
});

test.describe("an empty list", () => {
  test.use({ people: { mara } });

  test("the first credential is yet to come", async ({ page }) => {
    await logIn(page, mara);
    await look(page, "credentials-empty");
  });
});

test.describe("a team at work", () => {
  test.use({ command: "demo" });

  test("the pages of a superuser", async ({ page }) => {
    await logIn(page, mara);
    for (const [name, path] of [
      ["credentials", "/credentials"],
      ["credentials-nothing-found", "/credentials?q=nothing-like-this"],
      ["credential-new", "/credentials/new"],
      ["catalogue", "/catalogue?q=journals"],
      ["users", "/users"],
      ["gateways", "/gateways"],
      ["audit", "/audit"],
      ["audit-nothing-found", "/audit?actor=Nobody"],
      ["look-up", "/lookup"],
      ["look-up-nothing-found", "/lookup?request=0123456789abcdef01234567"],
      ["account", "/account"],
      ["not-found", "/nowhere"],
    ] as const) {
      await test.step(name, async () => {
        await visit(page, path);
        await look(page, name);
      });
    }
  });

  test("inviting people, and the page of one of them", async ({ page }) => {
    await logIn(page, mara);
    await visit(page, "/users");
    await page.getByLabel("People", { exact: true }).fill("Ada King <ada@example.com>\njon.lind@example.com");
    await page.getByRole("button", { name: "Invite", exact: true }).click();
    await look(page, "invited");
    await page.getByRole("link", { name: "Ada King" }).click();
    await expect(page.getByRole("heading", { name: "Ada King", level: 1 })).toBeVisible();
    await look(page, "person");
  });

  test("what somebody leaves behind", async ({ page, keyrack }) => {
    await logIn(page, mara);
    await visit(page, `/users/${await keyrack.idOf(jonas)}`);
    await page.getByRole("button", { name: "Disable" }).click();
    await ready(page);
    await visit(page, "/credentials?tab=orphaned");
    await look(page, "credentials-orphaned");
    await visit(page, "/users");
    await look(page, "users-orphaned");
  });

  test("a credential from its form to its end", async ({ page }) => {
    await logIn(page, mara);
    for (const [name, search] of [
      ["quarantined", "onboarding-kyc"],
      ["revoked", "partner-bridge"],
      ["expired", "load-test"],
      ["active", "settlement-worker"],
    ] as const) {
      await test.step(name, async () => {
        await open(page, search);
        await look(page, `credential-${name}`);
      });
    }
    await page.getByRole("link", { name: "Revoke", exact: true }).click();
    await look(page, "dialog");
    await page.getByRole("link", { name: "Cancel" }).click();
    await page.getByRole("link", { name: "Edit", exact: true }).click();
    await expect(page).toHaveURL(/\/edit$/);
    await look(page, "credential-edit");

    await visit(page, "/credentials/new");
    await fillCredential(page, { name: "onboarding-bot", purpose: "Opens accounts", flow: "Legacy" });
    await create(page);
    await expect(page.getByRole("alert")).toBeFocused();
    await look(page, "credential-new-refused");
    await fillCredential(page, { levels: { Accounts: "Read & write" } });
    await create(page);
    await readShownOnce(page, "onboarding-bot");
    await look(page, "shown-once");
    await page.getByLabel("I have stored the secret").check();
  });

  test("gateways, and a request that was refused", async ({ page, keyrack, request }) => {
    await logIn(page, mara);
    await visit(page, "/gateways");
    await page.getByLabel("Name", { exact: true }).fill("edge-1");
    await page.getByRole("button", { name: "Add gateway" }).click();
    await expect(page.getByRole("heading", { name: /edge-1/ })).toBeVisible();
    await look(page, "gateway-token");
    await visit(page, "/gateways");
    await look(page, "gateways-some");

    const refused = await request.get(`${keyrack.url}/v1/verify`, {
      headers: { "X-Original-Method": "GET", "X-Original-URI": "/v1/accounts" },
    });
    expect(refused.status()).toBe(401);
    const id = refused.headers()["x-request-id"];
    await expect(async () => {
      await visit(page, `/lookup?request=${id}`);
      await expect(page.getByText("no credentials were sent")).toBeVisible({ timeout: 500 });
    }).toPass();
    await look(page, "look-up-found");
  });

  test("a person who may do less", async ({ page }) => {
    await logIn(page, eve);
    await page.setViewportSize({ width: 390, height: 700 });
    await page.getByRole("button", { name: "Menu" }).click();
    await expect(page.getByRole("link", { name: "Catalogue" })).toBeVisible();
    await expectAccessible(page);
    await page.getByRole("link", { name: "Catalogue" }).click();
    await expect(page.getByRole("heading", { name: "Catalogue", level: 1 })).toBeVisible();
    await expect(page.getByRole("link", { name: "Catalogue" })).toBeHidden();
    expect(await visit(page, "/credentials/new")).toBe(403);
    await look(page, "refused");
  });
});

/** Opens the page of the credential with this name. */
async function open(page: Page, name: string): Promise<void> {
  await visit(page, `/credentials?q=${name}`);
  await page.getByRole("link", { name }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(name);
}
