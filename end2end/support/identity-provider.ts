// Somebody else's OpenID provider, certified and in wide use, on another site than Keyrack's. Only
// its pages are made here, and its ID tokens can be bent on their way out.
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { text } from "node:stream/consumers";
import { expect, type Page } from "@playwright/test";
import { type CryptoKey, decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair, SignJWT } from "jose";
import Provider, { type Configuration, type JWK } from "oidc-provider";
import { freePort, type Keyrack } from "./keyrack.js";

/** What the provider says about somebody. */
export interface Account {
  name: string;
  email: string;
  email_verified: boolean;
  groups: string[];
}

/** What an ID token says besides or instead, and the key that signs it if it isn't the provider's. */
export interface Bend {
  claims?: Record<string, unknown>;
  key?: CryptoKey;
}

const client = { client_id: "keyrack", client_secret: "what only the two of them know" };

export class IdentityProvider {
  /** Who there is, by what they type. */
  accounts: Record<string, Account> = {};
  /** What happens to each ID token on its way out. */
  bend: Bend | undefined;
  private key: CryptoKey | undefined;
  private answer: RequestListener = (_, response) => response.writeHead(503).end();

  private constructor(
    private readonly server: Server,
    readonly issuer: string,
  ) {}

  static async start(): Promise<IdentityProvider> {
    const port = await freePort();
    const server = createServer((request, response) => provider.answer(request, response));
    const provider = new IdentityProvider(server, `http://localhost:${port}`);
    await once(server.listen(port, "127.0.0.1"), "listening");
    return provider;
  }

  /** How Keyrack is told of it. */
  get settings(): Record<string, string> {
    return {
      KEYRACK_SSO_NAME: "Acme",
      KEYRACK_SSO_ISSUER: this.issuer,
      KEYRACK_SSO_CLIENT_ID: client.client_id,
      KEYRACK_SSO_CLIENT_SECRET: client.client_secret,
      KEYRACK_SSO_ROLE_MAP: "keyrack-admins=superuser,on-call=operations",
      KEYRACK_OUTBOUND_ALLOW_PRIVATE_ADDRESSES: "127.0.0.0/8",
    };
  }

  /** Serves a Keyrack. Each call brings another key; people stay signed in. */
  async serve(keyrack: Keyrack): Promise<void> {
    this.key = await newKey();
    const jwks = { keys: [(await exportJWK(this.key)) as JWK] };
    const provider = new Provider(this.issuer, { ...this.configuration(keyrack), jwks });
    provider.use(async (context, next) => {
      if (context.path === SIGN_IN && context.method === "POST") {
        const typed = new URLSearchParams(await text(context.req));
        const login = { accountId: typed.get("account") ?? "" };
        context.redirect(await provider.interactionResult(context.req, context.res, { login }));
      } else if (context.path === SIGN_IN) {
        context.body = page(`<form method="post"><label>Account <input name="account"></label>
          <button>Sign in</button></form>`);
      } else {
        await next();
        if (this.bend && context.body?.id_token) {
          context.body.id_token = await this.bent(context.body.id_token, this.bend);
        }
      }
    });
    this.answer = provider.callback();
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  /** Signs in on the provider's page that is open. */
  async signIn(page: Page, account: string): Promise<void> {
    await expect(page).toHaveURL(this.issuer + SIGN_IN);
    await page.getByLabel("Account").fill(account);
    await page.getByRole("button", { name: "Sign in" }).click();
  }

  /** Signs out on the provider's page that is open. */
  async signOut(page: Page): Promise<void> {
    await expect(page).toHaveURL(new RegExp(`^${this.issuer}/session/end`));
    await page.getByRole("button", { name: "Sign out" }).click();
  }

  private configuration(keyrack: Keyrack): Configuration {
    return {
      clients: [
        {
          ...client,
          redirect_uris: [`${keyrack.url}/sso/sso/callback`],
          post_logout_redirect_uris: [`${keyrack.url}/login?done=logged-out`],
          backchannel_logout_uri: `${keyrack.url}/sso/sso/backchannel`,
          backchannel_logout_session_required: true,
        },
      ],
      cookies: { keys: ["of cookies"] },
      claims: { email: ["email", "email_verified"], profile: ["name", "groups"] },
      conformIdTokenClaims: false,
      findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...this.accounts[id] }) }),
      // Nobody is asked whether Keyrack may know them.
      loadExistingGrant: async ({ oidc: { provider, client, session } }) => {
        const grant = new provider.Grant({ accountId: session?.accountId, clientId: client?.clientId });
        grant.addOIDCScope("openid email profile");
        await grant.save();
        return grant;
      },
      interactions: { url: () => SIGN_IN },
      features: {
        devInteractions: { enabled: false },
        backchannelLogout: { enabled: true },
        rpInitiatedLogout: {
          logoutSource: (context, form) => {
            context.body = page(`${form}<button form="op.logoutForm" name="logout" value="yes">Sign out</button>`);
          },
          postLogoutSuccessSource: (context) => {
            context.body = page("<p>You are signed out.</p>");
          },
        },
      },
      // Its own way of asking keeps away from the loopback interface.
      fetch: (url, { method, headers, body } = {}) => fetch(url, { method, headers, body }),
    };
  }

  private async bent(token: string, { claims, key = this.key }: Bend): Promise<string> {
    if (key === undefined) throw new Error("nobody is served yet");
    const { alg = "", kid } = decodeProtectedHeader(token);
    return new SignJWT({ ...decodeJwt(token), ...claims }).setProtectedHeader({ alg, kid }).sign(key);
  }
}

const SIGN_IN = "/sign-in";

/** A key as the provider's own. */
export async function newKey(): Promise<CryptoKey> {
  return (await generateKeyPair("RS256", { extractable: true })).privateKey;
}

function page(content: string): string {
  return `<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>Acme</title>${content}`;
}
