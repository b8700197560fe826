"""Where bytes are kept: one port, a folder or S3 behind it."""

from pathlib import Path

from pallor.store.port import ObjectStore, StoreUnknown


def open_store(url: str, *, s3_endpoint: str | None = None, make: bool = True) -> ObjectStore:
    """The store at ``file:///path`` or ``s3://bucket/prefix``; boto3 is needed, and imported, for S3 only.

    ``s3_endpoint``: the address of a server that speaks S3 and is not Amazon's.
    ``make``: make a folder that is not there (see ``FolderStore``); a bucket is never made.

    Raises:
        StoreUnknown: the address is none of the two.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "file" and rest.startswith("/"):
        from pallor.store.folder import FolderStore

        return FolderStore(Path(rest), make=make)
    if scheme == "s3" and rest:
        from pallor.store.s3 import S3Store, connect

        bucket, _, prefix = rest.partition("/")
        return S3Store(bucket, prefix=prefix, client=connect(s3_endpoint))
    raise StoreUnknown(
        "not the address of a store",
        field="store",
        value=url,
        remedy="Use file:///absolute/path or s3://bucket/prefix.",
    )
