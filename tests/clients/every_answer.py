"""Uses the generated Python client for every operation, until it has met every answer that the document names.

Usage: every_answer.py DOCUMENT FOLDER_OF_THE_CLIENT BASE_URL (well | erased | ill | guarded)

`well`: the service works, and downstream refuses the transaction `refused`. `erased`: after that, `txn_1` and stripe's `evt_1`
have been erased. `ill`: its database answers nothing. `guarded`: the built-in source has a secret, and look-ups need a token. The
sources stripe, dropbox and meta are there, with the secret below.
Exits with 1 and a traceback where an answer is not what the document, or the contract, says.
"""

import contextlib
import csv
import datetime
import functools
import hashlib
import hmac
import importlib
import io
import json
import pkgutil
import re
import sys
import time

import httpx

DOCUMENT, FOLDER, BASE_URL, STATE = sys.argv[1:]
sys.path.insert(0, FOLDER)

# Everything that was generated can be imported: a name that shadows one of the language's own breaks that.
import hookline_client  # noqa: E402

for module in pkgutil.walk_packages(hookline_client.__path__, "hookline_client."):
    importlib.import_module(module.name)

from hookline_client import AuthenticatedClient, Client  # noqa: E402
from hookline_client.models import (  # noqa: E402
    Accepted,
    Alive,
    AttemptList,
    AuditPage,
    BulkRetry,
    BulkRetryList,
    BulkState,
    ConflictList,
    Counted,
    FailureGroups,
    Mended,
    Outcome,
    PauseList,
    PauseRequest,
    Problem,
    Ready,
    RefusalPage,
    RetryAll,
    SourceTransaction,
    Status,
    Summary,
    Transaction,
    TransactionPage,
    Verdict,
    Webhook,
    Why,
)
from hookline_client.types import UNSET, File  # noqa: E402

# The service waits 10 s for a body.
LONGER_THAN_A_BODY_MAY_TAKE = 12
ANSWERS_WITHIN = 30
# How often is sent what is told to come again, where the machine has no time for it just now.
TRIES_MAX = 10
# What came under a known id is listed, also where nothing of it is left.
NEVER_GONE = ("listConflicts", "listSourceConflicts")
# Nothing makes the service panic.
NEVER_MET = 500
SECRET = b"whsec_test_secret"
READ_TOKEN = "a-secret-for-reading"
ADMIN_TOKEN = "a-secret-for-everything"
NOTHING = type(None)
SENT = {"source": "stripe", "transaction_id": "unknown"}
WHY = Why(reason="a test")
STREAMS_MAX = 20
UNKNOWN = {"id": "018d0cba-e040-7000-8000-000000000000"}
FROM, TO = (datetime.datetime(year, 1, 1, tzinfo=datetime.timezone.utc) for year in (2000, 2100))
ALWAYS = {"from_": FROM, "to": TO}

