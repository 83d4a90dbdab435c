"""What a Python module defines, read from its source with `ast`; nothing is imported or executed."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Definition:
    """A function, class, method or module. `qualname` is the path inside the module ("Path.mkdir"; "" for a module)."""

    module: str
    qualname: str
    object: str
    doc: str | None
    signature: str | None
    line: int


@dataclass(slots=True)
class ModuleIndex:
    """Names of one module. `names` holds every name at top level and "Class.attribute"; `bases` class -> base names."""

    name: str
    path: str
    is_package: bool
    doc: str | None
    definitions: dict[str, Definition] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    bases: dict[str, list[str]] = field(default_factory=dict)
    imports: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    exported: list[str] | None = None


def signature_text(arguments: ast.arguments, *, method: bool) -> str:
    """ "(src, dst, *, follow=True)" from a function's arguments; annotations and a method's first argument are left
    out.
    """
    parts: list[str] = []
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    for i, (argument, default) in enumerate(zip(positional, defaults)):
        parts.append(argument.arg + (f"={ast.unparse(default)}" if default is not None else ""))
        if arguments.posonlyargs and i == len(arguments.posonlyargs) - 1:
            parts.append("/")
    if method and positional:
        parts = parts[1:]
        if parts and parts[0] == "/":
            parts = parts[1:]
    if arguments.vararg:
        parts.append("*" + arguments.vararg.arg)
    elif arguments.kwonlyargs:
        parts.append("*")
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults):
        parts.append(argument.arg + (f"={ast.unparse(default)}" if default is not None else ""))
    if arguments.kwarg:
        parts.append("**" + arguments.kwarg.arg)
    return f"({', '.join(parts)})"


def _flat(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a body, those inside if, try, with, for and while included; not those of functions and
    classes.
    """
    for node in body:
        yield node
        if isinstance(node, (ast.If, ast.For, ast.While)):
            yield from _flat(node.body)
            yield from _flat(node.orelse)
        elif isinstance(node, ast.With):
            yield from _flat(node.body)
        elif isinstance(node, (ast.Try, ast.TryStar)):
            for block in (node.body, *(h.body for h in node.handlers), node.orelse, node.finalbody):
                yield from _flat(block)


def _target_names(target: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, (ast.Tuple, ast.List)):
        for element in target.elts:
            yield from _target_names(element)
    elif isinstance(target, ast.Starred):
        yield from _target_names(target.value)


def _assigned(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _target_names(target)
    elif isinstance(node, (ast.AnnAssign, ast.AugAssign, ast.For)):
        yield from _target_names(node.target)


def _strings(node: ast.expr | None) -> list[str] | None:
    """A literal list or tuple of strings, or sums of them; None where it is computed."""
    if isinstance(node, (ast.List, ast.Tuple)):
        return [e.value for e in node.elts if isinstance(e, ast.Constant) and isinstance(e.value, str)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _strings(node.left), _strings(node.right)
        return left + right if left is not None and right is not None else None
    return None


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        value = _dotted(node.value)
        return f"{value}.{node.attr}" if value else None
    if isinstance(node, ast.Subscript):
        return _dotted(node.value)
    return None


def _is_property(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(
        "property" in (_dotted(d) or "") or (_dotted(d) or "").endswith((".setter", ".deleter"))
        for d in node.decorator_list
    )


def _index_class(index: ModuleIndex, node: ast.ClassDef, prefix: str, *, instance_attributes: bool) -> None:
    qualname = prefix + node.name
    init = None
    for child in _flat(node.body):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            name = f"{qualname}.{child.name}"
            static = any(_dotted(d) == "staticmethod" for d in child.decorator_list)
            signature = None if _is_property(child) else signature_text(child.args, method=not static)
            if child.name == "__init__":
                init = signature
            if name not in index.definitions:
                kind = "property" if signature is None else "method"
                index.definitions[name] = Definition(
                    index.name, name, kind, ast.get_docstring(child), signature, child.lineno
                )
            index.names.add(name)
            for inner in ast.walk(child) if instance_attributes else ():
                if (
                    isinstance(inner, ast.Attribute)
                    and isinstance(inner.ctx, ast.Store)
                    and isinstance(inner.value, ast.Name)
                    and inner.value.id == "self"
                ):
                    index.names.add(f"{qualname}.{inner.attr}")
        elif isinstance(child, ast.ClassDef):
            _index_class(index, child, qualname + ".", instance_attributes=instance_attributes)
        else:
            index.names.update(f"{qualname}.{name}" for name in _assigned(child))
    index.definitions[qualname] = Definition(index.name, qualname, "class", ast.get_docstring(node), init, node.lineno)
    index.names.add(qualname)
    index.bases[qualname] = [base for base in map(_dotted, node.bases) if base]


def _absolute(name: str, is_package: bool, module: str | None, level: int) -> str:
    if level == 0:
        return module or ""
    parts = name.split(".")
    parts = parts[: len(parts) - level + (1 if is_package else 0)]
    return ".".join([*parts, module] if module else parts)


def parse(source: str) -> ast.Module | None:
    """The syntax tree, or None where the text is not Python of this version. Warnings of the compiler are silenced."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def index_module(
    source: str, name: str, path: str, *, is_package: bool, instance_attributes: bool = True
) -> ModuleIndex | None:
    """Everything that the module called `name` defines; None where the source does not parse.

    `instance_attributes` adds the names that methods assign to `self` (which takes as long as all the rest).
    """
    tree = parse(source)
    if tree is None:
        return None
    index = ModuleIndex(name, path, is_package, ast.get_docstring(tree))
    for node in _flat(tree.body):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            index.names.add(node.name)
            known = index.definitions.get(node.name)
            if known is None or known.doc is None:
                index.definitions[node.name] = Definition(
                    name,
                    node.name,
                    "function",
                    ast.get_docstring(node),
                    signature_text(node.args, method=False),
                    node.lineno,
                )
        elif isinstance(node, ast.ClassDef):
            _index_class(index, node, "", instance_attributes=instance_attributes)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                local = alias.asname or alias.name.split(".")[0]
                index.names.add(local)
                index.imports[local] = (alias.name if alias.asname else local, None)
        elif isinstance(node, ast.ImportFrom):
            origin = _absolute(name, is_package, node.module, node.level)
            for alias in node.names:
                if alias.name == "*":
                    index.stars.append(origin)
                else:
                    local = alias.asname or alias.name
                    index.names.add(local)
                    index.imports[local] = (origin, alias.name)
        else:
            assigned = list(_assigned(node))
            index.names.update(assigned)
            if "__all__" in assigned and isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
                listed = _strings(node.value)
                if listed is not None:
                    index.exported = [*(index.exported or []), *listed]
    return index
