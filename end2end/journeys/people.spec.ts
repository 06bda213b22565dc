// The team: what a superuser changes bites on the next request of the person whom it is about.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Locator, Page } from "@playwright/test";
import { eve, jonas, mara, noor, type Person } from "../support/keyrack.js";
import { expect, ready, test, visit } from "../support/page.js";
import { logIn, post, sendLogIn, toast } from "../support/steps.js";

test.use({ people: { mara, eve, jonas } });

function row(page: Page, email: string): Locator {
  return page.getByRole("row").filter({ hasText: email });
}

/** Opens the page of a person from the list. */
async function open(page: Page, person: Pick<Person, "name" | "email">): Promise<void> {
  await visit(page, "/users");
  await row(page, person.email).getByRole("link", { name: person.name }).click();
  await expect(page.getByRole("heading", { name: person.name, level: 1 })).toBeVisible();
}

/** What the page of a person says about how they stand. */
function facts(page: Page): Locator {
  return page.getByRole("region", { name: "Facts" });
}

async function changeRole(page: Page, person: Person, role: string): Promise<void> {
  await open(page, person);
  await page.getByLabel("Role", { exact: true }).selectOption(role);
  await page.getByRole("button", { name: "Change role" }).click();
  await ready(page);
}

/** The links that are shown this once. */
async function links(page: Page): Promise<string[]> {
  return page.getByRole("region", { name: /^Pass th/ }).locator("code").allTextContents();
}

for (const wasm of [true, false]) {
  test.describe(wasm ? "with WASM" : "without WASM", () => {
    test.use({ javaScriptEnabled: wasm });

    test("a new role ends the person's sessions and counts from their next log-in on", async ({ page, another, keyrack }) => {
      const other = await another();
      await logIn(page, mara);
      await logIn(other, eve);
      await visit(other, "/users");
      await expect(row(other, mara.email)).toBeVisible();
      await expect(other.getByRole("button", { name: "Invite" })).toHaveCount(0);
      await expect(other.getByRole("link", { name: mara.name })).toHaveCount(0);
      await open(other, eve);
      await expect(other.getByRole("button", { name: "Change role" })).toHaveCount(0);
      expect(await visit(other, `/users/${await keyrack.idOf(mara)}`)).toBe(403);
      expect(await visit(other, "/credentials/new")).toBe(403);

      await changeRole(page, eve, "superuser");
      await expect(toast(page)).toContainText("Role changed.");
      await expect(facts(page)).toContainText("Superuser");
      await visit(other, "/credentials/new");
      await expect(other).toHaveURL(/\/login/);
      await logIn(other, eve);
      expect(await visit(other, "/credentials/new")).toBe(200);

      await changeRole(page, eve, "support");
      await visit(other, "/credentials/new");
      await expect(other).toHaveURL(/\/login/);
      await logIn(other, eve);
      expect(await visit(other, "/credentials/new")).toBe(403);
      await expect(other.getByRole("alert")).toContainText("superusers only");
    });

    test("a person gets another name and address, and logs in with it", async ({ page, another }) => {
      const change = page.getByRole("button", { name: "Change name and address" });
      const address = page.getByRole("textbox", { name: "E-mail" });
      await logIn(page, mara);
      await open(page, eve);
      await expect(page.locator("#manage")).not.toContainText("single sign-on");

      // What is wrong is said at its field, and what was typed stays. (Browsers ask for an address themselves.)
      await page.getByLabel("Name", { exact: true }).fill("Eve Moreau");
      await address.fill(jonas.email);
      await change.click();
      await expect(page.locator("#email-error")).toContainText("is on the team already");
      await expect(page.getByLabel("Name", { exact: true })).toHaveValue("Eve Moreau");
      await expect(address).toHaveValue(jonas.email);
      await ready(page);
      await address.fill("eve.moreau@example.com");
      await change.click();
      await expect(toast(page)).toContainText("Name and address are as you typed them.");
      await expect(page.getByRole("heading", { name: "Eve Moreau", level: 1 })).toBeVisible();

      const other = await another();
      await visit(other, "/login");
      await sendLogIn(other, eve.email, eve.password);
      await expect(other.getByRole("alert")).toBeVisible();
      await logIn(other, { ...eve, email: "eve.moreau@example.com" });
    });

    test("disabling a person ends their session and keeps them out", async ({ page, another }) => {
      const other = await another();
      await logIn(page, mara);
      await logIn(other, jonas);
      await open(page, jonas);
      await page.getByRole("button", { name: "Disable" }).click();
      await expect(toast(page)).toContainText("can no longer log in");
      await expect(facts(page)).toContainText("Disabled");

      await visit(other, "/credentials");
      await expect(other).toHaveURL(/\/login/);
      await sendLogIn(other, jonas.email, jonas.password);
      await expect(other.getByRole("alert")).toBeVisible();

      await ready(page);
      await page.getByRole("button", { name: "Enable" }).click();
      await expect(facts(page)).toContainText("Active");
      await logIn(other, jonas);
    });

    test("the last superuser stays one, and is told why", async ({ page }) => {
      await logIn(page, mara);
      await changeRole(page, mara, "support");
      await expect(page.getByRole("alert")).toContainText(/last .*superuser/i);
      await expect(facts(page)).toContainText("Superuser");
      await page.getByRole("button", { name: "Disable" }).click();
      await expect(page.getByRole("alert")).toContainText(/last .*superuser/i);
      await expect(facts(page)).toContainText("Active");
    });

    test("what a disabled person leaves behind is given to somebody else", async ({ page, keyrack }) => {
      await keyrack.issue({ name: "night-job", owner: jonas.email });
      await keyrack.issue({ name: "day-job", owner: jonas.email });
      await logIn(page, mara);
      await open(page, jonas);
      await page.getByRole("button", { name: "Disable" }).click();
      await ready(page);
      await visit(page, "/credentials?tab=orphaned");
      await expect(page.getByRole("row").filter({ hasText: "-job" })).toHaveCount(2);

      await visit(page, "/users");
      const notice = page.locator(".notice").filter({ hasText: "still owns 2 credentials" });
      await notice.getByRole("link").click();
      await page.getByLabel("To", { exact: true }).selectOption({ label: eve.name });
      await page.getByRole("button", { name: "Give over" }).click();
      await expect(toast(page)).toContainText("Given over.");
      await ready(page);
      await visit(page, "/users");
      await expect(page.locator(".notice")).toHaveCount(0);
      await expect(row(page, eve.email)).toContainText("2 credentials");
    });
  });
}

