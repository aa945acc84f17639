"""Public data files, verified by checksum: from a local folder, the cache, or the network."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..train.progress import Progress, silent

VARIABLE = "FBGMM_DATA"
"""The environment variable that names the folder of local copies."""


class Remote(NamedTuple):
    """A file that others publish.

    Attributes:
        path: below the local folder and below the cache, such as "mnist/t10k-labels-idx1-ubyte.gz".
        urls: public addresses of the same bytes, tried in this order.
        hash: "md5:…" or "sha256:…", the digest in hexadecimal digits.
    """

    path: str
    urls: Sequence[str]
    hash: str


class FileError(OSError):
    """A data file that is absent or not what it should be; the message says which and what to do."""


def local_path(remote: Remote, progress: Progress = silent) -> Path:
    """The path of the file on this machine, where it is downloaded if need be; its checksum is verified in any case.

    It is looked for in the folder that FBGMM_DATA names, then in the cache folder of fbgmm, then at the public
    addresses, from where it is written to the cache atomically.

    Args:
        remote: the file.
        progress: called with the number of bytes downloaded.

    Raises:
        FileError: a copy here has another checksum; or there is none and no address could be read.
    """
    own = os.environ.get(VARIABLE)
    if own and (path := Path(own) / remote.path).is_file():
        return _checked(path, remote)
    import pooch  # here: not needed where FBGMM_DATA has the file

    path = Path(pooch.os_cache("fbgmm")) / remote.path
    return _checked(path, remote) if path.is_file() else _fetched(path, remote, progress)


def _checked(path: Path, remote: Remote) -> Path:
    kind, _, expected = remote.hash.partition(":")
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, kind).hexdigest()
    if digest != expected:
        raise FileError(
            f"{path} ({path.stat().st_size} bytes) is truncated or altered: its {kind} is {digest}, "
            f"expected {expected}; remove it, or put the file of {remote.urls[0]} in its place"
        )
    return path


def _fetched(path: Path, remote: Remote, progress: Progress) -> Path:
    import pooch

    failures = []
    for url in remote.urls:
        bar = _Bar(f"downloading {path.name}", progress)
        downloader = pooch.HTTPDownloader(progressbar=bar, chunk_size=1 << 18, timeout=30)
        try:
            pooch.retrieve(url, remote.hash, fname=path.name, path=path.parent, downloader=downloader)
        except (OSError, ValueError) as error:  # no network, refused, or other bytes than expected
            failures.append(f"{url}: {error}")
        else:
            return path
    own = os.environ.get(VARIABLE)
    where = f"{Path(own) / remote.path} or {path}" if own else str(path)
    raise FileError(
        f"{remote.path} is not on this machine and could not be downloaded. Download {remote.urls[0]} elsewhere "
        f"and put it at {where}; or set {VARIABLE} to a folder that has {remote.path}. "
        f"What failed: {'; '.join(failures)}"
    )


class _Bar:
    """A progress bar for pooch, which sets `total`, and counts a short last chunk as a whole one at first."""

    def __init__(self, what: str, progress: Progress):
        self.what, self.progress = what, progress
        self.total = self.done = 0

    def update(self, size: int) -> None:
        self.done += size
        self.progress(self.what, min(self.done, self.total), self.total)

    def reset(self) -> None:
        self.done = 0

    def close(self) -> None:
        pass
