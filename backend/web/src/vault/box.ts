/** Something under a person's key: AES-GCM, bound to the place where it lies so that no box can be put into another's. */
import type { Bytes } from "../sealing/digest";

const IV_BYTES = 12;

export interface Box {
  readonly iv: Bytes;
  readonly data: ArrayBuffer;
}

/** @param place names the row: "drafts/<id>" */
export async function close(key: CryptoKey, place: string, bytes: BufferSource): Promise<Box> {
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  return { iv, data: await crypto.subtle.encrypt(algorithm(iv, place), key, bytes) };
}

/** Throws `OperationError` for another key, another place or a changed byte. */
export function open(key: CryptoKey, place: string, box: Box): Promise<ArrayBuffer> {
  return crypto.subtle.decrypt(algorithm(box.iv, place), key, box.data);
}

export function closeJson(key: CryptoKey, place: string, value: unknown): Promise<Box> {
  return close(key, place, new TextEncoder().encode(JSON.stringify(value)));
}

export async function openJson<T>(key: CryptoKey, place: string, box: Box): Promise<T> {
  return JSON.parse(new TextDecoder().decode(await open(key, place, box))) as T;
}

function algorithm(iv: Bytes, place: string): AesGcmParams {
  return { name: "AES-GCM", iv, additionalData: new TextEncoder().encode(place) };
}
