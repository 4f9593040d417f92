"""Containers: the cgroup path tells runtime, id and pod (:mod:`.paths`, pure), the runtime tells the words (:mod:`.directory`).

Only :mod:`.runtime` imports the docker SDK, and only once a runtime answers. Numbers never come from a runtime but from cgroup files.
"""
