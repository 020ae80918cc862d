// Uses the generated TypeScript client for every operation, until it has met every answer that the document names.
//
// Usage: node every_answer.js DOCUMENT BASE_URL (well | erased | ill | guarded)
//
// `well`: the service works, and downstream refuses the transaction `refused`. `erased`: after that, `txn_1` and stripe's
// `evt_1` have been erased. `ill`: its database answers nothing. `guarded`: the built-in source has a secret, and look-ups
// need a token. The sources stripe, dropbox and meta are there, with the secret below.
// Ends with an exception where an answer is not what the document, or the contract, says.

import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import createClient from "openapi-fetch";

import type { components, paths } from "./hookline.js";

type Transaction = components["schemas"]["Transaction"];
type Problem = components["schemas"]["Problem"];
type Attempt = components["schemas"]["Attempt"];
type SourceTransaction = components["schemas"]["SourceTransaction"];
type Ready = components["schemas"]["Ready"];
type BulkRetry = components["schemas"]["BulkRetry"];
type Conflict = components["schemas"]["Conflict"];
type ConflictList = components["schemas"]["ConflictList"];
type FailureGroup = components["schemas"]["FailureGroup"];
type Refusal = components["schemas"]["Refusal"];
type RefusalPage = components["schemas"]["RefusalPage"];
type SummaryLine = components["schemas"]["SummaryLine"];
type Answer<T> = { data?: T; error?: Problem | undefined; response: Response };