# By the id of an operation, the function that was made of it, and all its parameters.
OPERATIONS = {
    "sendWebhook": ("webhooks.send_webhook", {"body": None}),
    "getTransaction": ("transactions.get_transaction", {"transaction_id": "unknown"}),
    "listTransactions": ("transactions.list_transactions", {}),
    "listAttempts": ("transactions.list_attempts", {"transaction_id": "unknown"}),
    "listConflicts": ("transactions.list_conflicts", {"transaction_id": "unknown"}),
    "listFailures": ("transactions.list_failures", {}),
    "listRefusals": ("transactions.list_refusals", {}),
    "exportTransactions": ("transactions.export_transactions", ALWAYS),
    "getSummary": ("transactions.get_summary", ALWAYS),
    "sendEvent": ("webhooks.send_event", {"source": "stripe", "body": b'{"id":"evt_1"}'}),
    "askSource": ("webhooks.ask_source", {"source": "stripe"}),
    "getSourceTransaction": ("transactions.get_source_transaction", SENT),
    "getSourcePayload": ("transactions.get_source_payload", SENT),
    "listSourceAttempts": ("transactions.list_source_attempts", SENT),
    "listSourceConflicts": ("transactions.list_source_conflicts", SENT),
    "retryTransaction": ("mending.retry_transaction", {"transaction_id": "unknown", "body": WHY}),
    "replayTransaction": ("mending.replay_transaction", {"transaction_id": "unknown", "body": WHY}),
    "giveUpTransaction": ("mending.give_up_transaction", {"transaction_id": "unknown", "body": WHY}),
    "retrySourceTransaction": ("mending.retry_source_transaction", SENT | {"body": WHY}),
    "replaySourceTransaction": ("mending.replay_source_transaction", SENT | {"body": WHY}),
    "giveUpSourceTransaction": ("mending.give_up_source_transaction", SENT | {"body": WHY}),
    "beginRetries": (
        "mending.begin_retries",
        {"body": RetryAll.from_dict({"filter": {"source": "stripe"}, "rate": 1, "reason": "a test"})},
    ),
    "listRetries": ("mending.list_retries", {}),
    "getRetries": ("mending.get_retries", UNKNOWN),
    "cancelRetries": ("mending.cancel_retries", UNKNOWN | {"reason": "a test"}),
    "pauseRetries": ("mending.pause_retries", UNKNOWN | {"body": WHY}),
    "resumeRetries": ("mending.resume_retries", UNKNOWN | {"body": WHY}),
    "pauseProcessing": ("mending.pause_processing", {"body": PauseRequest(source="nobody", reason="a test")}),
    "listPauses": ("mending.list_pauses", {}),
    "resumeProcessing": ("mending.resume_processing", {"paused": "nobody", "reason": "a test"}),
    "listAudit": ("mending.list_audit", {}),
    "followEvents": ("transactions.follow_events", {}),
    "getHealth": ("health.get_health", {}),
    "getLiveness": ("health.get_liveness", {}),
    "getReadiness": ("health.get_readiness", {}),
}
met = set()


class Instead(httpx.HTTPTransport):
    """Sends what the generated client never would: with another method, body, content type, query or header."""

    def __init__(self, method=None, content=None, content_type=None, query=None, headers={}):
        super().__init__()
        self.method, self.content, self.content_type = method, content, content_type
        self.query, self.headers = query, headers

    def handle_request(self, request):
        content = self.content() if self.content else request.read()
        kept = {name: request.headers[name] for name in ("Authorization",) if name in request.headers}
        content_type = {"Content-Type": self.content_type or request.headers.get("Content-Type", "")}
        changed = httpx.Request(
            self.method or request.method,
            request.url.copy_with(query=self.query) if self.query else request.url,
            headers=kept | content_type | self.headers,
            content=content,
        )
        return super().handle_request(changed)


def signed(body, secret=SECRET, **instead):
    """Signs the body as Stripe does: with a header that the generated client does not know."""
    now = int(time.time())
    signature = hmac.new(secret, f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"Stripe-Signature": f"t={now},v1={signature}"} | instead.pop("headers", {})
    return Instead(headers=headers, **instead)


def webhook(transaction_id="txn_1", **members):
    good = {
        "transaction_id": transaction_id,
        "source_account": "acc_user_1",
        "destination_account": "acc_merchant_1",
        "amount": "123456789012345.6789",
        "currency": "INR",
    }
    return Webhook.from_dict(good | members)


