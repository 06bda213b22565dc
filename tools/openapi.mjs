// The work of openapi.sh: node openapi.mjs KEYRACK FOLDER. It counts the operations of each document by
// itself, and exits with 1 if one is neither in the draft nor named with a reason, there or in the refusal.
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, relative } from "node:path";

const [keyrack, folder] = process.argv.slice(2);
const methods = ["get", "head", "options", "post", "put", "patch", "delete", "trace", "query"];
const work = mkdtempSync(join(tmpdir(), "openapi-"));
const files = readdirSync(folder, { recursive: true })
  .filter((name) => name.endsWith(".json"))
  .map((name) => join(folder, name))
  .sort();

const run = (...args) =>
  new Promise((done) => {
    execFile(keyrack, args, { maxBuffer: 2 ** 30 }, (error, stdout, stderr) => {
      done({ ok: !error, stdout, stderr });
    });
  });

const operations = (document) => {
  const resolve = (item) => {
    const pointer = item?.$ref?.match(/^#\/(.*)$/)?.[1];
    if (pointer === undefined) return item;
    const keys = pointer.split("/").map((key) => decodeURIComponent(key).replaceAll("~1", "/").replaceAll("~0", "~"));
    return keys.reduce((value, key) => value?.[key], document);
  };
  return Object.entries(document.paths ?? {})
    .filter(([path]) => !path.startsWith("x-"))
    .map(([, item]) => resolve(item) ?? {})
    .reduce((count, item) => count + methods.filter((method) => item[method]).length, 0);
};

const total = { documents: files.length, imported: 0, checked: 0, whole: 0, operations: 0, listed: 0, leftOut: 0 };
const reasons = new Map();
const failures = [];
const refused = [];
const count = (reason) => reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
const reasonOf = (note) =>
  note
    .replace(/^(scope "[^"]*", )?([A-Z]+ )?\S+: /, "")
    .replace(/^\S+ is no part of a path.*/, "only ? or # tells it from another operation")
    .replace(/as scope .*/, "as another scope has the same call")
    .replace(/^\{.* stands where .*/, "two kinds in one place");

const one = async (file, index) => {
  const name = relative(folder, file);
  const wanted = operations(JSON.parse(readFileSync(file, "utf8")));
  total.operations += wanted;
  const draft = join(work, `${index}.toml`);
  const imported = await run("catalogue", "import", file);
  const notes = imported[imported.ok ? "stdout" : "stderr"].match(/^(# )?- left out: .*$/gm) ?? [];
  notes.forEach((note) => count(reasonOf(note.replace(/^(# )?- left out: /, ""))));
  total.leftOut += notes.length;
  if (!imported.ok) {
    const reason = imported.stderr.split("\n")[0];
    refused.push(`${reason} (${wanted} operations)`);
    // One that is too large is read by nobody, and this is the reason for all that it has.
    if (notes.length === wanted || reason.endsWith("larger than 32 MiB")) total.whole += 1;
    else failures.push(`${name}: ${wanted} operations, and reasons for ${notes.length}`);
    return;
  }
  total.imported += 1;
  writeFileSync(draft, imported.stdout);
  const checked = await run("catalogue", "check", draft, "--json");
  const report = checked.ok ? JSON.parse(checked.stdout) : {};
  rmSync(draft);
  if (!report.usable || report.findings.some((finding) => finding.severity === "error")) {
    failures.push(`${name}: the draft does not check`);
    return;
  }
  total.checked += 1;
  total.listed += report.endpoints;
  if (report.endpoints + notes.length === wanted) total.whole += 1;
  else failures.push(`${name}: ${wanted} operations, ${report.endpoints} listed, ${notes.length} left out`);
};

let next = 0;
const worker = async () => {
  while (next < files.length) {
    const index = next++;
    await one(files[index], index).catch((error) => failures.push(`${files[index]}: ${error}`));
  }
};
await Promise.all(Array.from({ length: availableParallelism() }, worker));
rmSync(work, { recursive: true });

console.log(`documents: ${total.documents}`);
console.log(`drafted: ${total.imported}, refused: ${refused.length}`);
console.log(`checked without an error: ${total.checked}`);
console.log(`with every operation listed, or left out with its reason: ${total.whole}`);
console.log(`operations: ${total.operations}, listed: ${total.listed}, left out with a reason: ${total.leftOut}`);
[...reasons].sort((a, b) => b[1] - a[1]).forEach(([reason, times]) => console.log(`  ${times} × ${reason}`));
refused.forEach((line) => console.log(`refused: ${line.trim()}`));
failures.forEach((line) => console.log(`FAILED: ${line}`));
process.exit(failures.length === 0 ? 0 : 1);
