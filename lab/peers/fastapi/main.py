"""The stack that Hookline replaces, in its best form: FastAPI, SQLAlchemy, psycopg2 and BackgroundTasks.

The background task waits with `asyncio.sleep`, so that waiting holds no thread; the two database calls run in the thread
pool, where FastAPI itself puts blocking work. `uvloop` and `httptools` are installed, and one worker runs per core.
"""

import asyncio
import os
import uuid
from datetime import datetime
from decimal import Decimal

from fastapi import BackgroundTasks, FastAPI
from pydantic import BaseModel
from sqlalchemy import create_engine, func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker
from starlette.concurrency import run_in_threadpool

DELAY = float(os.environ["DELAY_SECONDS"])
# As many connections as the thread pool has threads.
engine = create_engine(os.environ["DATABASE_URL"], pool_size=40, max_overflow=0)
open_session = sessionmaker(engine)
app = FastAPI()


class Base(DeclarativeBase):
    pass


class Transaction(Base):
    __tablename__ = "transactions"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    transaction_id: Mapped[str] = mapped_column(unique=True)
    source_account: Mapped[str]
    destination_account: Mapped[str]
    amount: Mapped[Decimal]
    currency: Mapped[str]
    status: Mapped[str]
    processed_at: Mapped[datetime | None]


class Webhook(BaseModel):
    transaction_id: str
    source_account: str
    destination_account: str
    amount: Decimal
    currency: str


def store(webhook: Webhook) -> bool:
    """One insert and one commit; False if it was there."""
    row = insert(Transaction).values(id=uuid.uuid4(), status="PROCESSING", **webhook.model_dump())
    with open_session.begin() as session:
        return session.execute(row.on_conflict_do_nothing()).rowcount == 1


def finish(transaction_id: str) -> None:
    """One update and one commit."""
    unfinished = update(Transaction).where(
        Transaction.transaction_id == transaction_id, Transaction.status == "PROCESSING"
    )
    with open_session.begin() as session:
        session.execute(
            unfinished.values(status="PROCESSED", processed_at=func.clock_timestamp()),
            execution_options={"synchronize_session": False},
        )


async def process(transaction_id: str) -> None:
    if DELAY > 0:
        await asyncio.sleep(DELAY)
    await run_in_threadpool(finish, transaction_id)


@app.post("/v1/webhooks/transactions", status_code=202)
async def receive(webhook: Webhook, background: BackgroundTasks) -> dict[str, str]:
    if await run_in_threadpool(store, webhook):
        background.add_task(process, webhook.transaction_id)
    return {"transaction_id": webhook.transaction_id, "status": "PROCESSING"}
