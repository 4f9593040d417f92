"""Work on what was recorded or exported earlier: tables in, tables and figures out."""
