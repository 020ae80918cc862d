"""What many begin with: FastAPI, SQLAlchemy, psycopg2 and BackgroundTasks. A restart loses what is not done."""

import os
import uuid
from decimal import Decimal

from fastapi import BackgroundTasks, FastAPI
from pydantic import BaseModel
from sqlalchemy import create_engine, text

# SQLAlchemy knows PostgreSQL by its long name only.
engine = create_engine(os.environ["DATABASE_URL"].replace("postgres://", "postgresql://"))
app = FastAPI()

INSERT = text(
    "INSERT INTO transactions (id, transaction_id, source_account, destination_account, amount, currency)"
    " VALUES (:id, :transaction_id, :source_account, :destination_account, :amount, :currency)"
    " ON CONFLICT (transaction_id) DO NOTHING"
)
UPDATE = text(
    "UPDATE transactions SET status = 'PROCESSED', processed_at = clock_timestamp()"
    " WHERE transaction_id = :transaction_id AND status = 'PROCESSING'"
)


class Webhook(BaseModel):
    transaction_id: str
    source_account: str
    destination_account: str
    amount: Decimal
    currency: str


def process(transaction_id: str) -> None:
    with engine.begin() as connection:
        connection.execute(UPDATE, {"transaction_id": transaction_id})


@app.post("/v1/webhooks/transactions", status_code=202)
def receive(webhook: Webhook, background: BackgroundTasks):
    with engine.begin() as connection:
        connection.execute(INSERT, {"id": uuid.uuid4(), **webhook.model_dump()})
    background.add_task(process, webhook.transaction_id)
    return {"transaction_id": webhook.transaction_id, "status": "PROCESSING"}
