"""
The object store.

    connection aws_spool      login and password are the keys; extra: endpoint_url, region_name and
                              service_config.s3.bucket_name
    variable SPOOL_S3_BUCKET  the bucket, instead of the connection's
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from plugins.connections.airflow_connection import connection
from spool.errors import SettingsError

if TYPE_CHECKING:
    from spool.store.object_store import ObjectStore

AWS_SPOOL = "aws_spool"


def object_store() -> ObjectStore:
    """The archive, through the provider's S3Hook. No request is made yet; not for use over a fork."""
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    from spool.store.s3_store import S3Store, client_config

    # The stores one runs oneself have no names for buckets in their DNS.
    path_style = bool(connection(AWS_SPOOL).extra_dejson.get("endpoint_url"))
    hook = S3Hook(aws_conn_id=AWS_SPOOL, config=client_config(path_style=path_style))
    return S3Store(hook.get_conn(), _bucket(hook))


def _bucket(hook: Any) -> str:
    bucket = os.environ.get("SPOOL_S3_BUCKET", "") or hook.service_config.get("bucket_name", "")
    if not bucket:
        raise SettingsError(
            f"the connection {AWS_SPOOL} names no bucket",
            hint='put {"service_config": {"s3": {"bucket_name": "..."}}} into its extra, or set SPOOL_S3_BUCKET',
        )
    return str(bucket)