def call(operation, status, kind, transport=None, token=None, **arguments):
    """Calls one operation; returns the answer as the client reads it, and its headers."""
    name, defaults = OPERATIONS[operation]
    if token is None and operation in CHANGES:
        token = ADMIN_TOKEN
    function = importlib.import_module(f"hookline_client.api.{name}")
    arguments = defaults | arguments
    if "body" in arguments and arguments["body"] is None:
        arguments["body"] = webhook()
    if isinstance(arguments.get("body"), bytes):
        transport = transport or signed(arguments["body"])
        arguments["body"] = File(payload=io.BytesIO(arguments["body"]))
    with_token = functools.partial(AuthenticatedClient, token=token) if token else Client
    client = with_token(
        base_url=BASE_URL,
        raise_on_unexpected_status=True,
        timeout=httpx.Timeout(ANSWERS_WITHIN),
        httpx_args={"transport": transport} if transport else {},
    )
    for _ in range(TRIES_MAX):
        answer = function.sync_detailed(client=client, **arguments)
        if answer.status_code != 503 or status == 503:
            break
        time.sleep(int(answer.headers["Retry-After"]))
    assert answer.status_code == status, (operation, answer)
    assert isinstance(answer.parsed, kind), (operation, answer)
    met.add((operation, status))
    return answer.parsed, answer.headers


def problem(operation, status, *args, **arguments):
    """As `call`, for an answer that is a problem."""
    found, headers = call(operation, status, Problem, *args, **arguments)
    assert found.status == status and found.type_ == "about:blank" and found.detail, found
    assert (found.errors is not UNSET) == (status == 422 or operation == "getReadiness" and status == 503), found
    assert (found.transaction_status is not UNSET) == (status == 410), found
    if status == 405:
        assert headers["Allow"], headers
    if status == 503:
        assert int(headers["Retry-After"]) > 0, headers
    return found


def well():
    events()
    accepted, headers = call("sendWebhook", 202, Accepted)
    assert accepted.conflict is False, accepted
    assert headers["Location"] == "/v1/transactions/txn_1", headers
    accepted, _ = call("sendWebhook", 202, Accepted, body=webhook(amount=1.5, note={"more": [1]}))
    assert (accepted.duplicate, accepted.conflict) == (True, True), accepted
    call("sendWebhook", 202, Accepted, body=webhook("refused"))

    done = final("txn_1")
    assert done.status is Status.PROCESSED and done.processed_at > done.created_at, done
    assert (done.failure, done.conflicts) == (UNSET, 1), done
    attempts, _ = call("listAttempts", 200, AttemptList, transaction_id="txn_1")
    [attempt] = attempts.attempts
    assert (attempt.outcome, attempt.status, attempt.error) == (Outcome.SUCCEEDED, 200, None), attempt

    given_up = final("refused")
    assert given_up.status is Status.FAILED and given_up.processed_at is None, given_up
    assert given_up.failure.verdict is Verdict.PERMANENT, given_up
    attempts, _ = call("listAttempts", 200, AttemptList, transaction_id="refused")
    [attempt] = attempts.attempts
    assert (attempt.outcome, attempt.status) == (Outcome.REFUSED, 422) and attempt.error, attempt

    page, _ = call("listTransactions", 200, TransactionPage, limit=1)
    assert [row.transaction_id for row in page.data] == ["refused"], page
    assert page.data[0].failure.verdict is Verdict.PERMANENT, page
    page, _ = call("listTransactions", 200, TransactionPage, cursor=page.next_cursor, account="acc_user_1")
    assert [row.transaction_id for row in page.data] == ["txn_1"] and page.next_cursor is None, page
    faults = problem("listTransactions", 422, limit=0).errors
    assert [fault.field for fault in faults] == ["limit"], faults

    asking()
    mending()
    following()
    problem("getTransaction", 404)
    problem("listAttempts", 404)
    problem("listConflicts", 404)

    problem("sendWebhook", 400, Instead(content=lambda: b"no JSON"))
    problem("sendWebhook", 408, Instead(content=stalled))
    problem("sendWebhook", 413, body=webhook(note="x" * 100_000))
    problem("sendWebhook", 415, Instead(content_type="text/plain"))
    faults = problem("sendWebhook", 422, body=webhook("", currency="inr")).errors
    assert [fault.field for fault in faults] == ["transaction_id", "currency"], faults

    for operation in "getHealth", "getLiveness":
        assert call(operation, 200, Alive)[0].status == "HEALTHY"
    assert call("getReadiness", 200, Ready)[0].status == "READY"
    # A page whose site has its name resolved to this machine.
    for operation in LOOK_UPS:
        problem(operation, 403, Instead(headers={"Host": "rebound.example"}))
    for operation in OPERATIONS:
        problem(operation, 405, Instead(method="PATCH"))


