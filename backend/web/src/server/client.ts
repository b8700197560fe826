/** One request to the server, and whether it was the server that answered.
 *
 * A hotel's login page answers 200, a tired proxy 502, a middlebox 403 with a page of its own. None of them is an answer:
 * ours is JSON, and a refusal of ours is an RFC 9457 problem with a `code`. Everything else throws `NoAnswer`.
 */
import type { Pause, Refusal } from "../port";

export const API = "/api/v1";
export const FIRST_PAUSE_MS = 250; // then twice as long each time: the server may still be keeping what a cut left it
const MOST_TRIES = 4;
const PATIENCE_MS = 30_000;
const SLOWEST_BYTES_PER_MS = 0.5; // half a kilobyte a second: GPRS on a bad day

export interface Ask {
  readonly method?: "GET" | "PUT" | "POST" | "DELETE";
  readonly token?: string | null;
  readonly json?: unknown;
  readonly bytes?: Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
  /** False for a body that may be large: it travels on other connections than what goes before and after it. */
  readonly shared?: boolean;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
  /** Of the header `Upload-Offset`; null without one. */
  readonly offset: number | null;
  /** Of the header `Sealed-State`: what the server has done with a submission; null without one. */
  readonly sealed: string | null;
  /** Why not, for a status from 400 on. */
  readonly refusal: Refusal | null;
}

/** The server was not reached, or somebody else answered in its place. */
export class NoAnswer extends Error {
  constructor(
    readonly why: Extract<Pause, "offline" | "portal" | "server-away" | "too-many">,
    readonly wait_ms: number | null = null,
  ) {
    super(why);
    this.name = "NoAnswer";
  }
}

/** @throws NoAnswer */
export type Request = (path: string, ask?: Ask) => Promise<Answer>;

/** The door to the server at this page's own origin. */
export function clientOf(fetched: typeof fetch, now: () => Date): Request {
  return async (path, ask = {}) => answerOf(await sent(fetched, path, ask), now());
}

/** The body, when it has these fields: any login page can say that it is JSON. @throws NoAnswer */
export function said<T extends object>({ body }: Answer, ...names: (keyof T & string)[]): T {
  const fits = typeof body === "object" && body !== null && names.every((name) => name in body);
  if (!fits) throw new NoAnswer("portal");
  return body as T;
}

/** The same door for questions that may be asked again: a line that cuts gets a few tries at each. */
export function patiently(request: Request, pause: (ms: number) => Promise<void>): Request {
  return async (path, ask) => {
    for (let tries = 1; ; tries += 1) {
      try {
        return await request(path, ask);
      } catch (error) {
        const hopeless = !(error instanceof NoAnswer) || error.why === "too-many" || tries === MOST_TRIES;
        if (hopeless) throw error;
        await pause(FIRST_PAUSE_MS * 2 ** (tries - 1));
      }
    }
  };
}

async function sent(fetched: typeof fetch, path: string, ask: Ask): Promise<Response> {
  const body = ask.bytes ?? (ask.json === undefined ? null : JSON.stringify(ask.json));
  const size = typeof body === "string" ? body.length : (body?.length ?? 0);
  try {
    return await fetched(`${API}${path}`, {
      method: ask.method ?? "GET",
      body,
      headers: {
        Accept: "application/json, application/problem+json",
        ...(ask.json === undefined ? {} : { "Content-Type": "application/json" }),
        ...(ask.token ? { Authorization: `Bearer ${ask.token}` } : {}),
        ...ask.headers,
      },
      redirect: "manual", // a login page is where we are led, never where we go
      cache: "no-store",
      referrerPolicy: "no-referrer",
      // A browser repeats a whole body in silence when a connection that it kept dies under it; browsers keep those with
      // and without credentials apart, and there are no cookies here.
      credentials: ask.shared === false ? "omit" : "same-origin",
      signal: AbortSignal.timeout(PATIENCE_MS + size / SLOWEST_BYTES_PER_MS),
    });
  } catch (error) {
    throw new NoAnswer(error instanceof DOMException && error.name === "TimeoutError" ? "server-away" : "offline");
  }
}

async function answerOf(response: Response, now: Date): Promise<Answer> {
  const { status } = response;
  if (response.type === "opaqueredirect" || (status >= 300 && status < 400) || status === 511) throw new NoAnswer("portal");
  if (status >= 500) throw new NoAnswer("server-away", retryAfter(response));
  const body = status === 204 ? null : await jsonOf(response);
  const sealed = response.headers.get("Sealed-State");
  const refusal = status >= 400 ? refusalOf(body, now, sealed === "put-aside") : null;
  if (status === 429) throw new NoAnswer("too-many", retryAfter(response));
  const offset = response.headers.get("Upload-Offset");
  const known = offset !== null && /^[0-9]{1,9}$/.test(offset);
  return { status, body, offset: known ? Number(offset) : null, sealed, refusal };
}

async function jsonOf(response: Response): Promise<unknown> {
  const type = response.headers.get("Content-Type") ?? "";
  let text: string;
  try {
    text = await response.text();
  } catch {
    throw new NoAnswer("offline"); // cut in the middle of the answer
  }
  try {
    if (/^application\/(problem\+)?json\b/.test(type)) return JSON.parse(text);
  } catch {
    // what says that it is JSON and is none comes from somebody else
  }
  throw new NoAnswer("portal");
}

/** @throws NoAnswer for what is no problem of ours */
function refusalOf(body: unknown, now: Date, kept_by_server: boolean): Refusal {
  const problem = body as { code?: unknown; detail?: unknown; faults?: unknown } | null;
  if (typeof problem?.code !== "string" || typeof problem.detail !== "string") throw new NoAnswer("portal");
  const faults = Array.isArray(problem.faults) ? (problem.faults as Record<string, unknown>[]) : [];
  return {
    code: problem.code,
    title: problem.detail,
    faults: faults.map(({ field, reason, remedy }) => ({
      field: String(field ?? ""),
      message: String(reason ?? ""),
      remedy: String(remedy ?? ""),
    })),
    at: now.toISOString(),
    kept_by_server,
  };
}

function retryAfter(response: Response): number | null {
  const seconds = Number(response.headers.get("Retry-After"));
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : null;
}

