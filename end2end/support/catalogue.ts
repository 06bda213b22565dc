// The shipped catalogue, read as anybody would read it, and what a credential may call by it.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parse } from "smol-toml";

export type Level = "none" | "read" | "write";

interface File {
  name: string;
  scope: {
    name: string;
    title: string;
    endpoints: { method: string; path: string; level?: "read" | "write" }[];
  }[];
}

/** A row of the catalogue: a call and what it needs. */
export interface Row {
  method: string;
  path: string;
  scope: string;
  needs: "read" | "write";
}

const file = resolve(import.meta.dirname, "../../catalogue/alpaca-broker.toml");
const catalogue = parse(readFileSync(file, "utf8")) as unknown as File;

export const apiName = catalogue.name;
export const scopes = catalogue.scope.map(({ name, title }) => ({ name, title }));
export const rows: Row[] = catalogue.scope.flatMap((scope) =>
  scope.endpoints.map(({ method, path, level }) => ({
    method,
    path,
    scope: scope.name,
    needs: level ?? (["GET", "HEAD", "OPTIONS"].includes(method) ? "read" : "write"),
  })),
);

/** Whether a level on a scope is enough for a row. */
export function allows(level: Level | undefined, row: Row): boolean {
  return level === "write" || level === row.needs;
}

/** A call of a row, with something in the place of each parameter. */
export function concrete(row: Row): string {
  return row.path
    .replaceAll(/\{\w+:uuid\}/g, "0c6b1f3e-7a55-4b0e-9d8e-6f2d3c4b5a69")
    .replaceAll(/\{\w+:slashes\}/g, "BTC%2FUSD")
    .replaceAll(/\{\w+\}/g, "b7c1-42.x");
}
