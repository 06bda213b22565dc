// The real nginx with the configuration that the documentation offers, in front of some API.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Foreign } from "./foreign.js";
import { freePort, type Keyrack, pause } from "./keyrack.js";

const documented = resolve(import.meta.dirname, "../../docs/gateways/nginx.conf");

export class Gateway {
  private readonly agent = new Agent({ keepAlive: true });

  private constructor(
    readonly port: number,
    private readonly folder: string,
    private readonly process: ChildProcess,
  ) {}

  static async start(keyrack: Keyrack, api: Foreign): Promise<Gateway> {
    const folder = await mkdtemp(join(tmpdir(), "keyrack-nginx-"));
    const port = await freePort();
    const site = fill(await readFile(documented, "utf8"), {
      "listen 443 ssl;": `listen 127.0.0.1:${port};`,
      "    ssl_certificate     /etc/nginx/tls/api.example.com.crt;\n": "",
      "    ssl_certificate_key /etc/nginx/tls/api.example.com.key;\n": "",
      "127.0.0.1:3000": `127.0.0.1:${keyrack.port}`,
      "127.0.0.1:8080": `127.0.0.1:${api.port}`,
    });
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    const file = join(folder, "nginx.conf");
    await writeFile(
      file,
      // One process without a master: ending it leaves nothing behind.
      `daemon off; master_process off; pid nginx.pid; error_log stderr crit; events {}
       http { access_log off; ${temporary.map((name) => `${name}_temp_path ${name};`).join(" ")} ${site} }`,
    );
    // Debian puts nginx where only root looks.
    const env = { PATH: `${process.env.PATH}:/usr/sbin` };
    const server = spawn("nginx", ["-p", folder, "-c", file], { env, stdio: "ignore" });
    await once(server, "spawn");
    const gateway = new Gateway(port, folder, server);
    while (server.exitCode === null) {
      const up = await gateway.call("GET", "/", {}).catch(() => undefined);
      if (up) return gateway;
      await pause(20);
    }
    throw new Error(`nginx did not start with ${file}`);
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
    const ended = once(this.process, "exit");
    this.process.kill();
    await ended;
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** The documented file with the addresses of a journey. What is not there once has changed. */
function fill(text: string, replacements: Record<string, string>): string {
  return Object.entries(replacements).reduce((text, [from, to]) => {
    if (text.split(from).length !== 2) throw new Error(`nginx.conf: ${from} is not there once`);
    return text.replace(from, to);
  }, text);
}
