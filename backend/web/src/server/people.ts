/** People at the server, from this phone: signing in, a password of one's own, a token that is renewed in time. */
import { PhoneFault } from "../phone/fault";
import type { Database } from "../queue/database";
import { type Request, said } from "./client";
import { reached } from "./device";

/** A person's own token on this phone, and where they belong; lies under their key alone. */
export interface SignedIn {
  readonly token: string;
  readonly since: string;
  readonly expires_at: string;
  readonly sites: readonly string[];
}

export interface Arrival {
  readonly person: string;
  readonly signed_in: SignedIn;
  /** The password was given by another. */
  readonly needs_password: boolean;
}

const FAULTS: Readonly<Record<string, string>> = {
  "password-wrong": "password-wrong",
  "second-factor-code-needed": "second-factor-needed",
  "site-not-shared": "site-not-shared",
  "browser-needed": "browser-needed",
};

/** @throws PhoneFault */
export async function signIn(
  database: Database,
  request: Request,
  now: Date,
  typed: { readonly name: string; readonly password: string; readonly code?: string },
): Promise<Arrival> {
  const device = await database.get("device", "device");
  if (!device) throw new PhoneFault("not-enrolled");
  const answer = await reached(request("/sign-in", { method: "POST", token: device.token, json: typed }));
  if (answer.refusal) throw new PhoneFault(FAULTS[answer.refusal.code] ?? "sign-in-refused", answer.refusal.title);
  const found = await reached(async () => said<{ person: string; token: string }>(answer, "person", "token"));
  return arrival(request, found.person, found.token, now);
}

/** @throws PhoneFault `password-unfit`, `password-wrong` */
export async function choosePassword(
  request: Request,
  { person, signed_in }: Arrival,
  now: Date,
  chosen: { readonly old: string; readonly new: string },
): Promise<Arrival> {
  const answer = await reached(
    request("/session/password", { method: "PUT", token: signed_in.token, json: chosen }),
  );
  if (answer.refusal?.code === "password-wrong") throw new PhoneFault("password-wrong");
  if (answer.refusal) throw new PhoneFault("password-unfit", answer.refusal.faults[0]?.remedy ?? answer.refusal.title);
  return arrival(request, person, signed_in.token, now);
}

/** Where they belong today, with a token that lasts; null when the server does not know them any more. @throws NoAnswer */
export async function refreshed(request: Request, signed_in: SignedIn, now: Date): Promise<SignedIn | null> {
  const session = await request("/session", { token: signed_in.token });
  if (session.refusal) return null;
  return renewed(request, { ...signed_in, sites: said<Session>(session, "sites").sites }, now);
}

/** A fresh token when half of the old one's life is over; the same otherwise. */
async function renewed(request: Request, signed_in: SignedIn, now: Date): Promise<SignedIn> {
  const [since, until] = [Date.parse(signed_in.since), Date.parse(signed_in.expires_at)];
  if (now.getTime() < (since + until) / 2) return signed_in;
  const answer = await request("/session/rotation", { method: "POST", token: signed_in.token, json: {} });
  if (answer.refusal) return signed_in;
  const { token, expires_at } = said<{ token: string; expires_at: string }>(answer, "token", "expires_at");
  return { ...signed_in, token, expires_at, since: now.toISOString() };
}

async function arrival(request: Request, person: string, token: string, now: Date): Promise<Arrival> {
  const session = await reached(request("/session", { token }));
  if (session.refusal) throw new PhoneFault("sign-in-refused", session.refusal.title);
  const { sites, expires_at, needs } = await reached(async () => said<Session>(session, "sites", "expires_at", "needs"));
  return {
    person,
    signed_in: { token, since: now.toISOString(), expires_at, sites },
    needs_password: needs.includes("password-change-needed"),
  };
}

interface Session {
  readonly sites: readonly string[];
  readonly expires_at: string;
  readonly needs: readonly string[];
}
