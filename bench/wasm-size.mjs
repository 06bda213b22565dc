// How much WASM a browser loads for the first page of each group: what all groups share, and the
// group's own files, as cargo-leptos compressed them.
import { readdirSync, readFileSync, statSync } from "node:fs";

const [folder] = process.argv.slice(2);
const files = readdirSync(folder);
const find = (begin, end) => {
  const found = files.filter((file) => file.startsWith(begin) && file.endsWith(end));
  if (found.length !== 1) throw new Error(`${found.length} files ${begin}…${end}: build it anew`);
  return `${folder}/${found[0]}`;
};
const size = (name) => statSync(find(`${name}.`, ".wasm.br")).size;
const groups = JSON.parse(readFileSync(find("__wasm_split_manifest.", ".json"), "utf8"));
for (const [group, parts] of Object.entries(groups)) {
  const total = ["keyrack", ...parts].reduce((sum, name) => sum + size(name), 0);
  const words = group.replace(/^load_/, "").replace(/_\d+$/, "");
  console.log(`  ${words.padEnd(12)} ${Math.round(total / 1000)} kB`);
}
