"""Keep all rows of a corpus in a temporary SQLite database.

A million rows are compared with each other for duplicates, leaks and splits, while memory holds
SQLite's cache and, during a split, eight bytes for each speaker and sentence.
"""

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from mothertongue.data.clip_checks import Examined, SetAside
from mothertongue.data.manifest import Utterance
from mothertongue.data.sources.base import Rejection
from mothertongue.data.splits import TOLERANCES, SplitBy, assign, connected, is_balanced
from mothertongue.data.text_cleaning import sentence_key

CACHE_KIB = 16_384
SCHEMA = f"""
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -{CACHE_KIB};
CREATE TABLE rows (
    n INTEGER PRIMARY KEY, place TEXT, id TEXT, long_id TEXT, audio TEXT, text TEXT,
    language TEXT, duration_s REAL, start_s REAL, split TEXT, speaker TEXT, license TEXT,
    average_log_probability REAL,
    audio_key BLOB, sentence_key BLOB, sentence_id TEXT, notes TEXT, grp INTEGER);
CREATE TABLE faults (n INTEGER PRIMARY KEY, place TEXT, code TEXT, reason TEXT, fix TEXT, row TEXT);
CREATE TABLE asides (reason TEXT, clip TEXT);
CREATE TABLE nodes (n INTEGER PRIMARY KEY, key BLOB UNIQUE, root INTEGER);
CREATE TABLE assigned (grp INTEGER PRIMARY KEY, split TEXT);
CREATE VIEW kept AS SELECT *,
    CASE split WHEN 'test' THEN 0 WHEN 'validation' THEN 1 ELSE 2 END AS held_in
    FROM rows WHERE n NOT IN (SELECT n FROM faults);
"""
INDEXES = """
CREATE INDEX by_id ON rows (id);
CREATE INDEX by_audio ON rows (audio_key);
CREATE INDEX by_sentence ON rows (sentence_key);
CREATE INDEX by_speaker ON rows (speaker);
"""
FIELDS = (
    *("id", "audio", "text", "language", "duration_s", "start_s", "split", "speaker", "license"),
    "average_log_probability",
)


@contextmanager
def open_row_database() -> Iterator["RowDatabase"]:
    """Open an empty database, which is removed when the block ends."""
    # Without a name, SQLite's file in $TMPDIR has none either: a kill leaves nothing behind.
    with closing(sqlite3.connect("")) as database:
        database.executescript(SCHEMA)
        yield RowDatabase(database)


