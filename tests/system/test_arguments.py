"""Arguments against annotations."""

from pathlib import Path
from typing import Any, Literal

import pytest

from mothertongue.errors import ConfigError
from mothertongue.system.arguments import Paths, checked, listed


@checked
def joined(paths: Paths, *, kind: Literal["a", "b"] = "a", **options: Any) -> str:
    """Return all of it."""
    return f"{kind} {listed(paths)} {options}"


def test_what_fits_is_passed_on_as_it_is() -> None:
    assert joined("x") == f"a {[Path('x')]} {{}}"
    one_by_one = (name for name in ("x", Path("y")))
    assert joined(one_by_one, kind="b", z=3) == f"b {[Path('x'), Path('y')]} {{'z': 3}}"
    assert (joined.__name__, joined.__doc__) == ("joined", "Return all of it.")


def test_what_does_not_fit_is_named_with_what_is_expected() -> None:
    with pytest.raises(ConfigError, match=r"^kind: got 'c'; expected 'a' or 'b'$"):
        joined("x", kind="c")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"^paths: got 5; expected a valid string or an instance"):
        joined(5)  # type: ignore[arg-type]
    with pytest.raises(ConfigError) as long:
        joined("x", kind="c" * 10_000)  # type: ignore[arg-type]
    assert len(str(long.value)) < 300
    with pytest.raises(TypeError, match="missing a required argument: 'paths'"):
        joined()  # type: ignore[call-arg]
