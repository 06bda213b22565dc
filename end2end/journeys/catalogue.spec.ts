// The catalogue page: what is in it, what a call needs.
import { eve, mara } from "../support/keyrack.js";
import { apiName, rows, scopes } from "../support/catalogue.js";
import { expect, test, visit } from "../support/page.js";
import { logIn } from "../support/steps.js";

test.use({ people: { mara, eve } });

for (const wasm of [true, false]) {
  test.describe(wasm ? "with WASM" : "without WASM", () => {
    test.use({ javaScriptEnabled: wasm });

    test("everybody sees every scope, finds endpoints and asks what a call needs", async ({ page }) => {
      await logIn(page, eve);
      await visit(page, "/catalogue");
      const facts = page.getByRole("complementary");
      await expect(facts).toContainText(apiName);
      await expect(facts).toContainText(String(rows.length));
      const groups = page.locator("main details");
      await expect(groups).toHaveCount(scopes.length);
      for (const { title } of scopes) await expect(groups.filter({ hasText: title }).first()).toBeVisible();

      await page.getByLabel("Search the catalogue").fill("orders/estimation");
      await page.getByLabel("Search the catalogue").press("Enter");
      await expect(groups).toHaveCount(1);
      await expect(groups).toContainText("POST /v1/trading/accounts/{account_id:uuid}/orders/estimation");
      await page.getByLabel("Search the catalogue").fill("there is nothing like this");
      await page.getByLabel("Search the catalogue").press("Enter");
      await expect(page.getByRole("heading", { name: "No endpoint like that" })).toBeVisible();

      await page.getByLabel("Method").selectOption("POST");
      await page.getByLabel("Path").fill("/v1/journals");
      await page.getByLabel("Path").press("Enter");
      await expect(page.getByText("Needs Journaling: read & write.")).toBeVisible();
      await page.getByLabel("Path").fill("/v1/accounts/../journals");
      await page.getByLabel("Path").press("Enter");
      await expect(page.getByText("Refused for every key.")).toBeVisible();
      await page.getByLabel("Method").selectOption("GET");
      await page.getByLabel("Path").fill("/v1/accounts/Positions");
      await page.getByLabel("Path").press("Enter");
      await expect(page.getByText("Refused for every key. The path is another spelling")).toBeVisible();
    });
  });
}
