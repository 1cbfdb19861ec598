"""Find rows that equal other rows: duplicates, and leaks between splits."""

from collections import Counter
from typing import Literal

from mothertongue.data.row_database import RowDatabase, peers_of

NUM_NAMED = 5
Leak = Literal["reject", "warn"]


def reject_duplicates(database: RowDatabase) -> None:
    """Keep one row of each sound and of each id; none of a sound with several texts."""
    # Of one sound with two texts, at least one is wrong, and nothing says which.
    database.fault(
        "MAN-CONFLICT",
        "'one sound with several texts, also at ' || "
        "CASE n WHEN peer_n THEN next_place ELSE peer_place END",
        "listen, and keep the row whose text is right",
        peers="audio_key",
        where="audio_key IN (SELECT audio_key FROM kept GROUP BY audio_key "
        "HAVING COUNT(DISTINCT sentence_key) > 1)",
    )
    same = "'the same sound is already at ' || peer_place"
    for code, where in (("LEAK-AUDIO", "split <> peer_split"), ("MAN-DUP", "n <> peer_n")):
        database.fault(code, same, "nothing; one copy is kept", peers="audio_key", where=where)
    database.make_ids_unique()
    database.fault(
        "MAN-DUP",
        "'id ' || id || ' is already at ' || peer_place",
        "give every clip another id",
        peers="id",
        where="n <> peer_n",
    )


def judge_leaks(
    database: RowDatabase,
    kind: Literal["text", "speaker"],
    column: str,
    leak: Leak,
    notes: Counter[str],
) -> tuple[str, ...]:
    """Reject rows that share `column` with a more held-out split, or count them and warn.

    The kind "text" means equal texts, and rows with the same sentence id in the corpus.
    """
    code = f"LEAK-{kind.upper()}"
    noun = "sentence" if kind == "text" else "speaker"
    is_leak = "split <> peer_split"
    if leak == "reject":
        reason = f"'same {noun} in ' || peer_split || ', at ' || peer_place"
        fix = f"nothing: the held-out row is kept; or give --{kind}-leaks warn to keep both"
        database.fault(code, reason, fix, peers=column, where=is_leak)
        return ()
    leaks = f"FROM ({peers_of(column)}) WHERE {is_leak}"
    ((num_rows,),) = database.ask(f"SELECT COUNT(*) {leaks}")
    if not num_rows:
        return ()
    notes[code] += num_rows
    named = database.ask(f"SELECT DISTINCT {kind} {leaks} LIMIT {NUM_NAMED}")
    names = "; ".join(str(name) for (name,) in named)
    return (f"{code}: {num_rows:,} rows share a {noun} with a held-out split, such as {names}",)
