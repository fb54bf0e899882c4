"""The composition root of the command line: from variables and the settings file to the rooms of the engine."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import NamedTuple

from spool import settings as spool_settings
from spool.archive.archive import Archive
from spool.audit.alarm_book import AlarmBook
from spool.log.local_alarms import LocalAlarms
from spool.settings import Places, Settings, StreamSettings
from spool.store.object_store import ObjectStore


class Parts(NamedTuple):
    """What most verbs need."""

    settings: Settings
    places: Places

    def store(self) -> ObjectStore:
        from spool.store.s3_store import s3_store_from_places  # boto3: 0.14 s that an append on disk does not need

        return s3_store_from_places(self.places)

    def archive(self) -> Archive:
        return Archive(self.store(), self.settings.root)

    def kafka(self) -> Mapping[str, str]:
        """The settings of the Kafka clients; SettingsError if no Kafka is configured."""
        return {**(self.places.kafka or {}), "bootstrap.servers": self.places.kafka_bootstrap}

    def local_alarms(self) -> LocalAlarms:
        return LocalAlarms(self.places.folder)

    def alarm_book(self, store: ObjectStore) -> AlarmBook:
        return AlarmBook(store, self.settings.root, local=self.local_alarms())

    def streams(self, only: str | None) -> list[StreamSettings]:
        return (
            [self.settings.stream(only)]
            if only
            else [self.settings.streams[name] for name in sorted(self.settings.streams)]
        )


def parts(options: argparse.Namespace) -> Parts:
    """SettingsError where the file or a variable is missing or wrong."""
    return Parts(spool_settings.load(options.config), spool_settings.places_from_environment())
