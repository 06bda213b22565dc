// The list: search, tabs, filters, order and pages, all of it in the URL.
import type { Page } from "@playwright/test";
import { mara, noor } from "../support/keyrack.js";
import { issueMany } from "../support/credentials.js";
import { expect, ready, test, visit } from "../support/page.js";
import { look } from "../support/look.js";
import { logIn, post } from "../support/steps.js";

test.use({ people: { mara, noor } });

/** More than a page of 50. */
const MANY = 64;

function number(index: number): string {
  return String(index).padStart(2, "0");
}

/** 64 credentials: every fourth legacy, every eighth without an end, the rest ends in a week or later. */
async function seed(page: Page, owner: string): Promise<void> {
  const many = Array.from({ length: MANY }, (_, index) => ({
    name: `worker-${number(index)}`,
    flow: index % 4 === 0 ? "legacy" : "client_secret",
    expires: index % 8 === 0 ? "never" : index % 8 === 1 ? "1w" : "6m",
    ...(index === 7 ? { access: "custom", "scope.crypto": "write" } : {}),
  }));
  await issueMany(page, owner, many);
}

/** The names on the page, from top to bottom. */
async function names(page: Page): Promise<string[]> {
  return page.getByRole("rowheader").locator("b").allTextContents();
}

async function expectNames(page: Page, expected: string[]): Promise<void> {
  await expect.poll(() => names(page)).toEqual(expected);
}

