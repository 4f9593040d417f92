"""What was learned, as bytes: what is written is read, and nothing else is."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from proctop.scoring.store import LARGEST, MAGIC, BaselineError, Learned, dump, load
from proctop.scoring.tails import BINS, CHANNELS, SLOW


def learned() -> Learned:
    rng = np.random.default_rng(1)

    def counts(*shape: int) -> Any:
        return rng.integers(0, 50, shape).astype(np.float32)

    return Learned(
        host="node1",
        boot="b",
        source="bpf",
        reading=700,
        now=700.0,
        began=30.0,
        peaks=((30.0, (4.5, 1.75)), (3630.0, ())),
        cohorts=("nginx", "日本語"),
        containers=(("c" * 64, "redis:7"),),
        met=((("",), 0, 2), (("", "sh"), 5, 0)),
        cohort_hist=counts(4, CHANNELS, BINS),
        container_hist=counts(1, CHANNELS, BINS),
        host_hist=counts(2, CHANNELS, BINS),
        life_hist=counts(3, CHANNELS, BINS),
        slow=counts(3, len(SLOW)),
        pid=np.array([1, 2, 3]),
        start=np.array([10, 20, 30]),
        n=np.array([7, 8, 9]),
    )


FILE = dump(learned())
HEAD = len(MAGIC) + 8


def forged(change: dict[str, Any] | None = None, rest: bytes | None = None) -> bytes:
    """A file whose checksum is right and whose words are not."""
    (length,) = struct.unpack_from("<I", FILE, len(MAGIC))
    words = json.loads(FILE[HEAD : HEAD + length]) | (change or {})
    text = json.dumps(words).encode()
    rest = FILE[HEAD + length :] if rest is None else rest
    return MAGIC + struct.pack("<II", len(text), zlib.crc32(text + rest)) + text + rest


def with_array(name: str, value: float) -> bytes:
    array = getattr(learned(), name).astype(np.float32 if name.endswith("hist") or name == "slow" else np.int64)
    array.reshape(-1)[0] = value
    return dump(replace(learned(), **{name: array}))


def test_what_is_written_is_read() -> None:
    again = load(FILE)
    for field in fields(Learned):
        one, two = getattr(learned(), field.name), getattr(again, field.name)
        assert np.array_equal(one, two) if isinstance(one, np.ndarray) else one == two, field.name


def test_a_file_from_before_the_source_was_noted_is_read() -> None:
    (length,) = struct.unpack_from("<I", FILE, len(MAGIC))
    words = json.loads(FILE[HEAD : HEAD + length])
    assert words.pop("source") == "bpf"
    text, rest = json.dumps(words).encode(), FILE[HEAD + length :]
    again = load(MAGIC + struct.pack("<II", len(text), zlib.crc32(text + rest)) + text + rest)
    assert (again.source, again.host, again.reading) == ("", "node1", 700)


def test_nothing_learned_is_a_file_too() -> None:
    none = replace(learned(), cohorts=(), containers=(), met=(), peaks=(), began=None)
    none = replace(
        none, **{name: getattr(none, name)[:0] for name in ("cohort_hist", "container_hist", "life_hist", "slow", "pid", "start", "n")}
    )
    assert load(dump(none)).pid.size == 0


def test_every_truncated_file_is_refused() -> None:
    for end in [*range(HEAD + 40), *range(HEAD + 40, len(FILE), 97), len(FILE) - 1]:
        with pytest.raises(BaselineError):
            load(FILE[:end])


def test_every_flipped_bit_is_noticed() -> None:
    for at in [*range(HEAD + 8), *range(HEAD + 8, len(FILE), 61)]:
        broken = bytearray(FILE)
        broken[at] ^= 0x10
        with pytest.raises(BaselineError):
            load(bytes(broken))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"\x80\x04\x95 a pickle, perhaps", "not a baseline"),
        (b"PTBASE02" + FILE[8:], "another version"),
        (FILE[:20], "truncated"),
        (FILE + b"x", "truncated or damaged"),
        (forged({"channels": ["cpu"]}), "other features"),
        (forged({"units": [1.0]}), "other features"),
        (forged({"host": 3}), "words are not"),
        (forged({"source": None}), "words are not"),
        (forged({"reading": -1}), "words are not"),
        (forged({"reading": 1.5}), "words are not"),
        (forged({"reading": True}), "words are not"),
        (forged({"now": float("nan")}), "words are not"),
        (forged({"now": float("inf")}), "words are not"),
        (forged({"began": "yesterday"}), "words are not"),
        (forged({"peaks": [[0, [-1.0]]]}), "words are not"),
        (forged({"peaks": 7}), "words are not"),
        (forged({"cohorts": ["x" * 5000, "y"]}), "words are not"),
        (forged({"containers": ["ab", "c"]}), "words are not"),
        (forged({"met": [[["", "sh"], 1]]}), "words are not"),
        (forged({"lives": 10**15}), "words are not"),
        (forged({"lives": 10**11}), "too large"),
        (forged({"lives": 2}), "not of the size"),
        (forged({"lives": 4}), "not of the size"),
        (forged({"cohorts": ["a"]}), "not of the size"),
        (forged(rest=b"no zlib"), "damaged"),
        (forged(rest=zlib.compress(bytes(LARGEST // 8))), "not of the size"),
        (with_array("life_hist", float("nan")), "life_hist holds what is no count"),
        (with_array("cohort_hist", float("inf")), "cohort_hist holds what is no count"),
        (with_array("host_hist", -1.0), "host_hist holds what is no count"),
        (with_array("slow", -1.0), "slow holds what is no count"),
        (with_array("n", -1), "n holds what is no count"),
        (with_array("container_hist", 1e12), "more than was ever counted"),
    ],
)
def test_what_no_proctop_wrote_is_refused_in_one_line(data: bytes, said: str) -> None:
    with pytest.raises(BaselineError, match=said) as caught:
        load(data)
    assert "\n" not in str(caught.value)


def test_words_that_are_no_json_are_refused() -> None:
    for text in (b"{", b"[1]", b"{}", b"\xff\xfe", b"[" * 100_000):
        with pytest.raises(BaselineError, match="words"):
            load(MAGIC + struct.pack("<II", len(text), zlib.crc32(text)) + text)


def test_names_are_made_harmless() -> None:
    assert "\x1b" not in load(forged({"cohorts": ["a\x1b[2J", "b"]})).cohorts[0]
