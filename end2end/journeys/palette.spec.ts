// The command palette: everywhere by the keyboard alone.
import { eve, mara } from "../support/keyrack.js";
import { expect, expectAccessible, ready, test, visit } from "../support/page.js";
import { logIn } from "../support/steps.js";

test.use({ people: { mara, eve } });

test("pages, filters and what is typed are a few keys away", async ({ page }) => {
  await logIn(page, mara);
  await visit(page, "/users");
  await page.keyboard.press("Control+k");
  const palette = page.getByRole("dialog", { name: "Go to" });
  await expect(palette.getByRole("searchbox")).toBeFocused();
  await expectAccessible(page);
  await page.keyboard.type("audit");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/audit$/);
  await expect(palette).toBeHidden();

  await page.keyboard.press("Control+k");
  await expect(palette.getByRole("searchbox")).toHaveValue("");
  await page.keyboard.type("cash & carry");
  await page.keyboard.press("ArrowDown");
  await expect(palette.getByRole("link").first()).toBeFocused();
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("ArrowUp");
  await expect(palette.getByRole("link").last()).toBeFocused();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/credentials\?q=cash/);

  await page.keyboard.press("Control+k");
  await page.keyboard.press("Escape");
  await expect(palette).toBeHidden();
  await page.setViewportSize({ width: 390, height: 800 });
  await page.getByRole("button", { name: "Menu" }).click();
  await page.getByRole("button", { name: "Go to" }).click();
  await expect(palette).toBeVisible();
});

test("it offers nothing that the role may not see", async ({ page }) => {
  await logIn(page, eve);
  await ready(page);
  await page.getByRole("button", { name: "Go to" }).click();
  const palette = page.getByRole("dialog", { name: "Go to" });
  await expect(palette.getByRole("link", { name: "Users", exact: true })).toBeVisible();
  await expect(palette.getByRole("link", { name: "Audit log" })).toHaveCount(0);
  await expect(palette.getByRole("link", { name: "New credential" })).toHaveCount(0);
});
