/** SHA-256 as the wire names it: `sha256:<hex>` in JSON, RFC 9530's `sha-256=:<base64>:` in a header. */

export type Bytes = Uint8Array<ArrayBuffer>;

export async function digestOf(data: Bytes): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  return `sha256:${Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** The header's form of what `digestOf` gave. */
export function digestHeader(digest: string): string {
  const hex = digest.slice("sha256:".length);
  const bytes = Array.from({ length: hex.length / 2 }, (_, at) => Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16));
  return `sha-256=:${btoa(String.fromCharCode(...bytes))}:`;
}
