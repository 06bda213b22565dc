// The team: what a superuser changes bites on the next request of the person whom it is about.
import type { Locator, Page } from "@playwright/test";
import { eve, jonas, mara, noor } from "../support/keyrack.js";
import { expect, ready, test, visit } from "../support/page.js";
import { logIn, sendLogIn } from "../support/steps.js";

test.use({ people: [mara, eve, jonas] });

function row(page: Page, email: string): Locator {
  return page.getByRole("row").filter({ hasText: email });
}

/** Opens the dialog behind a link of a person's row. */
async function open(page: Page, email: string, words: string): Promise<Locator> {
  await row(page, email).getByRole("link", { name: words }).click();
  return page.getByRole("dialog");
}

async function changeRole(page: Page, email: string, role: string): Promise<void> {
  const dialog = await open(page, email, "Change role");
  await dialog.getByLabel("Role", { exact: true }).selectOption(role);
  await dialog.getByRole("button", { name: "Change role" }).click();
  await ready(page);
}

for (const wasm of [true, false]) {
  test.describe(wasm ? "with WASM" : "without WASM", () => {
    test.use({ javaScriptEnabled: wasm });

    test("a new role counts from the person's next click on", async ({ page, another }) => {
      const other = await another();
      await logIn(page, mara);
      await logIn(other, eve);
      expect(await visit(other, "/users")).toBe(403);
      await expect(other.getByRole("alert")).toContainText("superusers only");

      await visit(page, "/users");
      await changeRole(page, eve.email, "superuser");
      await expect(page.getByRole("status")).toContainText("Role changed.");
      await expect(row(page, eve.email)).toContainText("Superuser");
      expect(await visit(other, "/users")).toBe(200);
      await expect(row(other, mara.email)).toBeVisible();

      await changeRole(page, eve.email, "support");
      expect(await visit(other, "/users")).toBe(403);
    });

    test("disabling a person ends their session and keeps them out", async ({ page, another }) => {
      const other = await another();
      await logIn(page, mara);
      await logIn(other, jonas);
      await visit(page, "/users");
      const dialog = await open(page, jonas.email, "Disable");
      await expect(dialog).toContainText("Disable Jonas Lind?");
      await dialog.getByRole("button", { name: "Disable" }).click();
      await expect(page.getByRole("status")).toContainText("can no longer log in");
      await expect(row(page, jonas.email)).toContainText("Disabled");

      await visit(other, "/credentials");
      await expect(other).toHaveURL(/\/login/);
      await sendLogIn(other, jonas.email, jonas.password);
      await expect(other.getByRole("alert")).toBeVisible();

      const again = await open(page, jonas.email, "Enable");
      await again.getByRole("button", { name: "Enable" }).click();
      await expect(row(page, jonas.email)).toContainText("Active");
      await logIn(other, jonas);
    });

    test("the last superuser stays one, and is told why", async ({ page }) => {
      await logIn(page, mara);
      await visit(page, "/users");
      await changeRole(page, mara.email, "support");
      await expect(page.getByRole("alert")).toContainText(/last .*superuser/i);
      await expect(row(page, mara.email)).toContainText("Superuser");
      const dialog = await open(page, mara.email, "Disable");
      await dialog.getByRole("button", { name: "Disable" }).click();
      await expect(page.getByRole("alert")).toContainText(/last .*superuser/i);
      await expect(row(page, mara.email)).toContainText("Active");
    });
  });
}

test("a person who is there already is not added again", async ({ page }) => {
  await logIn(page, mara);
  await visit(page, "/users");
  await page.getByLabel("Name", { exact: true }).fill("Eve Again");
  await page.getByLabel("E-mail", { exact: true }).fill("EVE@example.com");
  await page.getByLabel("Role", { exact: true }).last().selectOption("developer");
  await page.getByRole("button", { name: "Add person" }).click();
  await ready(page);
  await expect(page.getByRole("alert").first()).toBeVisible();
  await expect(page.getByLabel("Name", { exact: true })).toHaveValue("Eve Again");
  await expect(page.getByRole("row")).toHaveCount(4);
});

test("a new password ends the other sessions, and the old one no longer works", async ({ page, another }) => {
  const other = await another();
  await logIn(page, mara);
  await logIn(other, mara);
  await visit(page, "/account");
  await page.getByLabel("Current password").fill("not the current one");
  await page.getByLabel("New password").fill(`${noor.password} and more`);
  await page.getByRole("button", { name: "Change password" }).click();
  await ready(page);
  await expect(page.getByRole("alert")).toBeVisible();
  await page.getByLabel("Current password").fill(mara.password);
  await page.getByLabel("New password").fill(`${noor.password} and more`);
  await page.getByRole("button", { name: "Change password" }).click();
  await expect(page.getByRole("status")).toContainText("Password changed.");

  await visit(other, "/credentials");
  await expect(other).toHaveURL(/\/login/);
  await sendLogIn(other, mara.email, mara.password);
  await expect(other.getByRole("alert")).toBeVisible();
  await sendLogIn(other, mara.email, `${noor.password} and more`);
  await expect(other).toHaveURL(/\/credentials/);
});
