// One credential: what is done to it, by whom, and that its page tells the whole story.
import type { Locator, Page } from "@playwright/test";
import { choice, levelOf } from "../support/credentials.js";
import { type Credential, eve, jonas, type Keyrack, mara } from "../support/keyrack.js";
import { expect, ready, test, visit } from "../support/page.js";
import { logIn, post, toast } from "../support/steps.js";

test.use({ people: { mara, jonas, eve } });

async function issue(keyrack: Keyrack): Promise<Credential> {
  const scopes = ["accounts=read", "journaling=write"];
  return keyrack.issue({ name: "settlement-worker", access: "custom", scopes, flow: "legacy" });
}

/** What the gate says to the credential's holder. */
async function knock(keyrack: Keyrack, credential: Credential, method = "GET", path = "/v1/accounts"): Promise<number> {
  const answer = await fetch(`${keyrack.url}/v1/verify`, {
    headers: {
      "x-original-method": method,
      "x-original-uri": path,
      "apca-api-key-id": credential.key_id,
      "apca-api-secret-key": credential.secret,
    },
  });
  return answer.status;
}

function story(page: Page): Locator {
  return page.locator("ol.story > li");
}

/** Opens the dialog of a step. */
async function ask(page: Page, step: string): Promise<Locator> {
  await page.getByRole("link", { name: step, exact: true }).click();
  return page.getByRole("dialog", { name: `${step} settlement-worker?` });
}

for (const wasm of [true, false]) {
  test.describe(wasm ? "with WASM" : "without WASM", () => {
    test.use({ javaScriptEnabled: wasm });

    test("a credential lives: quarantined, re-enabled, revoked, kept as a tombstone", async ({ page, keyrack }) => {
      const credential = await issue(keyrack);
      await logIn(page, mara);
      await visit(page, `/credentials/${credential.key_id}`);
      await expect(page.getByRole("heading", { level: 1 })).toHaveText("settlement-worker");
      await expect(page.getByRole("region", { name: "Facts" })).toContainText("Active");
      expect(await knock(keyrack, credential)).toBe(200);

      let dialog = await ask(page, "Quarantine");
      await dialog.getByRole("button", { name: "Quarantine" }).click();
      await expect(dialog, "a quarantine needs a reason").toBeVisible();
      await dialog.getByLabel("Reason").fill("Seen in a <b>public</b> log");
      await dialog.getByRole("button", { name: "Quarantine" }).click();
      await expect(toast(page)).toContainText("Quarantined.");
      await expect(page.getByRole("region", { name: "Facts" })).toContainText("Quarantined");
      await expect(story(page).first()).toContainText("Mara Okafor quarantined it");
      await expect(story(page).first()).toContainText("“Seen in a <b>public</b> log”");
      expect(await knock(keyrack, credential)).toBe(401);

      await ready(page);
      dialog = await ask(page, "Re-enable");
      await dialog.getByRole("button", { name: "Re-enable" }).click();
      await expect(page.getByRole("region", { name: "Facts" })).toContainText("Active");
      expect(await knock(keyrack, credential)).toBe(200);

      await ready(page);
      dialog = await ask(page, "Revoke");
      await expect(dialog).toContainText("can't be undone");
      await dialog.getByRole("link", { name: "Cancel" }).click();
      await expect(dialog).toBeHidden();
      expect(await knock(keyrack, credential)).toBe(200);
      dialog = await ask(page, "Revoke");
      await dialog.getByLabel("Reason").fill("The contract has ended");
      await dialog.getByRole("button", { name: "Revoke" }).click();
      await expect(page.getByText("Revoked by Mara Okafor")).toBeVisible();
      expect(await knock(keyrack, credential)).toBe(401);
      for (const step of ["Edit", "Quarantine", "Re-enable", "Revoke"]) {
        await expect(page.getByRole("link", { name: step, exact: true })).toHaveCount(0);
      }
      await expect(story(page)).toHaveText([/revoked it/, /re-enabled it/, /quarantined it/, /issued it/]);
      // What has ended stays ended, whatever is sent.
      expect(await post(page, `/credentials/${credential.key_id}/enable`, { reason: "" })).toBe(409);

      await visit(page, "/credentials?tab=ended");
      await expect(page.getByRole("row").filter({ hasText: credential.key_id })).toContainText("Revoked");
    });

    test("an edit holds from the next call on, and the story says what changed", async ({ page, keyrack }) => {
      const credential = await issue(keyrack);
      expect(await knock(keyrack, credential, "POST", "/v1/journals")).toBe(200);
      await logIn(page, mara);
      await visit(page, `/credentials/${credential.key_id}`);
      await page.getByRole("link", { name: "Edit", exact: true }).click();
      await expect(page).toHaveURL(/\/edit$/);
      await ready(page);
      await expect(page.getByLabel("Name", { exact: true })).toHaveValue("settlement-worker");
      await expect(levelOf(page, "Journaling", "Read & write")).toBeChecked();
      await expect(choice(page, "Lifetime", "Leave as it is")).toBeChecked();

      await page.getByLabel("Purpose").fill("Reads journals only");
      await levelOf(page, "Journaling", "Read only").check();
      await page.getByLabel("Name", { exact: true }).fill("  ");
      await page.getByRole("button", { name: "Save changes" }).click();
      await ready(page);
      await expect(page.getByLabel("Name", { exact: true })).toHaveAttribute("aria-invalid", "true");
      await expect(page.getByLabel("Purpose")).toHaveValue("Reads journals only");
      await expect(levelOf(page, "Journaling", "Read only")).toBeChecked();
      expect(await knock(keyrack, credential, "POST", "/v1/journals")).toBe(200);

      await page.getByLabel("Name", { exact: true }).fill("journal-reader");
      await page.getByRole("button", { name: "Save changes" }).click();
      await expect(page.getByRole("heading", { level: 1 })).toHaveText("journal-reader");
      await expect(toast(page)).toContainText("Saved.");
      await expect(story(page).first()).toContainText("Mara Okafor edited it");
      await expect(story(page).first()).toContainText(/Journaling:\s+Read & write\s+→\s+Read only/);
      expect(await knock(keyrack, credential, "POST", "/v1/journals")).toBe(403);
      expect(await knock(keyrack, credential, "GET", "/v1/journals")).toBe(200);
    });

    test("an edit of what somebody else has changed meanwhile is refused", async ({ page, keyrack, another }) => {
      const credential = await issue(keyrack);
      await logIn(page, mara);
      await visit(page, `/credentials/${credential.key_id}/edit`);
      const other = await another();
      await logIn(other, mara);
      await visit(other, `/credentials/${credential.key_id}/edit`);
      await other.getByLabel("Purpose").fill("Changed first");
      await other.getByRole("button", { name: "Save changes" }).click();
      await expect(toast(other)).toContainText("Saved.");

      await page.getByLabel("Purpose").fill("Changed second");
      await page.getByRole("button", { name: "Save changes" }).click();
      await expect(page.getByRole("alert")).toBeVisible();
      await expect(page.getByLabel("Purpose")).toHaveValue("Changed second");
      const shown = await keyrack.run(["credential", "show", credential.key_id, "--json"]);
      expect(JSON.parse(shown)).toMatchObject({ purpose: "Changed first" });
    });

    test("the page answers what the key can call", async ({ page, keyrack }) => {
      const credential = await issue(keyrack);
      await logIn(page, eve);
      await visit(page, `/credentials/${credential.key_id}`);
      const summary = page.getByRole("complementary");
      await summary.getByLabel("Method").selectOption("POST");
      await summary.getByLabel("Path").fill("/v1/journals");
      await summary.getByLabel("Path").press("Enter");
      await expect(summary.getByRole("status")).toHaveText("Yes. It may write Journaling.");
      await summary.getByLabel("Path").fill("/v1/accounts");
      await summary.getByLabel("Path").press("Enter");
      await expect(summary.getByRole("status")).toContainText("No. Needs Accounts: read & write");
    });
  });
}

