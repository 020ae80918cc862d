// Uses the generated TypeScript client for every operation, until it has met every answer that the document names.
//
// Usage: node every_answer.js DOCUMENT BASE_URL (well | ill | guarded)
//
// `well`: the service works, and downstream refuses the transaction `refused`. `ill`: its database answers nothing. `guarded`:
// the built-in source has a secret, and look-ups need a token. The sources stripe, dropbox and meta are there, with the secret below.
// Ends with an exception where an answer is not what the document, or the contract, says.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import createClient from "openapi-fetch";

import type { components, paths } from "./hookline.js";

type Transaction = components["schemas"]["Transaction"];
type Problem = components["schemas"]["Problem"];
type Attempt = components["schemas"]["Attempt"];
type SourceTransaction = components["schemas"]["SourceTransaction"];
type Ready = components["schemas"]["Ready"];
type Answer<T> = { data?: T; error?: Problem | undefined; response: Response };

// What may be missing or null is typed so, or this does not compile: at run time, too narrow a type says nothing.
type Takes<Member, Value> = Value extends Member ? true : never;
true satisfies Takes<Problem["errors"], undefined>;
true satisfies Takes<Transaction["failure"], undefined>;
true satisfies Takes<Transaction["extra"], undefined>;
true satisfies Takes<Transaction["processed_at"], null>;
true satisfies Takes<SourceTransaction["amount"], undefined>;
true satisfies Takes<SourceTransaction["payload_base64"], undefined>;
true satisfies Takes<SourceTransaction["processed_at"], null>;
true satisfies Takes<Ready["warnings"], undefined>;
true satisfies Takes<Attempt["status"], null>;
true satisfies Takes<Attempt["error"], null>;

const [document = "", baseUrl = "", state = ""] = process.argv.slice(2);
const WEBHOOKS = "/v1/webhooks/transactions";
const TRANSACTION = "/v1/transactions/{transaction_id}";
const LIST = "/v1/transactions";
const ATTEMPTS = "/v1/transactions/{transaction_id}/attempts";
const EVENTS = "/v1/webhooks/{source}";
const SOURCE_TRANSACTION = "/v1/sources/{source}/transactions/{transaction_id}";
const SOURCE_PAYLOAD = "/v1/sources/{source}/transactions/{transaction_id}/payload";
const SOURCE_ATTEMPTS = "/v1/sources/{source}/transactions/{transaction_id}/attempts";
const SECRET = "whsec_test_secret";
const READ_TOKEN = "a-secret-for-reading";
const ANSWERS_WITHIN_MS = 30_000;
// Nothing makes the service panic; and `fetch` cannot be slow enough with a body for a 408.
const NEVER_MET = ["500", "408"];

// How often is sent what is told to come again, where the machine has no time for it just now.
const TRIES_MAX = 10;

async function patient(request: Request, tries = TRIES_MAX): Promise<Response> {
  const response = await fetch(request.clone());
  if (response.status !== 503 || state === "ill" || tries === 1) return response;
  await sleep(1000 * Number(response.headers.get("retry-after")));
  return patient(request, tries - 1);
}

const client = createClient<paths>({ baseUrl, fetch: (request) => patient(request) });
const met = new Set<string>();

const webhook = (transaction_id = "txn_1", members = {}) => ({
  transaction_id,
  source_account: "acc_user_1",
  destination_account: "acc_merchant_1",
  amount: "123456789012345.6789",
  currency: "INR",
  ...members,
});
const of = (transaction_id: string) => ({ params: { path: { transaction_id } } });
const from = (source: string) => ({ params: { path: { source } } });
const sent = (source: string, transaction_id: string) => ({ params: { path: { source, transaction_id } } });

