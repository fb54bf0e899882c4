"""A database of MongoDB from its URI. Every wait is bounded, and dates come back with their zone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pymongo
from pymongo import errors
from pymongo.database import Database

from spool.errors import SettingsError

OPTIONS: Mapping[str, Any] = {
    "tz_aware": True,
    "serverSelectionTimeoutMS": 10_000,
    "connectTimeoutMS": 10_000,
    "socketTimeoutMS": 120_000,
    "appname": "spillway",
}


def database(uri: str, name: str = "measurements") -> Database[dict[str, Any]]:
    """The database that the URI names, else `name`. Connects at the first call; SettingsError for what is no URI."""
    try:
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(uri, **OPTIONS)
        return client.get_default_database(default=name)
    except (errors.ConfigurationError, errors.InvalidURI, ValueError) as error:
        # The text of the error may quote the URI, and that the password.
        raise SettingsError(
            f"not the URI of a MongoDB: {type(error).__name__}", hint="mongodb://user:password@host/database"
        ) from None