def events():
    """What sources send."""
    body = b'{"id":"evt_1","type":"charge.succeeded","amount":1.10,"nothing":null}'
    for _ in range(2):
        call("sendEvent", 200, NOTHING, body=body)
    call("sendEvent", 401, NOTHING, signed(body, b"another"), body=body)
    problem("sendEvent", 404, source="nobody")
    problem("sendEvent", 408, Instead(content=stalled))
    problem("sendEvent", 413, body=b"x" * 2_000_000)
    problem("sendEvent", 415, signed(body, headers={"Content-Encoding": "gzip"}), body=body)
    call("sendEvent", 422, NOTHING, body=b"no JSON")

    call("askSource", 200, NOTHING, Instead(query=b"challenge=abc"), source="dropbox")
    asks = b"hub.mode=subscribe&hub.verify_token=wrong&hub.challenge=1"
    call("askSource", 403, NOTHING, Instead(query=asks), source="meta")
    problem("askSource", 404, source="nobody")

    found, _ = call("getSourceTransaction", 200, SourceTransaction, transaction_id="evt_1")
    assert (found.source, found.type_, found.amount) == ("stripe", "charge.succeeded", UNSET), found
    assert found.payload == json.loads(body) and found.payload_base64 is UNSET, found
    payload, headers = call("getSourcePayload", 200, File, transaction_id="evt_1")
    assert payload.payload.read() == body and headers["Content-Disposition"] == "attachment", headers
    call("listSourceAttempts", 200, AttemptList, transaction_id="evt_1")
    call("sendEvent", 200, NOTHING, body=b'{"id":"evt_1","type":"charge.failed"}')
    listed, _ = call("listSourceConflicts", 200, ConflictList, transaction_id="evt_1")
    [conflict] = listed.conflicts
    assert (listed.stands.type_, listed.stands.payload) == ("charge.succeeded", json.loads(body)), listed
    assert (conflict.type_, conflict.payload) == ("charge.failed", {"id": "evt_1", "type": "charge.failed"}), listed
    for operation in OF_AN_EVENT:
        problem(operation, 404)

    refused = refusal(body)
    assert (refused.source, refused.reason, refused.size, refused.skew_s) == ("stripe", "mismatch", len(body), None), refused
    faults = problem("listRefusals", 422, source="Nobody", cursor="x").errors
    assert [fault.field for fault in faults] == ["source", "cursor"], faults


def refusal(body):
    """The line about a body that was refused, as soon as it is written: nobody waits for that."""
    until = time.monotonic() + ANSWERS_WITHIN
    while time.monotonic() < until:
        page, _ = call("listRefusals", 200, RefusalPage, source="stripe")
        assert page.next_cursor is None, page
        for line in page.data:
            if line.sha256 == hashlib.sha256(body).hexdigest():
                return line
        time.sleep(0.05)
    raise AssertionError("no line about what was refused")


