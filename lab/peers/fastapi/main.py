"""The stack that Hookline replaces, in its best form: FastAPI, SQLAlchemy, psycopg2 and BackgroundTasks.

The background task waits with `asyncio.sleep`, so that waiting holds no thread; the two database calls run in the thread
pool, where FastAPI itself puts blocking work. `uvloop` and `httptools` are installed, and one worker runs per core.
"""

import asyncio
import gc
import os
import uuid
from decimal import Decimal

from fastapi import BackgroundTasks, FastAPI
from pydantic import BaseModel
from sqlalchemy import create_engine, text
from starlette.concurrency import run_in_threadpool

DELAY = float(os.environ["DELAY_SECONDS"])
# A full collection walks through everything that waits: with Python's thresholds and 27,000 tasks waiting in two workers it
# stopped a worker for a second and more, every few seconds.
gc.freeze()
gc.set_threshold(100_000, 50, 1000)
# As many connections as the thread pool has threads.
engine = create_engine(os.environ["DATABASE_URL"], pool_size=40, max_overflow=0)
app = FastAPI()


class Webhook(BaseModel):
    transaction_id: str
    source_account: str
    destination_account: str
    amount: Decimal
    currency: str


# Statements as text: the fastest way through SQLAlchemy, and so the stack's best form. Mapped classes and
# sessions cost about as much again.
INSERT = text(
    "INSERT INTO transactions"
    " (id, transaction_id, source_account, destination_account, amount, currency, status)"
    " VALUES (:id, :transaction_id, :source_account, :destination_account, :amount, :currency, 'PROCESSING')"
    " ON CONFLICT (transaction_id) DO NOTHING"
)
UPDATE = text(
    "UPDATE transactions SET status = 'PROCESSED', processed_at = clock_timestamp()"
    " WHERE transaction_id = :transaction_id AND status = 'PROCESSING'"
)


def store(webhook: Webhook) -> bool:
    """One insert and one commit; False if it was there."""
    with engine.begin() as connection:
        row = {"id": str(uuid.uuid4()), **webhook.model_dump()}
        return connection.execute(INSERT, row).rowcount == 1


def finish(transaction_id: str) -> None:
    """One update and one commit."""
    with engine.begin() as connection:
        connection.execute(UPDATE, {"transaction_id": transaction_id})


async def process(transaction_id: str) -> None:
    if DELAY > 0:
        await asyncio.sleep(DELAY)
    await run_in_threadpool(finish, transaction_id)


@app.post("/v1/webhooks/transactions", status_code=202)
async def receive(webhook: Webhook, background: BackgroundTasks) -> dict[str, str]:
    if await run_in_threadpool(store, webhook):
        background.add_task(process, webhook.transaction_id)
    return {"transaction_id": webhook.transaction_id, "status": "PROCESSING"}
