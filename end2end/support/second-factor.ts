// A second factor, made as people make it, and the proofs that it gives.
import type { Page } from "@playwright/test";
import type { Keyrack } from "./keyrack.js";
import { expect, expectAccessible, ready, visit } from "./page.js";
import { code } from "./totp.js";

/** Makes a second factor on the account page. Gives its secret and the recovery codes. */
export async function setUpCode(page: Page): Promise<{ secret: string; codes: string[] }> {
  await visit(page, "/account");
  await page.getByRole("button", { name: "Set up an authenticator app" }).click();
  await ready(page);
  await expect(page.getByRole("img", { name: "QR code of the key below" })).toBeVisible();
  await expectAccessible(page);
  const secret = await page.locator("#set-up .copy code").innerText();
  // A step early, so that the code of now is not used up.
  await page.getByLabel("Code", { exact: true }).fill(code(secret, -1));
  await page.getByRole("button", { name: "Use this app" }).click();
  await ready(page);
  const codes = await page.locator("#recovery-codes li").allInnerTexts();
  expect(codes).toHaveLength(10);
  return { secret, codes };
}

/** Lets a quarter of an hour pass since everybody's last proof. */
export async function forgetProofs(page: Page, keyrack: Keyrack): Promise<void> {
  // What the page still loads would find nobody there.
  await page.waitForLoadState("networkidle");
  await keyrack.stop();
  keyrack.change("UPDATE sessions SET data = json_set(data, '$.log_in.proven_at', 0)");
  await keyrack.start();
}
