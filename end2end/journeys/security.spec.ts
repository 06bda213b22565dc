// What only a browser can show of the defences: the policy in force, the cookie, forms from elsewhere.
import type { Page } from "@playwright/test";
import { CspEvaluator } from "csp_evaluator/dist/evaluator.js";
import { CspParser } from "csp_evaluator/dist/parser.js";
import { Foreign } from "../support/foreign.js";
import { mara } from "../support/keyrack.js";
import { expect, test, visit } from "../support/page.js";
import { logIn } from "../support/steps.js";

test.use({ people: { mara } });

async function policy(page: Page, path: string): Promise<string> {
  const answer = await page.goto(path);
  return (await answer?.headerValue("content-security-policy")) ?? "";
}

test("Google's evaluator finds nothing in the policy of any page", async ({ page }) => {
  const policies = [await policy(page, "/login")];
  await logIn(page, mara);
  for (const path of ["/credentials", "/credentials/new", "/users", "/nowhere", "/v1/nowhere", "/readyz"]) {
    policies.push(await policy(page, path));
  }
  for (const text of policies) {
    const findings = new CspEvaluator(new CspParser(text).csp).evaluate();
    expect(findings, text).toEqual([]);
    expect(text).toContain("frame-ancestors 'none'");
  }
  // The page for what is not found has no script.
  const nonces = policies.slice(0, 4).map((text) => /'nonce-([^']+)'/.exec(text)?.[1]);
  expect(new Set(nonces).size, "a nonce is used once").toBe(4);
});

test("the session is one cookie that no script and no other host can have", async ({ page, context }) => {
  await visit(page, "/login");
  expect(await context.cookies(), "strangers get no cookie").toEqual([]);
  await logIn(page, mara);
  const [cookie, ...others] = await context.cookies();
  expect(others).toEqual([]);
  expect(cookie).toMatchObject({
    name: "__Host-keyrack",
    domain: "127.0.0.1",
    path: "/",
    secure: true,
    httpOnly: true,
    sameSite: "Lax",
  });
  expect(await page.evaluate(() => document.cookie)).toBe("");
});

test("each log-in begins a session of its own, whatever cookie the browser had before", async ({ page, context, keyrack, another }) => {
  // Chromium takes a cookie of this name by hand for https only, and sends it to both.
  const url = keyrack.url.replace("http:", "https:");
  const plant = (value: string) => ({ name: "__Host-keyrack", value, url, secure: true, httpOnly: true, sameSite: "Lax" as const });
  await context.addCookies([plant("AAAAAAAAAAAAAAAAAAAAAA")]);
  await logIn(page, mara);
  const [first] = await context.cookies();
  expect(first?.value).not.toBe("AAAAAAAAAAAAAAAAAAAAAA");
  await logIn(page, mara);
  const [second] = await context.cookies();
  expect(second?.value).not.toBe(first?.value);

  const thief = await another();
  await thief.context().addCookies([plant(first?.value ?? "")]);
  await thief.goto("/credentials");
  await expect(thief, "the session before has ended").toHaveURL(/\/login/);
  await thief.context().addCookies([plant(second?.value ?? "")]);
  await thief.goto("/credentials");
  await expect(thief, "a cookie planted like this is sent").toHaveURL(/\/credentials$/);
});

// Another port is the same site, so the cookie goes along; another name is another site.
for (const host of ["127.0.0.1", "localhost"]) {
  test(`a form on a page of ${host} changes nothing`, async ({ page, keyrack, another }) => {
    const credential = await keyrack.issue();
    await logIn(page, mara);
    const target = `${keyrack.url}/credentials/${credential.key_id}/revoke`;
    const trap = await Foreign.page(target, { reason: "because" });
    try {
      await page.goto(`http://${host}:${trap.port}/`);
      const answer = page.waitForResponse(target);
      await page.getByRole("button").click();
      expect((await answer).status()).toBe(403);
    } finally {
      trap.stop();
    }
    const shown = await keyrack.run(["credential", "show", credential.key_id, "--json"]);
    expect(JSON.parse(shown)).toMatchObject({ state: "active" });

    // The same form from a page of ours works: the test above refused for the right reason.
    const other = await another();
    await logIn(other, mara);
    const status = await other.evaluate(async (target) => {
      const answer = await fetch(target, { method: "POST", body: new URLSearchParams({ reason: "" }) });
      return answer.status;
    }, target);
    expect(status).toBe(200);
  });
}