// What may be missing or null is typed so, or this does not compile: at run time, too narrow a type says nothing.
type Takes<Member, Value> = Value extends Member ? true : never;
true satisfies Takes<Problem["errors"], undefined>;
true satisfies Takes<Problem["transaction_status"], undefined>;
true satisfies Takes<Transaction["failure"], undefined>;
true satisfies Takes<Transaction["extra"], undefined>;
true satisfies Takes<Transaction["repeats"], undefined>;
true satisfies Takes<Transaction["conflicts"], undefined>;
true satisfies Takes<Transaction["processed_at"], null>;
true satisfies Takes<SourceTransaction["amount"], undefined>;
true satisfies Takes<SourceTransaction["payload_base64"], undefined>;
true satisfies Takes<SourceTransaction["processed_at"], null>;
true satisfies Takes<Ready["warnings"], undefined>;
true satisfies Takes<BulkRetry["progress"], undefined>;
true satisfies Takes<BulkRetry["ended_at"], null>;
true satisfies Takes<ConflictList["stands"], undefined>;
true satisfies Takes<Conflict["amount"], undefined>;
true satisfies Takes<Conflict["payload_base64"], undefined>;
true satisfies Takes<FailureGroup["source"], null>;
true satisfies Takes<FailureGroup["status"], null>;
true satisfies Takes<FailureGroup["sample"], null>;
true satisfies Takes<Refusal["skew_s"], null>;
true satisfies Takes<RefusalPage["next_cursor"], null>;
true satisfies Takes<SummaryLine["source"], undefined>;
true satisfies Takes<SummaryLine["sum"], undefined>;
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
const CONFLICTS = "/v1/transactions/{transaction_id}/conflicts";
const SOURCE_CONFLICTS = "/v1/sources/{source}/transactions/{transaction_id}/conflicts";
const FAILURES = "/v1/failures";
const REFUSALS = "/v1/refusals";
const EXPORT = "/v1/export";
const SUMMARY = "/v1/summary";
const ACTS = ["retry", "replay", "give-up"] as const;
const ONE = ACTS.map((act) => `/v1/transactions/{transaction_id}/${act}` as const);
const ONE_OF_SOURCE = ACTS.map((act) => `/v1/sources/{source}/transactions/{transaction_id}/${act}` as const);
const RETRIES = "/v1/retries";
const BULK = "/v1/retries/{id}";
const CHANGES_OF_BULK = (["pause", "resume"] as const).map((change) => `/v1/retries/{id}/${change}` as const);
const PAUSES = "/v1/pauses";
const PAUSE = "/v1/pauses/{paused}";
const AUDIT = "/v1/audit";
const FOLLOW = "/v1/events";
const STREAMS_MAX = 20;
const SECRET = "whsec_test_secret";
const ADMIN = { Authorization: "Bearer a-secret-for-everything" };
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
const UNKNOWN = "018d0cba-e040-7000-8000-000000000000";
const WHY = { reason: "a test" };
const STRIPES = { filter: { source: "stripe" }, rate: 1, dry_run: false, ...WHY };
const bulk = (id: string) => ({ params: { path: { id } } });
const ended = (id: string, reason = "a test") => ({ params: { path: { id }, query: { reason } } });
const always = { from: "2000-01-01T00:00:00Z", to: "2100-01-01T00:00:00Z" };
const within = (query: object = {}) => ({ params: { query: { ...always, ...query } } });
const resumed = (paused: string, reason = "a test") => ({ params: { path: { paused }, query: { reason } } });
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
  assert.equal(error.transaction_status !== undefined, status === 410, operation);
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
  [`get ${CONFLICTS}`]: (options = {}) => client.GET(CONFLICTS, { ...of("unknown"), ...options }),
  [`get ${SOURCE_CONFLICTS}`]: (options = {}) => client.GET(SOURCE_CONFLICTS, { ...sent("stripe", "unknown"), ...options }),
  [`get ${FAILURES}`]: (options = {}) => client.GET(FAILURES, options),
  [`get ${REFUSALS}`]: (options = {}) => client.GET(REFUSALS, options),
  [`get ${EXPORT}`]: (options = {}) => client.GET(EXPORT, { ...within(), parseAs: "text", ...options }),
  [`get ${SUMMARY}`]: (options = {}) => client.GET(SUMMARY, { ...within(), ...options }),
  ...Object.fromEntries(
    ONE.map((path) => [
      `post ${path}`,
      (options = {}) => client.POST(path, { ...of("unknown"), body: WHY, headers: ADMIN, ...options }),
    ]),
  ),
  ...Object.fromEntries(
    ONE_OF_SOURCE.map((path) => [
      `post ${path}`,
      (options = {}) => client.POST(path, { ...sent("stripe", "unknown"), body: WHY, headers: ADMIN, ...options }),
    ]),
  ),
  [`post ${RETRIES}`]: (options = {}) => client.POST(RETRIES, { body: STRIPES, headers: ADMIN, ...options }),
  [`get ${RETRIES}`]: (options = {}) => client.GET(RETRIES, options),
  [`get ${BULK}`]: (options = {}) => client.GET(BULK, { ...bulk(UNKNOWN), ...options }),
  [`delete ${BULK}`]: (options = {}) => client.DELETE(BULK, { ...ended(UNKNOWN), headers: ADMIN, ...options }),
  ...Object.fromEntries(
    CHANGES_OF_BULK.map((path) => [
      `post ${path}`,
      (options = {}) => client.POST(path, { ...bulk(UNKNOWN), body: WHY, headers: ADMIN, ...options }),
    ]),
  ),
  [`post ${PAUSES}`]: (options = {}) =>
    client.POST(PAUSES, { body: { source: "nobody", ...WHY }, headers: ADMIN, ...options }),
  [`get ${PAUSES}`]: (options = {}) => client.GET(PAUSES, options),
  [`delete ${PAUSE}`]: (options = {}) => client.DELETE(PAUSE, { ...resumed("nobody"), headers: ADMIN, ...options }),
  [`get ${AUDIT}`]: (options = {}) => client.GET(AUDIT, options),
  [`get ${FOLLOW}`]: (options = {}) => client.GET(FOLLOW, { parseAs: "stream", ...options }),
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
  assert.deepEqual([done.failure, done.extra, done.conflicts], [undefined, undefined, 1]);
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

  await asking();
  await mending();
  await following();
  problem(`get ${TRANSACTION}`, 404, await client.GET(TRANSACTION, of("unknown")));
  problem(`get ${ATTEMPTS}`, 404, await client.GET(ATTEMPTS, of("unknown")));
  problem(`get ${CONFLICTS}`, 404, await client.GET(CONFLICTS, of("unknown")));

  problem(send, 400, await client.POST(WEBHOOKS, { body: webhook(), bodySerializer: () => "no JSON" }));
  problem(send, 413, await client.POST(WEBHOOKS, { body: webhook("txn_1", { note: "x".repeat(100_000) }) }));
  problem(send, 415, await client.POST(WEBHOOKS, { body: webhook(), headers: { "Content-Type": "text/plain" } }));
  const invalid = problem(send, 422, await client.POST(WEBHOOKS, { body: webhook("", { currency: "inr" }) }));
  assert.deepEqual(invalid.errors?.map(({ field }) => field), ["transaction_id", "currency"]);

  assert.equal(good("get /", 200, await client.GET("/")).status, "HEALTHY");
  assert.equal(good("get /healthz", 200, await client.GET("/healthz")).status, "HEALTHY");
  assert.equal(good("get /readyz", 200, await client.GET("/readyz")).status, "READY");

  const otherMethod = (request: Request) => fetch(request.url, { method: "PATCH" });
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
  silent(post, 200, await send('{"id":"evt_1","type":"charge.failed"}'));
  const path = sent("stripe", "evt_1");
  const { stands, conflicts } = good(`get ${SOURCE_CONFLICTS}`, 200, await client.GET(SOURCE_CONFLICTS, path));
  assert.deepEqual([stands?.type, stands?.payload], ["charge.succeeded", JSON.parse(body)]);
  const other = { id: "evt_1", type: "charge.failed" };
  assert.deepEqual(conflicts.map(({ type, payload }) => [type, payload]), [[other.type, other]]);
  for (const operation of OF_AN_EVENT) problem(operation, 404, await operations[operation]!());

  const { source, reason, size, skew_s } = await refusal(body);
  assert.deepEqual([source, reason, size, skew_s], ["stripe", "mismatch", body.length, null]);
  const unclear = { params: { query: { source: "Nobody", cursor: "x" } } };
  const { errors } = problem(`get ${REFUSALS}`, 422, await client.GET(REFUSALS, unclear));
  assert.deepEqual(errors?.map(({ field }) => field), ["source", "cursor"]);
}