test("each role is offered what it may do, and the rest is refused", async ({ page, keyrack, another }) => {
  const credential = await issue(keyrack);
  const path = `/credentials/${credential.key_id}`;
  await logIn(page, jonas);
  await visit(page, path);
  await expect(page.getByRole("link", { name: "Edit", exact: true })).toHaveCount(0);
  await expect(page.getByRole("link", { name: "Revoke", exact: true })).toHaveCount(0);
  expect(await visit(page, `${path}/edit`)).toBe(403);
  await visit(page, path);
  const dialog = await ask(page, "Quarantine");
  await dialog.getByLabel("Reason").fill("Calls at night");
  await dialog.getByRole("button", { name: "Quarantine" }).click();
  await expect(page.getByText("Quarantined by Jonas Lind")).toBeVisible();
  await expect(page.getByRole("link", { name: "Re-enable", exact: true })).toHaveCount(0);

  const other = await another();
  await logIn(other, eve);
  await visit(other, path);
  await expect(other.locator("main dialog")).toHaveCount(0);
  for (const [step, fields] of [
    ["edit", { read: new Date().toISOString() }],
    ["disable", { reason: "x" }],
    ["enable", { reason: "x" }],
    ["revoke", { reason: "x" }],
  ] as [string, Record<string, string>][]) {
    expect(await post(other, `${path}/${step}`, fields), step).toBe(403);
  }
  await other.reload();
  await expect(story(other).first()).toContainText("Eve Moreau tried to revoke it and was refused");
  await expect(other.getByRole("region", { name: "Facts" })).toContainText("Quarantined");
});

test("the last use is shown with time, endpoint and address", async ({ page, keyrack }) => {
  const credential = await issue(keyrack);
  await knock(keyrack, credential);
  await logIn(page, mara);
  await expect(async () => {
    await visit(page, `/credentials/${credential.key_id}`);
    await expect(page.getByRole("region", { name: "Facts" })).toContainText("GET /v1/accounts · 127.0.0.1");
  }).toPass();
});

test("a credential that is not there has a page that says so", async ({ page }) => {
  await logIn(page, mara);
  expect(await visit(page, "/credentials/KRAAAAAAAAAAAAAAAAAAAA")).toBe(404);
  await expect(page.getByRole("alert")).toBeVisible();
  expect(await visit(page, "/credentials/nonsense")).toBe(404);
});
