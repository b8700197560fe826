/** The server, as a person in a browser reaches it: a cookie that no script sees, and its other half kept for this tab. */
import { signal } from "@preact/signals";
import type { Refusal } from "../port";
import { type Ask, clientOf, NoAnswer, type Answer } from "../server/client";

const CSRF = "pallor.csrf";
const request = clientOf(fetch.bind(globalThis), () => new Date());

export interface Session {
  readonly person: string;
  readonly role: string;
  readonly sites: readonly string[] | null;
  readonly practice_sites: readonly string[];
  readonly needs: readonly string[];
}

/** Undefined until the server has been asked, null when nobody is signed in. */
export const session = signal<Session | null | undefined>(undefined);
/** Whoever was signed in is not any more, without having signed out. */
export const expired = signal(false);

/** The server's no, with what to do about it. */
export class SentBack extends Error {
  constructor(readonly refusal: Refusal) {
    super(refusal.title);
  }
  get code(): string {
    return this.refusal.code;
  }
}

/** @throws SentBack, NoAnswer */
export async function ask<T>(path: string, how: Ask = {}): Promise<T> {
  const token = sessionStorage.getItem(CSRF);
  const changes = how.method !== undefined && how.method !== "GET";
  const headers = { ...how.headers, ...(changes && token ? { "X-CSRF-Token": token } : {}) };
  const answer = await request(path, { ...how, headers });
  if (answer.refusal && isOut(answer)) leave(true);
  if (answer.refusal) throw new SentBack(answer.refusal);
  return answer.body as T;
}

/** Who is signed in; without this tab's half of the cookie nobody is. */
export async function begin(): Promise<void> {
  if (!sessionStorage.getItem(CSRF)) return leave(false);
  try {
    session.value = await ask<Session>("/session");
  } catch (error) {
    if (error instanceof SentBack) leave(false);
    else session.value = null; // loaded anew once the server answers, it goes on
  }
}

/** @throws SentBack, NoAnswer */
export async function signIn(typed: { name: string; password: string; code?: string }): Promise<void> {
  const { csrf_token } = await ask<{ csrf_token: string }>("/sign-in", { method: "POST", json: typed });
  sessionStorage.setItem(CSRF, csrf_token);
  expired.value = false;
  await begin();
}

export async function signOut(): Promise<void> {
  try {
    await ask("/session", { method: "DELETE" });
  } finally {
    leave(false);
  }
}

export { NoAnswer };

function isOut({ status, refusal }: Answer): boolean {
  return status === 401 && !["password-wrong", "second-factor-code-needed"].includes(refusal?.code ?? "");
}

function leave(unasked: boolean): void {
  sessionStorage.removeItem(CSRF);
  expired.value = unasked && Boolean(session.value);
  session.value = null;
}