/** The line about a body that was refused, as soon as it is written: nobody waits for that. */
async function refusal(body: string): Promise<Refusal> {
  const sha256 = createHash("sha256").update(body).digest("hex");
  const until = Date.now() + ANSWERS_WITHIN_MS;
  while (Date.now() < until) {
    const query = { params: { query: { source: "stripe" } } };
    const page = good(`get ${REFUSALS}`, 200, await client.GET(REFUSALS, query));
    assert.equal(page.next_cursor, null);
    const line = page.data.find((line) => line.sha256 === sha256);
    if (line) return line;
    await sleep(50);
  }
  throw new Error("no line about what was refused");
}

/** Who asks about many at once: two transactions, of which one is processed, and an event. */
async function asking() {
  const listed = good(`get ${CONFLICTS}`, 200, await client.GET(CONFLICTS, of("txn_1")));
  assert.deepEqual([listed.stands?.amount, listed.more], [123456789012345.6789, false]);
  const differences = listed.conflicts.map(({ amount, extra, type, payload }) => [amount, extra, type, payload]);
  assert.deepEqual(differences, [[1.5, { note: { more: [1] } }, undefined, undefined]]);

  const failures = async (query: object) => client.GET(FAILURES, { params: { query } });
  const groups = good(`get ${FAILURES}`, 200, await failures({}));
  assert.equal(groups.more, false);
  assert.deepEqual(
    groups.data.map(({ source, verdict, status, count, sample }) => [source, verdict, status, count, sample]),
    [["transactions", "PERMANENT", 422, 1, "refused"]],
  );
  assert.deepEqual(good(`get ${FAILURES}`, 200, await failures({ since: always.to, source: "stripe" })).data, []);
  const wrong = problem(`get ${FAILURES}`, 422, await failures({ source: "Nobody" }));
  assert.deepEqual(wrong.errors?.map(({ field }) => field), ["source"]);

  await finalEvent("evt_1", "PROCESSED");
  const summary = async (query: object) => good(`get ${SUMMARY}`, 200, await client.GET(SUMMARY, within(query)));
  const count = 1;
  const sum = "123456789012345.6789";
  assert.deepEqual(await summary({}), {
    ...always,
    data: [
      { source: "stripe", status: "PROCESSED", count },
      { source: "transactions", currency: "INR", status: "PROCESSED", count, sum },
      { source: "transactions", currency: "INR", status: "FAILED", count, sum },
    ],
  });
  const { data } = await summary({ by: "source" });
  assert.deepEqual(data, [{ source: "stripe", count }, { source: "transactions", count: 2 }]);

  const file = async (query: object) => {
    const answer = await client.GET(EXPORT, { ...within(query), parseAs: "text" });
    return { text: good(`get ${EXPORT}`, 200, answer), headers: answer.response.headers };
  };
  const { text, headers } = await file({});
  assert.equal(headers.get("content-type"), "application/jsonl");
  assert.equal(headers.get("content-disposition"), 'attachment; filename="transactions.jsonl"');
  const rows: SourceTransaction[] = text.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(
    rows.map(({ transaction_id, failure }) => [transaction_id, failure?.verdict]),
    [["refused", "PERMANENT"], ["txn_1", undefined], ["evt_1", undefined]],
  );
  const csv = await file({ format: "csv", source: "transactions", status: "FAILED" });
  const [columns, row, ...more] = csv.text.split("\r\n");
  assert.match(columns ?? "", /^source,transaction_id,/);
  assert.match(row ?? "", /^transactions,refused,/);
  assert.deepEqual(more, [""]);

  const ending = within({ to: always.from });
  const unclear = [
    problem(`get ${SUMMARY}`, 422, await client.GET(SUMMARY, ending)),
    problem(`get ${EXPORT}`, 422, await client.GET(EXPORT, ending)),
  ];
  for (const { errors } of unclear) assert.deepEqual(errors?.map(({ field }) => field), ["to"]);
}

