"""Pickled arrays: data comes back, nothing is imported, odd states are refused."""

import io
import pickle
import sys
import zipfile

import numpy as np
import pytest

from sfpipe.importers.plain_pickle import MOST_BYTES, MOST_OBJECTS, read_array, read_objects

DTYPE = np.dtype("O")


def packed(tmp_path, content: bytes, name: str = "a"):
    """An npz file whose object array `name` has this pickle."""
    header = io.BytesIO()
    description = {"descr": "|O", "fortran_order": False, "shape": (1,)}
    np.lib.format.write_array_header_1_0(header, description)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}.npy", header.getvalue() + content)
    return tmp_path / "a.npz"


class Call:
    """Pickled as the call of a module's function, without that module being here."""

    def __init__(self, module: str, name: str, *args, state=None):
        self.module, self.name, self.args, self.state = module, name, args, state


class Pickler(pickle._Pickler):
    def save(self, obj, save_persistent_id=True):
        if not isinstance(obj, Call):
            return super().save(obj, save_persistent_id)
        self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        if obj.args:
            super().save(obj.args)
            self.write(pickle.REDUCE)
        if obj.state is not None:
            super().save(obj.state)
            self.write(pickle.BUILD)


def dumped(value) -> bytes:
    file = io.BytesIO()
    Pickler(file, 3).dump(value)
    return file.getvalue()


def reconstruct(shape, dtype, data, core="core"):
    """A pickled array with any state."""
    empty = (Call("numpy", "ndarray"), (0,), b"b")
    state = (1, shape, dtype, False, data)
    return Call(f"numpy.{core}.multiarray", "_reconstruct", *empty, state=state)


def dtype(code, order="<", fields=None):
    state = (3, order, None, fields, None, -1, -1, 0)
    return Call("numpy", "dtype", code, False, True, state=state)


def test_plain_data_comes_back(tmp_path):
    notes = [{"x": 1.5, "n": np.int64(7), "at": np.arange(6, dtype=np.int16).reshape(2, 3)}]
    dense = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    np.savez(
        tmp_path / "a.npz",
        pairs=np.array({1: 2, 3: 4}, dtype=object),
        notes=np.array(notes, dtype=object),
        mixed=np.array([None, "é", b"x", True, (1, [2.5])], dtype=object),
        dense=dense,
        big=np.arange(3, dtype=">i4"),
    )
    pairs = read_objects(tmp_path / "a.npz", "pairs")
    assert pairs.shape == () and pairs[()] == {1: 2, 3: 4}
    (note,) = read_objects(tmp_path / "a.npz", "notes")
    assert note["x"] == 1.5 and note["n"] == 7
    np.testing.assert_array_equal(note["at"], [[0, 1, 2], [3, 4, 5]])
    mixed = read_objects(tmp_path / "a.npz", "mixed")
    assert list(mixed) == [None, "é", b"x", True, (1, [2.5])]
    np.testing.assert_array_equal(read_array(tmp_path / "a.npz", "dense"), dense)
    np.testing.assert_array_equal(read_array(tmp_path / "a.npz", "big"), [0, 1, 2])


@pytest.mark.parametrize("core", ["core", "_core"])
def test_as_other_versions_of_numpy_write_it(tmp_path, core):
    number = Call(f"numpy.{core}.multiarray", "scalar", dtype("f8"), np.float64(0.5).tobytes())
    inner = reconstruct((2,), dtype("i2", ">"), b"\x00\x01\x00\x02", core)
    outer = reconstruct((1,), dtype("O8", "|"), [{"a": number, "b": inner}], core)
    (found,) = read_objects(packed(tmp_path, dumped(outer)), "a")
    assert found["a"] == 0.5 and list(found["b"]) == [1, 2]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("canary_of_a_pickle", "sing"),
        ("canary_of_a_pickle", "_reconstruct"),
        ("canary_of_a_pickle.core.multiarray", "_reconstruct"),
        ("numpy.canary", "dtype"),
        ("numpy", "fromstring"),
        ("numpy.core.multiarray", "fromfile"),
        ("builtins", "list"),
        ("numpy", "ndarray.tofile"),
    ],
)
def test_nothing_else_is_imported(tmp_path, monkeypatch, module, name):
    (tmp_path / "canary_of_a_pickle.py").write_text(
        f"open({str(tmp_path / 'sang')!r}, 'w')\ndef sing(*a): pass\n_reconstruct = sing\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    path = packed(tmp_path, dumped(Call(module, name, 1)))
    before = set(sys.modules)
    with pytest.raises(pickle.UnpicklingError, match=f"refers to {module}.{name}"):
        read_objects(path, "a")
    assert not (tmp_path / "sang").exists()
    assert not {m for m in set(sys.modules) - before if "canary" in m}


@pytest.mark.parametrize(
    "value",
    [
        reconstruct((3,), dtype("O8"), [1, 2]),
        reconstruct((-1,), dtype("O8"), [1]),
        reconstruct((2**40,), dtype("f8"), b""),
        reconstruct((2,), dtype("f8"), b"12345678"),
        reconstruct((1,), dtype("f8"), [1.0]),
        reconstruct((1,), dtype("O8"), b"12345678"),
        reconstruct("ab", dtype("O8"), []),
        reconstruct((True,), dtype("O8"), [1]),
        reconstruct((1,) * 20, dtype("O8"), [1]),
        reconstruct((1,), "O8", [1]),
        reconstruct((1,), dtype("V8"), b"12345678"),
        reconstruct((1,), dtype("f8", fields=("a",)), b"12345678"),
        reconstruct((1,), dtype("f8", "?"), b"12345678"),
        reconstruct((1,), dtype(7), b"12345678"),
        Call("numpy.core.multiarray", "_reconstruct", int, (0,), b"b"),
        Call("numpy.core.multiarray", "_reconstruct", Call("numpy", "ndarray"), (0,), b"b"),
        Call("numpy.core.multiarray", "scalar", dtype("f8"), b"1234"),
        Call("numpy.core.multiarray", "scalar", dtype("O8"), b"12345678"),
        Call("numpy", "ndarray"),
        Call("numpy", "ndarray", (3,)),
        Call("numpy", "dtype", state={"value": 1}),
        Call("numpy", "dtype", "f8", False, True, state={"value": 1}),
        [dtype("f8")],
    ],
)
def test_odd_states_are_refused(tmp_path, value):
    if value == Call or (isinstance(value, Call) and int in value.args):
        value = Call(value.module, value.name, 5, *value.args[1:])
    with pytest.raises((pickle.UnpicklingError, TypeError)):
        read_objects(packed(tmp_path, dumped(value)), "a")


def test_a_place_far_away_in_the_memo_takes_no_memory(tmp_path):
    content = b"\x80\x03]r" + (2**31 - 1).to_bytes(4, "little") + b"."
    assert read_objects(packed(tmp_path, content), "a") == []


def test_sizes_are_looked_at_before_reading(tmp_path):
    path = packed(tmp_path, b"\x00" * (MOST_OBJECTS + 1))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(ValueError, match="a has 32 MiB, at most 32 are read"):
        read_objects(path, "a")
    header = io.BytesIO()
    description = {"descr": "|u1", "fortran_order": False, "shape": (1 << 40,)}
    np.lib.format.write_array_header_1_0(header, description)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", header.getvalue())
    with pytest.raises(ValueError, match="less than its header promises"):
        read_array(path, "a")
    assert MOST_BYTES < 1 << 40
    with pytest.raises(ValueError, match="holds objects"):
        read_array(packed(tmp_path, b""), "a")
