// The real program on an empty folder of its own, and the commands that people run beside it on
// the host. Nothing of a journey is left behind.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import sqlite from "node-sqlite3-wasm";

const root = resolve(import.meta.dirname, "../..");
const program = process.env.KEYRACK_BIN ?? join(root, "target/debug/keyrack");
const site = process.env.LEPTOS_SITE_ROOT ?? join(root, "target/site-debug");

/** How long the program may take to start or to end. */
const PATIENCE = 15_000;

export type Role = "superuser" | "developer" | "operations" | "support";

export interface Person {
  name: string;
  email: string;
  password: string;
  role: Role;
}

/** What `keyrack credential issue` prints, and what the pages show. */
export interface Credential {
  key_id: string;
  name: string;
  secret: string;
}

/** What an issued credential is to be like; the rest is filled in. */
export interface Wish {
  name?: string;
  purpose?: string;
  owner?: string;
  flow?: "client-secret" | "private-key-jwt" | "legacy";
  /** With `private-key-jwt`, as PEM. */
  publicKey?: string;
  expires?: string;
  access?: "read-only" | "full" | "custom";
  scopes?: string[];
}

/** A row of the audit log, as it is stored. */
export interface AuditEvent {
  seq: number;
  actor_kind: string;
  actor_name: string;
  action: string;
  object_id: string | null;
  object_name: string;
  outcome: string;
  /** JSON. */
  detail: string;
}

