// The real nginx with a configuration that the documentation offers.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Foreign } from "./foreign.js";
import { freePort, type Keyrack, pause } from "./keyrack.js";

export class Nginx {
  private constructor(
    private readonly folder: string,
    private readonly process: ChildProcess,
  ) {}

  /** Starts it with a file of `docs`, some of whose texts are replaced, and waits until it answers. */
  static async start(documented: string, port: number, replacements: Record<string, string>): Promise<Nginx> {
    const folder = await mkdtemp(join(tmpdir(), "keyrack-nginx-"));
    const text = await readFile(resolve(import.meta.dirname, "../../docs", documented), "utf8");
    const site = fill(text, { "listen 443 ssl;": `listen 127.0.0.1:${port};`, ...replacements });
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    const file = join(folder, "nginx.conf");
    await writeFile(
      file,
      // One process without a master: ending it leaves nothing behind.
      `daemon off; master_process off; pid nginx.pid; error_log stderr crit; events {}
       http { access_log off; ${temporary.map((name) => `${name}_temp_path ${name};`).join(" ")}
       ${site.replaceAll(/^ *ssl_certificate.*$/gm, "")} }`,
    );
    // Debian puts nginx where only root looks.
    const env = { PATH: `${process.env.PATH}:/usr/sbin` };
    const server = spawn("nginx", ["-p", folder, "-c", file], { env, stdio: "ignore" });
    await once(server, "spawn");
    while (server.exitCode === null) {
      const up = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
      if (up) return new Nginx(folder, server);
      await pause(20);
    }
    throw new Error(`nginx did not start with ${file}`);
  }

  async stop(): Promise<void> {
    const ended = once(this.process, "exit");
    this.process.kill();
    await ended;
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** nginx in front of some API. */
export class Gateway {
  private readonly agent = new Agent({ keepAlive: true });

  private constructor(
    readonly port: number,
    private readonly nginx: Nginx,
  ) {}

  static async start(keyrack: Keyrack, api: Foreign): Promise<Gateway> {
    const port = await freePort();
    const nginx = await Nginx.start("gateways/nginx.conf", port, {
      "127.0.0.1:3000": `127.0.0.1:${keyrack.port}`,
      "127.0.0.1:8080": `127.0.0.1:${api.port}`,
    });
    return new Gateway(port, nginx);
  }

  /** Sends a call through the gateway, with its path byte by byte. */
  async call(method: string, path: string, headers: Record<string, string>): Promise<{ status: number; body: string }> {
    const options = { host: "127.0.0.1", port: this.port, method, path, headers, agent: this.agent };
    const sent = request(options).end();
    const [answer] = await once(sent, "response");
    let body = "";
    for await (const chunk of answer) body += chunk;
    return { status: answer.statusCode, body };
  }

  async stop(): Promise<void> {
    this.agent.destroy();
    await this.nginx.stop();
  }
}

/** The documented file with the addresses of a journey. What is not there once has changed. */
function fill(text: string, replacements: Record<string, string>): string {
  return Object.entries(replacements).reduce((text, [from, to]) => {
    if (text.split(from).length !== 2) throw new Error(`nginx.conf: ${from} is not there once`);
    return text.replace(from, to);
  }, text);
}
