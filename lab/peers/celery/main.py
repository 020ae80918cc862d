"""What people take when nothing may be lost, in its best form: FastAPI, Celery, RabbitMQ and PostgreSQL. The row is
committed, then the broker confirms the message, then 202 is answered. Who gets no 202 sends again, and that sends the
message again: the update is made once."""

import uuid
from decimal import Decimal

from fastapi import FastAPI
from pydantic import BaseModel

from tasks import execute, process

app = FastAPI()
INSERT = (
    "INSERT INTO transactions (id, transaction_id, source_account, destination_account, amount, currency)"
    " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (transaction_id) DO NOTHING"
)


class Webhook(BaseModel):
    transaction_id: str
    source_account: str
    destination_account: str
    amount: Decimal
    currency: str


@app.post("/v1/webhooks/transactions", status_code=202)
def receive(webhook: Webhook):
    execute(INSERT, (str(uuid.uuid4()), *webhook.model_dump().values()))
    process.delay(webhook.transaction_id)
    return {"transaction_id": webhook.transaction_id, "status": "PROCESSING"}
