// What was done can be read, and where people are logged in can be ended.
import { eve, mara } from "../support/keyrack.js";
import { expect, test, visit } from "../support/page.js";
import { logIn, post, toast } from "../support/steps.js";

test.use({ people: { mara, eve } });

for (const wasm of [true, false]) {
  test.describe(wasm ? "with WASM" : "without WASM", () => {
    test.use({ javaScriptEnabled: wasm });

    test("a session that is ended elsewhere is logged out at its next click", async ({ page, another }) => {
      const other = await another();
      await logIn(page, eve);
      await logIn(other, eve);
      await visit(page, "/account");
      const sessions = page.getByRole("table", { name: "Sessions" });
      await expect(sessions.getByRole("row")).toHaveCount(3);
      await expect(sessions.getByText("This session")).toHaveCount(1);
      await expect(sessions).toContainText("Chrome on Linux");
      await sessions.getByRole("button", { name: /^End / }).click();
      await expect(toast(page)).toContainText("has to log in again");
      await expect(sessions.getByRole("row")).toHaveCount(2);
      await visit(other, "/credentials");
      await expect(other).toHaveURL(/\/login/);
    });

    test("the log says who tried what, and is filtered by its address", async ({ page, another }) => {
      const other = await another();
      await logIn(other, eve);
      expect(await visit(other, "/audit")).toBe(403);
      expect(await post(other, "/users", { people: "X <x@example.com>", role: "support" })).toBe(403);

      await logIn(page, mara);
      await visit(page, "/audit");
      const log = page.getByRole("list").filter({ hasText: "tried to add" });
      await expect(log.getByRole("listitem").filter({ hasText: "and was refused" })).toContainText(eve.name);
      await page.getByLabel("Outcome").selectOption("denied");
      await page.getByRole("button", { name: "Search" }).click();
      await expect(page).toHaveURL(/outcome=denied/);
      await expect(page.getByText("logged in", { exact: false })).toHaveCount(0);
      await page.getByRole("link", { name: "Clear filters" }).click();
      await expect(page.getByText("logged in", { exact: false })).not.toHaveCount(0);

      const downloading = page.waitForEvent("download");
      await page.getByRole("link", { name: "Export JSONL" }).click();
      const download = await downloading;
      expect(download.suggestedFilename()).toBe("keyrack-audit.jsonl");
    });
  });
}
