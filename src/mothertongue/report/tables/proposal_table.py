"""Show a proposed experiment as a table for a terminal. No torch."""

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from mothertongue.system.console import plain
from mothertongue.training.records import WrittenProposal


def proposal_table(proposal: WrittenProposal) -> Group:
    """Return the settings that were chosen and why, and the command to type next."""
    title = f"Written: {plain(proposal.file)}"
    table = Table("setting", "value", "why", title=title, title_justify="left", box=SIMPLE_HEAD)
    for key, value in proposal.settings.items():
        table.add_row(plain(key), plain(str(value)), plain(proposal.reasons.get(key, "")))
    lines = [f"{name}: {fact}" for name, fact in proposal.facts.items()]
    lines.append(f"next: {proposal.next}")
    if not proposal.fits:
        lines.append("It does not fit: give more --hours-to-spend or a smaller --base.")
    if not proposal.is_measured:
        lines.append(f"first, to measure it: {proposal.next.replace(' train ', ' plan ', 1)}")
    return Group(table, Text(plain("\n".join(lines))))
