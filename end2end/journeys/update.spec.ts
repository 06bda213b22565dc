// The server was updated while somebody had a page open: the code of its other pages is gone.
import type { Page } from "@playwright/test";
import { mara } from "../support/keyrack.js";
import { expect, ready, test } from "../support/page.js";
import { logIn } from "../support/steps.js";

test.use({ people: { mara } });

/** Whether WASM has broken down in a page. Console errors alone are expected here. */
function watchForPanics(page: Page): string[] {
  const panics: string[] = [];
  page.on("console", (message) => {
    if (message.text().includes("panicked")) panics.push(message.text());
  });
  page.on("pageerror", (error) => panics.push(String(error)));
  return panics;
}

test("the browser loads a page whose code is gone, and shows what the server rendered", async ({ context }) => {
  const page = await context.newPage();
  const panics = watchForPanics(page);
  await logIn(page, mara);
  await ready(page);
  await page.route(/split_load_rest/, (route) => route.fulfill({ status: 404 }));
  await page.getByRole("link", { name: "Catalogue", exact: true }).click();
  await expect(page).toHaveURL(/\/catalogue$/);
  await expect(page.getByRole("heading", { level: 1, name: "Catalogue" })).toBeVisible();
  await page.waitForLoadState("networkidle");
  // It stays plain, and its links and forms work.
  await expect(page.locator("body")).not.toHaveAttribute("data-hydrated");
  await page.getByRole("link", { name: "Users", exact: true }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Users" })).toBeVisible();
  await page.getByRole("link", { name: "Credentials", exact: true }).click();
  await ready(page);
  expect(panics).toEqual([]);
});
