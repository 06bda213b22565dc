// Public keys without tears: made in the browser, dropped, read back; snippets that run; and why an
// assertion is refused.
import { spawn } from "node:child_process";
import { createPrivateKey, type JsonWebKey } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Dialog, Page } from "@playwright/test";
import { create, fillCredential, leaveShownOnce, readShownOnce } from "../support/credentials.js";
import { Foreign } from "../support/foreign.js";
import { assertion, makePair, thumbprint } from "../support/keys.js";
import { eve, type Keyrack, mara } from "../support/keyrack.js";
import { look } from "../support/look.js";
import { expect, ready, test, visit } from "../support/page.js";
import { logIn } from "../support/steps.js";

test.use({ people: { mara, eve } });

test("a key pair made in the browser signs in with the snippets, and is sent nowhere", async ({ page, keyrack }) => {
  test.setTimeout(120_000);
  const sent = listen(page);
  await logIn(page, mara);
  await fillNew(page, "batch-signer");
  await makeKey(page, "ES256 (P-256)");
  await expect(field(page)).toHaveValue(/^-----BEGIN PUBLIC KEY-----\n/);

  await test.step("nobody goes on without the private key by accident", async () => {
    const asked: string[] = [];
    const stay = (dialog: Dialog) => {
      asked.push(dialog.message() || dialog.type());
      void dialog.dismiss();
    };
    page.on("dialog", stay);
    await create(page);
    await expect.poll(() => asked).toEqual([expect.stringContaining("without downloading the private key")]);
    await page.getByRole("link", { name: "Catalogue" }).click();
    await expect.poll(() => asked.slice(1)).toEqual(["beforeunload"]);
    await expect(page).toHaveURL(/\/credentials\/new$/);
    page.off("dialog", stay);
  });

  const pem = await download(page, "Download as PEM", "private-key.pem");
  const jwk = JSON.parse(await download(page, "Download as JWK", "private-key.jwk.json")) as JsonWebKey;
  const key = createPrivateKey(pem);
  expect(pem).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
  expect(jwk.alg).toBe("ES256");
  expect(createPrivateKey({ key: jwk, format: "jwk" }).equals(key)).toBe(true);
  await expect(preview(page)).toHaveText([`ES256thumbprint${thumbprint(key)}`]);
  await create(page);
  const { key_id: keyId } = await readShownOnce(page, "batch-signer");
  const answer = await ask(keyrack, assertion(key, keyId, `${keyrack.url}/v1`));
  expect(answer.status).toBe(200);
  for (const label of ["curl", "Python", "Node"] as const) await runSnippet(page, keyrack, pem, label);
  expect(sent.filter((text) => text.includes("PRIVATE KEY") || text.includes(jwk.d ?? "?"))).toEqual([]);
});

test("the snippet for Go signs in", async ({ page, keyrack }) => {
  await logIn(page, mara);
  await fillNew(page, "batch-signer");
  const pair = makePair();
  await field(page).fill(pair.public);
  await create(page);
  await readShownOnce(page, "batch-signer");
  await runSnippet(page, keyrack, pair.private, "Go");
});

test("a key is dropped or read from a file, shown back, and a private one goes nowhere", async ({ page, keyrack }) => {
  const sent = listen(page);
  const first = makePair();
  await logIn(page, mara);
  await fillNew(page, "batch-signer");
  await drop(page, first.public);
  await expect(field(page)).toHaveValue(first.public);
  await expect(preview(page)).toHaveText([`ES256thumbprint${first.thumbprint}`]);
  await field(page).fill("hello");
  await expect(problem(page)).toContainText("Paste a public key as PEM");
  await expect(preview(page)).toHaveCount(0);

  const before = sent.length;
  const own = makePair();
  await field(page).fill(own.private);
  await expect(problem(page)).toContainText("a private key, so it was taken out again");
  await expect(field(page)).toHaveValue("");
  await drop(page, "x".repeat(20_000));
  await expect(problem(page)).toContainText("longer than 16 KiB");
  await drop(page, own.private);
  await expect(problem(page)).toContainText("a private key");
  await expect(field(page)).toHaveValue("");
  await drop(page, "\u0000\u0001");
  await expect(problem(page)).toContainText("not text");
  const d = own.privateKey.export({ format: "jwk" }).d ?? "";
  await field(page).fill(JSON.stringify(own.privateKey.export({ format: "jwk" })));
  await expect(problem(page)).toContainText("a private key");
  expect(sent.slice(before)).toEqual([]);
  expect(sent.filter((text) => text.includes("PRIVATE") || text.includes(d))).toEqual([]);

  await page.locator("input[type=file]").setInputFiles({
    name: "key.pem",
    mimeType: "application/x-pem-file",
    buffer: Buffer.from(first.public),
  });
  await expect(preview(page)).toHaveText([`ES256thumbprint${first.thumbprint}`]);
  await create(page);
  const { key_id: keyId } = await readShownOnce(page, "batch-signer");
  await leaveShownOnce(page);

  await page.getByRole("link", { name: "Add a public key" }).click();
  for (const kind of ["RS256 (RSA, 3,072 bits)", "EdDSA (Ed25519)"]) {
    await makeKey(page, kind);
    await expect(preview(page)).toContainText([/^(RS256|EdDSA)thumbprint/]);
    await download(page, "Download as PEM", "private-key.pem");
  }
  await page.getByRole("dialog").getByLabel("Name").fill("the next machine");
  await page.getByRole("dialog").getByRole("button", { name: "Add key" }).click();
  await expect(page.locator("li.line").filter({ hasText: "the next machine" })).toContainText("EdDSA");
  expect((await ask(keyrack, assertion(first.privateKey, keyId, `${keyrack.url}/v1`))).status).toBe(200);
});

