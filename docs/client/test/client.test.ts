// The client against a running Tandem (TANDEM_URL, TANDEM_API_KEY), and against servers that misbehave.
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import {
  isQueued,
  Tandem,
  TandemAnswerError,
  TandemNetworkError,
  TandemTimeoutError,
  type LifecycleEvent,
} from "../tandem.js";

const baseUrl = process.env.TANDEM_URL ?? "";
const apiKey = process.env.TANDEM_API_KEY ?? "";
const tandem = new Tandem({ baseUrl: `${baseUrl}/`, apiKey, timeoutMs: 20_000 });

const started = Date.now().toString(36);
let people = 0;
const address = () => `client-${started}-${(people += 1)}@example.com`;

/** What was done at once, as it is when Mautic is there. */
function done<T extends object>(result: T): Exclude<T, { jobId: string }> {
  assert.ok(!isQueued(result), JSON.stringify(result));
  return result as Exclude<T, { jobId: string }>;
}

type Handler = (request: IncomingMessage, response: ServerResponse, call: number) => void;

/** A server that answers as told; counts its calls. */
async function server(handler: Handler): Promise<{ url: string; calls: () => number }> {
  let calls = 0;
  const listening = createServer((request, response) => handler(request, response, (calls += 1)));
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  after(() => {
    listening.closeAllConnections();
    listening.close();
  });
  return { url: `http://127.0.0.1:${(listening.address() as AddressInfo).port}`, calls: () => calls };
}

