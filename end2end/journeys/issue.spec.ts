// Issuing a credential: the form, what it says while it is filled in, and the page with the secret.
import type { Dialog, Locator, Page } from "@playwright/test";
import { eve, type Keyrack, mara } from "../support/keyrack.js";
import {
  choice,
  create,
  fieldsOf,
  fillCredential,
  leaveShownOnce,
  levelOf,
  readShownOnce,
} from "../support/credentials.js";
import { expect, ready, test, visit } from "../support/page.js";
import { logIn } from "../support/steps.js";

test.use({ people: { mara, eve } });

interface Listed {
  name: string;
  access: string;
  scope: string;
  flow: string;
  expires_at: string | null;
  owner_id: string;
}

async function list(keyrack: Keyrack): Promise<Listed[]> {
  return JSON.parse(await keyrack.run(["credential", "list", "--json"])) as Listed[];
}

async function openForm(page: Page): Promise<void> {
  await logIn(page, mara);
  await page.getByRole("link", { name: "New credential" }).first().click();
  await expect(page.getByRole("heading", { name: "New credential", level: 1 })).toBeVisible();
  await ready(page);
}

/** Sends the form as a browser would that checks nothing. */
async function createUnchecked(page: Page): Promise<void> {
  const form = page.locator("form", { has: page.getByRole("button", { name: "Create credential" }) });
  await form.evaluate((form: HTMLFormElement) => (form.noValidate = true));
  await create(page);
}

for (const wasm of [true, false]) {
  test.describe(wasm ? "with WASM" : "without WASM", () => {
    test.use({ javaScriptEnabled: wasm });

    test("a credential with levels of its own is issued and its secret shown once", async ({ page, keyrack }) => {
      await openForm(page);
      await fillCredential(page, {
        name: "settlement-worker",
        purpose: "Moves cash at night",
        levels: { Accounts: "Read only", Journaling: "Read & write", Data: "Read only" },
        lifetime: "6 months",
      });
      await create(page);
      const issued = await readShownOnce(page, "settlement-worker");
      expect(issued.secret).toMatch(/^krs_[0-9A-Za-z]{46}$/);
      if (wasm) {
        await page.getByRole("button", { name: "Test now" }).click();
        await expect(page.locator(".answer")).toContainText([
          "A request for an access token went through.",
          "GET /v1/accounts went through.",
          "POST /v1/accounts was refused, as it should be. Needs accounts:write, this key has accounts:read.",
        ]);
      }
      const format = (label: string) => page.locator("label").filter({ hasText: label });
      for (const label of [".env", "JSON", "Kubernetes", "curl", "Python", "Node", "Go", "Rust"]) {
        await format(label).click();
        await expect(page.locator("pre:visible")).toContainText(issued.key_id);
        await expect(page.locator("pre:visible")).toContainText(issued.secret);
      }
      const download = page.waitForEvent("download");
      await format("JSON").click();
      await page.getByRole("link", { name: "Download settlement-worker.json" }).click();
      expect((await download).suggestedFilename()).toBe("settlement-worker.json");

      await leaveShownOnce(page);
      await expect(page.getByRole("heading", { level: 1 })).toHaveText("settlement-worker");
      expect(await page.content()).not.toContain(issued.secret);
      // Without WASM, Back leads to the answer to a POST: the browser keeps no copy of it.
      await (wasm ? page.goBack() : expect(page.goBack()).rejects.toThrow("ERR_CACHE_MISS"));
      // The browser may still be on its way to its error page, which has no content to read yet.
      await expect(async () => {
        expect(await page.content()).not.toContain(issued.secret);
      }).toPass();
      expect(await keyrack.stored()).not.toContain(issued.secret);
      expect(keyrack.output).not.toContain(issued.secret);

      const [stored] = await list(keyrack);
      expect(stored).toMatchObject({ name: "settlement-worker", flow: "client_secret", access: "custom" });
      expect(stored?.scope.split(" ").sort()).toEqual(
        ["accounts:read", "data:read", "journaling:read", "journaling:write"].sort(),
      );
    });

    test("what is wrong is told at its field, and everything typed stays", async ({ page, keyrack }) => {
      await openForm(page);
      await fillCredential(page, {
        purpose: `It's <b>"quoted"</b> & more`,
        flow: "Private key JWT",
        publicKey: "</textarea><script>document.title = 'caught'</script>",
        access: "Custom",
        levels: { Trading: "Read & write" },
        lifetime: "1 year",
      });
      await createUnchecked(page);
      const problems = page.getByRole("alert");
      await expect(problems).toBeFocused();
      await expect(problems.getByRole("link")).toHaveCount(1);
      await ready(page);
      await expect(page.getByLabel("Name", { exact: true })).toHaveAttribute("aria-invalid", "true");
      await expect(page.getByLabel("Purpose")).toHaveValue(`It's <b>"quoted"</b> & more`);
      await expect(page.getByRole("radio", { name: /^Private key JWT/ })).toBeChecked();
      await expect(page.getByRole("textbox", { name: "Public key" })).toHaveValue(/^<\/textarea><script>/);
      await expect(levelOf(page, "Trading", "Read & write")).toBeChecked();
      await expect(choice(page, "Lifetime", "1 year")).toBeChecked();
      await expect(page).toHaveTitle("New credential · Keyrack");

      await fillCredential(page, { name: "price-ticker" });
      await create(page);
      await expect(page.getByRole("textbox", { name: "Public key" })).toHaveAttribute("aria-invalid", "true");
      await expect(page.getByLabel("Name", { exact: true })).toHaveValue("price-ticker");
      await ready(page);
      await page.getByRole("textbox", { name: "Public key" }).fill("");
      await fillCredential(page, { flow: "Client secret" });
      await create(page);
      const issued = await readShownOnce(page, "price-ticker");
      expect(issued.secret).toMatch(/^krs_/);
      expect(await list(keyrack)).toHaveLength(1);
    });

    test("a date and time of one's own is meant in the zone that the page says", async ({ page, keyrack }) => {
      await openForm(page);
      await fillCredential(page, { name: "until-noon", purpose: "Ends at noon", access: "Read only", lifetime: "Custom date" });
      await page.getByLabel("Ends on").fill("2031-07-04T12:00");
      await expect(page.getByText(wasm ? "In your time zone." : "In UTC.")).toBeVisible();
      await create(page);
      await readShownOnce(page, "until-noon");
      const [stored] = await list(keyrack);
      // The browser is in New York, four hours behind UTC in July.
      expect(stored?.expires_at).toMatch(wasm ? /^2031-07-04T16:00:00/ : /^2031-07-04T12:00:00/);
    });
  });
}

