// Things that are not Keyrack's: the API behind the gateway, and somebody else's web page.
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from "node:http";

export interface Call {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
}

/** A server of somebody else on the loopback interface. */
export class Foreign {
  private constructor(
    private readonly server: Server,
    readonly port: number,
    readonly calls: Call[],
  ) {}

  private static async serve(answer: RequestListener): Promise<Foreign> {
    const calls: Call[] = [];
    const server = createServer((request, response) => {
      const { method = "", url = "", headers } = request;
      calls.push({ method, path: url, headers });
      answer(request, response);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    return new Foreign(server, address.port, calls);
  }

  /** An API that answers every call and remembers it. */
  static api(): Promise<Foreign> {
    return Foreign.serve((request, response) => {
      request.resume();
      response.end("from the API\n");
    });
  }

  /** A page that sends a form somewhere as soon as it is opened. */
  static page(target: string, fields: Record<string, string>): Promise<Foreign> {
    const inputs = Object.entries(fields).map(([name, value]) => `<input name="${name}" value="${value}">`);
    const html = `<!doctype html><link rel="icon" href="data:,"><title>A trap</title>
      <form method="post" action="${target}">${inputs.join("")}<button>Win a prize</button></form>`;
    return Foreign.serve((_, response) => {
      response.setHeader("content-type", "text/html").end(html);
    });
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}