/** What operators do. */
async function mending() {
  for (const id of ["once", "later"]) await client.POST(WEBHOOKS, { body: webhook(id) });
  for (const id of ["evt_once", "evt_once2", "evt_once3", "evt_later"]) await send(`{"id":"${id}"}`);
  await final("once");
  for (const id of ["evt_1", "evt_once", "evt_once2", "evt_once3"]) await finalEvent(id);

  const one = (act: number, id: string) => client.POST(ONE[act]!, { ...of(id), body: WHY, headers: ADMIN });
  const ofSource = (act: number, id: string) =>
    client.POST(ONE_OF_SOURCE[act]!, { ...sent("stripe", id), body: WHY, headers: ADMIN });
  const done = async (act: number, id: string) => good(`post ${ONE[act]}`, 202, await one(act, id));
  const not = async (act: number, id: string) => problem(`post ${ONE[act]}`, 409, await one(act, id));
  const eventDone = async (act: number, id: string) => good(`post ${ONE_OF_SOURCE[act]}`, 202, await ofSource(act, id));
  const eventNot = async (act: number, id: string) => problem(`post ${ONE_OF_SOURCE[act]}`, 409, await ofSource(act, id));
  const [retry, replay, giveUp] = [0, 1, 2];
  assert.equal((await done(retry, "once")).status, "PROCESSING");
  assert.equal((await final("once")).status, "PROCESSED");
  await done(replay, "once");
  await again(() => done(giveUp, "later"));
  await eventDone(retry, "evt_once");
  await finalEvent("evt_once");
  await eventDone(replay, "evt_once");
  // Of what is processed nothing can be retried or given up, and of what has failed nothing replayed.
  await not(retry, "once");
  await not(replay, "later");
  await again(() => not(giveUp, "once"));
  await eventNot(retry, "evt_1");
  await eventNot(replay, "evt_once3");
  await eventNot(giveUp, "evt_1");

  const begin = (body: typeof STRIPES) => client.POST(RETRIES, { body, headers: ADMIN });
  assert.deepEqual(good(`post ${RETRIES}`, 200, await begin({ ...STRIPES, dry_run: true })), { matched: 2 });
  const answer = await begin(STRIPES);
  const begun = good(`post ${RETRIES}`, 202, answer) as BulkRetry;
  assert.equal(answer.response.headers.get("location"), `/v1/retries/${begun.id}`);
  const changes: [string, () => Promise<Answer<BulkRetry>>][] = [
    ...CHANGES_OF_BULK.map((path): [string, () => Promise<Answer<BulkRetry>>] => [
      `post ${path}`,
      () => client.POST(path, { ...bulk(begun.id), body: WHY, headers: ADMIN }),
    ]),
    [`delete ${BULK}`, () => client.DELETE(BULK, { ...ended(begun.id), headers: ADMIN })],
  ];
  for (const [operation, change] of changes) good(operation, 202, await change());
  for (const [operation, change] of changes) problem(operation, 409, await change());
  good(`post ${RETRIES}`, 202, await begin(STRIPES));
  for (const id of ["evt_once2", "evt_once3"]) await finalEvent(id, "PROCESSED");
  const found = good(`get ${BULK}`, 200, await client.GET(BULK, bulk(begun.id)));
  assert.deepEqual([found.state, found.progress?.unfinished], ["CANCELLED", 0]);
  assert.equal(good(`get ${RETRIES}`, 200, await client.GET(RETRIES)).data.length, 2);
  await again(() => eventDone(giveUp, "evt_later"));

  const paused = good(`post ${PAUSES}`, 202, await client.POST(PAUSES, { body: { source: "nobody", ...WHY }, headers: ADMIN }));
  assert.deepEqual(paused.data.map(({ source, until }) => [source, until]), [["nobody", null]]);
  const over = { source: "nobody", until: "2024-01-01T00:00:00Z", ...WHY };
  problem(`post ${PAUSES}`, 409, await client.POST(PAUSES, { body: over, headers: ADMIN }));
  good(`get ${PAUSES}`, 200, await client.GET(PAUSES));
  const resume = (paused: string, reason?: string) => client.DELETE(PAUSE, { ...resumed(paused, reason), headers: ADMIN });
  good(`delete ${PAUSE}`, 202, await resume("nobody"));
  problem(`delete ${PAUSE}`, 409, await resume("nobody"));
  problem(`delete ${PAUSE}`, 404, await resume("Nobody"));

  const audit = good(`get ${AUDIT}`, 200, await client.GET(AUDIT, { params: { query: { limit: 1 } } }));
  assert.equal(audit.data[0]?.who, "anna");
  problem(`get ${AUDIT}`, 422, await client.GET(AUDIT, { params: { query: { limit: 0 } } }));
  problem(`get ${BULK}`, 404, await operations[`get ${BULK}`]!());

  for (const operation of CHANGES) {
    const ask = operations[operation]!;
    problem(operation, 401, await ask({ headers: {} }));
    problem(operation, 403, await ask({ headers: { ...ADMIN, "Sec-Fetch-Site": "cross-site" } }));
    if (operation.startsWith("post ")) {
      const instead = (content: string) => ask({ bodySerializer: () => content });
      problem(operation, 400, await instead("no JSON"));
      problem(operation, 413, await instead(JSON.stringify({ reason: "x".repeat(100_000) })));
      problem(operation, 415, await ask({ headers: { ...ADMIN, "Content-Type": "text/plain" } }));
      problem(operation, 422, await instead("{}"));
    }
    // What begins something names nothing that could be unknown.
    if (![`post ${RETRIES}`, `post ${PAUSES}`, `delete ${PAUSE}`].includes(operation)) problem(operation, 404, await ask());
  }
  problem(`delete ${BULK}`, 422, await client.DELETE(BULK, { ...ended(UNKNOWN, ""), headers: ADMIN }));
  problem(`delete ${PAUSE}`, 422, await resume("nobody", ""));
}

