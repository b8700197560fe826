import { compactDecrypt } from "jose";
import { expect, test } from "vitest";
import { A_CAPTURE, compactOf, keyPair, noise, NOW, SITE } from "../../tests/a";
import { pack, type Part, type Submission } from "./container";
import { digestHeader, digestOf } from "./digest";
import { seal } from "./seal";

const SUBMISSION: Submission = {
  submission_id: "11111111-1111-4111-8111-111111111111",
  kind: "case",
  site: SITE,
  sealed_at: NOW.toISOString(),
  case_id: "22222222-2222-4222-8222-222222222222",
  body: { subject_code: "Ä-017" },
};

test("a container says what is in it, and then holds it", async () => {
  const data = noise(1_234);
  const { bytes, digests } = await pack(SUBMISSION, [part("one", data), part("two", new Uint8Array([1, 2]))]);
  const length = new DataView(bytes.buffer).getUint32(8);
  expect(new TextDecoder().decode(bytes.subarray(0, 8))).toBe("PALLOR1\n");
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(12, 12 + length)));
  expect(header).toMatchObject(SUBMISSION);
  expect(header.parts.map((each: { bytes: number }) => each.bytes)).toEqual([1_234, 2]);
  expect(header.parts[0]).toMatchObject({ photo_id: "one", sha256: await digestOf(data), capture: A_CAPTURE, of: null });
  expect(header.parts[0].data).toBeUndefined();
  expect(bytes.subarray(12 + length)).toEqual(new Uint8Array([...data, 1, 2]));
  expect(digests).toEqual({ one: await digestOf(data), two: await digestOf(new Uint8Array([1, 2])) });
});

test("what is sealed opens with the private half, and names its key", async () => {
  const { key, opens } = await keyPair();
  const plain = noise(160_000);
  const { blob, sha256 } = await seal(plain, key);
  const { plaintext, protectedHeader } = await compactDecrypt(compactOf(blob), opens);
  expect(await digestOf(new Uint8Array(plaintext))).toBe(await digestOf(plain));
  expect(protectedHeader).toMatchObject({ alg: "ECDH-ES", enc: "A256GCM", kid: "key-1", epk: { crv: "P-256" } });
  expect(sha256).toBe(await digestOf(blob));
  expect(blob.length - plain.length).toBeLessThan(400);
});

test("another key pair does not open it, and no two seals are alike", async () => {
  const [{ key }, other] = [await keyPair(), await keyPair()];
  const plain = noise(100);
  const [one, two] = [await seal(plain, key), await seal(plain, key)];
  expect(one.sha256).not.toBe(two.sha256);
  await expect(compactDecrypt(compactOf(one.blob), other.opens)).rejects.toThrow();
});

test("a digest is written as JSON and headers want it", async () => {
  const digest = await digestOf(new Uint8Array());
  expect(digest).toBe("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  expect(digestHeader(digest)).toBe("sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:");
});

function part(photo_id: string, data: Part["data"]): Part {
  const how = { media_type: "image/webp", captured_at: NOW.toISOString(), eye: "left", role: "roi", of: null } as const;
  return { photo_id, ...how, capture: A_CAPTURE, data };
}
