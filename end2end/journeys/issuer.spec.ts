// Gateways, limits and public keys in the browser, and why a call was refused.
import { randomUUID } from "node:crypto";
import { eve, mara } from "../support/keyrack.js";
import { expect, ready, test, visit } from "../support/page.js";
import { logIn, toast } from "../support/steps.js";

test.use({ people: { mara, eve } });

for (const wasm of [true, false]) {
  test.describe(wasm ? "with WASM" : "without WASM", () => {
    test.use({ javaScriptEnabled: wasm });

    test("a gateway gets its token once, another one, and none", async ({ page }) => {
      await logIn(page, mara);
      await page.getByRole("link", { name: "Gateways" }).click();
      await ready(page);
      await expect(page.getByText("No gateways yet")).toBeVisible();
      const add = page.locator("#add");
      await add.getByLabel("Name").fill("edge nginx");
      await add.getByLabel("Addresses").fill("not an address");
      await add.getByRole("button", { name: "Add gateway" }).click();
      await ready(page);
      await expect(page.locator("#add").getByRole("alert")).toContainText("not an address or network");
      await page.locator("#add").getByLabel("Addresses").fill("192.0.2.0/24");
      await page.locator("#add").getByRole("button", { name: "Add gateway" }).click();
      await ready(page);
      const token = await page.locator(".copy code").innerText();
      expect(token).toMatch(/^krg_[\w-]{43}$/);
      await expect(page.locator(".snippet")).toContainText(`X-Keyrack-Gateway "${token}"`);

      await visit(page, "/gateways");
      await expect(page.getByText(token)).toHaveCount(0);
      const row = page.getByRole("row").filter({ hasText: "edge nginx" });
      await expect(row).toContainText("192.0.2.0/24");
      await row.getByRole("link", { name: "Manage" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Replace the token" }).click();
      await ready(page);
      const next = await page.locator(".copy code").innerText();
      expect(next).not.toBe(token);

      await visit(page, "/gateways");
      await page.getByRole("row").filter({ hasText: "edge nginx" }).getByRole("link", { name: "Manage" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
      await expect(toast(page)).toContainText("Its token no longer works");
      await expect(page.getByRole("row").filter({ hasText: "edge nginx" })).toContainText("Disabled");
    });

    test("each limit of a key can only report, by itself", async ({ page, keyrack }) => {
      const { key_id: keyId } = await keyrack.issue({ name: "batch-signer", access: "read-only", flow: "legacy" });
      await logIn(page, mara);
      await visit(page, `/credentials/${keyId}`);
      await page.getByRole("link", { name: "Change limits" }).click();
      const dialog = page.getByRole("dialog");
      await dialog.getByLabel("Addresses").fill("203.0.113.7");
      await dialog.getByLabel("Calls a minute").fill("600");
      await dialog.getByLabel("Only report calls beyond these").check();
      await dialog.getByRole("button", { name: "Save limits" }).click();
      await expect(toast(page)).toContainText("Limits saved");
      await expect(page.getByText("only from 203.0.113.7", { exact: true })).toBeVisible();
      await expect(page.getByText("at most 600 calls a minute (reported, not refused)")).toBeVisible();
    });
  });
}

test("a key's limits and public keys change, and everyone reads why a call was refused", async ({
  page,
  another,
  keyrack,
}) => {
  const credential = await keyrack.issue({ name: "batch-signer", access: "read-only", flow: "legacy" });
  const { key_id: keyId, secret } = credential;
  await logIn(page, mara);
  await visit(page, `/credentials/${keyId}`);
  await page.getByRole("link", { name: "Change limits" }).click();
  await page.getByRole("dialog").getByLabel("Addresses").fill("203.0.113.7");
  await page.getByRole("dialog").getByRole("button", { name: "Save limits" }).click();
  await expect(toast(page)).toContainText("Limits saved");
  await expect(page.getByText("only from 203.0.113.7")).toBeVisible();

  const refused = await fetch(`${keyrack.url}/v1/verify`, {
    headers: {
      "X-Original-Method": "GET",
      "X-Original-URI": `/v1/accounts/${randomUUID()}`,
      Authorization: `Basic ${btoa(`${keyId}:${secret}`)}`,
    },
  });
  expect(refused.status).toBe(403);
  const requestId = refused.headers.get("x-request-id") ?? "";

  const other = await another();
  await logIn(other, eve);
  await expect(other.getByRole("link", { name: "Gateways" })).toHaveCount(0);
  expect(await visit(other, "/gateways")).toBe(403);
  await visit(other, "/lookup");
  await other.getByLabel("Request id").fill(requestId);
  await other.getByRole("button", { name: "Look up" }).click();
  await ready(other);
  await expect(other.getByLabel("Decision")).toContainText("may not be used from this address");
  await expect(other.getByLabel("Decision")).toContainText("batch-signer");
  await other.getByLabel("Decision").getByRole("link", { name: "batch-signer" }).click();
  await ready(other);
  await expect(other.getByRole("heading", { name: "Last refusals" })).toBeVisible();
  await expect(other.getByRole("link", { name: "Change limits" })).toHaveCount(0);
});
