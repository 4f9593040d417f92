"""Checks ``containers.paths.resolve`` against a JSON file of cgroup texts and the container, runtime and pod each one means.

``python .ci/cgroup_cases.py FILE`` prints ``N of N agree`` and exits 1 where one does not.

A case that names no path but ``/`` and yet wants an id took it from mountinfo, which the file does not hold: no function
of the text can know it (the same text means "no container" in another case). Such cases must come out as no container
and are counted apart.
"""

from __future__ import annotations

import json
import sys

from proctop.containers.paths import resolve


def main(file: str) -> int:
    with open(file, encoding="utf-8") as stream:
        cases = json.load(stream)
    agree = judged = wrong = 0
    elsewhere = []
    for case in cases:
        place = resolve(case["cgroup"])
        expect = case["expect"]
        container = place.container
        got = (None, "none", None) if container is None else (container.id, container.runtime or None, container.pod or None)
        if expect["container_id"] and all(path == "/" for _, path in place.lines):
            elsewhere.append(case["name"])
            wanted: tuple[str | None, ...] = (None, "none", None)
        else:
            judged += 1
            wanted = (expect["container_id"], expect["runtime"], expect["pod_uid"])
            agree += got == wanted
        if got != wanted:
            wrong += 1
            print(f"{case['name']}: wanted {wanted}, got {got}")
    print(f"{agree} of {judged} agree" + (f"; not in the text, so not judged: {', '.join(elsewhere)}" if elsewhere else ""))
    return int(wrong > 0 or judged == 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