test.describe("without WASM", () => {
  test.use({ javaScriptEnabled: false });

  test("what a choice needs unfolds by style alone", async ({ page }) => {
    await openForm(page);
    const matrix = page.getByRole("radiogroup", { name: "Accounts", exact: true });
    for (const [choose, shown, hidden] of [
      [() => fillCredential(page, { access: "Read only" }), null, matrix],
      [() => fillCredential(page, { access: "Custom" }), matrix, null],
      [() => fillCredential(page, { flow: "Private key JWT" }), page.getByRole("textbox", { name: "Public key" }), null],
      [() => fillCredential(page, { flow: "Legacy" }), null, page.getByRole("textbox", { name: "Public key" })],
      [() => fillCredential(page, { lifetime: "Custom date" }), page.getByLabel("Ends on"), null],
      [() => fillCredential(page, { lifetime: "1 week" }), null, page.getByLabel("Ends on")],
    ] as [() => Promise<void>, Locator | null, Locator | null][]) {
      await choose();
      if (shown) await expect(shown).toBeVisible();
      if (hidden) await expect(hidden).toBeHidden();
    }
  });
});

test("two clicks and two requests are one credential", async ({ page, keyrack }) => {
  await openForm(page);
  await fillCredential(page, { name: "clicked-twice", purpose: "Once is enough", access: "Read only" });
  await page.getByRole("button", { name: "Create credential" }).dblclick();
  await readShownOnce(page, "clicked-twice");
  await leaveShownOnce(page);
  const [first] = await list(keyrack);
  const fields = fieldsOf(first?.owner_id ?? "", { name: "sent-twice" });
  const answers = await page.evaluate(async (fields) => {
    const send = () => fetch("/credentials/new", { method: "POST", body: new URLSearchParams(fields) });
    const answers = await Promise.all([send(), send()]);
    return Promise.all(answers.map(async (answer) => /KR[A-Z2-7]{20}/.exec(await answer.text())?.[0]));
  }, fields);
  expect(answers[0]).toBeTruthy();
  expect(answers[0]).toBe(answers[1]);
  const names = (await list(keyrack)).map(({ name }) => name);
  expect(names.sort()).toEqual(["clicked-twice", "sent-twice"]);
});

test("the page sums up what is being made and answers what it could call", async ({ page }) => {
  await openForm(page);
  const summary = page.getByRole("complementary");
  await expect(summary).toContainText("choose at least one scope");
  await fillCredential(page, { name: "partner-bridge", levels: { Accounts: "Read only", Journaling: "Read & write" } });
  await expect(summary.getByRole("heading")).toHaveText("partner-bridge");
  await expect(summary).toContainText(/Can\s+read\s+Accounts/);
  await expect(summary).toContainText(/read and write\s+Journaling/);
  const answer = summary.getByRole("status");
  await page.getByLabel("Path").fill("/v1/accounts/0c6b1f3e-7a55-4b0e-9d8e-6f2d3c4b5a69");
  await expect(answer).toHaveText("Yes. It may read Accounts.");
  await page.getByLabel("Method").selectOption("PATCH");
  await expect(answer).toContainText("No. Needs Accounts: read & write");
  await fillCredential(page, { levels: { Accounts: "Read & write" } });
  await expect(answer).toHaveText("Yes. It may write Accounts.");
  await fillCredential(page, { lifetime: "Never" });
  await expect(summary).toContainText(/Works\s+without an end/);
  // Enter in the question box asks; it does not create.
  await page.getByLabel("Path").press("Enter");
  await expect(page.getByRole("heading", { name: "New credential", level: 1 })).toBeVisible();
});

