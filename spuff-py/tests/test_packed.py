"""What programs that pack others, as PyInstaller does, see of what is imported by its name only."""

from __future__ import annotations

import re
import sys
from modulefinder import ModuleFinder
from pathlib import Path

import spuff

SOURCES = Path(__file__).parents[1] / "src"
BY_NAME = re.compile(r'guard::import(?:ed)?\([^"]*"([\w.]+)"|py\.import\("([\w.]+)"\)', re.DOTALL)


def test_what_only_the_compiled_part_imports_is_seen(tmp_path: Path) -> None:
    named = {
        first or second
        for source in SOURCES.glob("*.rs")
        for first, second in BY_NAME.findall(source.read_text())
    }
    assert {"spuff._asyncio", "spuff._tables", "spuff.errors", "logging", "decimal"} <= named
    program = tmp_path / "program.py"
    program.write_text("import spuff\n")
    finder = ModuleFinder([str(Path(spuff.__file__).parents[1]), *sys.path])
    finder.run_script(str(program))
    assert named - set(finder.modules) == set()
