"""A recording as one page for a colleague: ``proctop report``. Gathered in one pass and in flat memory, then written at once."""
