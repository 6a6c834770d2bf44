"""Every verb of the contract is declared on every surface of every language, as the contract has
it.

The trait is read from `spuff-core`, and from it follows what each surface must say. A verb with a
type that has no row below fails here: add the row, and the verb to each surface that is named.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
# The parts of a batch: fleets call it, and no other language offers it.
OF_FLEETS = {"create_batch"}
# A provider of another language lists its snapshots once, with their labels.
LISTED_BY_SYNC = "list_labelled_snapshots"
LISTED_BY_OTHERS = "list_snapshots"


@dataclass(frozen=True)
class Argument:
    """An argument of one type, in each language; `{}` is its name."""

    c: str
    go: str
    python: str


@dataclass(frozen=True)
class Result:
    """A result of one type, in each language."""

    c: str
    go: str
    python: str
    # What a provider written in Python may give.
    given: str


ARGUMENTS = {
    "&InstanceRequest": Argument(
        "const struct spuff_request *{}", "InstanceRequest", "InstanceRequest"
    ),
    "&str": Argument("const char *{}", "string", "str"),
    "&HashMap<String, String>": Argument(
        "const char *const *keys, const char *const *values, size_t count",
        "map[string]string",
        "dict[str, str]",
    ),
}
RESULTS = {
    "()": Result("done", "error", "None", "None"),
    "ProviderInstance": Result("instance", "(Instance, error)", "Instance", "Instance"),
    "Option<ProviderInstance>": Result(
        "instance", "(*Instance, error)", "Instance | None", "Instance | None"
    ),
    "Vec<ProviderInstance>": Result(
        "instances", "([]Instance, error)", "Instances", "Iterable[Instance]"
    ),
    "Snapshot": Result("snapshot", "(Snapshot, error)", "Snapshot", "Snapshot"),
    "Option<Snapshot>": Result(
        "snapshot", "(*Snapshot, error)", "Snapshot | None", "Snapshot | None"
    ),
    "Vec<Snapshot>": Result("snapshots", "([]Snapshot, error)", "Snapshots", "Iterable[Snapshot]"),
    "Vec<(Snapshot, HashMap<String, String>)>": Result(
        "snapshots",
        "([]Snapshot, error)",
        "list[tuple[Snapshot, dict[str, str]]]",
        "Iterable[tuple[Snapshot, dict[str, str]]]",
    ),
    "Vec<String>": Result("strings", "([]string, error)", "list[str]", "Iterable[str]"),
    "Price": Result("price", "(Price, error)", "Price", "Price"),
}


@dataclass(frozen=True)
class Verb:
    """A verb of the trait: the names and types of its arguments, and the type of its result."""

    name: str
    arguments: tuple[tuple[str, str], ...]
    result: str
    # It reports progress on its way: its documentation says so.
    waits: bool

    def rust(self, before: str, *more: str) -> str:
        """Its declaration in Rust, up to the body."""
        arguments = ["&self", *(f"{name}: {kind}" for name, kind in self.arguments), *more]
        return f"{before}fn {self.name}({', '.join(arguments)}) -> ProviderResult<{self.result}>"

    def c(self, first: str, last: list[str]) -> str:
        """Its parameters in C, in parentheses."""
        own = [ARGUMENTS[kind].c.format(name) for name, kind in self.arguments]
        cancel, error = "const struct spuff_cancel *cancel", "struct spuff_error **error"
        return f"({', '.join([first, *own, cancel, *last, error])})"

    def go(self, options: str = "") -> str:
        """Its declaration in Go. Neighbours of one type name it once."""
        words = [
            (camel(name)[0].lower() + camel(name)[1:] if "_" in name else name, ARGUMENTS[kind].go)
            for name, kind in self.arguments
        ]
        texts = [
            name if at + 1 < len(words) and words[at + 1][1] == kind else f"{name} {kind}"
            for at, (name, kind) in enumerate(words)
        ]
        arguments = ", ".join(["ctx context.Context", *texts]) + options
        return f"{camel(self.name)}({arguments}) {RESULTS[self.result].go}"


def camel(name: str) -> str:
    """A name in Go."""
    return "".join(
        {"ssh": "SSH", "id": "ID"}.get(word, word.capitalize()) for word in name.split("_")
    )


def text(path: str) -> str:
    """A file, with one space wherever there is any, and none beside parentheses."""
    flat = " ".join((REPOSITORY / path).read_text().split())
    return re.sub(r",? \)", ")", flat.replace("( ", "("))


def verbs() -> list[Verb]:
    """The verbs of the trait."""
    trait = (
        text("spuff-core/src/provider/mod.rs")
        .split("pub trait Provider: ")[1]
        .split("fn supports_snapshots")[0]
    )
    found = re.findall(
        r"async fn (\w+)\(&self(?:, ([^)]*))?\) -> ProviderResult<(.+?)>(?:;| \{)", trait
    )
    documented = trait.split("async fn ")[:-1]
    assert len(documented) == len(found), "a verb is declared in a form that is not known here"
    all_of_them = []
    for (name, told, result), before in zip(found, documented, strict=True):
        split = (argument.split(": ", 1) for argument in re.split(r", (?=\w+: )", told) if argument)
        arguments = tuple((word.lstrip("_"), kind) for word, kind in split)
        all_of_them.append(Verb(name, arguments, result, "# Waits" in before))
    return [verb for verb in all_of_them if verb.name not in OF_FLEETS]


VERBS = verbs()
each_verb = pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)


def has_docs(path: str, declaration: str, comment: str) -> bool:
    """Whether the first line of a declaration has a comment above it."""
    lines = (REPOSITORY / path).read_text().splitlines()
    at = next(at for at, line in enumerate(lines) if declaration in line)
    above = [line.strip() for line in lines[:at] if not line.strip().startswith(("#[", "SPUFF_"))]
    return above[-1].startswith(comment)


def test_the_contract_is_read_whole() -> None:
    assert {verb.name for verb in VERBS} >= {
        "create_instance",
        "list_labelled_snapshots",
        "hourly_price",
    }
    assert {verb.name for verb in VERBS if verb.waits} >= {"create_snapshot", "wait_ready"}
    for verb in VERBS:
        assert verb.result in RESULTS, f"{verb.name}: add a row for {verb.result}"
        assert all(kind in ARGUMENTS for _, kind in verb.arguments), (
            f"{verb.name}: add a row for each of {verb.arguments}"
        )


@each_verb
def test_rust_that_blocks(verb: Verb) -> None:
    assert f"{verb.rust('pub ')} {{" in text("spuff-core/src/blocking/verbs.rs")
    if verb.name != LISTED_BY_OTHERS:
        assert verb.rust("", "cancel: &CancelToken") in text(
            "spuff-core/src/blocking/sync_provider.rs"
        )


@each_verb
def test_c(verb: Verb) -> None:
    header, result = text("include/spuff.h"), RESULTS[verb.result].c
    observer = ["const struct spuff_observer *observer"] if verb.waits else []
    out = [] if result == "done" else [f"struct spuff_{result} **out"]
    provider = "const struct spuff_provider *provider"
    assert f"spuff_code spuff_provider_{verb.name}{verb.c(provider, observer + out)};" in header
    later = [*observer, f"spuff_{result}_callback callback", "void *user_data"]
    assert f"spuff_code spuff_provider_{verb.name}_submit{verb.c(provider, later)};" in header
    for form in (f"spuff_provider_{verb.name}(", f"spuff_provider_{verb.name}_submit("):
        assert has_docs("include/spuff.h", f"spuff_code {form}", "///"), form
    if verb.name != LISTED_BY_SYNC:
        filled = [f"struct spuff_{result} *list"] if result.endswith("s") else out
        assert f"int32_t (*{verb.name}){verb.c('void *self_', filled)};" in header
        assert has_docs("include/spuff.h", f"(*{verb.name})(", "///")


@each_verb
def test_go(verb: Verb) -> None:
    folder = "spuff-ffi/go"
    files = [f"{folder}/{path.name}" for path in (REPOSITORY / folder).glob("*.go")]
    options = ", options ...Option" if verb.waits else ""
    declaration = f"func (p *Provider) {verb.go(options)} {{"
    holders = [path for path in files if declaration in text(path)]
    assert len(holders) == 1, declaration
    assert has_docs(holders[0], f"func (p *Provider) {camel(verb.name)}(", "//")
    if verb.name != LISTED_BY_SYNC:
        assert verb.go() in text(f"{folder}/zz_implementation.go")
        assert has_docs(f"{folder}/zz_implementation.go", f"\t{camel(verb.name)}(", "//")


def methods(path: str, classes: str) -> dict[str, ast.FunctionDef]:
    """The methods of the classes of a file whose names match."""
    tree = ast.parse((REPOSITORY / path).read_text())
    found = [
        one
        for one in tree.body
        if isinstance(one, ast.ClassDef) and re.fullmatch(classes, one.name)
    ]
    return {
        method.name: method
        for one in found
        for method in one.body
        if isinstance(method, ast.FunctionDef)
    }


@each_verb
@pytest.mark.parametrize(("face", "form"), [("Provider", "{}"), ("AsyncProvider", "_Verb[{}]")])
def test_python(verb: Verb, face: str, form: str) -> None:
    method = methods("spuff-py/python/spuff/_verbs.pyi", face)[verb.name]
    assert ast.unparse(method.returns or ast.Constant(None)) == form.format(
        RESULTS[verb.result].python
    )
    told = [
        (one.arg, ast.unparse(one.annotation)) for one in method.args.args[1:] if one.annotation
    ]
    if verb.name != "create_instance":
        assert told == [(name, ARGUMENTS[kind].python) for name, kind in verb.arguments]
    observed = ["on_progress"] if verb.waits else []
    named = [one.arg for one in method.args.kwonlyargs]
    assert named[-1 - len(observed) :] == ["timeout", *observed] or verb.name == "create_instance"
    assert ast.get_docstring(method)


@each_verb
@pytest.mark.parametrize(("face", "form"), [("Blocking", "{}"), ("Asyncio", "Awaitable[{}]")])
def test_a_provider_written_in_python(verb: Verb, face: str, form: str) -> None:
    method = methods("spuff-py/python/spuff/protocol.py", rf"(With)?{face}\w+")[verb.name]
    assert ast.unparse(method.returns or ast.Constant(None)) == form.format(
        RESULTS[verb.result].given
    )
    told = [
        (one.arg, ast.unparse(one.annotation))
        for one in method.args.posonlyargs[1:]
        if one.annotation
    ]
    assert told == [(name, ARGUMENTS[kind].python) for name, kind in verb.arguments]
    assert ast.get_docstring(method)
