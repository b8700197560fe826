/** A person's key, and the PIN that it is wrapped by.
 *
 * The key is random; Argon2id of the PIN only wraps it, so a new PIN encrypts nothing anew, and forgetting the wrapped key
 * forgets everything under it. What this does not stop: whoever copies the phone's storage can try all million PINs of six
 * digits elsewhere, without counting; at the cost below that is about two days on one core of a desktop.
 */
import { PhoneFault } from "../phone/fault";
import type { Bytes } from "../sealing/digest";

export const TRIES = 10;
const LEAST_DIGITS = 6;

/** What one try costs: Argon2id's memory and passes, on one lane. */
export interface PinCost {
  readonly memory_kib: number;
  readonly passes: number;
}

// RFC 9106 would have 64 MiB, which a phone with 1 GB may not give a page. 0.16 s in Node on one core of a server.
export const COST: PinCost = { memory_kib: 32 * 1024, passes: 3 };

/** As it lies in the database. */
export interface PinLock extends PinCost {
  readonly salt: Bytes;
  readonly iv: Bytes;
  readonly wrapped: ArrayBuffer;
}

/** Throws `pin-short`, `pin-not-digits` or `pin-easy`. */
export function checkPin(pin: string): void {
  if (!/^[0-9]*$/.test(pin)) throw new PhoneFault("pin-not-digits");
  if (pin.length < LEAST_DIGITS) throw new PhoneFault("pin-short", String(LEAST_DIGITS));
  if (isEasy(pin)) throw new PhoneFault("pin-easy");
}

/** A fresh key under `pin`. */
export async function makeKey(pin: string, cost: PinCost): Promise<{ lock: PinLock; key: CryptoKey }> {
  const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, true, ["encrypt", "decrypt"]);
  const lock = await lockOf(key, pin, cost);
  return { lock, key: await mustOpen(lock, pin) }; // the one that could be exported ends here
}

/** The key, which nothing can export; null when the PIN is another. */
export async function openKey(lock: PinLock, pin: string): Promise<CryptoKey | null> {
  return unwrapped(lock, pin, false);
}

/** The same key under another PIN; null when `old` is wrong. */
export async function rewrap(lock: PinLock, old: string, chosen: string): Promise<PinLock | null> {
  const key = await unwrapped(lock, old, true);
  return key && lockOf(key, chosen, lock);
}

async function lockOf(key: CryptoKey, pin: string, { memory_kib, passes }: PinCost): Promise<PinLock> {
  const salt = crypto.getRandomValues(new Uint8Array(16));
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const salted = { salt, memory_kib, passes };
  const wrapped = await crypto.subtle.wrapKey("raw", key, await wrapperOf(pin, salted), { name: "AES-GCM", iv });
  return { ...salted, iv, wrapped };
}

async function unwrapped(lock: PinLock, pin: string, extractable: boolean): Promise<CryptoKey | null> {
  const wrapper = await wrapperOf(pin, lock);
  const wrap = { name: "AES-GCM", iv: lock.iv };
  const uses: KeyUsage[] = ["encrypt", "decrypt"];
  try {
    return await crypto.subtle.unwrapKey("raw", lock.wrapped, wrapper, wrap, "AES-GCM", extractable, uses);
  } catch (error) {
    if (error instanceof DOMException && error.name === "OperationError") return null; // the tag does not fit
    throw error;
  }
}

async function mustOpen(lock: PinLock, pin: string): Promise<CryptoKey> {
  const key = await openKey(lock, pin);
  if (!key) throw new Error("a key that was wrapped a moment ago does not open");
  return key;
}

async function wrapperOf(pin: string, cost: Omit<PinLock, "iv" | "wrapped">): Promise<CryptoKey> {
  const { argon2id } = await import("./argon2");
  const hash = await argon2id({
    password: pin,
    salt: cost.salt,
    memorySize: cost.memory_kib,
    iterations: cost.passes,
    parallelism: 1, // WebAssembly has one lane here; more would help an attacker alone
    hashLength: 32,
    outputType: "binary",
  });
  return crypto.subtle.importKey("raw", new Uint8Array(hash), "AES-GCM", false, ["wrapKey", "unwrapKey"]);
}

/** One digit throughout, a run up or down, or a short group repeated: what is tried first. */
function isEasy(pin: string): boolean {
  const steps = new Set(Array.from(pin.slice(1), (digit, at) => (Number(digit) - Number(pin[at]) + 10) % 10));
  if (steps.size === 1 && [0, 1, 9].some((step) => steps.has(step))) return true;
  return [2, 3].some((size) => pin.length % size === 0 && pin === pin.slice(0, size).repeat(pin.length / size));
}
