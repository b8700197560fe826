"""An object store in an S3 bucket, Amazon's or another's. The only module that knows boto3."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pallor.store.port import ObjectMissing, StoreUnavailable, checked_key, checked_prefix


def connect(endpoint_url: str | None = None) -> Any:
    """A client for Amazon, or for whatever speaks S3 at ``endpoint_url``.

    Credentials and region come from boto3's own sources (``AWS_ACCESS_KEY_ID``, a role, a profile).
    """
    patience = Config(connect_timeout=3, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3})
    return boto3.client("s3", endpoint_url=endpoint_url, config=patience)


class S3Store:
    """Objects in ``bucket`` under ``prefix``. S3 makes a put atomic and durable by itself."""

    def __init__(self, bucket: str, *, prefix: str = "", client: Any = None, page_size: int = 1000) -> None:
        self.bucket = bucket
        self.prefix = f"{checked_key(prefix.strip('/'))}/" if prefix.strip("/") else ""
        self.client = connect() if client is None else client
        self.page_size = page_size

    def put(self, key: str, data: bytes) -> None:
        with _translated(key):
            self.client.put_object(Bucket=self.bucket, Key=self._full(key), Body=data)

    def get(self, key: str) -> bytes:
        with _translated(key):
            answer = self.client.get_object(Bucket=self.bucket, Key=self._full(key))
            with answer["Body"] as body:
                return bytes(body.read())

    def has(self, key: str) -> bool:
        try:
            with _translated(key):
                self.client.head_object(Bucket=self.bucket, Key=self._full(key))
        except ObjectMissing:
            return False
        return True

    def delete(self, key: str) -> None:
        with _translated(key):
            self.client.delete_object(Bucket=self.bucket, Key=self._full(key))

    def keys(self, prefix: str = "") -> Iterator[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket,
            Prefix=self.prefix + checked_prefix(prefix),
            PaginationConfig={"PageSize": self.page_size},
        )
        with _translated(prefix):
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield str(entry["Key"]).removeprefix(self.prefix)

    def discard_unfinished(self, older_than: timedelta) -> int:  # noqa: ARG002 (the port has it)
        """Nothing to do: a put is one request, and S3 keeps nothing of one that was cut off."""
        return 0

    def _full(self, key: str) -> str:
        return self.prefix + checked_key(key)


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        # `NoSuchBucket` is a wrong setting, not a missing object: it must not be taken for one.
        if error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404"):
            raise ObjectMissing(f"nothing under {key}") from error
        raise StoreUnavailable(f"S3 refused: {error}") from error
    except BotoCoreError as error:
        raise StoreUnavailable(f"S3 does not answer: {error}") from error
