// First meetings without TLS: Keyrack at a name of the local network, and opened at another address than its own.
import type { Browser, Page } from "@playwright/test";
import { freePort, Keyrack, mara } from "../support/keyrack.js";
import { look } from "../support/look.js";
import { expect, test } from "../support/page.js";
import { sendLogIn } from "../support/steps.js";

// No browser takes it for its own machine, and it still leads there.
const name = "keys.lan";
test.use({
  launchOptions: async ({ launchOptions }, use) => {
    const rule = "--host-resolver-rules=MAP *.lan 127.0.0.1";
    await use({ ...launchOptions, args: [...(launchOptions.args ?? []), rule] });
  },
});

/** Chromium writes into the console of each page without TLS that it ignores a header. */
async function unwatched(browser: Browser): Promise<Page> {
  return (await browser.newContext()).newPage();
}

test.describe("at its own address", () => {
  test.use({ people: { mara } });

  test("localhost in place of 127.0.0.1 leads to the log-in that works", async ({ page, keyrack }) => {
    await page.goto(`http://localhost:${keyrack.port}/users`);
    await expect(page).toHaveURL(`${keyrack.url}/login?next=%2Fusers`);
    await sendLogIn(page, mara.email, mara.password);
    await expect(page).toHaveURL(`${keyrack.url}/users`);
  });
});

test.describe("at a name of the local network", () => {
  test("a log-in over plain http says that the browser does not keep it", async ({ browser }) => {
    const page = await unwatched(browser);
    const port = await freePort();
    const keyrack = await Keyrack.prepare({ KEYRACK_PUBLIC_URL: `http://${name}:${port}` }, "127.0.0.1", port);
    try {
      await keyrack.addPeople(mara);
      await keyrack.start();
      expect(keyrack.output).toContain("browsers keep no session over it");
      await page.goto(`http://${name}:${port}/`);
      await sendLogIn(page, mara.email, mara.password);
      await expect(page.getByRole("heading", { level: 1 })).toHaveText("You are not logged in");
      await expect(page.getByRole("main")).toContainText("Your browser will not keep the session over plain http");
      await look(page, "plain-http");
      await page.getByRole("link", { name: "Try again" }).click();
      await expect(page.getByLabel("E-mail")).toBeVisible();
    } finally {
      await keyrack.discard();
    }
  });

  test("a Keyrack for the machine itself tells other machines its address", async ({ browser, keyrack }) => {
    const page = await unwatched(browser);
    const answer = await page.goto(`http://${name}:${keyrack.port}/login`);
    expect(answer?.status()).toBe(421);
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("Keyrack has another address");
    await look(page, "another-address");
    await page.getByRole("link", { name: "Open Keyrack there" }).click();
    await expect(page).toHaveURL(new RegExp(`^${keyrack.url}/`));
  });
});