test("a person who lost their password is given a link for a new one", async ({ page, another }) => {
  await logIn(page, mara);
  await open(page, eve);
  await page.getByRole("button", { name: "Make a password link" }).click();
  await ready(page);
  const [link] = await links(page);
  const other = await another();
  await visit(other, link ?? "");
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
    ["/users", { people: "A Friend <friend@example.com>", role: "superuser" }],
    [`/users/${id}/give`, { which: "all", to: id }],
    [`/users/${id}/role`, { role: "superuser" }],
    [`/users/${id}/person`, { name: "Somebody Else", email: "else@example.com" }],
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

test("a person who is there already is not invited again", async ({ page }) => {
  await logIn(page, mara);
  await visit(page, "/users");
  await page.getByLabel("People", { exact: true }).fill("new@example.com\nEve Again <EVE@example.com>");
  await page.getByRole("button", { name: "Invite", exact: true }).click();
  await ready(page);
  await expect(page.getByRole("alert").first()).toContainText("eve@example.com is on the team already");
  await expect(page.getByLabel("People", { exact: true })).toHaveValue(/Eve Again/);
  await expect(page.getByRole("row")).toHaveCount(4);
});

test.describe("with mail", () => {
  test.use({ settings: { KEYRACK_MAIL_FROM: "keyrack@example.com", KEYRACK_MAIL_FOLDER: "mail" } });

  test("invited people come in by their link; a new one kills the old, a withdrawn one is dead", async ({ page, another, keyrack }) => {
    await logIn(page, mara);
    await visit(page, "/users");
    await page.getByLabel("People", { exact: true }).fill("Ada King <ada@example.com>\njon.lind@example.com");
    await page.getByRole("button", { name: "Invite", exact: true }).click();
    await ready(page);
    await expect(page.getByText("Mailed to them.")).toHaveCount(2);
    const [ofAda, ofJon] = await links(page);
    expect(await readdir(join(keyrack.folder, "mail"))).toHaveLength(2);
    await expect(row(page, "ada@example.com")).toContainText("link ends");

    await open(page, { name: "Ada King", email: "ada@example.com" });
    await page.getByRole("button", { name: "Send a new link" }).click();
    await ready(page);
    const [again] = await links(page);
    await open(page, { name: "Jon Lind", email: "jon.lind@example.com" });
    await page.getByRole("button", { name: "Withdraw the invite" }).click();
    await ready(page);

    const other = await another();
    for (const [link, works] of [[ofAda, false], [ofJon, false], [again, true]] as const) {
      await visit(other, link ?? "");
      await other.getByLabel("Password", { exact: true }).fill("otters count nine kettles");
      await other.getByRole("button", { name: "Set the password" }).click();
      if (works) await expect(other).toHaveURL(/\/login\?done=welcome$/);
      else await expect(other.getByRole("alert")).toBeVisible();
      await ready(other);
    }
  });

  test("whoever forgot their password asks for a link", async ({ page }) => {
    await visit(page, "/login");
    await page.getByRole("link", { name: "Forgot your password?" }).click();
    await page.getByLabel("E-mail").fill(eve.email);
    await page.getByRole("button", { name: "Send the link" }).click();
    await expect(page).toHaveURL(/\/login\?done=reset-asked$/);
    await expect(toast(page)).toContainText("a mail with a link is on its way");
  });
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