/** Sends a source's event, as Stripe does: the bytes that are signed. */
function send(body: string, { source = "stripe", secret = SECRET, headers = {}, fetch }: EventOptions = {}) {
  const time = Math.floor(Date.now() / 1000);
  const signature = createHmac("sha256", secret).update(`${time}.${body}`).digest("hex");
  return client.POST(EVENTS, {
    ...from(source),
    body,
    bodySerializer: (bytes) => bytes,
    headers: { "Stripe-Signature": `t=${time},v1=${signature}`, "Content-Type": "application/json", ...headers },
    ...(fetch && { fetch }),
  });
}
type EventOptions = {
  source?: string;
  secret?: string;
  headers?: Record<string, string>;
  fetch?: (request: Request) => Promise<Response>;
};

/** Notes the answer, and returns it as the client has read it. */
function good<T>(operation: string, status: number, answer: Answer<T>): T {
  assert.equal(answer.response.status, status, operation);
  assert(answer.data !== undefined, operation);
  met.add(`${operation} ${status}`);
  return answer.data;
}

/** As `good`, for an answer that is a problem. */
function problem(operation: string, status: number, { error, response }: Answer<unknown>): Problem {
  assert.equal(response.status, status, operation);
  assert.equal(response.headers.get("content-type"), "application/problem+json", operation);
  assert(error !== undefined, operation);
  assert.equal(error.status, status, operation);
  assert.equal(error.errors !== undefined, status === 422 || (status === 503 && operation === "get /readyz"), operation);
  if (status === 405) assert(response.headers.get("allow"), operation);
  if (status === 503) assert(Number(response.headers.get("retry-after")) > 0, operation);
  met.add(`${operation} ${status}`);
  return error;
}

/** As `good`, for an answer without a body: what it says is in its status. */
function silent(operation: string, status: number, { response }: Answer<unknown>) {
  assert.equal(response.status, status, operation);
  assert.equal(response.headers.get("content-type"), null, operation);
  met.add(`${operation} ${status}`);
}

/** Every operation, called with nothing in particular. */
const operations: Record<string, (options?: {}) => Promise<Answer<unknown>>> = {
  [`post ${WEBHOOKS}`]: (options = {}) => client.POST(WEBHOOKS, { body: webhook(), ...options }),
  [`get ${TRANSACTION}`]: (options = {}) => client.GET(TRANSACTION, { ...of("unknown"), ...options }),
  [`get ${LIST}`]: (options = {}) => client.GET(LIST, options),
  [`get ${ATTEMPTS}`]: (options = {}) => client.GET(ATTEMPTS, { ...of("unknown"), ...options }),
  [`post ${EVENTS}`]: (options = {}) => send('{"id":"evt_1"}', options),
  [`get ${EVENTS}`]: (options = {}) => client.GET(EVENTS, { ...from("stripe"), ...options }),
  [`get ${SOURCE_TRANSACTION}`]: (options = {}) => client.GET(SOURCE_TRANSACTION, { ...sent("stripe", "unknown"), ...options }),
  [`get ${SOURCE_PAYLOAD}`]: (options = {}) => client.GET(SOURCE_PAYLOAD, { ...sent("stripe", "unknown"), ...options }),
  [`get ${SOURCE_ATTEMPTS}`]: (options = {}) => client.GET(SOURCE_ATTEMPTS, { ...sent("stripe", "unknown"), ...options }),
  "get /": (options = {}) => client.GET("/", options),
  "get /healthz": (options = {}) => client.GET("/healthz", options),
  "get /readyz": (options = {}) => client.GET("/readyz", options),
};

/** The transaction when its status is final. */
async function final(transaction_id: string): Promise<Transaction> {
  const until = Date.now() + ANSWERS_WITHIN_MS;
  while (Date.now() < until) {
    const found = good(`get ${TRANSACTION}`, 200, await client.GET(TRANSACTION, of(transaction_id)));
    if (found.status !== "PROCESSING") return found;
    await sleep(50);
  }
  throw new Error(`${transaction_id} is not final`);
}

