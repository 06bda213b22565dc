// The team: what a superuser changes bites on the next request of the person whom it is about.
import type { Locator, Page } from "@playwright/test";
import { eve, jonas, mara, noor, type Person } from "../support/keyrack.js";
import { expect, ready, test, visit } from "../support/page.js";
import { logIn, post, sendLogIn, toast } from "../support/steps.js";

test.use({ people: { mara, eve, jonas } });

function row(page: Page, email: string): Locator {
  return page.getByRole("row").filter({ hasText: email });
}

/** Opens the dialog in which a person is managed. */
async function manage(page: Page, person: Person): Promise<Locator> {
  await row(page, person.email).getByRole("link", { name: "Manage" }).click();
  return page.getByRole("dialog", { name: person.name });
}

async function changeRole(page: Page, person: Person, role: string): Promise<void> {
  const dialog = await manage(page, person);
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
      await visit(other, "/users");
      await expect(row(other, mara.email)).toBeVisible();
      await expect(other.getByRole("link", { name: "Manage" })).toHaveCount(0);
      await expect(other.getByRole("button", { name: "Add person" })).toHaveCount(0);
      expect(await visit(other, "/credentials/new")).toBe(403);

      await visit(page, "/users");
      await changeRole(page, eve, "superuser");
      await expect(toast(page)).toContainText("Role changed.");
      await expect(row(page, eve.email)).toContainText("Superuser");
      expect(await visit(other, "/credentials/new")).toBe(200);

      await changeRole(page, eve, "support");
      expect(await visit(other, "/credentials/new")).toBe(403);
      await expect(other.getByRole("alert")).toContainText("superusers only");
    });

    test("disabling a person ends their session and keeps them out", async ({ page, another }) => {
      const other = await another();
      await logIn(page, mara);
      await logIn(other, jonas);
      await visit(page, "/users");
      const dialog = await manage(page, jonas);
      await dialog.getByRole("button", { name: "Disable" }).click();
      await expect(toast(page)).toContainText("can no longer log in");
      await expect(row(page, jonas.email)).toContainText("Disabled");

      await visit(other, "/credentials");
      await expect(other).toHaveURL(/\/login/);
      await sendLogIn(other, jonas.email, jonas.password);
      await expect(other.getByRole("alert")).toBeVisible();

      await ready(page);
      const again = await manage(page, jonas);
      await again.getByRole("button", { name: "Enable" }).click();
      await expect(row(page, jonas.email)).toContainText("Active");
      await logIn(other, jonas);
    });

    test("the last superuser stays one, and is told why", async ({ page }) => {
      await logIn(page, mara);
      await visit(page, "/users");
      await changeRole(page, mara, "support");
      await expect(page.getByRole("alert")).toContainText(/last .*superuser/i);
      await expect(row(page, mara.email)).toContainText("Superuser");
      const dialog = await manage(page, mara);
      await dialog.getByRole("button", { name: "Disable" }).click();
      await expect(page.getByRole("alert")).toContainText(/last .*superuser/i);
      await expect(row(page, mara.email)).toContainText("Active");
    });
  });
}

test("a person who lost their password is given a link for a new one", async ({ page, another }) => {
  await logIn(page, mara);
  await visit(page, "/users");
  const dialog = await manage(page, eve);
  await dialog.getByRole("button", { name: "Make a password link" }).click();
  const link = page.getByRole("region", { name: `Pass this link on to ${eve.name}` }).locator("code");
  const other = await another();
  await visit(other, (await link.textContent()) ?? "");
  await other.getByLabel("Password", { exact: true }).fill("a new one for Eve, quite long");
  await other.getByRole("button", { name: "Set the password" }).click();
  await expect(other).toHaveURL(/\/login\?done=welcome$/);
  await sendLogIn(other, eve.email, "a new one for Eve, quite long");
  await expect(other).toHaveURL(/\/credentials$/);
});

test("nobody but a superuser changes people, by whatever door", async ({ page, keyrack }) => {
  await logIn(page, jonas);
  const id = await keyrack.idOf(jonas);
  for (const [path, fields] of [
    ["/users", { name: "A Friend", email: "friend@example.com", role: "superuser" }],
    [`/users/${id}/role`, { role: "superuser" }],
    [`/users/${await keyrack.idOf(mara)}/disable`, {}],
    [`/users/${id}/password-link`, {}],
  ] as [string, Record<string, string>][]) {
    expect(await post(page, path, fields), path).toBe(403);
  }
  const people = JSON.parse(await keyrack.run(["user", "list", "--json"])) as { role: string; active: boolean }[];
  expect(people.map(({ role, active }) => `${role} ${active}`).sort()).toEqual(
    ["operations true", "superuser true", "support true"],
  );
});

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
  await expect(toast(page)).toContainText("Password changed.");

  await visit(other, "/credentials");
  await expect(other).toHaveURL(/\/login/);
  await sendLogIn(other, mara.email, mara.password);
  await expect(other.getByRole("alert")).toBeVisible();
  await sendLogIn(other, mara.email, `${noor.password} and more`);
  await expect(other).toHaveURL(/\/credentials/);
});
