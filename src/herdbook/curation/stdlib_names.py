"""The names of the standard library: what defines them, what they are called in public, and which names exist at all.

Pure Python modules are read with `ast` and never imported. Modules written in C have no source on the machine, so those
of a fixed list (all of the standard library) are imported and inspected.
"""

from __future__ import annotations

import builtins
import importlib
import inspect
import os
import sys
import types
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from herdbook.curation.python_names import Definition, ModuleIndex, index_module
from herdbook.curation.readable import Unreadable, read_text

#: Folders and modules that are tests, demos, or parts of programs rather than a library.
NOT_LIBRARY = frozenset(
    "test tests idlelib idle_test lib2to3 turtledemo pydoc_data ensurepip distutils msilib site-packages dist-packages "
    "lib-dynload __pycache__ __phello__ antigravity this".split()
)
#: Modules (wholly or partly) in C that are inspected, and the names of the private modules in which their objects live.
C_MODULES: dict[str, tuple[str, ...]] = {
    "builtins": (), "math": (), "cmath": (), "itertools": (), "time": (), "sys": (), "gc": (), "zlib": (),
    "array": (), "binascii": (), "select": (), "errno": (), "unicodedata": (), "fcntl": (), "pwd": (), "grp": (),
    "resource": (), "mmap": (), "marshal": (), "atexit": (), "faulthandler": (), "termios": (), "syslog": (),
    "os": ("posix", "nt"), "io": ("_io",), "collections": ("_collections",), "functools": ("_functools",),
    "operator": ("_operator",), "struct": ("_struct",), "socket": ("_socket",), "signal": ("_signal",),
    "random": ("_random",), "re": ("_sre",), "threading": ("_thread", "threading"), "weakref": ("_weakref", "weakref"),
    "decimal": ("_decimal", "decimal"), "datetime": ("_datetime", "datetime"), "contextvars": ("_contextvars",),
    "bisect": ("_bisect",), "heapq": ("_heapq",), "csv": ("_csv",), "codecs": ("_codecs",), "queue": ("_queue",),
    "tracemalloc": ("_tracemalloc",), "locale": ("_locale",), "hashlib": ("_hashlib",), "pickle": ("_pickle",),
    "json": ("_json",), "types": ("types",), "ast": ("_ast", "ast"), "statistics": ("_statistics",), "stat": ("_stat",),
    "string": ("_string",), "warnings": ("_warnings",), "lzma": ("_lzma",), "bz2": ("_bz2",),
    "sqlite3": ("_sqlite3", "sqlite3"),
    "ssl": ("_ssl",), "zoneinfo": ("_zoneinfo", "zoneinfo"), "symtable": ("_symtable",), "opcode": ("_opcode",),
    "xml.etree.ElementTree": ("_elementtree",), "multiprocessing.shared_memory": (), "asyncio": ("_asyncio",),
    "ctypes": ("_ctypes",), "readline": (), "pyexpat": (), "crypt": ("_crypt",), "typing": ("_typing",),
    "abc": ("_abc",),
}  # fmt: skip
#: C modules of which only the names are wanted.
NAMES_ONLY = (
    "audioop",
    "curses",
    "curses.panel",
    "nis",
    "ossaudiodev",
    "spwd",
    "_tkinter",
    "dbm.gnu",
    "dbm.ndbm",
    "_posixsubprocess",
)
#: Attributes of `sys` that are there only after an error or in an interactive interpreter.
_SYS_SOMETIMES = (
    "last_exc",
    "last_type",
    "last_value",
    "last_traceback",
    "ps1",
    "ps2",
    "tracebacklimit",
    "gettotalrefcount",
)
_ALIASES = {"posixpath": "os.path"}
_SKIPPED_TWINS = frozenset("ntpath genericpath macpath nturl2path sre_compile sre_constants sre_parse".split())


@dataclass(slots=True)
class StandardLibrary:
    """`modules`: index by module name; `inspected`: public dotted name -> definition of C objects; `real`: all
    names.
    """

    folder: Path
    modules: dict[str, ModuleIndex] = field(default_factory=dict)
    inspected: dict[str, Definition] = field(default_factory=dict)
    real: set[str] = field(default_factory=set)
    unreadable: list[tuple[str, Unreadable]] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)


def standard_library_folder() -> Path:
    """The folder of the standard library of this interpreter."""
    return Path(os.path.realpath(os.__file__)).parent


