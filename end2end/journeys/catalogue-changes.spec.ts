// The catalogue's file changes while the server runs: what people then read, and what programs meet.
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { eve, type Keyrack, mara } from "../support/keyrack.js";
import { look } from "../support/look.js";
import { expect, ready, test as base, visit } from "../support/page.js";
import { logIn } from "../support/steps.js";

const shipped = resolve(import.meta.dirname, "../../catalogue/alpaca-broker.toml");

/** Keyrack with a catalogue file of its own, which `catalogue` replaces as an editor would. */
const test = base.extend<{ file: string; catalogue: (edit: (text: string) => string) => Promise<void> }>({
  file: async ({}, use) => {
    const folder = await mkdtemp(join(tmpdir(), "keyrack-catalogue-"));
    const file = join(folder, "catalogue.toml");
    await writeFile(file, await readFile(shipped));
    await use(file);
    await rm(folder, { recursive: true });
  },
  settings: async ({ file }, use) => use({ KEYRACK_CATALOGUE: file }),
  catalogue: async ({ file }, use) => {
    await use(async (edit) => {
      await writeFile(`${file}.new`, edit(await readFile(shipped, "utf8")));
      await rename(`${file}.new`, file);
    });
  },
});

test.use({ people: { mara, eve } });

/** Journaling gets one more call, and is called Transfers. */
function second(text: string): string {
  return text
    .replace(/^version = .*$/m, 'version = "2"')
    .replace('title = "Journaling"', 'title = "Transfers"')
    .replace(
      '    { method = "POST", path = "/v1/journals", ',
      '    { method = "POST", path = "/v1/wires", summary = "Wire cash" },\n$&',
    );
}

/** The gate's answer to a call with a legacy key. */
async function gate(keyrack: Keyrack, key: { key_id: string; secret: string }, path: string): Promise<number> {
  const answer = await fetch(`${keyrack.url}/v1/verify`, {
    headers: {
      "X-Original-Method": "POST",
      "X-Original-URI": path,
      Authorization: `Basic ${btoa(`${key.key_id}:${key.secret}`)}`,
    },
  });
  return answer.status;
}

for (const wasm of [true, false]) {
  test.describe(wasm ? "with WASM" : "without WASM", () => {
    test.use({ javaScriptEnabled: wasm });

    test("a changed file is taken up, and everybody reads what it changed", async ({ page, keyrack, catalogue }) => {
      const wish = { flow: "legacy", access: "custom" } as const;
      const writer = await keyrack.issue({ ...wish, name: "wire-worker", scopes: ["journaling=write"] });
      await keyrack.issue({ ...wish, name: "onlooker", scopes: ["journaling=read"] });
      expect(await gate(keyrack, writer, "/v1/wires")).toBe(403);

      await catalogue(second);
      await expect.poll(() => gate(keyrack, writer, "/v1/wires"), { timeout: 15_000 }).toBe(200);

      await logIn(page, eve);
      await page.getByRole("link", { name: "Catalogue" }).click();
      await expect(page.getByRole("complementary")).toContainText("In force since");
      await page.getByRole("link", { name: "What changed" }).click();
      await ready(page);
      const version = page.getByRole("region", { name: "Version 2" });
      await expect(version).toContainText("The scope Journaling (journaling) is now called Transfers.");
      await expect(version).toContainText("Write access to Transfers now includes:");
      await expect(version).toContainText("POST /v1/wires");
      await version.getByRole("link", { name: "1 credential in use has write access to Transfers" }).click();
      await expect(page).toHaveURL(/scope=journaling%3Awrite/);
      await expect(page.getByRole("rowheader")).toHaveCount(1);
      await expect(page.getByRole("rowheader")).toContainText("wire-worker");
    });

    test("a bad file changes nothing, and superusers read why", async ({ page, another, keyrack, catalogue }) => {
      const key = await keyrack.issue({ flow: "legacy", access: "full" });
      await catalogue((text) => second(text).replace('summary = "Wire cash"', 'sumary = "Wire cash"'));
      await expect.poll(() => keyrack.output, { timeout: 15_000 }).toContain("can't be used");
      expect(await gate(keyrack, key, "/v1/wires")).toBe(403);
      expect(await gate(keyrack, key, "/v1/journals")).toBe(200);
      await logIn(page, mara);
      await visit(page, "/catalogue");
      await expect(page.getByText("The file on disk can't be used")).toBeVisible();
      await expect(page.getByText(/line \d+: sumary is not a key of an endpoint: did you mean summary/)).toBeVisible();
      const other = await another();
      await logIn(other, eve);
      await visit(other, "/catalogue");
      await expect(other.getByRole("link", { name: "What changed" })).toBeVisible();
      await expect(other.getByText("The file on disk")).toHaveCount(0);

      await catalogue(second);
      await expect.poll(() => gate(keyrack, key, "/v1/wires"), { timeout: 15_000 }).toBe(200);
      await visit(page, "/catalogue");
      await expect(page.getByText("The file on disk")).toHaveCount(0);
    });
  });
}

test("how it looks", async ({ page, keyrack, catalogue }) => {
  test.setTimeout(240_000);
  await keyrack.issue({ flow: "legacy", access: "full" });
  await catalogue((text) => second(text).replace("[[scope]]", "[[scopes]]"));
  await expect.poll(() => keyrack.output, { timeout: 15_000 }).toContain("can't be used");
  await logIn(page, mara);
  await visit(page, "/catalogue?q=journals");
  await look(page, "catalogue-fault");
  await catalogue((text) => second(text).replace('name = "crypto"', 'name = "digital_assets"'));
  await expect.poll(() => keyrack.output, { timeout: 15_000 }).toContain("another catalogue is in force");
  await visit(page, "/catalogue/changes");
  await expect(page.getByRole("region", { name: "Version 2" })).toContainText("digital_assets");
  await look(page, "catalogue-changes");
});
