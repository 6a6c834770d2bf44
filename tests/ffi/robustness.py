"""Write a C program that calls every exported function with every argument that can be wrong.

They are wrong one at a time and together. The functions come from spuff-ffi/symbols.txt, their
prototypes from include/spuff.h; factory.h makes the arguments that are right, and judges the
answers. An export without a prototype, and an argument that nothing is known of, is an error here.
"""

import argparse
import fnmatch
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# (functions, argument): why it may be NULL. Every other pointer must be given.
OPTIONAL = {
    ("*", "error"): "who does not ask for the error has the code",
    ("spuff_provider_*", "cancel"): "a call without a token ends by itself",
    ("spuff_settled*", "cancel"): "as a verb",
    ("spuff_cancel_notify", "cancel"): "nothing is ever told",
    ("spuff_place_instance*", "cancel"): "as a verb",
    ("spuff_conformance_check", "cancel"): "as a verb",
    ("*", "observer"): "nobody has to watch",
    ("spuff_provider_*", "options"): "all defaults",
    ("spuff_place_instances*", "options"): "all defaults",
    ("spuff_placement_add", "price"): "the provider's own",
    ("spuff_placement_add", "image"): "that of the request",
    ("*", "user_data"): "it belongs to the caller",
    ("spuff_registry_connect", "config"): "the provider's defaults",
    ("spuff_registry_register", "summary"): "the provider's name",
    ("spuff_cloud_start", "options"): "all zero",
    ("spuff_cloud_inject", "id"): "the rule's hits are not asked for",
    ("spuff_log_listen", "callback"): "ends the listening",
}
# Not every argument of such a name: an error that is read or changed, a cloud-init document.
NEEDED_ALL_THE_SAME = {
    ("error", "struct spuff_error *"),
    ("error", "const struct spuff_error *"),
    ("user_data", "const char *"),
}

# (functions, argument): what makes a call succeed, in C; the first that fits is taken.
RIGHT = {
    ("spuff_registry_connect", "name"): '"fake"',
    ("spuff_registry_register", "name"): '"attic"',
    ("spuff_registry_*", "name"): '"hetzner"',
    ("spuff_has_feature", "name"): '"aws"',
    ("spuff_config_*timeout_ms", "name"): '"poll_interval"',
    ("spuff_config_*option", "name"): '"option"',
    ("spuff_error_set_text", "name"): '"provider"',
    ("spuff_error_set_number", "name"): '"status"',
    ("spuff_error_set_number", "value"): "404",
    ("spuff_error_new", "code"): "SPUFF_NOT_FOUND",
    ("spuff_provider_delete_snapshot*", "id"): "absent_id",
    ("spuff_provider_destroy_instance*", "id"): "absent_id",
    ("spuff_provider_destroy_instances*", "ids"): "absent_id",
    ("spuff_provider_wait_ready_many*", "ids"): "machine_id",
    ("spuff_provider_*", "id"): "machine_id",
    ("spuff_provider_*", "instance_id"): "machine_id",
    ("spuff_provider_resolve*", "key"): '"nobody-has-it"',
    ("spuff_cloud_inject", "rule"): '"{\\"fault\\": \\"reply_lost\\", \\"times\\": 1}"',
    ("spuff_request_set_image", "image"): '"debian:12"',
    ("spuff_registry_create_by_name", "token"): '"token"',
    ("spuff_cloud_*", "provider"): '"hetzner"',
    ("spuff_provider_hourly_price*", "region"): '"fsn1"',
    ("spuff_provider_hourly_price*", "size"): '"cx22"',
    ("spuff_placement_*", "price"): '"0.01 EUR"',
    ("spuff_price_new", "words"): '"0.01 EUR"',
    ("spuff_request_new", "region"): '"fsn1"',
    ("spuff_request_new", "size"): '"cx22"',
    ("spuff_instance_add_address", "ip"): '"2001:db8::7"',
    ("spuff_conformance_check", "cancel"): "make_cancelled()",
    ("spuff_cancel_wait", "cancel"): "make_cancelled()",
}

