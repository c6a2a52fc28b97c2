"""Records of shards: what was written for each, once all of it is there."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from app.jobs.job import ShardedJob
from app.jobs.storage import Storage


class Shard(NamedTuple):
    """What the record of a shard says.

    Args:
        number: from 0.
        images: in it.
        files: the size in bytes and the SHA-256 of each of its files by name; of images that are files of
            their own, of their index alone.
        unread: images of these that could not be read.
    """

    number: int
    images: int
    files: dict[str, tuple[int, str]]
    unread: int = 0

    def as_json(self) -> bytes:
        """Return what the record's file holds."""
        files = {name: {"size": size, "sha256": digest} for name, (size, digest) in self.files.items()}
        unread = {"unread": self.unread} if self.unread else {}
        told = {"number": self.number, "images": self.images, **unread, "files": files}
        return json.dumps(told).encode() + b"\n"

    @classmethod
    def read(cls, content: bytes | str) -> "Shard":
        """Return what a record's file holds; ValueError if it is none."""
        try:
            found = json.loads(content)
            files = {name: (int(file["size"]), str(file["sha256"])) for name, file in found["files"].items()}
            return cls(int(found["number"]), int(found["images"]), files, int(found.get("unread", 0)))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no record of a shard: {error!r}") from None


def record_of(job: ShardedJob, number: int) -> str:
    """Return the name of a shard's record."""
    return f"records/{job.stem(number)}.json"


def recorded(job: ShardedJob, number: int, storage: Storage) -> Shard | None:
    """Return what is recorded of a shard whose files are there, None if it is to be made."""
    content = storage.get(record_of(job, number))
    if content is None:
        return None
    try:
        shard = Shard.read(content)
    except ValueError:
        return None
    whole = shard.number == number and all(
        storage.size(name) == size for name, (size, _) in shard.files.items()
    )
    return shard if whole and shard.files else None


def write_shard(
    job: ShardedJob, number: int, files: Mapping[str, bytes], storage: Storage, unread: int = 0
) -> Shard:
    """Write the files of a shard, then its record; return that.

    Raises:
        OSError: something could not be written; the shard is not recorded then.
    """
    for name, content in files.items():
        storage.put(name, content)
    told = {name: (len(content), hashlib.sha256(content).hexdigest()) for name, content in files.items()}
    shard = Shard(number, len(job.images(number)), told, unread)
    storage.put(record_of(job, number), shard.as_json())
    return shard


def description(job: ShardedJob, about: Mapping[str, Any], shards: Sequence[Shard]) -> bytes:
    """Return what ``dataset.json`` says, which is written last: all is there then."""
    files = [
        {"name": name, "size": size, "sha256": digest}
        for shard in shards
        for name, (size, digest) in shard.files.items()
    ]
    told = job.model_dump() | {**about, "shards": job.shards, "files": files}
    return json.dumps(told, indent=1).encode() + b"\n"
