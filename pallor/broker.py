"""Celery on Redis or Valkey as both ends of the queue run it: it comes back by itself from a broker that died.

The only Celery in the kernel (docs/adr/0001): backend and worker must survive the same faults in the same way.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from celery import Celery, signals
from celery.exceptions import InvalidTaskError
from celery.worker.request import Request
from kombu.connection import Connection, ConnectionPool, PooledConnection
from kombu.exceptions import BatchPublishError, OperationalError
from kombu.transport import redis, virtual

from pallor.ids import new_id
from pallor.messages import queue_settings

_UNSAID = "-"  # else Celery spells the payload out for logs that would not keep it
BROKER_ERRORS = (OperationalError, BatchPublishError, OSError)  # what sending raises while the broker is away


def celery_app(name: str, broker_url: str, visibility_seconds: int) -> Celery:
    """One end of the queue; nothing is opened before the first message."""
    app = Celery(name, broker=broker_url, set_as_current=False)
    app.conf.update(queue_settings(visibility_seconds))
    app.conf.worker_enable_remote_control = False  # nobody ends a worker by a message
    app.amqp.Connection = _SteadyConnection
    app.Task.Request = _LoudRequest
    return app


def serve_solo(app: Celery, queue: str, name: str) -> int:
    """Take messages one by one until a signal ends the process (SIGTERM: after the one in hand); the exit code."""
    signals.setup_logging.connect(_leave_logging_alone)
    controller = app.Worker(
        hostname=name,
        pool="solo",
        concurrency=1,
        queues=[queue],
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    controller.start()
    return int(controller.exitcode or 0)


def send_in_one_trip(
    app: Celery, messages: Sequence[Any], queue: str | None = None, *, answering: Sequence[Any] = ()
) -> None:
    """Send messages of ``pallor.messages``, each to ``queue`` or its own, all at once: a trip to Redis for each takes
    longer. They are put on the queue itself: for what is always true of it, Celery's ``send_task`` asks each time.

    Args:
        answering: messages off a queue to which these are the answers; on Redis they are acknowledged in the same trip.
            Whoever took them calls ``forget``.

    Raises ``BROKER_ERRORS``; the broker may then have some of them, and whatever is sent again arrives twice.
    """
    with app.amqp.producer_pool.acquire(block=True) as producer, producer.batch(max_size=len(messages) + 1):
        for message in messages:
            payload = {"payload": message.to_payload()}
            made = app.amqp.as_task_v2(
                new_id(), message.NAME, args=(), kwargs=payload, argsrepr=_UNSAID, kwargsrepr=_UNSAID
            )  # fmt: skip
            producer.publish(
                made.body, exchange="", routing_key=queue or message.QUEUE, serializer="json", headers=made.headers,
                **made.properties,
            )  # fmt: skip
        if answering and isinstance(producer.channel, _OneClient):
            pipe = producer.channel.batch.pipeline
            _delete(answering, producer.channel.qos, pipe)
            pipe.transaction = True  # else a Redis that is full refuses the answers, and lets go of what they answer


def acknowledge(messages: Sequence[Any]) -> None:
    """Acknowledge messages of one channel in one round trip; kombu takes one for each."""
    channel = messages[0].channel if messages else None
    if isinstance(channel, _OneClient):
        with channel.qos.pipe_or_acquire() as pipe:
            _delete(messages, channel.qos, pipe)
            pipe.execute()
    forget(messages)


def forget(messages: Sequence[Any]) -> None:
    """Take leave of messages that Redis was told are acknowledged; of any other broker's by acknowledging each."""
    for message in messages:
        if isinstance(message.channel, _OneClient):
            virtual.QoS.ack(message.channel.qos, message.delivery_tag)  # type: ignore[no-untyped-call]
        else:
            message.ack()


def _delete(messages: Sequence[Any], qos: Any, pipe: Any) -> None:
    """What acknowledging is on Redis (``kombu.transport.redis.QoS.ack``)."""
    for message in messages:
        qos._remove_from_indices(message.delivery_tag, pipe)


class _Qos(redis.QoS):
    """Notes a message that it was given without a transaction, whose frame costs as much as what is in it.

    Nothing else is lost by that: between the queue and this note a message is nowhere in any case.
    """

    @contextmanager
    def pipe_or_acquire(self, pipe: Any = None, client: Any = None) -> Iterator[Any]:
        if pipe is not None:
            yield pipe
        else:
            with self.channel.conn_or_acquire(client) as connected:
                yield connected.pipeline(transaction=False)


class _OneClient(redis.Channel):
    """Keeps its client of Redis: kombu makes one anew for each command, which takes longer than most commands."""

    QoS = _Qos
    batch: Any = None  # what is sent together, while it is
    _kept: Any = None

    def create_publish_batch(self, max_size: int) -> Any:
        self.batch = super().create_publish_batch(max_size)  # type: ignore[no-untyped-call]
        return self.batch

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:
            return super()._create_client(asynchronous=True)  # type: ignore[no-untyped-call]
        if self._kept is None or self._kept.connection_pool is not self.pool:
            self._kept = super()._create_client()  # type: ignore[no-untyped-call]
        return self._kept


class _Redis(redis.Transport):
    Channel = _OneClient


class _KeepsClient:
    """A connection whose channels do."""

    def get_transport_cls(self) -> Any:
        found = super().get_transport_cls()  # type: ignore[misc]
        return _Redis if found is redis.Transport else found


class _Pooled(_KeepsClient, PooledConnection):
    pass


class _Pool(ConnectionPool):
    def new(self) -> Connection:
        return _Pooled(self, **dict(self.connection._info(resolve=False)))  # type: ignore[no-untyped-call]


class _SteadyConnection(_KeepsClient, Connection):
    """Looks for a broker that is away every two seconds; kombu's own pauses grow to 30 s, and a patient would wait."""

    def ensure_connection(self, *args: Any, **options: Any) -> Any:
        return super().ensure_connection(*args, **{"interval_start": 2, "interval_step": 0, **options})  # type: ignore[no-untyped-call]

    def Pool(self, limit: int | None = None, **options: Any) -> ConnectionPool:  # noqa: N802  kombu's name: what sends
        return _Pool(self, limit, **options)  # type: ignore[no-untyped-call]


class _LoudRequest(Request):  # type: ignore[misc]  # celery is untyped
    """Lets an acknowledgement that fails reach the consumer's loop, which then connects anew.

    Celery 5.6 logs such a failure and goes on. With one message at a time that message then counts as being worked on
    for ever: no other is fetched, the dead connection is never read, and the worker stands still until it is restarted.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        try:
            super().__init__(*args, **{**options, "connection_errors": ()})
            arguments, named, _embedded = self._payload
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            # Celery puts an invalid task aside. Any other error here would end the process, and then the next one.
            raise InvalidTaskError(str(error)) from error
        if not (isinstance(arguments, list) and isinstance(named, dict)):
            raise InvalidTaskError("arguments are a list and an object")


def _leave_logging_alone(**_: Any) -> None:
    """Celery sets up its own logging unless someone listens to this signal; ours is ``pallor.log``."""
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(
            logging.WARNING
        )  # one line a photo, from worker.outgoing, not two without its id