def asking():
    """Who asks about many at once: two transactions, of which one is processed, and an event."""
    listed, _ = call("listConflicts", 200, ConflictList, transaction_id="txn_1")
    assert listed.stands.amount == 123456789012345.6789 and not listed.more, listed
    [conflict] = listed.conflicts
    assert (conflict.amount, conflict.type_, conflict.payload) == (1.5, UNSET, UNSET), conflict
    assert conflict.extra.to_dict() == {"note": {"more": [1]}}, conflict

    groups, _ = call("listFailures", 200, FailureGroups)
    [group] = groups.data
    assert (group.source, group.verdict, group.status) == ("transactions", "PERMANENT", 422), group
    assert (group.count, group.sample, groups.more) == (1, "refused", False), groups
    groups, _ = call("listFailures", 200, FailureGroups, since=TO, source="stripe")
    assert groups.data == [], groups
    faults = problem("listFailures", 422, source="Nobody").errors
    assert [fault.field for fault in faults] == ["source"], faults

    final_event("evt_1", Status.PROCESSED)
    summary, _ = call("getSummary", 200, Summary)
    assert (summary.from_, summary.to) == (FROM, TO), summary
    lines = [(line.source, line.currency, line.status, line.count, line.sum_) for line in summary.data]
    assert lines == [
        ("stripe", UNSET, Status.PROCESSED, 1, UNSET),
        ("transactions", "INR", Status.PROCESSED, 1, "123456789012345.6789"),
        ("transactions", "INR", Status.FAILED, 1, "123456789012345.6789"),
    ], lines
    summary, _ = call("getSummary", 200, Summary, by="source")
    lines = [(line.source, line.currency, line.status, line.count, line.sum_) for line in summary.data]
    assert lines == [("stripe", UNSET, UNSET, 1, UNSET), ("transactions", UNSET, UNSET, 2, UNSET)], lines

    file, headers = call("exportTransactions", 200, str)
    assert headers["Content-Type"] == "application/jsonl", headers
    assert headers["Content-Disposition"] == 'attachment; filename="transactions.jsonl"', headers
    rows = [SourceTransaction.from_dict(json.loads(line)) for line in file.splitlines()]
    assert [row.transaction_id for row in rows] == ["refused", "txn_1", "evt_1"], rows
    assert rows[0].failure.verdict is Verdict.PERMANENT and rows[1].failure is UNSET, rows
    file, _ = call("exportTransactions", 200, str, format_="csv", source="transactions")
    row, other = csv.DictReader(io.StringIO(file, newline=""))
    assert (row["transaction_id"], row["amount"], row["verdict"]) == ("refused", "123456789012345.6789", "PERMANENT"), row
    assert (other["transaction_id"], other["verdict"]) == ("txn_1", ""), other
    for operation in "getSummary", "exportTransactions":
        faults = problem(operation, 422, to=FROM).errors
        assert [fault.field for fault in faults] == ["to"], faults