for (const wasm of [true, false]) {
  test.describe(wasm ? "with WASM" : "without WASM", () => {
    test.use({ javaScriptEnabled: wasm });

    /** Chooses or types in a field of the filter bar; without WASM the form must be sent. */
    async function filter(page: Page, act: () => Promise<unknown>): Promise<void> {
      await act();
      if (!wasm) await page.getByRole("button", { name: "Apply" }).click();
    }

    test("64 credentials are found by search, tab, filter, order and page", async ({ page, keyrack }) => {
      test.setTimeout(120_000);
      await logIn(page, mara);
      await seed(page, await keyrack.idOf(mara));

      await visit(page, "/credentials?sort=name");
      const all = Array.from({ length: MANY }, (_, index) => `worker-${number(index)}`);
      await expectNames(page, all.slice(0, 50));
      await expect(page.getByText("50 of 64 credentials")).toBeVisible();
      await page.getByRole("link", { name: "Next" }).click();
      await expectNames(page, all.slice(50));
      await expect(page.getByRole("link", { name: "Next" })).toHaveCount(0);
      const second = page.url();
      await page.getByRole("link", { name: "Previous" }).click();
      await expectNames(page, all.slice(0, 50));
      await page.goBack();
      await expectNames(page, all.slice(50));
      await expect(page).toHaveURL(second);

      // By the head of the column, and turned round.
      await page.getByRole("columnheader", { name: "Credential" }).getByRole("link").click();
      await expectNames(page, all.slice(14).reverse());
      await expect(page.getByRole("columnheader", { name: "Credential" })).toHaveAttribute("aria-sort", "descending");

      const tabs = page.getByRole("navigation", { name: "Which credentials" });
      await expect(tabs.getByRole("link", { name: "Expiring" })).toContainText("8");
      await tabs.getByRole("link", { name: "Never expires" }).click();
      await expectNames(page, all.filter((_, index) => index % 8 === 0).reverse());
      await expect(page).toHaveURL(/tab=never/);
      await expect(tabs.getByRole("link", { name: "Never expires" })).toHaveAttribute("aria-current", "page");

      await tabs.getByRole("link", { name: "All" }).click();
      await filter(page, () => page.getByLabel("Any flow").selectOption({ label: "Legacy" }));
      await expectNames(page, all.filter((_, index) => index % 4 === 0).reverse());
      await filter(page, () => page.getByLabel("Any flow").selectOption(""));
      await filter(page, () => page.getByLabel("Any access").selectOption({ label: "Custom" }));
      await expectNames(page, ["worker-07"]);
      await filter(page, () => page.getByLabel("Any scope").selectOption({ label: "Data" }));
      await expect(page.getByRole("heading", { name: "No match" })).toBeVisible();
      await expect(page).toHaveURL(/access=custom.*scope=data/);
      await page.getByRole("link", { name: "Clear filters" }).click();
      await expect(page.getByText("50 of 64 credentials")).toBeVisible();

      await filter(page, () => page.getByLabel("Search credentials").fill("WORKER-1"));
      await expectNames(page, all.slice(10, 20).reverse());
      await expect(page).toHaveURL(/q=WORKER-1/);
      await expect(page.getByLabel("Search credentials")).toHaveValue("WORKER-1");
      const keyId = await page.getByRole("rowheader").locator("code").first().textContent();
      await filter(page, () => page.getByLabel("Search credentials").fill(keyId ?? ""));
      await expectNames(page, ["worker-19"]);

      // Somebody else opens the same address and sees the same.
      await page.reload();
      await ready(page);
      await expectNames(page, ["worker-19"]);
      await page.getByRole("link", { name: "worker-19" }).click();
      await expect(page.getByRole("heading", { level: 1 })).toHaveText("worker-19");
      await page.goBack();
      await expectNames(page, ["worker-19"]);
    });

    test("an address that means nothing still shows a list", async ({ page, keyrack }) => {
      await keyrack.issue({ name: "the-only-one" });
      await logIn(page, mara);
      await visit(page, "/credentials?tab=x&flow=y&scope=%00&sort=--&q=%20&owner=");
      await expectNames(page, ["the-only-one"]);
      await visit(page, "/credentials?after=nonsense");
      await expect(page.getByRole("heading", { level: 1 })).toHaveText("Credentials");
      await visit(page, `/credentials?q=${encodeURIComponent(`<img src=x onerror="alert(1)">%' OR 1=1`)}`);
      await expect(page.getByRole("heading", { name: "No match" })).toBeVisible();
    });
  });
}

test("the first credential is asked for where there is none", async ({ page }) => {
  await logIn(page, mara);
  await expect(page.getByRole("heading", { name: "No credentials yet" })).toBeVisible();
  await page.getByRole("main").getByRole("link", { name: "New credential" }).last().click();
  await expect(page).toHaveURL(/\/credentials\/new$/);
});

test("a slash leads to the search", async ({ page, keyrack }) => {
  await keyrack.issue();
  await logIn(page, mara);
  await page.keyboard.press("/");
  await expect(page.getByLabel("Search credentials")).toBeFocused();
  await expect(page.getByLabel("Search credentials")).toHaveValue("");
});

test("in a team of more than 100 the owners are found by the search", async ({ page, keyrack }) => {
  await keyrack.issue({ name: "of-mara" });
  await keyrack.issue({ name: "of-noor", owner: noor.email });
  await logIn(page, mara);
  const owners = page.getByLabel("Any owner");
  await expect(owners.getByRole("option")).toHaveText(["Any owner", mara.name, noor.name]);

  for (const batch of ["ada", "bo"]) {
    const people = Array.from({ length: 50 }, (_, index) => `${batch}${number(index)}@example.com`).join("\n");
    expect(await post(page, "/users", { people, role: "developer" })).toBe(200);
  }
  await visit(page, "/credentials");
  const others = "Others: search for their name";
  await expect(owners.getByRole("option")).toHaveText(["Any owner", mara.name, others]);
  await expect(owners.getByRole("option", { name: others })).toBeDisabled();
  await owners.selectOption(mara.name);
  await expectNames(page, ["of-mara"]);
  await owners.selectOption("");
  await page.getByLabel("Search credentials").fill(noor.name);
  await expectNames(page, ["of-noor"]);

  // The address of a list of somebody else's says whose it is.
  await visit(page, `/credentials?owner=${await keyrack.idOf(noor)}`);
  await expectNames(page, ["of-noor"]);
  await expect(owners.locator("option:checked")).toHaveText(noor.name);
  await look(page, "credentials-large-team");
});
