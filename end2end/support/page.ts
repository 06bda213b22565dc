// What every journey is made of: a Keyrack, a browser window that fails the test on any error in
// its console, and more such windows for other people.
import { AxeBuilder } from "@axe-core/playwright";
import { type BrowserContext, test as base, expect, type Page } from "@playwright/test";
import { Keyrack, type Person } from "./keyrack.js";

export { expect };

interface Fixtures {
  /** Whom Keyrack knows before it starts; nobody means that it wants to be set up. */
  people: Record<string, Person>;
  /** What it serves: an empty database, or the demo's. */
  command: "serve" | "demo";
  /** More settings of it. */
  settings: Record<string, string>;
  /** Where browsers reach it: there are passkeys for names, and none for addresses. */
  host: "127.0.0.1" | "localhost";
  keyrack: Keyrack;
  /** Opens a window for somebody else. */
  another: () => Promise<Page>;
}

/** Contexts whose pages run WASM. */
const scripted = new WeakSet<BrowserContext>();

export const test = base.extend<Fixtures>({
  people: [{}, { option: true }],
  command: ["serve", { option: true }],
  settings: [{}, { option: true }],
  host: ["127.0.0.1", { option: true }],
  keyrack: async ({ people, command, settings, host }, use, info) => {
    const keyrack = await Keyrack.prepare(settings, host);
    try {
      await keyrack.addPeople(...Object.values(people));
      await keyrack.start(command);
      await use(keyrack);
    } finally {
      if (info.status !== info.expectedStatus) {
        await info.attach("keyrack.log", { body: keyrack.output, contentType: "text/plain" });
      }
      await keyrack.discard();
    }
  },
  baseURL: async ({ keyrack }, use) => use(keyrack.url),
  context: async ({ context, javaScriptEnabled }, use) => {
    if (javaScriptEnabled !== false) scripted.add(context);
    await use(context);
  },
  page: async ({ page }, use) => {
    const check = watch(page);
    await use(page);
    check();
  },
  another: async ({ browser, contextOptions, baseURL, javaScriptEnabled }, use) => {
    const checks: (() => void)[] = [];
    const contexts: BrowserContext[] = [];
    await use(async () => {
      const options = { ...contextOptions, baseURL, javaScriptEnabled };
      const context = await browser.newContext(options);
      contexts.push(context);
      if (javaScriptEnabled !== false) scripted.add(context);
      const page = await context.newPage();
      checks.push(watch(page));
      return page;
    });
    for (const context of contexts) await context.close();
    for (const check of checks) check();
  },
});

/** Listens to a page's console. What comes back fails if there was an error or a warning. */
function watch(page: Page): () => void {
  const problems: { text: string; url: string }[] = [];
  // Chromium reports each refused request in the console; pages, forms and functions may refuse.
  const refused = new Set<string>();
  page.on("pageerror", (error) => problems.push({ text: String(error), url: "" }));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") {
      problems.push({ text: message.text(), url: message.location().url });
    }
  });
  page.on("response", (response) => {
    const request = response.request();
    const mayRefuse = request.isNavigationRequest() || request.method() === "POST";
    // A provider of single sign-on that can't be trusted or asked is no fault of the page, nor is a crowd.
    const worst = /\/sso\/|\/login$/.test(request.url()) ? 503 : 499;
    if (mayRefuse && response.status() >= 400 && response.status() <= worst) refused.add(request.url());
  });
  return () => {
    const serious = problems.filter(({ text, url }) => {
      // Nobody uses the WASM that was loaded ahead where no script runs.
      const unused = text.includes("was preloaded using link preload") && !scripted.has(page.context());
      return !unused && !(text.startsWith("Failed to load resource") && refused.has(url));
    });
    expect(serious, "errors in the browser's console").toEqual([]);
  };
}

/** Waits until the page reacts, where it has WASM to do so. */
export async function ready(page: Page): Promise<void> {
  if (scripted.has(page.context())) {
    await expect(page.locator("body")).toHaveAttribute("data-hydrated", "");
  }
}

/** Opens an address and waits until the page reacts, if it has scripts. Gives the status of the answer. */
export async function visit(page: Page, path: string): Promise<number> {
  const answer = await page.goto(path);
  if (await page.locator("script").count()) await ready(page);
  return answer?.status() ?? 0;
}

/** No rule of WCAG 2.2 AA that a machine can check is broken. The machine is a script: where none runs, it can't look. */
export async function expectAccessible(page: Page): Promise<void> {
  if (!scripted.has(page.context())) return;
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  // The old way of collecting, which needs no second page, and no list of what is right: half the time.
  const axe = new AxeBuilder({ page }).options({ resultTypes: ["violations"] }).setLegacyMode();
  const { violations } = await axe.withTags(tags).analyze();
  const found = violations.map(({ id, nodes }) => ({
    rule: id,
    at: nodes.map((node) => `${node.target.join(" ")}: ${node.failureSummary}`),
  }));
  expect(found, `accessibility of ${page.url()}`).toEqual([]);
}

/** The page is not wider than its window. */
export async function expectNoOverflow(page: Page): Promise<void> {
  const [wanted, given] = await page.evaluate(() => {
    const root = document.documentElement;
    return [root.scrollWidth, root.clientWidth] as const;
  });
  expect(wanted, `width of ${page.url()}`).toBeLessThanOrEqual(given);
}