for (const wasm of [true, false]) {
  test.describe(wasm ? "with WASM" : "without WASM", () => {
    test.use({ javaScriptEnabled: wasm });

    test("the debugger says why an assertion is refused", async ({ page, another, keyrack }) => {
      const pair = makePair();
      await logIn(page, mara);
      await fillNew(page, "batch-signer");
      if (!wasm) {
        await expect(page.getByRole("button", { name: "Make a key pair here" })).toBeHidden();
        await page.getByText("Make a key pair with openssl").click();
        await expect(page.locator(".commands")).toContainText("openssl genpkey");
      }
      await field(page).fill(pair.public);
      await create(page);
      await ready(page);
      const { key_id: keyId } = await readShownOnce(page, "batch-signer");
      await leaveShownOnce(page);
      await page.getByRole("link", { name: "assertion debugger" }).click();
      await expect(page.getByText("Nothing checked yet")).toBeVisible();

      const other = await another();
      await logIn(other, eve);
      await other.getByRole("link", { name: "Debugger" }).click();
      const issuer = `${keyrack.url}/v1`;
      const good = assertion(pair.privateKey, keyId, issuer);
      await check(other, good);
      await expect(other.getByRole("alert")).toContainText("It would be accepted");
      await expect(results(other)).toHaveText(Array<string>(11).fill("Passed"));
      expect(other.url()).toBe(`${keyrack.url}/debugger`);
      expect(await other.content()).not.toContain(good);

      expect((await ask(keyrack, good)).status).toBe(200);
      await check(other, good);
      await expect(row(other, "Single use")).toContainText("it was used already");
      await check(other, assertion(pair.privateKey, keyId, issuer, { aud: "https://other.example", exp: 1 }));
      await expect(other.getByRole("alert")).toContainText("It would be refused: 2 checks failed.");
      await expect(row(other, "Audience (aud)")).toContainText(`Failedhttps://other.example${issuer}`);
      await expect(row(other, "Expiry (exp)")).toContainText("Failed");
      await check(other, "nonsense");
      await expect(row(other, "Form")).toContainText("there is no dot in it");
      await expect(row(other, "Signature")).toContainText("Not reached");

      const { secret } = await keyrack.issue();
      const sent = listen(other);
      for (const confidential of [secret, pair.private]) {
        await check(other, confidential);
        await expect(other.locator(".field-error")).toContainText("a secret or a private key");
        await expect(other.getByLabel("Assertion")).toHaveValue("");
        expect(await other.content()).not.toContain(confidential.trim());
      }
      if (wasm) expect(sent).toEqual([]);
      for (const text of [good, secret, pair.private]) expect(keyrack.output).not.toContain(text);
    });
  });
}

test.describe("a team at work", () => {
  test.use({ people: {}, command: "demo" });

  test("how keys, limits and the debugger look", async ({ page }) => {
    test.setTimeout(240_000);
    await logIn(page, mara);
    await visit(page, "/debugger");
    await look(page, "debugger");
    await check(page, assertion(makePair().privateKey, "KRAAAAAAAAAAAAAAAAAAAA", "https://other.example"));
    await look(page, "debugger-refused");
    await fillNew(page, "batch-signer");
    await makeKey(page, "ES256 (P-256)");
    await expect(preview(page)).toHaveCount(1);
    await look(page, "credential-new-key");
    await download(page, "Download as PEM", "private-key.pem");
    await create(page);
    await readShownOnce(page, "batch-signer");
    await look(page, "shown-once-key");
    await page.getByRole("link", { name: "To the credential" }).click();
    await page.getByRole("link", { name: "Change limits" }).click();
    await look(page, "dialog-limits");
    await page.getByRole("dialog").getByRole("link", { name: "Cancel" }).click();
    await page.getByRole("link", { name: "Add a public key" }).click();
    await look(page, "dialog-key");
    await field(page).fill(makePair().private);
    await look(page, "dialog-key-private");
    await makeKey(page, "ES256 (P-256)");
    await expect(preview(page)).toHaveCount(1);
    await look(page, "dialog-key-made");
  });
});

/** Everything that the page sends with a body from now on. */
function listen(page: Page): string[] {
  const sent: string[] = [];
  page.on("request", (request) => {
    const body = request.postData();
    if (body !== null) sent.push(`${request.url()} ${body} ${decodeURIComponent(body)}`);
  });
  return sent;
}

