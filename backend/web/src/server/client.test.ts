import { expect, test } from "vitest";
import { clientOf, NoAnswer } from "./client";

const PROBLEM = {
  type: "urn:pallor:problem:token-unknown",
  title: "Unauthorized",
  status: 401,
  detail: "the token is unknown or was revoked",
  code: "token-unknown",
  faults: [{ field: "Authorization", value: "(hidden)", reason: "unknown", remedy: "Sign in again." }],
};
const NOW = new Date("2026-11-27T20:00:00.000Z");

test("an answer of ours is its JSON, and how far an upload is", async () => {
  const request = answering(json({ state: "uploading" }, 202, { "Upload-Offset": "4096", "Sealed-State": "uploading" }));
  expect(await request("/sealed/1")).toEqual({
    status: 202,
    body: { state: "uploading" },
    offset: 4096,
    sealed: "uploading",
    refusal: null,
  });
});

test("a refusal of ours is a problem with its reason", async () => {
  const answer = await answering(json(PROBLEM, 401, {}, "application/problem+json"))("/session");
  expect(answer.refusal).toEqual({
    code: "token-unknown",
    title: "the token is unknown or was revoked",
    faults: [{ field: "Authorization", message: "unknown", remedy: "Sign in again." }],
    at: NOW.toISOString(),
    kept_by_server: false,
  });
});

test.each([
  ["a login page with 200", html("<h1>Welcome to Hotel Wi-Fi</h1>", 200), "portal"],
  ["a login page with 401", html("log in", 401), "portal"],
  ["a middlebox's 403 in JSON of its own", json({ error: "blocked" }, 403), "portal"],
  ["HTML that says it is JSON", new Response("<html>", { status: 200, headers: { "Content-Type": "application/json" } }), "portal"],
  ["a redirect to a login page", new Response(null, { status: 302, headers: { Location: "http://login.example" } }), "portal"],
  ["network authentication required", html("log in", 511), "portal"],
  ["a tired proxy", html("Bad Gateway", 502), "server-away"],
  ["our own fault", json({ ...PROBLEM, status: 500, code: "server-fault" }, 500), "server-away"],
])("%s is no answer", async (_, response, why) => {
  await expect(answering(response as Response)("/session")).rejects.toMatchObject({ name: "NoAnswer", why });
});

test("too many tries say how long to wait", async () => {
  const many = json({ ...PROBLEM, code: "too-many-attempts" }, 429, { "Retry-After": "30" }, "application/problem+json");
  await expect(answering(many)("/sign-in")).rejects.toMatchObject({ why: "too-many", wait_ms: 30_000 });
});

test("no network, and an answer that breaks off, are both being offline", async () => {
  const never = clientOf(async () => Promise.reject(new TypeError("Failed to fetch")), () => NOW);
  await expect(never("/session")).rejects.toEqual(new NoAnswer("offline"));
  const cut = new ReadableStream({ start: (controller) => controller.error(new TypeError("network error")) });
  const half = new Response(cut, { status: 200, headers: { "Content-Type": "application/json" } });
  await expect(answering(half)("/session")).rejects.toMatchObject({ why: "offline" });
});

test("nothing is asked of another origin, no redirect is followed, no cookie goes with a piece", async () => {
  let seen: [unknown, RequestInit | undefined] | null = null;
  const request = clientOf(async (url, init) => {
    seen = [url, init];
    return json({});
  }, () => NOW);
  await request("/sealed/1", { method: "PUT", token: "t", bytes: new Uint8Array([1]), shared: false });
  expect(seen).toMatchObject([
    "/api/v1/sealed/1",
    { method: "PUT", redirect: "manual", cache: "no-store", credentials: "omit", headers: { Authorization: "Bearer t" } },
  ]);
});

function answering(response: Response) {
  return clientOf(async () => response, () => NOW);
}

function json(body: unknown, status = 200, headers: Record<string, string> = {}, type = "application/json"): Response {
  return new Response(JSON.stringify(body), { status, headers: { "Content-Type": type, ...headers } });
}

function html(body: string, status: number): Response {
  return new Response(body, { status, headers: { "Content-Type": "text/html" } });
}
