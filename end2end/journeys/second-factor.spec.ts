// A second factor: made, asked for at log-in and before what counts, lost and reset.
import { readFile } from "node:fs/promises";
import type { Page } from "@playwright/test";
import { create, fillCredential } from "../support/credentials.js";
import { mara, noor } from "../support/keyrack.js";
import { expect, expectAccessible, ready, test, visit } from "../support/page.js";
import { logIn, logOut, sendLogIn, toast } from "../support/steps.js";
import { forgetProofs, setUpCode } from "../support/second-factor.js";
import { code } from "../support/totp.js";

test.use({ people: { mara, noor } });

async function present(page: Page, proof: string): Promise<void> {
  await expect(page.getByRole("heading", { name: "Second factor", level: 1 })).toBeVisible();
  await page.getByLabel("Code", { exact: true }).fill(proof);
  await page.getByRole("button", { name: "Log in" }).click();
  await ready(page);
}

async function issue(page: Page): Promise<void> {
  await visit(page, "/credentials/new");
  const [name, purpose] = ['worker "&<b>', "Moves cash & more at night"];
  await fillCredential(page, { name, purpose, levels: { Accounts: "Read only" }, lifetime: "6 months" });
  await create(page);
}

for (const wasm of [true, false]) {
  test.describe(wasm ? "with WASM" : "without WASM", () => {
    test.use({ javaScriptEnabled: wasm });

    test("a code is the second step of a log-in, once, and a recovery code stands in for it", async ({ page }) => {
      await logIn(page, mara);
      const { secret, codes } = await setUpCode(page);
      await visit(page, "/users");
      await expect(page.getByRole("row").filter({ hasText: mara.email })).toContainText("yes");
      await logOut(page);

      await sendLogIn(page, mara.email, mara.password);
      await ready(page);
      await expectAccessible(page);
      await present(page, "000000");
      await expect(page.getByRole("alert")).toContainText("This code is wrong");
      expect((await page.request.get("/credentials", { maxRedirects: 0 })).status()).toBe(303);
      const now = code(secret);
      await present(page, now);
      await expect(page).toHaveURL(/\/credentials$/);
      await logOut(page);

      await sendLogIn(page, mara.email, mara.password);
      await ready(page);
      await present(page, now);
      await expect(page.getByRole("alert")).toContainText("was used already");
      await present(page, codes[0]?.toLowerCase() ?? "");
      await expect(page).toHaveURL(/\/credentials$/);
      await visit(page, "/account");
      await expect(page.locator("#second-factor")).toContainText("9 recovery codes left");
    });

    test("what was typed survives the confirmation by password", async ({ page, keyrack }) => {
      await logIn(page, mara);
      await forgetProofs(page, keyrack);
      await issue(page);
      const password = page.getByLabel("Your password", { exact: true });
      await expect(password).toBeVisible();
      await expectAccessible(page);
      await password.fill("wrong");
      await page.getByRole("button", { name: "Confirm and go on" }).click();
      await expect(page.getByRole("alert").first()).toContainText("not your password");
      await password.fill(mara.password);
      await page.getByRole("button", { name: "Confirm and go on" }).click();
      await expect(page.getByRole("heading", { name: "Store the secret now" })).toBeVisible();
      await expect(page.getByRole("heading", { name: 'worker "&<b>' })).toBeVisible();
      const issued = (await keyrack.audit()).filter(({ action }) => action === "credential.issued");
      expect(issued.map(({ object_name }) => object_name)).toEqual(['worker "&<b>']);
    });

    test("whoever has a second factor confirms with a code", async ({ page, keyrack }) => {
      await logIn(page, mara);
      const { secret } = await setUpCode(page);
      await forgetProofs(page, keyrack);
      await visit(page, "/account");
      await page.getByRole("button", { name: "Make new recovery codes" }).click();
      await page.getByLabel("Code", { exact: true }).fill(code(secret));
      await page.getByRole("button", { name: "Confirm and go on" }).click();
      await expect(page.locator("#recovery-codes li")).toHaveCount(10);
    });

    test("a lost second factor is reset by a superuser, or on the host", async ({ page, another, keyrack }) => {
      const other = await another();
      await logIn(other, noor);
      await setUpCode(other);
      await logIn(page, mara);
      await visit(page, `/users/${await keyrack.idOf(noor)}`);
      await page.getByRole("button", { name: "Reset second factor" }).click();
      await expect(toast(page)).toContainText("Reset.");
      await visit(other, "/account");
      await expect(other).toHaveURL(/\/login/);
      await logIn(other, noor);
      await setUpCode(other);
      await keyrack.run(["user", "reset-second-factor", "--email", noor.email]);
      await logIn(other, noor);
    });
  });
}

test("recovery codes are downloaded", async ({ page }) => {
  await logIn(page, mara);
  const { codes } = await setUpCode(page);
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "Download" }).click();
  const file = await (await download).path();
  expect((await readFile(file, "utf8")).trim().split("\n")).toEqual(codes);
});

test.describe("where superusers need one", () => {
  test.use({ settings: { KEYRACK_LOG_IN_SECOND_FACTOR: "superusers" } });

  test("they make it before anything else", async ({ page }) => {
    await visit(page, "/login");
    await sendLogIn(page, mara.email, mara.password);
    await expect(page).toHaveURL(/\/account\?second-factor=needed$/);
    await expect(page.locator("#second-factor")).toContainText("Make one to go on");
    await visit(page, "/users");
    await expect(page).toHaveURL(/\/account\?second-factor=needed$/);
    await setUpCode(page);
    await visit(page, "/users");
    await expect(page.getByRole("row").filter({ hasText: noor.email })).toBeVisible();
  });
});

test.describe("passkeys", () => {
  test.use({ host: "localhost" });

  test("one is made, lets in after the password, and confirms", async ({ page, context, keyrack }) => {
    const devtools = await context.newCDPSession(page);
    await devtools.send("WebAuthn.enable");
    await devtools.send("WebAuthn.addVirtualAuthenticator", {
      options: {
        protocol: "ctap2",
        transport: "internal",
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    });
    await logIn(page, mara);
    await visit(page, "/account");
    await page.getByLabel("Name of a new passkey").fill("Laptop");
    await page.getByRole("button", { name: "Add a passkey" }).click();
    await expect(page.locator("#recovery-codes li")).toHaveCount(10);
    await visit(page, "/account");
    await expect(page.locator("#second-factor")).toContainText("Laptop");
    await logOut(page);

    await sendLogIn(page, mara.email, mara.password);
    await ready(page);
    await page.getByRole("button", { name: "Use a passkey" }).click();
    await expect(page).toHaveURL(/\/credentials$/);

    await forgetProofs(page, keyrack);
    await visit(page, "/account");
    await page.getByRole("button", { name: "Make new recovery codes" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Use a passkey" }).click();
    await expect(page.locator("#recovery-codes li")).toHaveCount(10);
    await visit(page, "/account");
    await page.getByRole("button", { name: "Remove the passkey Laptop" }).click();
    await expect(toast(page)).toContainText("Second factor removed.");
  });
});