# Arguments whose numbers are of a list or a range; all other numbers are good.
LIMITED = {"on_failure", "on_cancel", "level", "unix_ms", "code"}
# Calls that would wait for as long as the number says.
PATIENT = {"spuff_cancel_wait": "without a token it waits all that time"}
# Handles that cost a socket are shared by the calls that only read them.
SHARED = {
    "attempts", "cloud", "description", "outcomes", "placed", "price", "provider", "registry",
    "reaped", "report", "resources",
}  # fmt: skip
# Handles that another one owns, and that nobody else frees.
BORROWED = {"attempts"}
CHANGING = {
    "spuff_cloud_inject",
    "spuff_cloud_advance_ms",
    "spuff_cloud_clear_faults",
    "spuff_registry_register",
}
FULL = {"spuff_config_": "make_full_config()", "spuff_request_": "make_full_request()"}
# Getters that have nothing to tell of the handles that are made here, and calls that find nothing.
SILENT = {
    "spuff_error_attempts",
    "spuff_error_cleanup",
    "spuff_outcomes_error",
    "spuff_reaped_error",
    "spuff_error_supported",
}
EMPTY_HANDED = {
    "spuff_provider_get_instance",
    "spuff_provider_resolve",
    "spuff_provider_resolve_snapshot",
}
# Getters whose answer is a code.
CODE_GETTERS = {"spuff_error_code", "spuff_attempts_code"}
# What a getter answers where there is nothing, if it is not 0.
NOTHING = {
    "spuff_attempts_elapsed_ms": -1,
    "spuff_config_timeout_ms": -1,
    "spuff_error_retry_after_ms": -1,
    "spuff_error_elapsed_ms": -1,
    "spuff_error_instance_exists": -1,
    "spuff_instance_expires_at_ms": -1,
    "spuff_reaped_expires_at_ms": -1,
    "spuff_request_ttl_seconds": -1,
}
NUMBERS = {
    "size_t": 64, "uint64_t": 64, "int64_t": -64, "int32_t": -32, "uint32_t": 32, "uint16_t": 16,
    "double": 64, "bool": 1,
}  # fmt: skip
VIEWS = {
    "spuff_observer": "{.progress = on_progress, .user_data = &delivered}",
    "spuff_fleet_options": "{.wait_ready = true}",
    "spuff_cloud_options": "{.speed = 1000.0}",
    "spuff_provider_vtable": "fake_vtable(&fake)",
    "spuff_subject": '{.name = "fake", .request = asked(), .absent_id = "absent"}',
}
CALLBACKS = {
    f"spuff_{told}_callback": f"on_{told}"
    for told in [
        "done", "log", "cancel", "instance", "instances", "outcomes", "placed", "price", "strings",
        "reaped", "time",
    ]
}  # fmt: skip


RETURNED_NUMBERS = {*NUMBERS, "spuff_attempt_outcome", "spuff_code", "spuff_status"}
FACTORY = Path(__file__).with_name("factory.h").read_text()
NOUNS = Path(__file__).with_name("zz_nouns.h").read_text()
# The nouns that are generated: a callback takes each that a call returns, and no time of theirs is
# told as -1.
RESULTS = re.findall(r"^ON_RESULT\((\w+)\)", NOUNS, re.M)
CALLBACKS |= {f"spuff_{told}_callback": f"on_{told}" for told in RESULTS}
GENERATED = tuple(f"spuff_{noun}_" for noun in re.findall(r"\bmake_(\w+)\(void\) \{", NOUNS))
MAKERS = set(re.findall(r"\bmake_(\w+)\(void\) \{", FACTORY + NOUNS))


class Unknown(Exception):
    """What the generator has no rule for."""


used = set()