async function well() {
  await events();
  const send = `post ${WEBHOOKS}`;
  const first = await client.POST(WEBHOOKS, { body: webhook() });
  const accepted = good(send, 202, first);
  assert.equal(accepted.conflict, false);
  assert.equal(first.response.headers.get("location"), "/v1/transactions/txn_1");
  const other = await client.POST(WEBHOOKS, { body: webhook("txn_1", { amount: 1.5, note: { more: [1] } }) });
  assert.equal(good(send, 202, other).conflict, true);
  good(send, 202, await client.POST(WEBHOOKS, { body: webhook("refused") }));

  const done = await final("txn_1");
  assert.equal(done.status, "PROCESSED");
  assert(done.processed_at !== null && done.processed_at > done.created_at);
  assert.equal(done.failure, undefined);
  assert.equal(done.extra, undefined);
  const [success] = good(`get ${ATTEMPTS}`, 200, await client.GET(ATTEMPTS, of("txn_1"))).attempts;
  assert.deepEqual([success?.outcome, success?.status, success?.error], ["SUCCEEDED", 200, null]);

  const givenUp = await final("refused");
  assert.deepEqual([givenUp.status, givenUp.processed_at, givenUp.failure?.verdict], ["FAILED", null, "PERMANENT"]);
  const [refusal] = good(`get ${ATTEMPTS}`, 200, await client.GET(ATTEMPTS, of("refused"))).attempts;
  assert.deepEqual([refusal?.outcome, refusal?.status], ["REFUSED", 422]);

  const page = async (query: object) => good(`get ${LIST}`, 200, await client.GET(LIST, { params: { query } }));
  const newest = await page({ limit: 1 });
  assert.deepEqual(newest.data.map(({ transaction_id, failure }) => [transaction_id, failure?.verdict]), [["refused", "PERMANENT"]]);
  const further = await page({ cursor: newest.next_cursor, account: "acc_user_1" });
  assert.deepEqual([further.data.map(({ transaction_id }) => transaction_id), further.next_cursor], [["txn_1"], null]);
  const unclear = problem(`get ${LIST}`, 422, await client.GET(LIST, { params: { query: { limit: 0 } } }));
  assert.deepEqual(unclear.errors?.map(({ field }) => field), ["limit"]);

  problem(`get ${TRANSACTION}`, 404, await client.GET(TRANSACTION, of("unknown")));
  problem(`get ${ATTEMPTS}`, 404, await client.GET(ATTEMPTS, of("unknown")));

  problem(send, 400, await client.POST(WEBHOOKS, { body: webhook(), bodySerializer: () => "no JSON" }));
  problem(send, 413, await client.POST(WEBHOOKS, { body: webhook("txn_1", { note: "x".repeat(100_000) }) }));
  problem(send, 415, await client.POST(WEBHOOKS, { body: webhook(), headers: { "Content-Type": "text/plain" } }));
  const invalid = problem(send, 422, await client.POST(WEBHOOKS, { body: webhook("", { currency: "inr" }) }));
  assert.deepEqual(invalid.errors?.map(({ field }) => field), ["transaction_id", "currency"]);

  assert.equal(good("get /", 200, await client.GET("/")).status, "HEALTHY");
  assert.equal(good("get /healthz", 200, await client.GET("/healthz")).status, "HEALTHY");
  assert.equal(good("get /readyz", 200, await client.GET("/readyz")).status, "READY");

  // A page whose site has its name resolved to this machine.
  for (const operation of LOOK_UPS) {
    problem(operation, 403, await operations[operation]!({ headers: { Host: "rebound.example" } }));
  }

  const otherMethod = (request: Request) => fetch(request.url, { method: "DELETE" });
  for (const [operation, call] of Object.entries(operations)) {
    problem(operation, 405, await call({ fetch: otherMethod }));
  }
}