def mending():
    """What operators do."""
    for name in "once", "later":
        call("sendWebhook", 202, Accepted, body=webhook(name))
    for name in "evt_once", "evt_once2", "evt_once3", "evt_later":
        call("sendEvent", 200, NOTHING, body=f'{{"id":"{name}"}}'.encode())
    final("once")
    for name in "evt_1", "evt_once", "evt_once2", "evt_once3":
        final_event(name)

    one = functools.partial(call, kind=Mended)
    one("retryTransaction", 202, transaction_id="once")
    assert final("once").status is Status.PROCESSED
    one("replayTransaction", 202, transaction_id="once")
    patient(functools.partial(one, "giveUpTransaction", 202, transaction_id="later"))
    one("retrySourceTransaction", 202, transaction_id="evt_once")
    final_event("evt_once")
    one("replaySourceTransaction", 202, transaction_id="evt_once")
    # Of what is processed nothing can be retried or given up, and of what has failed nothing replayed.
    problem("retryTransaction", 409, transaction_id="once")
    problem("retrySourceTransaction", 409, transaction_id="evt_1")
    problem("replayTransaction", 409, transaction_id="later")
    problem("replaySourceTransaction", 409, transaction_id="evt_once3")
    patient(functools.partial(problem, "giveUpTransaction", 409, transaction_id="once"))
    problem("giveUpSourceTransaction", 409, transaction_id="evt_1")

    many = OPERATIONS["beginRetries"][1]["body"]
    counted, _ = call("beginRetries", 200, Counted, body=RetryAll.from_dict(many.to_dict() | {"dry_run": True}))
    assert counted.matched == 2, counted
    begun, headers = call("beginRetries", 202, BulkRetry)
    assert headers["Location"] == f"/v1/retries/{begun.id}", headers
    for operation in "pauseRetries", "resumeRetries", "cancelRetries":
        changed, _ = call(operation, 202, BulkRetry, id=begun.id)
    assert changed.state is BulkState.CANCELLED, changed
    for operation in "pauseRetries", "resumeRetries", "cancelRetries":
        problem(operation, 409, id=begun.id)
    call("beginRetries", 202, BulkRetry)
    for name in "evt_once2", "evt_once3":
        final_event(name, Status.PROCESSED)
    found, _ = call("getRetries", 200, BulkRetry, id=begun.id)
    assert found.progress is not UNSET and found.ended_at is not None, found
    listed, _ = call("listRetries", 200, BulkRetryList)
    assert len(listed.data) == 2 and listed.data[0].progress is UNSET, listed
    patient(functools.partial(one, "giveUpSourceTransaction", 202, transaction_id="evt_later"))

    paused, _ = call("pauseProcessing", 202, PauseList)
    assert [(pause.source, pause.until) for pause in paused.data] == [("nobody", None)], paused
    assert len(call("listPauses", 200, PauseList)[0].data) == 1
    over = PauseRequest(source="nobody", reason="a test", until=datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc))
    problem("pauseProcessing", 409, body=over)
    call("resumeProcessing", 202, PauseList)
    problem("resumeProcessing", 409)
    problem("resumeProcessing", 404, paused="Nobody")

    audit, _ = call("listAudit", 200, AuditPage, limit=1)
    assert audit.data[0].who == "anna" and audit.next_cursor is not None, audit
    problem("listAudit", 422, limit=0)

    for operation in CHANGES:
        _, defaults = OPERATIONS[operation]
        problem(operation, 401, token="")
        problem(operation, 403, Instead(headers={"Sec-Fetch-Site": "cross-site"}))
        if "reason" in defaults:
            problem(operation, 422, reason="")
            continue
        problem(operation, 400, Instead(content=lambda: b"no JSON"))
        problem(operation, 413, body=defaults["body"].from_dict(defaults["body"].to_dict() | {"reason": "x" * 100_000}))
        problem(operation, 415, Instead(content_type="text/plain"))
        problem(operation, 422, body=defaults["body"].from_dict(defaults["body"].to_dict() | {"reason": ""}))
    for operation in "getRetries", *(operation for operation in CHANGES if operation not in NEVER_UNKNOWN):
        problem(operation, 404, **({"paused": "Nobody"} if operation == "resumeProcessing" else {}))
    # Bodies are read in one way: one of them need not be waited for a dozen times.
    problem("retryTransaction", 408, Instead(content=stalled))
    met.update((operation, 408) for operation in CHANGES if "body" in OPERATIONS[operation][1])


def following():
    """Who follows what happens, and who waits."""
    problem("followEvents", 422, source="Nobody")
    with contextlib.ExitStack() as streams:
        for _ in range(STREAMS_MAX):
            stream = streams.enter_context(httpx.stream("GET", f"{BASE_URL}/v1/events", timeout=ANSWERS_WITHIN))
            assert stream.status_code == 200, stream
            assert stream.headers["Content-Type"].startswith("text/event-stream"), stream.headers
        # The generated client reads an answer to its end, and a stream has none.
        met.add(("followEvents", 200))
        problem("followEvents", 503)
    problem("getTransaction", 422, transaction_id="once", wait="soon")
    problem("getSourceTransaction", 422, transaction_id="evt_1", wait="soon")


def patient(ask):
    """Asks again and again: a consumer may just be working on it."""
    until = time.monotonic() + ANSWERS_WITHIN
    while True:
        try:
            return ask()
        except AssertionError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def final_event(transaction_id, status=None):
    """Waits until a source's event is final, or has this status."""
    until = time.monotonic() + ANSWERS_WITHIN
    while time.monotonic() < until:
        found, _ = call("getSourceTransaction", 200, SourceTransaction, transaction_id=transaction_id)
        if found.status is status or status is None and found.status is not Status.PROCESSING:
            return
        time.sleep(0.05)
    raise AssertionError(f"{transaction_id} is not final")


