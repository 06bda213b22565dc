// The credential form and the page that shows a secret once, in the words of the pages.
import { randomUUID } from "node:crypto";
import { expect, type Locator, type Page } from "@playwright/test";
import type { Credential } from "./keyrack.js";
import { ready } from "./page.js";
import { post } from "./steps.js";

export interface Draft {
  name?: string;
  purpose?: string;
  flow?: "Client secret" | "Private key JWT" | "Legacy";
  publicKey?: string;
  access?: "Read only" | "Full access" | "Custom";
  /** With custom access: the level by the title of the scope. */
  levels?: Record<string, "No access" | "Read only" | "Read & write">;
  lifetime?: string;
}

/** Fills the form that is open; what the draft leaves out stays as it is. */
export async function fillCredential(page: Page, draft: Draft): Promise<void> {
  if (draft.name !== undefined) await page.getByLabel("Name", { exact: true }).fill(draft.name);
  if (draft.purpose !== undefined) await page.getByLabel("Purpose").fill(draft.purpose);
  if (draft.flow) await page.getByRole("radio", { name: new RegExp(`^${draft.flow}`) }).check();
  if (draft.publicKey) await page.getByRole("textbox", { name: "Public key" }).fill(draft.publicKey);
  if (draft.access) await choice(page, "Access", draft.access).check();
  for (const [scope, level] of Object.entries(draft.levels ?? {})) {
    await levelOf(page, scope, level).check();
  }
  if (draft.lifetime) await choice(page, "Lifetime", draft.lifetime).check();
}

export function choice(page: Page, group: "Access" | "Lifetime", words: string): Locator {
  return page.getByRole("group", { name: group }).getByRole("radio", { name: words, exact: true });
}

export function levelOf(page: Page, scope: string, level: string): Locator {
  const row = page.getByRole("radiogroup", { name: scope, exact: true });
  return row.getByRole("radio", { name: level, exact: true });
}

/** Sends the form for a new credential. */
export async function create(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Create credential" }).click();
}

/** Reads the page that shows a new credential once. */
export async function readShownOnce(page: Page, name: string): Promise<Credential> {
  const key = page.getByRole("region", { name: "Key", exact: true });
  await expect(key.getByRole("heading")).toHaveText(name);
  const [keyId = "", secret = ""] = await key.locator(".copy code").allTextContents();
  expect(keyId).toMatch(/^KR[A-Z2-7]{20}$/);
  return { key_id: keyId, name, secret };
}

/** Says that the secret is stored, where the page asks, and goes on to the credential. */
export async function leaveShownOnce(page: Page): Promise<void> {
  const stored = page.getByLabel("I have stored the secret");
  if (await stored.isVisible()) await stored.check();
  await page.getByRole("link", { name: "To the credential" }).click();
  await expect(page).toHaveURL(/\/credentials\/KR[A-Z2-7]{20}$/);
  await ready(page);
}

/** The fields that the form for a new credential sends, for sending them without it. */
export function fieldsOf(owner: string, fields: Record<string, string>): Record<string, string> {
  return {
    name: "sent-by-hand",
    purpose: "Sent without the form",
    owner,
    flow: "client_secret",
    access: "read_only",
    expires: "90d",
    expires_at: "",
    public_key: "",
    idempotency_key: randomUUID(),
    ...fields,
  };
}

/** Issues many credentials the fast way: by the form's own POST, from a page of a superuser. */
export async function issueMany(page: Page, owner: string, many: Record<string, string>[]): Promise<void> {
  for (const fields of many) {
    expect(await post(page, "/credentials/new", fieldsOf(owner, fields))).toBe(200);
  }
}