/** What sources send. */
async function events() {
  const post = `post ${EVENTS}`;
  const body = '{"id":"evt_1","type":"charge.succeeded","amount":1.10,"nothing":null}';
  for (const _ of [1, 2]) silent(post, 200, await send(body));
  silent(post, 401, await send(body, { secret: "another" }));
  problem(post, 404, await send(body, { source: "nobody" }));
  problem(post, 413, await send("x".repeat(2_000_000)));
  problem(post, 415, await send(body, { headers: { "Content-Encoding": "gzip" } }));
  silent(post, 422, await send("no JSON"));

  const get = `get ${EVENTS}`;
  const asks = (source: string, query: string) =>
    client.GET(EVENTS, { ...from(source), parseAs: "text", fetch: (request) => fetch(`${request.url}?${query}`) });
  const echoed = await asks("dropbox", "challenge=abc");
  assert.equal(echoed.response.headers.get("content-type"), "text/plain");
  assert.equal(echoed.data, "abc");
  met.add(`${get} ${echoed.response.status}`);
  silent(get, 403, await asks("meta", "hub.mode=subscribe&hub.verify_token=wrong&hub.challenge=1"));
  problem(get, 404, await client.GET(EVENTS, from("nobody")));

  const found = good(`get ${SOURCE_TRANSACTION}`, 200, await client.GET(SOURCE_TRANSACTION, sent("stripe", "evt_1")));
  assert.deepEqual([found.source, found.type, found.amount], ["stripe", "charge.succeeded", undefined]);
  assert.deepEqual(found.payload, JSON.parse(body));
  const payload = await client.GET(SOURCE_PAYLOAD, { ...sent("stripe", "evt_1"), parseAs: "text" });
  assert.equal(good(`get ${SOURCE_PAYLOAD}`, 200, payload), body);
  assert.equal(payload.response.headers.get("content-disposition"), "attachment");
  const { attempts } = good(`get ${SOURCE_ATTEMPTS}`, 200, await client.GET(SOURCE_ATTEMPTS, sent("stripe", "evt_1")));
  assert(attempts.length <= 1);
  for (const operation of [`get ${SOURCE_TRANSACTION}`, `get ${SOURCE_PAYLOAD}`, `get ${SOURCE_ATTEMPTS}`]) {
    problem(operation, 404, await operations[operation]!());
  }
}

const LOOK_UPS = [
  `get ${TRANSACTION}`,
  `get ${LIST}`,
  `get ${ATTEMPTS}`,
  `get ${SOURCE_TRANSACTION}`,
  `get ${SOURCE_PAYLOAD}`,
  `get ${SOURCE_ATTEMPTS}`,
];

const OF_THE_DATABASE = [
  `post ${WEBHOOKS}`,
  `get ${TRANSACTION}`,
  `get ${LIST}`,
  `get ${ATTEMPTS}`,
  `post ${EVENTS}`,
  `get ${SOURCE_TRANSACTION}`,
  `get ${SOURCE_PAYLOAD}`,
  `get ${SOURCE_ATTEMPTS}`,
  "get /readyz",
];

async function ill() {
  for (const operation of OF_THE_DATABASE) {
    problem(operation, 503, await operations[operation]!());
  }
}

const GUARDED = [`post ${WEBHOOKS}`, ...LOOK_UPS].map((operation) => `${operation} 401`);

async function guarded() {
  problem(`post ${WEBHOOKS}`, 401, await client.POST(WEBHOOKS, { body: webhook() }));
  for (const operation of LOOK_UPS) {
    const answer = await operations[operation]!();
    problem(operation, 401, answer);
    assert.match(answer.response.headers.get("www-authenticate") ?? "", /^Bearer /);
  }
  const found = await client.GET(LIST, { headers: { Authorization: `Bearer ${READ_TOKEN}` } });
  assert.equal(found.response.status, 200);
}

/** Every operation with every status that it answers with in this state. */
function documented(): string[] {
  const { paths } = JSON.parse(readFileSync(document, "utf8"));
  return Object.entries<Record<string, { responses: object }>>(paths).flatMap(([path, operations]) =>
    Object.entries(operations).flatMap(([method, { responses }]) =>
      Object.keys(responses)
        .filter((status) => !NEVER_MET.includes(status))
        .map((status) => `${method} ${path} ${status}`)
        .filter((answer) => stateOf(answer) === state),
    ),
  );
}

/** In which state an answer is met. */
function stateOf(answer: string): string {
  if (GUARDED.includes(answer)) return "guarded";
  return answer.endsWith(" 503") ? "ill" : "well";
}

await { well, ill, guarded }[state]!();
assert.deepEqual([...met].sort(), documented().sort());