class RowDatabase:
    """Rows by their number in the corpus. A row with a fault is not kept."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._database.create_function("draw", 2, _draw, deterministic=True)
        self._database.create_function("key_of", 1, sentence_key, deterministic=True)
        self.num_rows = 0

    def add(self, item: Examined | Rejection | SetAside) -> None:
        """Add the next row. `num_rows` does not count rows that are set aside."""
        if isinstance(item, SetAside):
            aside = item.clip and json.dumps(item.clip, ensure_ascii=False)
            self._database.execute("INSERT INTO asides VALUES (?, ?)", (item.reason, aside))
            return
        self.num_rows += 1
        if isinstance(item, Rejection):
            row = json.dumps(item.row, ensure_ascii=False)
            values: tuple[Any, ...] = (item.where, item.code, item.reason, item.fix, row)
            self._database.execute(
                "INSERT INTO faults VALUES (?, ?, ?, ?, ?, ?)", (self.num_rows, *values)
            )
            return
        clip = item.utterance
        values = (item.where, clip.id, item.long_id, clip.audio, clip.text, clip.language)
        values += (clip.duration_s, clip.start_s, item.split, clip.speaker, clip.license)
        values += (clip.average_log_probability,)
        values += (item.audio_key, item.sentence_key, item.sentence_id, " ".join(item.notes), None)
        marks = ", ".join("?" * 18)
        self._database.execute(f"INSERT INTO rows VALUES ({marks})", (self.num_rows, *values))

    def index(self) -> None:
        """Build the indexes for the queries below; to be called once, when every row is in."""
        self._database.executescript(INDEXES)

    def ask(self, question: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a SELECT."""
        return iter(self._database.execute(question, values))

    def make_ids_unique(self) -> None:
        """Make ids longer that we made from file stems, if two clips have the same id."""
        self._database.execute(
            "UPDATE rows SET id = long_id WHERE long_id IS NOT NULL AND id IN "
            "(SELECT id FROM kept GROUP BY id HAVING COUNT(*) > 1)"
        )

    def fault(self, code: str, reason: str, fix: str, peers: str, where: str) -> None:
        """Record a fault for each kept row of `peers` that meets the condition `where`.

        `peers` is the column that makes rows peers of each other; `reason` and `where` are SQL
        over the columns of `kept` and, for the peer that is kept first (test before validation
        before train, then in file order), peer_n, peer_place and peer_split, and next_place for
        the peer that follows.
        """
        self._database.execute(
            f"INSERT INTO faults SELECT n, place, ?, {reason}, ?, NULL FROM "
            f"({peers_of(peers)}) WHERE {where}",
            (code, fix),
        )

    def notes(self) -> Counter[str]:
        """Return the number of kept rows with each note."""
        found: Counter[str] = Counter()
        for notes, count in self.ask("SELECT notes, COUNT(*) FROM kept GROUP BY notes"):
            found.update(dict.fromkeys(notes.split(), count))
        return found

    def asides(self) -> dict[str, int]:
        """The number of rows that are set aside, by reason."""
        found = self.ask("SELECT reason, COUNT(*) FROM asides GROUP BY reason ORDER BY 2 DESC, 1")
        return {str(reason): int(count) for reason, count in found}

    def for_review(self) -> Iterator[dict[str, Any]]:
        """The clips that are set aside for review, in the order of the corpus."""
        for (clip,) in self.ask("SELECT clip FROM asides WHERE clip NOTNULL ORDER BY rowid"):
            yield json.loads(clip)

    def similar_speakers(self) -> tuple[str, str] | None:
        """Return two speakers whose names differ in case or marks only; None if there are none."""
        found = self.ask(
            "SELECT MIN(speaker), MAX(speaker) FROM (SELECT DISTINCT speaker, key_of(speaker) AS "
            "key FROM kept WHERE speaker NOTNULL) WHERE key <> '' GROUP BY key "
            "HAVING COUNT(*) > 1 ORDER BY 1 LIMIT 1"
        )
        return next(((str(one), str(other)) for one, other in found), None)

    def merge_sentence_keys(self) -> None:
        """Give one sentence key to all rows that share a sentence id or a text."""
        self._list_nodes("sentence_key", "sentence_id", "sentence_id NOTNULL")
        self._join_nodes("sentence_key", "sentence_id")
        self._database.executescript(
            "UPDATE rows SET sentence_key = (SELECT top.key FROM nodes JOIN nodes AS top ON "
            "top.n = nodes.root WHERE nodes.key = sentence_key) "
            "WHERE sentence_key IN (SELECT key FROM nodes);"
            "DELETE FROM nodes;"
        )

    def split(self, seed: int, ways: Sequence[SplitBy], max_shared: float) -> SplitBy:
        """Assign kept rows to splits by the first of `ways` that is balanced; return that way.

        By speaker, no more than the fraction max_shared of the rows may have their sentence in
        another split too. Where no way will do, every row is train.
        """
        for way in ways:
            self._group(way)
            for tolerance in TOLERANCES:
                if not self._try_split(way, seed, tolerance):
                    continue
                if way != "speaker" or self._shared_sentences() <= max_shared:
                    return way
        self._database.execute("UPDATE rows SET split = 'train'")
        return "nothing"

    def utterances(self) -> Iterator[Utterance]:
        """Yield the kept utterances in the order of the corpus, with absolute audio paths."""
        for values in self.ask(f"SELECT {', '.join(FIELDS)} FROM kept ORDER BY n"):
            yield Utterance(**dict(zip(FIELDS, values, strict=True)))

    def rejections(self) -> Iterator[Rejection]:
        """Yield the rejected rows in the order of the corpus."""
        fields = ", ".join(f"'{name}', rows.{name}" for name in FIELDS)
        question = (
            "SELECT faults.place, code, reason, fix, COALESCE(row, json_object("
            f"{fields})) FROM faults LEFT JOIN rows USING (n) ORDER BY faults.n"
        )
        for place, code, reason, fix, row in self.ask(question):
            given = {key: value for key, value in json.loads(row).items() if value is not None}
            yield Rejection(place, code, reason, fix, given)

    def _group(self, way: SplitBy) -> None:
        if way == "clip":
            self._database.execute("UPDATE rows SET grp = n")
            return
        self._list_nodes("sentence_key", "speaker", "TRUE")
        if way == "speaker and sentence":
            self._join_nodes("sentence_key", "speaker")
        key = "COALESCE(speaker, sentence_key)" if way == "speaker" else "sentence_key"
        self._database.execute(f"UPDATE rows SET grp = (SELECT root FROM nodes WHERE key = {key})")

    def _list_nodes(self, first: str, second: str, where: str) -> None:
        """Make a node for each value of two columns; values of `first` get the smaller numbers."""
        for column in (first, second):
            self._database.execute(
                f"INSERT OR IGNORE INTO nodes (key) SELECT DISTINCT {column} FROM kept "
                f"WHERE {column} NOTNULL AND {where} ORDER BY 1"
            )
        self._database.execute("UPDATE nodes SET root = n")

    def _join_nodes(self, first: str, second: str) -> None:
        """Give nodes connected by rows that have both values their smallest node as root."""
        ((num_nodes,),) = self.ask("SELECT COUNT(*) FROM nodes")
        edges = self.ask(
            "SELECT DISTINCT low.n, high.n FROM kept "
            f"JOIN nodes AS low ON low.key = kept.{first} "
            f"JOIN nodes AS high ON high.key = kept.{second}"
        )
        roots = connected(num_nodes + 1, ((int(left), int(right)) for left, right in edges))
        changes = ((root, node) for node, root in enumerate(roots) if root != node)
        self._database.executemany("UPDATE nodes SET root = ? WHERE n = ?", changes)

    def _shared_sentences(self) -> float:
        ((shared, kept),) = self.ask(
            f"SELECT TOTAL(split <> peer_split), COUNT(*) FROM ({peers_of('sentence_key')})"
        )
        return float(shared / kept)

    def _try_split(self, way: SplitBy, seed: int, tolerance: float) -> bool:
        total_s = next(self.ask("SELECT TOTAL(duration_s) FROM kept"))[0]
        # One draw for each group, by its first name: with the smallest draw of all its sentences,
        # speakers who said many would come first and fill the held-out splits. SQLite orders text,
        # the speakers, before the blobs of the sentences.
        name = "COALESCE(speaker, sentence_key)" if "speaker" in way else "sentence_key"
        groups = self.ask(
            "SELECT grp, SUM(duration_s) FROM kept GROUP BY grp "
            f"ORDER BY draw(?, MIN({name})), MIN(id)",
            seed,
        )
        self._database.execute("DELETE FROM assigned")
        pairs = assign(((int(group), float(s)) for group, s in groups), total_s, tolerance)
        self._database.executemany("INSERT INTO assigned VALUES (?, ?)", pairs)
        self._database.execute(
            "UPDATE rows SET split = (SELECT split FROM assigned WHERE assigned.grp = rows.grp)"
        )
        return is_balanced(dict(self.ask("SELECT split, SUM(duration_s) FROM kept GROUP BY split")))


def peers_of(column: str) -> str:
    """Return a SELECT of kept rows with peer_n, peer_place, peer_split (`RowDatabase.fault`)."""
    return (
        "SELECT *, FIRST_VALUE(n) OVER peers AS peer_n, FIRST_VALUE(place) OVER peers AS "
        "peer_place, FIRST_VALUE(split) OVER peers AS peer_split, LEAD(place) OVER peers AS "
        "next_place FROM kept "
        f"WHERE {column} IS NOT NULL WINDOW peers AS (PARTITION BY {column} ORDER BY held_in, n)"
    )


def _draw(seed: int, name: str | bytes) -> bytes:
    """Return a random order that depends on the seed and the speaker or sentence only.

    Every name is equally likely to come first, however many rows have it.
    """
    key = name.encode() if isinstance(name, str) else name
    return hashlib.blake2b(key, digest_size=8, salt=seed.to_bytes(8, "little")).digest()
