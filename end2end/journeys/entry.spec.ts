// Getting in and out: set-up, log-in, the first password of a new person, log-out.
import type { APIRequestContext } from "@playwright/test";
import { mara, noor } from "../support/keyrack.js";
import { look } from "../support/look.js";
import { expect, ready, test, visit } from "../support/page.js";
import { logIn, logOut, post, sendLogIn, setUp, toast } from "../support/steps.js";

for (const wasm of [true, false]) {
  test.describe(wasm ? "with WASM" : "without WASM", () => {
    test.use({ javaScriptEnabled: wasm });

    test("a set-up link makes one superuser and then never another", async ({ page, keyrack }) => {
      const link = await keyrack.setUpLink();
      await setUp(page, link, mara);
      await expect(toast(page)).toContainText("Keyrack is set up");
      await sendLogIn(page, mara.email, mara.password);
      await expect(page).toHaveURL(/\/credentials$/);
      await expect(page.getByRole("banner")).toContainText("Mara Okafor");

      expect(await visit(page, link)).toBe(404);
      await expect(page.getByRole("heading", { level: 1 })).toHaveText("There is no such page");
      await expect(page.getByLabel("Your name")).toHaveCount(0);
      // From a page that may send something; that one may not.
      await visit(page, "/account");
      const fields = { name: "Somebody Else", email: "else@example.com", password: mara.password };
      const token = new URL(link).searchParams.get("token") ?? "";
      expect(await post(page, "/setup", { token, ...fields })).toBe(404);
      const everybody = JSON.parse(await keyrack.run(["user", "list", "--json"])) as unknown[];
      expect(everybody).toHaveLength(1);
    });

    test("a password that is too short is told at its field, and the rest stays", async ({ page, keyrack }) => {
      await visit(page, await keyrack.setUpLink());
      await page.getByLabel("Your name").fill("Mara Okafor");
      await page.getByLabel("E-mail").fill("mara@example.com");
      // As a browser that knows nothing of `minlength` would send it.
      await page.locator("form").evaluate((form: HTMLFormElement) => (form.noValidate = true));
      await page.getByLabel("Password", { exact: true }).fill("short");
      await page.getByRole("button", { name: "Create the superuser" }).click();
      await ready(page);
      await expect(page.getByLabel("Password", { exact: true })).toHaveAttribute("aria-invalid", "true");
      await expect(page.getByLabel("Password", { exact: true })).toHaveValue("");
      await expect(page.getByLabel("Your name")).toHaveValue("Mara Okafor");
      await page.getByLabel("Password", { exact: true }).fill(mara.password);
      await page.getByRole("button", { name: "Create the superuser" }).click();
      await expect(page).toHaveURL(/\/login\?done=set-up$/);
    });

    test.describe("somebody who has a password", () => {
      test.use({ people: { mara } });

      test("reaches the page that they asked for, and no page of another site", async ({ page }) => {
        await visit(page, "/users?done=nothing");
        await expect(page).toHaveURL(/\/login\?next=/);
        await sendLogIn(page, mara.email, mara.password);
        await expect(page).toHaveURL(/\/users\?done=nothing$/);
        await ready(page);
        await logOut(page);

        await visit(page, "/login?next=//example.com/");
        await sendLogIn(page, mara.email, mara.password);
        await expect(page).toHaveURL(/\/credentials$/);
      });

      test("is told the same for a wrong password and for an address that nobody has", async ({ page }) => {
        const told: string[] = [];
        for (const email of [mara.email, "nobody@example.com"]) {
          await visit(page, "/login");
          await sendLogIn(page, email, "a password that is wrong");
          await ready(page);
          await expect(page.getByRole("alert")).toBeVisible();
          await expect(page.getByLabel("E-mail")).toHaveValue(email);
          await expect(page.getByLabel("Password", { exact: true })).toHaveValue("");
          told.push((await page.getByRole("alert").textContent()) ?? "");
        }
        expect(told[0]).toBe(told[1]);
        await sendLogIn(page, mara.email, mara.password);
        await expect(page).toHaveURL(/\/credentials$/);
      });

      test("logs out: the cookie is gone, and Back shows nothing", async ({ page, context }) => {
        await logIn(page, mara);
        await visit(page, "/users");
        await expect(page.getByRole("table")).toContainText(mara.email);
        await logOut(page);
        await expect(toast(page)).toContainText("You are logged out.");
        expect(await context.cookies()).toEqual([]);
        await page.goBack();
        await expect(page).toHaveURL(/\/login/);
        await expect(page.getByText(mara.email)).toHaveCount(0);
      });
    });
  });
}

test.describe("a one-time link", () => {
  test.use({ people: { mara } });

  test("lets a new person choose a password once", async ({ page, keyrack, another }) => {
    const words = ["user", "add", "--email", noor.email, "--name", noor.name, "--role", "superuser"];
    const { password_link: link } = JSON.parse(await keyrack.run([...words, "--json"])) as {
      password_link: string;
    };
    await visit(page, link);
    await page.getByLabel("Password", { exact: true }).fill(noor.password);
    await page.getByRole("button", { name: "Set the password" }).click();
    await expect(page).toHaveURL(/\/login\?done=welcome$/);
    await sendLogIn(page, noor.email, noor.password);
    await expect(page).toHaveURL(/\/credentials$/);

    const other = await another();
    await visit(other, link);
    await other.getByLabel("Password", { exact: true }).fill("another password altogether");
    await other.getByRole("button", { name: "Set the password" }).click();
    await expect(other.getByRole("alert")).toBeVisible();
  });
});

test.describe("in a crowd", () => {
  test.use({ people: { mara }, settings: { KEYRACK_PASSWORDS_HASHERS: "1", KEYRACK_TRUSTED_PROXIES: "127.0.0.1" } });

  test("somebody is told to come back, and then logs in", async ({ page, keyrack, request }) => {
    test.setTimeout(120_000);
    let goesOn = true;
    // More than there are places for: one at work and 128 who wait.
    const crowd = Array.from({ length: 150 }, async (_, member) => {
      for (let time = 0; goesOn; time++) await logInAs(request, keyrack.url, `${member}.${time}`);
    });
    await expect(async () => {
      await visit(page, "/login");
      await sendLogIn(page, mara.email, "a password that is wrong");
      await expect(page.getByRole("heading", { level: 1 })).toHaveText("Many people are logging in right now", {
        timeout: 1000,
      });
    }).toPass();
    goesOn = false;
    await Promise.all(crowd);
    await look(page, "crowded");
    await page.getByRole("link", { name: "Try again" }).click();
    await ready(page);
    await sendLogIn(page, mara.email, mara.password);
    await expect(page).toHaveURL(/\/credentials$/);
  });
});

/** Tries to log in as nobody, from a network that nobody else has, as a proxy in front would tell it. */
async function logInAs(request: APIRequestContext, url: string, number: string): Promise<void> {
  const answer = await request.post(`${url}/login`, {
    headers: { Origin: url, "X-Forwarded-For": `2001:db8:${number.replace(".", ":")}::1` },
    form: { email: `${number}@example.com`, password: "a password of nobody", next: "" },
  });
  expect([422, 503]).toContain(answer.status());
}