def lookup(table, function, argument):
    """The value of the first entry of a table that is for this argument of this function."""
    for pattern, name in table:
        if name == argument and fnmatch.fnmatchcase(function, pattern):
            used.add((id(table), pattern, name))
            return table[pattern, name]
    return None


def prototypes(header):
    """Every function of the header: its name, what it returns, its arguments as (type, name)."""
    declared = header[header.index('extern "C" {') :]
    noise = r"/\*.*?\*/|//[^\n]*|^#[^\n]*|\bSPUFF_(?:EXPORTED|MUST_USE)\b"
    text = re.sub(noise, "", declared, flags=re.S | re.M)
    function = r"([\w\s*]+?)\b(spuff_\w+)\s*\(([^()]*)\)\s*;"
    found = {}
    for returned, name, arguments in re.findall(function, text):
        listed = [] if arguments.strip() == "void" else arguments.split(",")
        listed = [" ".join(part.split()) for part in listed]
        split = [re.fullmatch(r"(.*?)(\w+)", part).groups() for part in listed]
        arguments = [(kind.strip(), argument) for kind, argument in split]
        found[name] = (" ".join(returned.split()), arguments)
    return found


class Case:
    def __init__(self, what, at=-1, expected="ANY", field=None, number="0"):
        self.what, self.at, self.expected = what, at, expected
        self.field, self.number = field, number


