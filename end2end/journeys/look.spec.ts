// Every page at every width, in light and dark.
import type { Page } from "@playwright/test";
import { eve, mara } from "../support/keyrack.js";
import { look } from "../support/look.js";
import { expect, ready, test, visit } from "../support/page.js";
import { logIn } from "../support/steps.js";

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

test.describe("an empty list", () => {
  test.use({ people: { mara } });

  test("the first credential is yet to come", async ({ page }) => {
    await logIn(page, mara);
    await look(page, "credentials-empty");
  });
});

test.describe("a team at work", () => {
  test.use({ command: "demo" });

  const pages: [name: string, path: string][] = [
    ["credentials", "/credentials"],
    ["credentials-ended", "/credentials?tab=ended"],
    ["credentials-nothing-found", "/credentials?q=nothing-like-this"],
    ["credential-new", "/credentials/new"],
    ["catalogue", "/catalogue"],
    ["users", "/users"],
    ["account", "/account"],
    ["not-found", "/nowhere"],
  ];
  for (const [name, path] of pages) {
    test(name, async ({ page }) => {
      await logIn(page, mara);
      await visit(page, path);
      await look(page, name);
    });
  }

  test("a credential in each state", async ({ page }) => {
    await logIn(page, mara);
    for (const [name, search] of [
      ["active", "settlement-worker"],
      ["quarantined", "onboarding-kyc"],
      ["revoked", "partner-bridge"],
      ["expired", "load-test"],
    ] as const) {
      await open(page, search);
      await look(page, `credential-${name}`);
    }
    await open(page, "settlement-worker");
    await page.getByRole("link", { name: "Edit" }).click();
    await expect(page).toHaveURL(/\/edit$/);
    await look(page, "credential-edit");
  });

  test("a person who may not", async ({ page }) => {
    await logIn(page, eve);
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
