"""What the document cannot say."""

import datetime

import schemathesis


@schemathesis.hook
def map_query(context, query):
    """Has a list asked for what does not contradict itself."""
    if query and "from" in query:
        query.pop("to", None)
    if query and query.get("source") == "transactions":
        query.pop("type", None)
    return query


@schemathesis.hook
def map_body(context, body):
    """Has amounts of no more than four decimals. `multipleOf` would say so, but those who check it divide floating point
    numbers, and refuse 1500.1.
    """
    if isinstance(body, dict) and isinstance(body.get("amount"), float):
        body["amount"] = round(body["amount"], 4)
    return body


@schemathesis.hook
def before_call(context, case, kwargs):
    """Has what many are retried for not contradict itself, and gives it a reason, which only a dry run need not have."""
    body = case.body
    if not isinstance(body, dict) or not isinstance(body.get("filter"), dict):
        return
    body.setdefault("reason", "a test")
    first, last = moment(body["filter"].get("from")), moment(body["filter"].get("to"))
    if first and last and last <= first:
        del body["filter"]["from"]


def moment(text):
    """The time that a text says, if it says one."""
    try:
        time = datetime.datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return time if time.tzinfo else None
