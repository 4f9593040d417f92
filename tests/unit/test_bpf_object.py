"""The committed object is what its source gives, here as anywhere, and holds what the reader expects."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from conftest import Require
from proctop.kernel.bpf.feed import EVENTS, OBJECT, TASKS

TOP = Path(__file__).parents[2]
COMMITTED = TOP / "src/proctop/kernel/bpf" / OBJECT


def debian_clang() -> str:
    """Why the object cannot be built here with the compiler that it was built with."""
    missing = [tool for tool in ("make", "clang", "llvm-strip") if not shutil.which(tool)]
    if missing:
        return f"{', '.join(missing)} not installed"
    if not Path("/usr/include/bpf/bpf_helpers.h").exists():
        return "libbpf-dev is not installed"
    version = subprocess.run(["clang", "--version"], capture_output=True, text=True, check=True).stdout
    return "" if "clang version 14.0.6" in version else "another clang than Debian 12's"


@pytest.mark.skipif(bool(debian_clang()), reason=f"needs Debian 12's clang: {debian_clang()}")
def test_it_is_built_to_the_same_bytes(tmp_path: Path) -> None:
    shutil.copytree(COMMITTED.parent, tmp_path / "elsewhere")
    built = tmp_path / "built.o"
    subprocess.run(["make", "-C", str(TOP), "bpf", f"BPF={tmp_path / 'elsewhere'}", f"OUT={built}"], check=True, capture_output=True)
    assert built.read_bytes() == COMMITTED.read_bytes()


def test_it_is_bpf_and_names_no_place() -> None:
    image = COMMITTED.read_bytes()
    assert image[:6] == b"\x7fELF\x02\x01" and image[18:20] == b"\xf7\x00"  # 64 bits, little endian, EM_BPF
    assert not any(place in image for place in (b"/home", b"/root", b"/tmp", b"/work"))
    assert all(name.encode() + b"\0" in image for name in (TASKS, *EVENTS))


KERNELS = sorted((TOP / "tests/data/btf").glob("*.btf"))


def sections(btf: Path) -> tuple[bytes, bytes]:
    """Types and strings (Documentation/bpf/btf.rst); the header before them has grown with libbpf."""
    image = btf.read_bytes()
    header, types, types_size, strings, strings_size = struct.unpack_from("<5I", image, 4)
    return image[header + types :][:types_size], image[header + strings :][:strings_size]


@pytest.mark.parametrize("kernel", KERNELS, ids=[kernel.stem for kernel in KERNELS])
def test_it_finds_in_other_kernels_what_it_looks_for(kernel: Path, tmp_path: Path, require: Require) -> None:
    """Each file holds, of the type information of a Debian kernel, what this object finds there (``bpftool gen min_core_btf``): a
    structure that is declared in a way that does not fit that kernel would be left out. This object was loaded there. One that looks for
    more needs files that are made anew, of that kernel's /sys/kernel/btf/vmlinux; one that looks for less, of these."""
    require("ebpf", "" if shutil.which("bpftool") else "bpftool is not installed")
    found = tmp_path / "found.btf"
    subprocess.run(["bpftool", "gen", "min_core_btf", kernel, found, COMMITTED], check=True, capture_output=True)
    assert sections(found) == sections(kernel)


def test_kernels_of_both_machines_and_of_both_layouts_are_among_them() -> None:
    assert [kernel.stem for kernel in KERNELS] == ["linux-5.10-arm64", "linux-5.10-x86_64", "linux-6.1-arm64", "linux-6.1-x86_64"]