def module_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """(dotted name, file) of every Python file of a library folder in a fixed order; tests and demos are left out."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if f not in NOT_LIBRARY and f.isidentifier())
        relative = Path(root).relative_to(folder)
        for name in sorted(files):
            stem = name.removesuffix(".py")
            if not name.endswith(".py") or not stem.isidentifier() or stem in NOT_LIBRARY:
                continue
            parts = [*relative.parts, stem]
            if parts[-1] == "__init__":
                parts.pop()
            if parts:
                yield ".".join(parts), Path(root) / name


def is_public(dotted: str) -> bool:
    """No part of the name begins with an underscore."""
    return not any(part.startswith("_") for part in dotted.split("."))


def read_standard_library(folder: Path | None = None) -> StandardLibrary:
    """Indexes every library module of the folder (default: this interpreter's) and inspects the C modules."""
    library = StandardLibrary(folder or standard_library_folder())
    for name, path in module_files(library.folder):
        relative = path.relative_to(library.folder).as_posix()
        text = read_text(path)
        if isinstance(text, Unreadable):
            library.unreadable.append((relative, text))
            continue
        library.sources[relative] = text
        index = index_module(text, name, relative, is_package=path.name == "__init__.py")
        if index is None:
            library.unreadable.append((relative, Unreadable("not_python", "does not parse")))
        else:
            library.modules[name] = index
    for name, homes in C_MODULES.items():
        _inspect_module(library, name, homes)
    library.real = _all_names(library)
    return library


def _import(name: str) -> types.ModuleType | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(name)
        except ImportError:
            return None


def _signature(value: object, *, method: bool) -> str | None:
    text = getattr(value, "__text_signature__", None)
    if not isinstance(text, str):
        return None
    parts = [p.strip() for p in text.strip("()").split(",") if p.strip()]
    if method and parts and (parts[0].startswith("$") or parts[0] in ("self", "cls")):
        parts = parts[1:]
    parts = [p for p in parts if not p.startswith("$")]
    if parts and parts[0] == "/":
        parts = parts[1:]
    return f"({', '.join(parts)})"


def _doc(value: object) -> str | None:
    doc = getattr(value, "__doc__", None)
    return inspect.cleandoc(doc) if isinstance(doc, str) and doc.strip() else None


def _inspect_module(library: StandardLibrary, name: str, homes: tuple[str, ...]) -> None:
    """Adds the public objects of a C module under the names by which users call them."""
    module = _import(name)
    if module is None:
        return
    prefix = "" if name == "builtins" else name + "."
    accepted = {name, *homes, None}
    if name not in library.modules and name != "builtins":
        library.inspected[name] = Definition(name, "", "module", _doc(module), None, 0)
    known = library.modules[name].definitions if name in library.modules else {}
    for short in sorted(vars(module)):
        # A program may have replaced a hook (as debuggers and test runners do); the original is kept under this name.
        value = vars(module).get(f"__{short}__", vars(module)[short])
        if short.startswith("_") or isinstance(value, types.ModuleType):
            continue
        home = getattr(value, "__module__", None)
        if name != "builtins" and (home not in accepted or home == "builtins"):
            continue
        pure = known.get(short)
        if isinstance(value, type):
            if pure is None or not pure.doc:
                library.inspected[prefix + short] = Definition(
                    name, short, "class", _doc(value), _signature(value, method=True), 0
                )
            for attribute in sorted(vars(value)):
                member = vars(value)[attribute]
                if isinstance(member, (staticmethod, classmethod)):
                    member = member.__func__
                in_c = isinstance(
                    member, (types.MethodDescriptorType, types.ClassMethodDescriptorType, types.BuiltinMethodType)
                )
                if attribute.startswith("_") or not in_c or f"{short}.{attribute}" in known:
                    continue
                library.inspected[f"{prefix}{short}.{attribute}"] = Definition(
                    name, f"{short}.{attribute}", "method", _doc(member), _signature(member, method=True), 0
                )
        elif isinstance(value, (types.BuiltinFunctionType, types.WrapperDescriptorType)) and short == getattr(
            value, "__name__", short
        ):
            if pure is None:
                library.inspected[prefix + short] = Definition(
                    name, short, "function", _doc(value), _signature(value, method=False), 0
                )


def _exports(library: StandardLibrary, name: str, seen: frozenset[str] = frozenset()) -> set[str]:
    """The names that `from NAME import *` brings."""
    index = library.modules.get(name)
    if index is None or name in seen:
        return set()
    if index.exported is not None:
        return set(index.exported)
    names = {n for n in index.names if "." not in n and not n.startswith("_")}
    for star in index.stars:
        names |= _exports(library, star, seen | {name})
    return names


def public_names(library: StandardLibrary) -> dict[tuple[str, str], str]:
    """(module, top-level name) of every definition in Python -> the shortest public dotted name by which users reach
    it.

    A package that re-exports what its own submodule defines, or a public module that re-exports from a private one,
    gives the name (`unittest.case.TestCase` is `unittest.TestCase`); other imports do not.
    """
    candidates: dict[tuple[str, str], list[str]] = {}

    def offer(module: str, name: str, public: str) -> None:
        if is_public(public) and public.split(".")[0] not in _SKIPPED_TWINS:
            candidates.setdefault((module, name), []).append(public)

    for module, index in library.modules.items():
        shown = _ALIASES.get(module, module)
        for qualname in index.definitions:
            if "." not in qualname:
                offer(module, qualname, f"{shown}.{qualname}")

        def passes_on(origin: str, module: str = module, index: ModuleIndex = index) -> bool:
            inside = index.is_package and origin.startswith(module + ".")
            return inside or not is_public(origin) or origin == "genericpath"

        for local, (origin, name) in index.imports.items():
            listed = index.exported is None or local in index.exported
            if name and passes_on(origin) and listed:
                offer(origin, name, f"{shown}.{local}")
        for origin in index.stars:
            if passes_on(origin):
                for name in _exports(library, origin):
                    offer(origin, name, f"{shown}.{name}")
    return {key: min(names, key=lambda n: (n.count("."), len(n), n)) for key, names in candidates.items()}


def definitions(library: StandardLibrary) -> Iterator[tuple[str, Definition, str]]:
    """(public dotted name, definition, path of the source) of every public function, class, method and module."""
    names = public_names(library)
    taken: set[str] = set()
    for module, index in sorted(library.modules.items()):
        shown = _ALIASES.get(module, module)
        if is_public(module) and module.split(".")[0] not in _SKIPPED_TWINS and not module.endswith("__main__"):
            yield shown, Definition(module, "", "module", index.doc, None, 1), index.path
        for qualname, definition in sorted(index.definitions.items()):
            top, _, rest = qualname.partition(".")
            public = names.get((module, top))
            if public is None or (rest and not is_public(rest)):
                continue
            dotted = f"{public}.{rest}" if rest else public
            if dotted not in taken:
                taken.add(dotted)
                yield dotted, definition, index.path
    for dotted, definition in sorted(library.inspected.items()):
        if dotted not in taken:
            taken.add(dotted)
            yield dotted, definition, f"{definition.module} (built in)"


def _all_names(library: StandardLibrary) -> set[str]:
    """Every real dotted name: definitions, constants, imported names, re-exports, attributes and inherited methods."""
    names: set[str] = set()
    members: dict[str, dict[str, set[str]]] = {}
    resolving: set[tuple[str, str]] = set()

    def locate(module: str, name: str, depth: int = 0) -> tuple[str, str] | None:
        """The module that really defines a top-level class."""
        index = library.modules.get(module)
        if index is None or depth > 8:
            return None
        if name in index.bases:
            return module, name
        if name in index.imports:
            origin, original = index.imports[name]
            return locate(origin, original, depth + 1) if original else None
        return next((found for star in index.stars if (found := locate(star, name, depth + 1))), None)

    def attributes(module: str, cls: str) -> set[str]:
        """Names that an instance of a class has, those of its bases included."""
        known = members.setdefault(module, {})
        if cls in known:
            return known[cls]
        if (module, cls) in resolving:
            return set()
        resolving.add((module, cls))
        index = library.modules[module]
        own = {n[len(cls) + 1 :] for n in index.names if n.startswith(cls + ".") and "." not in n[len(cls) + 1 :]}
        for base in [*index.bases.get(cls, []), "object"]:
            head, _, tail = base.rpartition(".")
            found = locate(module, base) if not head else None
            if head and head in index.imports:
                found = locate(index.imports[head][0], tail)
            if found:
                own |= attributes(*found)
            else:
                builtin = getattr(builtins, base, None)
                own |= set(dir(builtin)) if isinstance(builtin, type) else set()
        known[cls] = own
        return own

    def star_names(module: str) -> set[str]:
        return {n for star in library.modules[module].stars for n in _exports(library, star)}

    for module, index in library.modules.items():
        for shown in {module, _ALIASES.get(module, module)}:
            parts = shown.split(".")
            names.update(".".join(parts[: i + 1]) for i in range(len(parts)))
            names.update(f"{shown}.{n}" for n in index.names | star_names(module))
            for name in {n for n in index.names if "." not in n} | star_names(module):
                found = locate(module, name)
                if found:
                    names.update(f"{shown}.{name}.{a}" for a in attributes(*found))
    for name in sorted({*C_MODULES, *NAMES_ONLY, *sys.builtin_module_names}):
        module_object = _import(name)
        names.add(name)
        if module_object is None:
            continue
        for shown in {name, ""} if name == "builtins" else {name}:
            lead = shown + "." if shown else ""
            for attribute in dir(module_object):
                names.add(lead + attribute)
                value = getattr(module_object, attribute, None)
                if isinstance(value, type):
                    names.update(f"{lead}{attribute}.{inner}" for inner in dir(value))
    names.update(sys.stdlib_module_names)
    names.update(f"sys.{n}" for n in _SYS_SOMETIMES)
    return names
