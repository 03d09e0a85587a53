"""Files made wrong at random: bytes, text, JSON, archives and HDF5, from valid ones."""

from __future__ import annotations

import io
import json
import random
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Mutation = Callable[[Path, random.Random], None]

NUMBERS = ("-1", "0", "1e999", "-1e308", "nan", "99999999999999999999", "2147483648", "1.5", "")
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1.5, 10**30, -(10**400), float("nan"), float("inf")),
    *("", "nan", "x" * 300),
    *(
        "../outside",
        "/",
        "a/../../outside/b",
        "\x00",
        "a\nb",
        "\ud800",
        [],
        {},
        [[]],
        [None],
        ["a"],
    ),
    *({"a": 1}, {"": {}}, [1] * 50),
)
MOST_TEXT = 200_000  # characters, from which on a text is not made longer
DEPTH = 5_000  # of nested brackets: beyond what any parser recurses into


def mutate_bytes(path: Path, dice: random.Random) -> None:
    """Bits flipped, ranges overwritten, left out, doubled; the end cut off."""
    body = bytearray(path.read_bytes())
    for _ in range(dice.choice((1, 1, 2, 8))):
        at = dice.randrange(len(body) + 1)
        many = dice.choice((1, 2, 4, 16, 200))
        match dice.randrange(7):
            case 0 if body:
                body[at % len(body)] ^= 1 << dice.randrange(8)
            case 1:
                body[at : at + many] = dice.randbytes(many)
            case 2:
                body[at : at + many] = bytes([dice.choice((0, 0x7F, 0x80, 0xFF))]) * many
            case 3:
                del body[at : at + many]
            case 4:
                body[at:at] = body[at : at + many]
            case 5:
                body[at:at] = dice.randbytes(many)
            case _:
                del body[at:]
    path.write_bytes(body)


def mutate_text(path: Path, dice: random.Random) -> None:
    """Numbers and words that are others, lines left out, doubled and swapped, deep nesting."""
    text = path.read_text("utf-8", "replace")
    for _ in range(dice.choice((1, 1, 2, 5))):
        words = list(re.finditer(r"[-+\d.]+|\w+|[^\w\s]", text))
        if not words or len(text) > MOST_TEXT:
            break
        one, other = dice.choice(words), dice.choice(words)[0]
        lines = text.splitlines(keepends=True)
        i = dice.randrange(len(lines))
        match dice.randrange(8):
            case 0:
                numbers = [w for w in words if w[0].lstrip("-+").isdigit()] or words
                one = dice.choice(numbers)
                text = text[: one.start()] + dice.choice(NUMBERS) + text[one.end() :]
            case 1:
                text = text[: one.start()] + other + text[one.end() :]
            case 2:
                text = text[: one.start()] + text[one.end() :]
            case 3:
                text = "".join(lines[:i] + lines[i + 1 :])
            case 4:
                text = "".join(
                    lines[:i] + lines[i : i + 1] * dice.choice((2, 300)) + lines[i + 1 :]
                )
            case 5:
                many = one[0][:20] * dice.choice((1, 40, 3000))
                text = text[: one.start()] + many + text[one.start() :]
            case 6:
                bracket = dice.choice("[{(<\"'|&*-")
                text = text[: one.start()] + bracket * DEPTH + text[one.start() :]
            case _:
                text = (
                    text[: one.start()]
                    + dice.choice("\x00\ufeff\ud7ff\u2028\r")
                    + text[one.start() :]
                )
    path.write_bytes(text.encode("utf-8", "replace"))


def mutate_json(path: Path, dice: random.Random) -> None:
    """A value or a name that is another, left out, or nested deeply."""
    root = {"root": json.loads(path.read_text("utf-8"))}
    for _ in range(dice.choice((1, 1, 1, 3))):
        holder, key = dice.choice(list(_places(root)))
        match dice.randrange(6):
            case 0 if isinstance(holder, dict) and holder is not root:
                holder[dice.choice(("", "..", "../outside", "a" * 300))] = holder.pop(key)
            case 1 if holder is not root:
                del holder[key]
            case 2:
                holder[key] = dice.choice(list(_places(root)))[0]
                holder[key] = json.loads(json.dumps(VALUES[0] if holder[key] is root else None))
            case _:
                holder[key] = dice.choice(VALUES)
    text = json.dumps(root["root"])
    if dice.random() < 0.05:
        text = text[: dice.randrange(len(text) + 1)] + "[" * DEPTH + text
    path.write_bytes(text.encode("utf-8", "surrogatepass"))