test("a scope unfolds to its endpoints, and one that only reads has no write", async ({ page }) => {
  await openForm(page);
  const data = page.getByRole("radiogroup", { name: "Data", exact: true });
  await expect(data.getByRole("radio")).toHaveCount(2);
  await expect(data).toContainText("same as Read only");
  const trading = page.getByRole("radiogroup", { name: "Trading", exact: true });
  await expect(trading.getByRole("radio")).toHaveCount(3);
  await expect(trading.getByText("/v1/trading/accounts/{account_id:uuid}/orders/estimation")).toBeHidden();
  await trading.getByText("Trading", { exact: true }).click();
  await expect(trading.getByText("/v1/trading/accounts/{account_id:uuid}/orders/estimation")).toBeVisible();
});

test("the keyboard is enough", async ({ page }) => {
  await openForm(page);
  const press = (...keys: string[]) => keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());
  /** Tabs on until something has the focus. */
  const tabTo = async (target: Locator) => {
    for (let tabs = 0; tabs < 80; tabs++) {
      if (await target.evaluate((element) => element === document.activeElement)) return;
      await page.keyboard.press("Tab");
    }
    await expect(target).toBeFocused();
  };
  await tabTo(page.getByLabel("Name", { exact: true }));
  await page.keyboard.type("by-keyboard");
  await tabTo(page.getByLabel("Purpose"));
  await page.keyboard.type("Made without a mouse");
  await tabTo(page.getByRole("radio", { name: /^Client secret/ }));
  await press("ArrowRight", "ArrowRight");
  await expect(page.getByRole("radio", { name: /^Legacy/ })).toBeChecked();
  await tabTo(levelOf(page, "Funding", "No access"));
  await press("ArrowRight", "ArrowRight");
  await expect(levelOf(page, "Funding", "Read & write")).toBeChecked();
  await tabTo(choice(page, "Lifetime", "90 days"));
  await press("ArrowLeft");
  await expect(choice(page, "Lifetime", "30 days")).toBeChecked();
  await tabTo(page.getByRole("button", { name: "Create credential" }));
  await press("Enter");
  const issued = await readShownOnce(page, "by-keyboard");
  expect(issued.secret).toMatch(/^krs_/);
  // Escape does not take the secret away.
  await press("Escape");
  await expect(page.getByText(issued.secret).first()).toBeVisible();
  await tabTo(page.getByLabel("I have stored the secret"));
  await press("Space", "Shift+Tab", "Enter");
  await expect(page).toHaveURL(new RegExp(`/credentials/${issued.key_id}$`));
});

test("the page with the secret asks before it is left", async ({ page }) => {
  await openForm(page);
  await fillCredential(page, { name: "kept-safe", purpose: "Stays on the page", access: "Full access" });
  await create(page);
  const issued = await readShownOnce(page, "kept-safe");
  const asked: string[] = [];
  const stay = (dialog: Dialog) => {
    asked.push(dialog.type());
    void dialog.dismiss();
  };
  page.on("dialog", stay);
  await page.getByRole("link", { name: "Catalogue" }).click();
  await expect.poll(() => asked).toEqual(["beforeunload"]);
  await expect(page.getByText(issued.secret).first()).toBeVisible();
  await page.evaluate(() => history.back());
  await expect.poll(() => asked).toEqual(["beforeunload", "confirm"]);
  await expect(page.getByText(issued.secret).first()).toBeVisible();

  await page.getByLabel("I have stored the secret").check();
  await page.getByRole("link", { name: "Catalogue" }).click();
  await expect(page.getByRole("heading", { name: "Catalogue", level: 1 })).toBeVisible();
  expect(asked).toHaveLength(2);
});

test("those who may not issue are shown no button and no form", async ({ page }) => {
  await logIn(page, eve);
  await expect(page.getByRole("heading", { name: "No credentials yet" })).toBeVisible();
  await expect(page.getByRole("link", { name: "New credential" })).toHaveCount(0);
  expect(await visit(page, "/credentials/new")).toBe(403);
  await expect(page.getByRole("alert")).toContainText("superusers only");
  await expect(page.getByRole("button", { name: "Create credential" })).toHaveCount(0);
});