/** Who follows what happens, and who waits. */
async function following() {
  const operation = `get ${FOLLOW}`;
  const unclear = { params: { query: { source: "Nobody" } } };
  problem(operation, 422, await operations[operation]!(unclear));
  const follow = () => client.GET(FOLLOW, { parseAs: "stream", fetch: (request) => fetch(request) });
  const streams = await Promise.all(Array.from({ length: STREAMS_MAX }, follow));
  problem(operation, 503, await follow());
  for (const stream of streams) await (good(operation, 200, stream) as unknown as ReadableStream).cancel();
  const wait = { query: { wait: "soon" } };
  problem(`get ${TRANSACTION}`, 422, await client.GET(TRANSACTION, { params: { ...of("once").params, ...wait } }));
  const event = { params: { ...sent("stripe", "evt_1").params, ...wait } };
  problem(`get ${SOURCE_TRANSACTION}`, 422, await client.GET(SOURCE_TRANSACTION, event));
}

/** Asks again and again: a consumer may just be working on it. */
async function again<T>(ask: () => Promise<T>): Promise<T> {
  const until = Date.now() + ANSWERS_WITHIN_MS;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (Date.now() > until) throw error;
      await sleep(200);
    }
  }
}

/** Waits until a source's event is final, or has this status. */
async function finalEvent(id: string, status?: string) {
  const until = Date.now() + ANSWERS_WITHIN_MS;
  while (Date.now() < until) {
    const found = good(`get ${SOURCE_TRANSACTION}`, 200, await client.GET(SOURCE_TRANSACTION, sent("stripe", id)));
    if (status ? found.status === status : found.status !== "PROCESSING") return;
    await sleep(50);
  }
  throw new Error(`${id} is not final`);
}