def _places(value: Any) -> Any:
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from _places(value[key])


def mutate_zip(path: Path, dice: random.Random) -> None:
    """Members of an archive with wrong bytes, other names, or many times their size."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for _ in range(dice.choice((1, 2))):
        name = dice.choice(list(members) or [""])
        match dice.randrange(5):
            case 0:
                members[dice.choice(("", "../outside/x", "/x", "a\\b", name + "x"))] = members.pop(
                    name, b""
                )
            case 1:
                members.pop(name, None)
            case 2:
                members[name] = members.get(name, b"") + bytes(64 << 20)
            case _:
                holder = path.with_name("member.tmp")
                holder.write_bytes(members.get(name, b""))
                mutate_bytes(holder, dice)
                members[name] = holder.read_bytes()
                holder.unlink()
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(name or "_", body)
    path.write_bytes(content.getvalue())


def mutate_hdf5(path: Path, dice: random.Random) -> None:
    """Nodes and attributes of another kind, shape or type, and links to elsewhere."""
    with h5py.File(path, "a") as file:
        names: list[str] = []
        file.visit(names.append)
        name = dice.choice(names)
        node = file[name]
        owner, own = node.parent, name.rpartition("/")[2]
        match dice.randrange(9):
            case 0:
                of = dice.choice([file, node])
                key = dice.choice(list(of.attrs) or ["split"])
                value = dice.choice(
                    [None, -1, 1e308, np.nan, b"\xff", "", "..", [1, 2], [[0.5]] * 3]
                )
                if value is None:
                    of.attrs.pop(key, None)
                else:
                    of.attrs[key] = value
            case 1:
                del owner[own]
            case 2:
                was_group = isinstance(node, h5py.Group)
                del owner[own]
                if was_group:
                    owner[own] = [1, 2, 3]
                else:
                    owner.create_group(own)
            case 3:
                del owner[own]
                owner[own] = dice.choice(
                    [
                        h5py.SoftLink("/" + name),
                        h5py.SoftLink("/nowhere"),
                        h5py.SoftLink("/"),
                        h5py.ExternalLink("../outside/secret.h5", "/x"),
                        h5py.ExternalLink("none.h5", "/"),
                    ]
                )
            case 4:
                del owner[own]
                shape = dice.choice(
                    [(1 << 40,), (78, 1 << 31), (1 << 20, 1 << 20), (0,), (0, 5), ()]
                )
                owner.create_dataset(own, shape, dice.choice(["f4", "u1", "f8"]), fillvalue=1)
            case 5:
                del owner[own]
                owner.create_dataset(
                    own, (78, 50), "f4", external=[("../outside/secret.h5", 0, 99999)]
                )
            case 6:
                del owner[own]
                values = dice.choice(
                    [
                        ["a", "b"],
                        [b"a"],
                        np.zeros(3, "c16"),
                        np.zeros(3, [("a", "f4")]),
                        [True],
                        np.array([[1, 2]], "u8"),
                        np.full((78, 9), np.nan),
                    ]
                )
                owner[own] = values
            case 7:
                new = dice.choice(["..", "a\\b", "\u2028", "x" * 300, "a", "p"])
                if new not in owner:
                    owner.move(own, new)
            case _:
                owner.create_dataset("more", (40, 30), "u1", data=np.ones((40, 30), "u1"))


def any_of(*mutations: Mutation) -> Mutation:
    """One of several, drawn each time."""

    def mutate(path: Path, dice: random.Random) -> None:
        dice.choice(mutations)(path, dice)

    return mutate