/** A port of the loopback interface that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

export class Keyrack {
  /** Everything that the running server printed. */
  output = "";
  private server: ChildProcess | undefined;

  private constructor(
    readonly folder: string,
    readonly port: number,
    private readonly settings: Record<string, string>,
    private readonly host: string,
  ) {}

  /** A folder and a port; nothing runs yet. */
  static async prepare(settings: Record<string, string> = {}, host = "127.0.0.1", port?: number): Promise<Keyrack> {
    const folder = await mkdtemp(join(tmpdir(), "keyrack-journey-"));
    return new Keyrack(folder, port ?? (await freePort()), settings, host);
  }

  get url(): string {
    return `http://${this.host}:${this.port}`;
  }

  /** Starts the server (or the demo) and waits until it is ready. */
  async start(command: "serve" | "demo" = "serve"): Promise<void> {
    const server = spawn(program, [command], { cwd: this.folder, env: this.environment() });
    this.server = server;
    for (const stream of [server.stdout, server.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => (this.output += text));
    }
    const deadline = Date.now() + PATIENCE;
    while (Date.now() < deadline && server.exitCode === null) {
      const answer = await fetch(`${this.url}/readyz`).catch(() => undefined);
      if (answer?.ok) return;
      await pause(50);
    }
    throw new Error(`Keyrack did not start:\n${this.output}`);
  }

  /** Ends the server as the operating system does, and insists that it ends well. */
  async stop(): Promise<void> {
    const server = this.server;
    this.server = undefined;
    if (server === undefined || server.exitCode !== null) return;
    const ended = once(server, "exit");
    server.kill("SIGTERM");
    const impatient = setTimeout(() => server.kill("SIGKILL"), PATIENCE);
    const [code] = (await ended) as [number | null];
    clearTimeout(impatient);
    if (code !== 0) throw new Error(`Keyrack ended with ${code}:\n${this.output}`);
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Ends the server and removes the folder. */
  async discard(): Promise<void> {
    try {
      await this.stop();
    } finally {
      await rm(this.folder, { recursive: true, force: true });
    }
  }

  /** The link that an empty Keyrack prints. */
  async setUpLink(): Promise<string> {
    const deadline = Date.now() + PATIENCE;
    while (Date.now() < deadline) {
      const link = /https?:\S+\/setup\?token=\S+/.exec(this.output);
      if (link) return link[0];
      await pause(20);
    }
    throw new Error(`No set-up link was printed:\n${this.output}`);
  }

  /** Runs a command on the host and gives what it printed. */
  async run(words: string[], input = ""): Promise<string> {
    const child = spawn(program, words, { cwd: this.folder, env: this.environment() });
    let [printed, problem] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (problem += text));
    child.stdin.end(input);
    const [code] = (await once(child, "close")) as [number | null];
    if (code !== 0) throw new Error(`keyrack ${words.join(" ")}: ${code}\n${problem}`);
    return printed;
  }

  /** Adds people, with their passwords. */
  async addPeople(...people: Person[]): Promise<void> {
    for (const { name, email, role, password } of people) {
      const words = ["user", "add", "--email", email, "--name", name, "--role", role];
      await this.run([...words, "--password-stdin"], password);
    }
  }

  /** Issues a credential. */
  async issue(wish: Wish = {}): Promise<Credential> {
    const words = ["--name", wish.name ?? "nightly-report", "--owner", wish.owner ?? mara.email];
    words.push("--purpose", wish.purpose ?? "Writes the report of the day");
    words.push("--flow", wish.flow ?? "client-secret", "--expires", wish.expires ?? "90d");
    words.push("--access", wish.access ?? "read-only");
    for (const scope of wish.scopes ?? []) words.push("--scope", scope);
    if (wish.publicKey !== undefined) {
      const file = join(this.folder, "public.pem");
      await writeFile(file, wish.publicKey);
      words.push("--public-key", file);
    }
    return JSON.parse(await this.run(["credential", "issue", ...words, "--json"])) as Credential;
  }

  /** The id of a person. */
  async idOf(person: Person): Promise<string> {
    const people = JSON.parse(await this.run(["user", "list", "--json"])) as { id: string; email: string }[];
    return people.find(({ email }) => email === person.email)?.id ?? "";
  }

  /** The audit log, read from a backup: the running server keeps the database to itself. */
  async audit(): Promise<AuditEvent[]> {
    const copy = join(this.folder, `backup-${Date.now()}.db`);
    await this.run(["db", "backup", copy]);
    const database = new sqlite.Database(copy, { readOnly: true });
    const rows = database.all("SELECT * FROM audit_events ORDER BY seq");
    database.close();
    return rows as unknown as AuditEvent[];
  }

  /** Changes what is stored while the server is down, as only time can. */
  change(sql: string): void {
    const database = new sqlite.Database(join(this.folder, "data", "keyrack.db"));
    // Without it, a write-ahead log needs shared memory, which this SQLite hasn't.
    database.exec("PRAGMA locking_mode = EXCLUSIVE");
    database.exec(sql);
    database.close();
  }

  /** Everything in the data folder as one text, to look for what must not be there. */
  async stored(): Promise<string> {
    const files = ["keyrack.db", "keyrack.db-wal"].map((name) => join(this.folder, "data", name));
    const texts = files.map((file) => readFile(file, "latin1").catch(() => ""));
    return (await Promise.all(texts)).join("");
  }

  /** Only what Keyrack is to know, not the tests' own KEYRACK_ names. */
  private environment(): Record<string, string> {
    return {
      PATH: process.env.PATH ?? "",
      USER: "journey",
      LEPTOS_SITE_ROOT: resolve(site),
      KEYRACK_LISTEN: `127.0.0.1:${this.port}`,
      KEYRACK_PUBLIC_URL: this.url,
      KEYRACK_DATA_DIR: join(this.folder, "data"),
      KEYRACK_GATE_MODE: "nginx",
      ...this.settings,
    };
  }
}

const password = "mice juggle seven lamps";
/** The people of the journeys. */
export const mara: Person = { name: "Mara Okafor", email: "mara@example.com", password, role: "superuser" };
export const noor: Person = { name: "Noor Haddad", email: "noor@example.com", password, role: "superuser" };
export const jonas: Person = { name: "Jonas Lind", email: "jonas@example.com", password, role: "operations" };
export const eve: Person = { name: "Eve Moreau", email: "eve@example.com", password, role: "support" };

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
