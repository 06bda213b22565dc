// What people do again and again, in the words of the pages.
import { expect, type Locator, type Page } from "@playwright/test";
import type { Person } from "./keyrack.js";
import { ready, visit } from "./page.js";

/** Makes the first superuser with the link that the server printed. */
export async function setUp(page: Page, link: string, person: Person): Promise<void> {
  await visit(page, link);
  await page.getByLabel("Your name").fill(person.name);
  await page.getByLabel("E-mail").fill(person.email);
  await page.getByLabel("Password", { exact: true }).fill(person.password);
  await page.getByRole("button", { name: "Create the superuser" }).click();
  await expect(page).toHaveURL(/\/login\?done=set-up$/);
}

/** Fills the log-in form that is open and sends it. */
export async function sendLogIn(page: Page, email: string, password: string): Promise<void> {
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
}

/** Logs in and lands on the credentials. */
export async function logIn(page: Page, person: Person): Promise<void> {
  await visit(page, "/login");
  await sendLogIn(page, person.email, person.password);
  await expect(page).toHaveURL(/\/credentials$/);
  await ready(page);
}

export async function logOut(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Log out" }).click();
  await expect(page).toHaveURL(/\/login\?done=logged-out$/);
  await ready(page);
}

/** What the page says about what was just done. */
export function toast(page: Page): Locator {
  return page.getByRole("status").locator(".toast");
}

/** Sends a form from the page that is open, as its own forms would. Gives the status. */
export async function post(page: Page, path: string, fields: Record<string, string>): Promise<number> {
  return page.evaluate(
    async ([path, fields]) => {
      const answer = await fetch(path, { method: "POST", body: new URLSearchParams(fields) });
      return answer.status;
    },
    [path, fields] as const,
  );
}
