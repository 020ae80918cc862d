"""What the document cannot say."""

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
    if isinstance(body, dict) and isinstance(body.get("filter"), dict):
        # What is done needs a reason, and a time ends after it has begun.
        body["filter"].pop("to", None)
        body.setdefault("reason", "fuzzing")
    if isinstance(body, dict) and "until" in body:
        # A pause ends in the future.
        body["until"] = "2999-01-01T00:00:00Z"
    return body
