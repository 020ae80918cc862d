"""The work: one conditional update, committed before the message is acked. A worker that dies has its messages back in
the queue."""

import os
import threading

import psycopg2
from celery import Celery

# Threads in which FastAPI runs what blocks; each may have a message under way.
THREADS = 40
local = threading.local()
app = Celery(broker=os.environ["AMQP_URL"])
app.conf.update(
    broker_pool_limit=THREADS,
    broker_transport_options={"confirm_publish": True},
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_default_queue=os.environ["AMQP_QUEUE"],
    task_default_queue_type="quorum",
    task_default_exchange_type="topic",
    worker_prefetch_multiplier=64,
    worker_enable_remote_control=False,
)


def execute(statement, values):
    """One statement, committed, on this thread's own connection."""
    connection = getattr(local, "connection", None)
    if connection is None or connection.closed:
        connection = local.connection = psycopg2.connect(os.environ["DATABASE_URL"])
        connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


UPDATE = (
    "UPDATE transactions SET status = 'PROCESSED', processed_at = clock_timestamp()"
    " WHERE transaction_id = %s AND status = 'PROCESSING'"
)


# Without this a task that fails would be acked all the same.
@app.task(autoretry_for=(Exception,), retry_backoff=True, max_retries=None)
def process(transaction_id):
    execute(UPDATE, (transaction_id,))