class Function:
    """One exported function: the C that calls it, and the cases that it is called with."""

    def __init__(self, name, returned, arguments):
        self.name, self.returned, self.arguments = name, returned, arguments
        self.is_verb = returned == "spuff_code" and name not in CODE_GETTERS
        self.is_free = name.endswith("_free")
        self.before, self.passed, self.after = [], [], []
        self.cases = [Case("VALID", expected=self.good())]
        self.out, self.error = None, None
        for at, (kind, argument) in enumerate(arguments):
            self.add(at, kind, argument)
        if self.is_verb:
            pointers = [pair for pair in arguments if "*" in pair[0] or pair[0] in CALLBACKS]
            needed = [kind for kind, argument in pointers if not self.may_be_null(kind, argument)]
            refused = "REFUSED" if needed else "FINE"
            self.cases.append(Case("ALL_NULL", expected=refused))
            if self.error is not None:
                self.cases.append(Case("ALL_BUT_ERROR", self.error, refused))
        elif any("*" in kind for kind, _ in arguments):
            self.cases.append(Case("ALL_NULL", expected=self.none()))

    def good(self):
        tells = self.is_verb or "*" in self.returned
        return "ANY" if self.name in SILENT or not tells else "FINE"

    def none(self):
        return "ANY" if self.returned == "void" else "MISSING"

    def may_be_null(self, kind, argument):
        if (argument, kind) in NEEDED_ALL_THE_SAME:
            return False
        return lookup(OPTIONAL, self.name, argument) is not None

    def null_case(self, at, kind, argument, what="IS_NULL"):
        if self.may_be_null(kind, argument):
            return Case(what, at, self.good())
        return Case(what, at, "REFUSED" if self.is_verb else self.none(), argument)

    def add(self, at, kind, argument):
        right = lookup(RIGHT, self.name, argument)
        if self.name.endswith("_from_json") and argument == "json":
            noun = self.name.removeprefix("spuff_").removesuffix("_from_json")
            right = f"json_of_{noun}()"
        self.kind, self.at, self.argument = kind, at, argument
        handle = re.fullmatch(r"(?:const )?struct spuff_(\w+) (\*\*?)", kind)
        if kind in NUMBERS:
            usual = "20" if kind.startswith("uint64_t") else "1" if argument == "count" else "0"
            return self.add_number(right or usual)
        if kind == "const char *":
            return self.add_text(right or f'"{argument}"')
        if kind == "const char *const *":
            return self.add_texts(right or '"robust"')
        if many := re.fullmatch(r"const struct spuff_(\w+) \*const \*", kind):
            return self.add_handles(many[1])
        if kind in ("uint64_t *", "int64_t *"):
            self.before.append(f"{kind[:-2]} {argument} = 0;")
            return self.add_place(f"&{argument}")
        if kind == "void *":
            return self.add_place("&delivered")
        if kind in CALLBACKS:
            self.cases.append(self.null_case(at, "*", argument))
            self.passed.append(f"absent(test, {at}) ? NULL : {CALLBACKS[kind]}")
            return None
        if handle and f"spuff_{handle[1]}" not in VIEWS and handle[1] not in MAKERS:
            raise Unknown(f"{self.name}: factory.h makes no {handle[1]}")
        if handle and handle[2] == "*" and f"spuff_{handle[1]}" in VIEWS:
            return self.add_view(f"spuff_{handle[1]}")
        if handle and handle[2] == "*":
            return self.add_handle(handle[1], right)
        if handle:
            return self.add_handle_place(handle[1])
        raise Unknown(f"{self.name}: no rule for the argument {kind} {argument}")

    def add_place(self, place):
        self.cases.append(self.null_case(self.at, self.kind, self.argument))
        self.passed.append(f"absent(test, {self.at}) ? NULL : {place}")

    def add_number(self, right):
        self.passed.append(f"({self.kind})number_at(test, {self.at}, {right})")
        bits = NUMBERS[self.kind]
        values = ["0", "1"] if bits == 1 else ["0", "1", "UINT64_MAX"]
        if bits < 0:
            values = [f"(uint64_t)INT{-bits}_MIN", "(uint64_t)-1", f"INT{-bits}_MAX"]
        if self.argument == "count":
            values = ["0"]  # It says how long the arrays are: more would be a lie.
        if self.name in PATIENT:
            values = ["0", "UINT64_MAX"]
        is_index = self.argument in ("index", "variable")
        for value in values:
            expected = "ANY"
            if is_index and value == "UINT64_MAX":
                expected = "MISSING"
            elif self.is_verb and self.argument in LIMITED:
                just_before_1970 = self.argument == "unix_ms" and value == "(uint64_t)-1"
                expected = "ANY" if just_before_1970 else "REFUSED"
            self.cases.append(Case("NUMBER", self.at, expected, self.argument, value))

    def add_text(self, right):
        self.passed.append(f"text_at(test, {self.at}, {right})")
        self.cases.append(self.null_case(self.at, self.kind, self.argument))
        expected = "REFUSED" if self.is_verb else self.none()
        self.cases.append(Case("BAD_UTF8", self.at, expected, self.argument))
        self.cases += [Case("EMPTY", self.at), Case("HUGE_TEXT", self.at)]

    def add_texts(self, right):
        name = self.argument
        self.before.append(f"const char *{name}[1] = {{element_at(test, {self.at}, {right})}};")
        self.add_place(name)
        self.cases.append(self.null_case(self.at, self.kind, name, "EMPTIED"))
        self.cases.append(Case("BAD_UTF8", self.at, "REFUSED", name))
        self.cases += [Case("EMPTY", self.at), Case("HUGE_TEXT", self.at)]

    def add_handles(self, handle):
        name = self.argument
        self.before.append(f"spuff_{handle} *own_{name} = make_{handle}();")
        element = f"is_at(test, EMPTIED, {self.at}) ? NULL : own_{name}"
        self.before.append(f"const spuff_{handle} *{name}[1] = {{{element}}};")
        self.add_place(name)
        self.cases.append(self.null_case(self.at, self.kind, name, "EMPTIED"))
        self.after.append(f"spuff_{handle}_free(&own_{name});")

    def add_view(self, view):
        name = self.argument
        members = f"{view} view; size_t newer;"
        sizes = f"sizeof {name}.view, sizeof {name}"
        self.before.append(f"struct {{ {members} }} {name} = {{.view = {VIEWS[view]}}};")
        self.before.append(f"{name}.view.size = size_at(test, {self.at}, {sizes});")
        self.before.append(f"{name}.newer = is_at(test, UNKNOWN_FIELD, {self.at});")
        self.add_place(f"&{name}.view")
        for what in ("TOO_SMALL", "TOO_LARGE", "UNKNOWN_FIELD"):
            self.cases.append(Case(what, self.at, "REFUSED", name))
        self.cases.append(Case("NEWER", self.at, self.good()))

    def add_handle(self, handle, right):
        name, at = self.argument, self.at
        full = [maker for prefix, maker in FULL.items() if self.name.startswith(prefix)]
        is_full = full and f"make_full_{handle}()" == full[0]
        maker = right or (full[0] if is_full else f"make_{handle}()")
        own = not self.kind.startswith("const") or handle not in SHARED or self.name in CHANGING
        if own:
            self.before.append(f"spuff_{handle} *{name} = {maker};")
            self.after.append(f"spuff_{handle}_free(&{name});")
        else:
            self.before.append(f"const spuff_{handle} *{name} = shared_{handle};")
        self.add_place(name)

    def add_handle_place(self, handle):
        name = self.argument
        if self.is_free or name not in ("out", "error"):
            value = f"test->what == EMPTIED ? NULL : make_{handle}()"
            absent = f"absent(test, {self.at})"
            self.before.append(f"spuff_{handle} *{name} = {value};")
            if self.is_verb:
                emptied = f"is_at(test, EMPTIED, {self.at})"
                taken = f'code != SPUFF_OK || {name} == NULL, "%s: {name} is taken"'
                self.before.append(f"spuff_{handle} *none = NULL;")
                self.passed.append(f"{absent} ? NULL : {emptied} ? &none : &{name}")
                for what in ("IS_NULL", "EMPTIED"):
                    self.cases.append(self.null_case(self.at, self.kind, name, what))
                self.after.append(f"CHECK({taken}, test->name);")
            else:
                is_null = f'{absent} || {name} == NULL, "%s: {name} is NULL"'
                self.passed.append(f"{absent} ? NULL : &{name}")
                self.cases += [Case("IS_NULL", self.at), Case("EMPTIED", self.at)]
                self.after.append(f"CHECK({is_null}, test->name);")
            self.after.append(f"spuff_{handle}_free(&{name});")
            self.after.append(f"spuff_{handle}_free(&{name});")
            return
        if name == "error":
            self.error = self.at
        else:
            self.out = self.at
        if self.name == "spuff_provider_create_snapshot" and name == "out":
            self.after.append("drop_snapshot(out);")
        self.before.append(f"spuff_{handle} *{name} = POISON;")
        self.add_place(f"&{name}")
        self.after.append(f"if ({name} != POISON) spuff_{handle}_free(&{name});")

    def body(self):
        """The C that makes the call and judges what comes of it."""
        call = f"{self.name}({', '.join(self.passed)})"
        is_time = self.name.startswith(GENERATED) and self.name.endswith("_ms")
        nothing = NOTHING.get(self.name, -1 if is_time else 0)
        lines = [*self.before]
        if self.name.endswith("_submit"):
            lines.append("long before = delivered;")
        if self.is_verb:
            lines.append(f"spuff_code code = {call};")
            if self.error is None:
                lines.append("judge(test, code, false, NULL);")
            else:
                lines.append(f"judge(test, code, !absent(test, {self.error}), error);")
            if self.out is not None:
                silent = str(self.name in EMPTY_HANDED).lower()
                judged = f"judge_out(test, code, out, {silent});"
                lines.append(f"if (!absent(test, {self.out})) {judged}")
            if self.name.endswith("_submit"):
                lines.append("await_delivery(code, before);")
        elif self.returned == "void":
            lines += [f"{call};", "calls++;"]
        elif self.returned == "const char *":
            lines.append(f"judge_text(test, {call});")
        elif self.returned.startswith("const struct"):
            lines.append(f"judge_pointer(test, {call});")
        elif made := re.fullmatch(r"struct spuff_(\w+) \*", self.returned):
            lines.append(f"{self.returned}made = {call};")
            lines += ["judge_pointer(test, made);", f"spuff_{made[1]}_free(&made);"]
        elif self.returned not in RETURNED_NUMBERS:
            raise Unknown(f"{self.name}: no rule for the answer {self.returned}")
        else:
            lines.append(f"judge_number(test, (int64_t){call}, {nothing});")
        lines += self.after
        if self.name == "spuff_log_listen":
            lines.append("spuff_log_listen(SPUFF_LOG_LEVEL_OFF, NULL, NULL, NULL);")
        text = "".join(f"    {line}\n" for line in lines)
        unused = "" if "test" in text else "    (void)test;\n"
        return f"static void call_{self.name}(const struct test *test) {{\n{unused}{text}}}\n"

    def rows(self):
        for case in self.cases:
            argument = self.arguments[case.at][1] if case.at >= 0 else ""
            number = case.number if case.what == "NUMBER" else ""
            words = " ".join(filter(None, [self.name, argument, case.what, number]))
            field = f'"{case.field}"' if case.field else "NULL"
            rest = f"{case.what}, {case.at}, {case.number}, {case.expected}, {field}"
            yield f'    {{call_{self.name}, "{words}", {rest}}},\n'