const CHANGES = [
  ...[...ONE, ...ONE_OF_SOURCE, RETRIES, ...CHANGES_OF_BULK, PAUSES].map((path) => `post ${path}`),
  `delete ${BULK}`,
  `delete ${PAUSE}`,
];

// What is looked up by the id of a transaction, and of an event.
const OF_A_TRANSACTION = [TRANSACTION, ATTEMPTS, CONFLICTS].map((path) => `get ${path}`);
const OF_AN_EVENT = [SOURCE_TRANSACTION, SOURCE_PAYLOAD, SOURCE_ATTEMPTS, SOURCE_CONFLICTS].map((path) => `get ${path}`);

const LOOK_UPS = [
  ...OF_A_TRANSACTION,
  ...OF_AN_EVENT,
  `get ${LIST}`,
  `get ${FAILURES}`,
  `get ${REFUSALS}`,
  `get ${EXPORT}`,
  `get ${SUMMARY}`,
  `get ${RETRIES}`,
  `get ${BULK}`,
  `get ${PAUSES}`,
  `get ${AUDIT}`,
  `get ${FOLLOW}`,
];
// Nobody has to ask the database anything for it before it streams.
const ASKING_NOBODY = [`get ${FOLLOW}`];

const OF_THE_DATABASE = [
  `post ${WEBHOOKS}`,
  `post ${EVENTS}`,
  ...LOOK_UPS.filter((operation) => !ASKING_NOBODY.includes(operation)),
  ...CHANGES,
  "get /readyz",
];

/** What came under a known id is listed, also where nothing of it is left. */
const NEVER_GONE = [CONFLICTS, SOURCE_CONFLICTS].map((path) => `get ${path} 410`);

async function erased() {
  for (const [names, options] of [[OF_A_TRANSACTION, of("txn_1")], [OF_AN_EVENT, sent("stripe", "evt_1")]] as const) {
    for (const operation of names) {
      const answer = await operations[operation]!(options);
      if (NEVER_GONE.includes(`${operation} 410`)) {
        // What came later is erased along.
        assert.deepEqual(answer.data, { conflicts: [], more: false });
        continue;
      }
      assert.equal(problem(operation, 410, answer).transaction_status, "PROCESSED");
    }
  }
}

async function ill() {
  for (const operation of OF_THE_DATABASE) {
    problem(operation, 503, await operations[operation]!());
  }
}

// `fetch` asks for no other name than that of the address.
const OF_ANOTHER_NAME = LOOK_UPS.map((operation) => `${operation} 403`);
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
        .filter((answer) => ![...OF_ANOTHER_NAME, ...NEVER_GONE].includes(answer))
        .filter((answer) => stateOf(answer) === state),
    ),
  );
}

/** In which state an answer is met. */
function stateOf(answer: string): string {
  if (GUARDED.includes(answer)) return "guarded";
  if (answer.endsWith(" 410")) return "erased";
  return answer.endsWith(" 503") && !ASKING_NOBODY.includes(answer.replace(/ 503$/, "")) ? "ill" : "well";
}

await { well, erased, ill, guarded }[state]!();
assert.deepEqual([...met].sort(), documented().sort());
