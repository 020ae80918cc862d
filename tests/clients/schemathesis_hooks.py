"""What the document cannot say."""

import datetime

import schemathesis

# What a summary can be by.
BY_MAX = 3


@schemathesis.hook
def map_query(context, query):
    """Has what is asked for not contradict itself: a span of time ends after it has begun, and nothing is named twice."""
    if query and "from" in query and "to" in query:
        first, last = moment(query["from"]), moment(query["to"])
        if first and last and last <= first:
            query["from"], query["to"] = query["to"], (first + datetime.timedelta(days=1)).isoformat()
    if query and isinstance(query.get("by"), str) and query["by"].count(",") < BY_MAX:
        query["by"] = ",".join(dict.fromkeys(query["by"].split(",")))
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