const field = (page: Page) => page.getByRole("textbox", { name: "Public key" });
const preview = (page: Page) => page.locator(".preview li");
const problem = (page: Page) => page.locator(".key-field .field-error");
const row = (page: Page, name: string) =>
  page.getByRole("row").filter({ has: page.getByRole("rowheader", { name, exact: true }) });
const results = (page: Page) => page.getByRole("row").locator(".chip");

/** Opens the form for a credential of private key JWT and fills everything but the key. */
async function fillNew(page: Page, name: string): Promise<void> {
  await visit(page, "/credentials/new");
  await fillCredential(page, { name, purpose: "Signs the batch", flow: "Private key JWT", access: "Full access" });
}

/** Makes a pair of this type in the browser. */
async function makeKey(page: Page, kind: string): Promise<void> {
  const unfold = page.getByRole("button", { name: "Make a key pair here" });
  if ((await unfold.getAttribute("aria-expanded")) === "false") await unfold.click();
  await page.getByLabel("Type of the key").selectOption({ label: kind });
  await page.getByRole("button", { name: "Make the key pair" }).click();
  await expect(page.getByText("Download the private key now.")).toBeVisible();
}

/** Clicks a download and gives what is in the file. */
async function download(page: Page, words: string, file: string): Promise<string> {
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name: words, exact: true }).click(),
  ]);
  expect(download.suggestedFilename()).toBe(file);
  return readFile(await download.path(), "utf8");
}

/** Drops a file on the field. */
async function drop(page: Page, text: string): Promise<void> {
  const dataTransfer = await page.evaluateHandle((text) => {
    const data = new DataTransfer();
    data.items.add(new File([text], "key.pem"));
    return data;
  }, text);
  await field(page).dispatchEvent("dragover", { dataTransfer });
  await field(page).dispatchEvent("drop", { dataTransfer });
}

/** Pastes a text into the debugger, and sends it where that is possible. */
async function check(page: Page, text: string): Promise<void> {
  await page.getByLabel("Assertion").fill(text);
  // What was recognised in the browser is gone from the field, which has to be filled in.
  await page.getByRole("button", { name: "Check", exact: true }).click();
  await ready(page);
}

/** Asks for a token with an assertion. */
function ask(keyrack: Keyrack, assertion: string): Promise<Response> {
  return fetch(`${keyrack.url}/v1/oauth2/token`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "client_credentials",
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_assertion: assertion,
    }),
  });
}

/** What runs the snippet of each label: file, programs of which the first that has what it needs is taken, that need. */
const snippets = {
  curl: { file: "call.sh", programs: [["bash"]], needs: ["-c", "command -v openssl && command -v curl"] },
  // Debian's Python has Debian's packages; the one in PATH may be another.
  Python: { file: "call.py", programs: [["python3"], ["/usr/bin/python3"]], needs: ["-c", "import jwt, cryptography"] },
  Node: { file: "call.mjs", programs: [[process.execPath]], needs: ["--version"] },
  Go: { file: "call.go", programs: [["go", "run"]], needs: ["version"] },
} as const;

/** The command that runs the snippet of this label, if it is here. */
async function runner(label: keyof typeof snippets): Promise<readonly string[] | undefined> {
  const { programs, needs } = snippets[label];
  for (const command of programs) {
    if ((await run(tmpdir(), command[0], [...needs])).code === 0) return command;
  }
  return undefined;
}

/** Runs a snippet that the page shows, with an API of somebody else in the place of the example. */
async function runSnippet(page: Page, keyrack: Keyrack, pem: string, label: keyof typeof snippets): Promise<void> {
  const [program, ...words] = (await runner(label)) ?? [];
  if (program === undefined) throw new Error(`What runs the ${label} snippet is not here: tools/setup.sh test`);
  const labels = await page.locator(".formats > label").allTextContents();
  const texts = await page.locator(".formats pre").allTextContents();
  const text = texts[labels.indexOf(label)] ?? "";
  const { file } = snippets[label];
  const folder = await mkdtemp(join(tmpdir(), "keyrack-snippet-"));
  const api = await Foreign.api();
  try {
    await writeFile(join(folder, "private-key.pem"), pem);
    await writeFile(join(folder, file), text.replaceAll("https://api.example.com", `http://127.0.0.1:${api.port}`));
    const { code, output } = await run(folder, program, [...words, file]);
    expect(code, `${label}: ${output}`).toBe(0);
    const call = api.calls[0];
    const allowed = await fetch(`${keyrack.url}/v1/verify`, {
      headers: {
        "X-Original-Method": call?.method ?? "",
        "X-Original-URI": call?.path ?? "",
        authorization: call?.headers.authorization ?? "",
      },
    });
    expect(allowed.status, `${label}: ${output}`).toBe(200);
  } finally {
    await api.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function run(folder: string, program: string, words: string[]): Promise<{ code: number; output: string }> {
  const child = spawn(program, words, { cwd: folder });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  }
  // A program that is not there is an error.
  const [code] = (await once(child, "close").catch(() => [127])) as [number | null];
  return { code: code ?? 1, output };
}
