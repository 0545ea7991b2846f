"""Short read-only connections for web pages, history and tools; they never delay the writer."""

import sqlite3
from pathlib import Path
from urllib.parse import quote

from station.store.database import BUSY_S


def open_reader(path: Path) -> sqlite3.Connection:
    """Open for reading; close it soon, since a long read keeps the write-ahead log growing."""
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_S)
    connection.execute("PRAGMA query_only = ON")
    return connection
