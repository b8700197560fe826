/** Seals to the site's public key: what is sealed here, nothing on this phone can open again.
 *
 * A JWE (RFC 7516) with ECDH-ES and A256GCM, framed without base64 so that a photo costs no third more:
 *
 *     uint16 big-endian, length of the protected header | protected header, base64url as text | IV, 12 | ciphertext | tag, 16
 *
 * With ECDH-ES there is no encrypted key; the ephemeral private half lives in memory for one call.
 */
import { joined } from "./container";
import { type Bytes, digestOf } from "./digest";

export interface SealingKey extends JsonWebKey {
  readonly kid: string;
}

export interface Sealed {
  readonly blob: Bytes;
  readonly sha256: string;
}

export async function seal(plain: Bytes, key: SealingKey): Promise<Sealed> {
  const { CompactEncrypt, base64url, importJWK } = await import("./jose");
  const header = { alg: "ECDH-ES", enc: "A256GCM", kid: key.kid };
  const compact = await new CompactEncrypt(plain)
    .setProtectedHeader(header)
    .encrypt(await importJWK({ ...key, kty: "EC" }, "ECDH-ES"));
  const [head = "", , iv = "", ciphertext = "", tag = ""] = compact.split(".");
  const length = new Uint8Array(2);
  new DataView(length.buffer).setUint16(0, head.length);
  const parts = [iv, ciphertext, tag].map((part) => base64url.decode(part));
  const blob = joined([length, new TextEncoder().encode(head), ...parts]);
  return { blob, sha256: await digestOf(blob) };
}