CHANGES = (
    "retryTransaction",
    "replayTransaction",
    "giveUpTransaction",
    "retrySourceTransaction",
    "replaySourceTransaction",
    "giveUpSourceTransaction",
    "beginRetries",
    "cancelRetries",
    "pauseRetries",
    "resumeRetries",
    "pauseProcessing",
    "resumeProcessing",
)
# What begins something names nothing that could be unknown.
NEVER_UNKNOWN = ("beginRetries", "pauseProcessing")

# What is looked up by the id of a transaction, and of an event.
OF_A_TRANSACTION = ("getTransaction", "listAttempts", "listConflicts")
OF_AN_EVENT = ("getSourceTransaction", "getSourcePayload", "listSourceAttempts", "listSourceConflicts")

LOOK_UPS = (
    *OF_A_TRANSACTION,
    *OF_AN_EVENT,
    "listTransactions",
    "listFailures",
    "listRefusals",
    "exportTransactions",
    "getSummary",
    "followEvents",
    "listRetries",
    "getRetries",
    "listPauses",
    "listAudit",
)
# Nobody has to ask the database anything for a stream before it begins.
ASKING_NOBODY = ("followEvents",)

OF_THE_DATABASE = (
    "sendWebhook",
    "sendEvent",
    *(operation for operation in LOOK_UPS if operation not in ASKING_NOBODY),
    *CHANGES,
    "getReadiness",
)


def erased():
    for operations, transaction_id in (OF_A_TRANSACTION, "txn_1"), (OF_AN_EVENT, "evt_1"):
        for operation in operations:
            if operation in NEVER_GONE:
                # What came later is erased along.
                listed, _ = call(operation, 200, ConflictList, transaction_id=transaction_id)
                assert (listed.stands, listed.conflicts, listed.more) == (UNSET, [], False), listed
                met.remove((operation, 200))
                continue
            gone = problem(operation, 410, transaction_id=transaction_id)
            assert gone.transaction_status == "PROCESSED", gone


def ill():
    for operation in OF_THE_DATABASE:
        problem(operation, 503)


def guarded():
    problem("sendWebhook", 401)
    for operation in LOOK_UPS:
        problem(operation, 401)
    call("listTransactions", 200, TransactionPage, token=READ_TOKEN)
    met.remove(("listTransactions", 200))


def final(transaction_id):
    """The transaction when its status is final."""
    until = time.monotonic() + ANSWERS_WITHIN
    while time.monotonic() < until:
        found, _ = call("getTransaction", 200, Transaction, transaction_id=transaction_id)
        if found.status is not Status.PROCESSING:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{transaction_id} is not final")


def stalled():
    """A body that does not come to its end in time."""
    yield b"{"
    time.sleep(LONGER_THAN_A_BODY_MAY_TAKE)
    yield b"}"


def documented():
    """Every operation's id, and every status that it answers with."""
    with open(DOCUMENT, encoding="utf-8") as file:
        paths = json.load(file)["paths"]
    for path in paths.values():
        for operation in path.values():
            for status in operation["responses"]:
                assert re.fullmatch("[0-9]{3}", status), status
                yield operation["operationId"], int(status)


def is_met(operation, status):
    return status != NEVER_MET and not (status == 410 and operation in NEVER_GONE)


def state_of(operation, status):
    """In which state an answer is met."""
    if status == 401 and operation in ("sendWebhook", *LOOK_UPS):
        return "guarded"
    if status == 410:
        return "erased"
    return "ill" if status == 503 and operation not in ASKING_NOBODY else "well"


{"well": well, "erased": erased, "ill": ill, "guarded": guarded}[STATE]()
expected = {answer for answer in documented() if is_met(*answer) and state_of(*answer) == STATE}
assert met == expected, (expected - met, met - expected)