function answer(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

const failed = (code: string) => ({ ok: false, error: { code, message: code, details: [] } });
const good = { ok: true, data: { success: true } };

test("a visitor becomes known, and what the application signed is trusted", async () => {
  const email = address();
  const first = done(await tandem.identify({ email, first_name: "Ada", mtc_id: null }));
  assert.equal(first.case, "created");
  assert.equal(first.setCookie?.mtc_id, first.contactId);
  const again = done(await tandem.identify({ email, mtc_id: first.contactId, mtc_signature: first.mtcSignature }));
  assert.deepEqual([again.case, again.contactId], ["known_email", first.contactId]);
});

test("a contact is upserted, exported and deleted", async () => {
  const [email, id] = [address(), `client-${started}`];
  const payload = { id, contact: { email, first_name: "Ada" }, fields: { shoe_size: 44 } };
  const created = done(await tandem.upsertContact(payload));
  assert.equal(created.action, "created");
  assert.deepEqual(created.fieldIssues.map((issue) => [issue.field, issue.code]), [["fields.shoe_size", "unknown_field"]]);
  assert.equal(done(await tandem.upsertContact(payload)).action, "unchanged");
  const held = await tandem.exportContact({ id });
  assert.equal(held.contactId, created.contactId);
  assert.equal(done(await tandem.deleteContact({ email })).action, "deleted");
  const again = tandem.deleteContact({ email });
  await assert.rejects(again, (error: unknown) => error instanceof TandemAnswerError && error.code === "not_found");
});

test("records have a result each", async () => {
  const told = await tandem.records([{ id: `r-${started}`, updated_at: "2026-11-20T10:15:58Z", email: address() }, { id: "" }]);
  assert.deepEqual(told.results.map((result) => result.status), ["stored", "rejected"]);
  const [synced] = (await tandem.syncContacts([`r-${started}`])).results;
  assert.ok(synced !== undefined && ["created", "queued"].includes(synced.status), JSON.stringify(synced));
});

test("campaigns, ping and health answer", async () => {
  assert.ok(Array.isArray((await tandem.campaigns()).campaigns));
  assert.equal((await tandem.ping()).success, true);
  assert.equal((await tandem.health()).status, "ok");
});

test("an event is stored once, whatever is sent twice, and can be looked at", async () => {
  const event: LifecycleEvent = { id: `e-${started}`, name: "user_signup", user: { id: `u-${started}`, email: address() } };
  const first = await tandem.event(event);
  assert.deepEqual([first.id, first.status, first.duplicate], [event.id, "pending", false]);
  assert.equal((await tandem.event(event)).duplicate, true);
  const stored = await tandem.getEvent(`e-${started}`);
  assert.deepEqual([stored.id, stored.name], [event.id, "user_signup"]);
  const newest = await tandem.listEvents({ limit: 5 });
  assert.ok(newest.some((one) => one.id === event.id));
});

test("an event that is waited for tells what was done", async () => {
  const id = `w-${started}`;
  const told = await tandem.event({ name: "user_signup", user: { id, email: address() } }, { wait: true });
  assert.ok(told.steps !== undefined && told.steps.length > 0, JSON.stringify(told));
  assert.deepEqual((await tandem.listEvents({ userId: id })).map((one) => one.id), [told.id]);
});

test("all events come page by page, each once", async () => {
  const user = { id: `p-${started}`, email: address() };
  for (const number of [1, 2, 3]) await tandem.event({ id: `p-${started}-${number}`, name: "user_login", user });
  const [first] = (await tandem.eventPage({ limit: 1 })).events;
  assert.equal(first?.id, `p-${started}-3`);
  const seen: string[] = [];
  for await (const event of tandem.eachEvent({ limit: 2 })) {
    seen.push(event.id);
    if (event.id === `p-${started}-1`) break;
  }
  assert.deepEqual(seen, [3, 2, 1].map((number) => `p-${started}-${number}`));
  const unknown = tandem.eventPage({ after: "no-such-event" });
  await assert.rejects(unknown, (error: unknown) => error instanceof TandemAnswerError && error.status === 422);
});

test("of several events a bad one keeps no other out", async () => {
  const told = await tandem.events([{ name: "user_login", user: { email: address() } }, { name: "NO", user: { id: 1 } }]);
  assert.deepEqual([told.accepted, told.rejected], [1, 1]);
  assert.equal(told.events[1]?.status, "rejected");
});

test("what Tandem refuses is an error with code, fields and correlation id", async () => {
  const refused = tandem.upsertContact({ email: "not-an-address" }, { correlationId: "client-test" });
  await assert.rejects(refused, (error: unknown) => {
    assert.ok(error instanceof TandemAnswerError);
    assert.deepEqual([error.status, error.code, error.correlationId], [422, "invalid_request", "client-test"]);
    assert.deepEqual(error.details.map((issue) => issue.field), ["email"]);
    return true;
  });
  const nobody = tandem.addToCampaign({ mauticContactId: 999_999, campaignName: "There is no such campaign" });
  await assert.rejects(nobody, (error: unknown) => error instanceof TandemAnswerError && error.status === 404);
  const stranger = new Tandem({ baseUrl, apiKey: "tdm_wrong" }).ping();
  await assert.rejects(stranger, (error: unknown) => error instanceof TandemAnswerError && error.code === "unauthenticated");
});

test("with a key of its own a write gets its first answer again", async () => {
  const payload = { contact: { email: address() } };
  const options = { idempotencyKey: `k-${started}` };
  const first = await tandem.upsertContact(payload, options);
  assert.deepEqual(await tandem.upsertContact(payload, options), first);
});

test("a quiet identify throws nothing and keeps nobody waiting", async () => {
  const hanging = await server(() => {});
  const broken = await server((_request, response) => response.destroy());
  const odd = await server((_request, response) => response.end("<html>"));
  for (const url of [hanging.url, broken.url, odd.url, "http://127.0.0.1:1", "no address"]) {
    const begun = Date.now();
    const errors: unknown[] = [];
    const client = new Tandem({ baseUrl: url, apiKey, timeoutMs: 2_000 });
    let work: Promise<unknown> = Promise.resolve();
    const known = await client.identifyQuietly(
      { email: address() },
      {
        budgetMs: 100,
        waitUntil: (call) => {
          work = call;
          throw new Error("a platform that breaks");
        },
        onError: (error) => {
          errors.push(error);
          throw error;
        },
      },
    );
    assert.equal(known, undefined);
    assert.ok(Date.now() - begun < 1_500, `${url}: ${Date.now() - begun} ms`);
    assert.equal(await work, undefined, "what goes on behind the login throws nothing either");
    assert.equal(errors.length, 2, url);
  }
  assert.equal((await tandem.identifyQuietly({ email: address() }, { budgetMs: 15_000 }))?.case, "created");
});

test("a call ends in time, or when the caller ends it", async () => {
  const { url } = await server(() => {});
  const client = new Tandem({ baseUrl: url, apiKey, timeoutMs: 100 });
  await assert.rejects(client.health(), TandemTimeoutError);
  const ended = client.health({ timeoutMs: 10_000, signal: AbortSignal.timeout(50) });
  await assert.rejects(ended, TandemNetworkError);
});

test("a call that did nothing is repeated, at the time that the answer says", async () => {
  const throttled = await server((_request, response, call) =>
    call === 1 ? answer(response, 429, { message: "Too Many Requests" }, { "retry-after": "0" }) : answer(response, 200, good),
  );
  await new Tandem({ baseUrl: throttled.url, apiKey }).upsertContact({ email: address() });
  assert.equal(throttled.calls(), 2);
  const later = await server((_request, response) => answer(response, 429, failed("platform_rate_limited"), { "retry-after": "60" }));
  const call = new Tandem({ baseUrl: later.url, apiKey, timeoutMs: 1_000 }).ping();
  await assert.rejects(call, (error: unknown) => error instanceof TandemAnswerError && error.retryAfter === 60);
  assert.equal(later.calls(), 1, "there is no time to wait for a minute");
});

test("what may have been done is repeated only where that is safe", async () => {
  const keys: unknown[] = [];
  const away = await server((request, response) => {
    keys.push(request.headers["idempotency-key"]);
    answer(response, 503, { message: "Service Unavailable" });
  });
  const client = new Tandem({ baseUrl: away.url, apiKey });
  await assert.rejects(client.upsertContact({ email: address() }), (error: unknown) => {
    return error instanceof TandemAnswerError && error.code === "gateway" && error.status === 503;
  });
  assert.equal(away.calls(), 1);
  await assert.rejects(client.upsertContact({ email: address() }, { idempotencyKey: "same" }), TandemAnswerError);
  assert.deepEqual(keys.slice(1), ["same", "same", "same"]);
  const bodies: string[] = [];
  const lossy = await server((request, response, call) => {
    let body = "";
    request.on("data", (part: Buffer) => (body += part.toString()));
    request.on("end", () => {
      bodies.push(body);
      if (call === 1) response.destroy();
      else answer(response, 202, { ok: true, data: { events: [{ id: "e" }] } });
    });
  });
  await new Tandem({ baseUrl: lossy.url, apiKey }).event({ name: "user_login", user: { id: 1 } });
  assert.equal(bodies.length, 2);
  assert.equal(bodies[0], bodies[1], "the repeat is the same event");
});