def program(functions):
    """The whole C program."""
    borrowed = {handle: "const " for handle in BORROWED}
    handles, owned = sorted(SHARED), sorted(SHARED - BORROWED)
    shared = "".join(
        f"static {borrowed.get(handle, '')}spuff_{handle} *shared_{handle};\n" for handle in handles
    )
    make = "".join(f"    shared_{handle} = make_{handle}();\n" for handle in handles)
    free = "".join(f"    spuff_{handle}_free(&shared_{handle});\n" for handle in owned)
    bodies = "\n".join(function.body() for function in functions)
    rows = "".join(row for function in functions for row in function.rows())
    return (
        "/* Calls every function of the ABI with every argument that can be wrong. "
        "Made by robustness.py. */\n"
        f'#include "factory.h"\n\n{shared}\n{bodies}\n'
        f"static const struct test tests[] = {{\n{rows}}};\n\n"
        "int main(void) {\n    set_up();\n"
        f"{make}"
        "    for (size_t at = 0; at < sizeof tests / sizeof *tests; at++) {\n"
        '        if (getenv("SPUFF_TEST_VERBOSE") != NULL) '
        'fprintf(stderr, "%s\\n", tests[at].name);\n'
        "        tests[at].call(&tests[at]);\n    }\n"
        f"{free}    tear_down();\n"
        f'    printf("%ld calls of {len(functions)} functions\\n", calls);\n'
        '    return verdict("robustness");\n}\n'
    )


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--header", type=Path, default=ROOT / "include/spuff.h")
    options.add_argument("--symbols", type=Path, default=ROOT / "spuff-ffi/symbols.txt")
    options.add_argument("output", type=Path, help="the C file to write")
    asked = options.parse_args()
    known, names = prototypes(asked.header.read_text()), asked.symbols.read_text().split()
    if missing := set(names) ^ set(known):
        some = ", ".join(sorted(missing))
        raise Unknown(f"only in the header, or only in the list of symbols: {some}")
    functions = [Function(name, *known[name]) for name in names]
    for table in (OPTIONAL, RIGHT):
        if stale := [entry for entry in table if (id(table), *entry) not in used]:
            raise Unknown(f"entries that are for nothing: {stale}")
    asked.output.write_text(program(functions))


if __name__ == "__main__":
    try:
        main()
    except Unknown as error:
        sys.exit(f"robustness.py: {error}")
