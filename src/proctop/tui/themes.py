"""Our themes, and the colours that cells take in every theme."""

from __future__ import annotations

from textual.theme import BUILTIN_THEMES, Theme

DARK = Theme(
    name="proctop",
    primary="#7aa2d6",
    secondary="#8fb3a5",
    accent="#d7b36a",
    warning="#d9a557",
    error="#f07a78",
    success="#8cc08a",
    foreground="#d4d8de",
    background="#14171c",
    surface="#1b1f26",
    panel="#232932",
    variables={
        "cells-soft": "#9aa4b2",
        "cells-faint": "#616b79",
        "cells-mid": "#d9c07a",
        "cells-high": "#e8955a",
        "cells-alert": "#f4716f",
        "cells-spark": "#6f9ac8",
        "cells-box": "#8fb3a5",
        "cells-title": "#b9c4d2",
        "cells-title-background": "#232932",
        "cells-cursor": "#2c3a50",
    },
)
LIGHT = Theme(
    name="proctop-light",
    primary="#1f5fa8",
    secondary="#2f6f5e",
    accent="#8a5a00",
    warning="#8f5600",
    error="#b3202a",
    success="#23702f",
    foreground="#22262c",
    background="#fbfaf7",
    surface="#f1efe9",
    panel="#e6e3da",
    dark=False,
    variables={
        "cells-soft": "#565d68",
        "cells-faint": "#8c929b",
        "cells-mid": "#8f5600",
        "cells-high": "#a8430a",
        "cells-alert": "#b3202a",
        "cells-good": "#23702f",
        "cells-spark": "#3f74b0",
        "cells-box": "#2f6f5e",
        "cells-key": "#1f5fa8",
        "cells-title": "#343a43",
        "cells-title-background": "#e6e3da",
        "cells-badge": "#ffffff",
        "cells-badge-background": "#8f5600",
        "cells-cursor": "#d3e1f3",
    },
)
CONTRAST = Theme(
    name="proctop-contrast",
    primary="#00d7ff",
    secondary="#5fffd7",
    accent="#ffff00",
    warning="#ffd700",
    error="#ff6b6b",
    success="#5fff5f",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#1c1c1c",
    variables={
        "cells-soft": "#ffffff",
        "cells-faint": "#b8b8b8",
        "cells-mid": "#ffff00",
        "cells-high": "#ffaf00",
        "cells-alert": "#ff6b6b",
        "cells-good": "#5fff5f",
        "cells-spark": "#00d7ff",
        "cells-box": "#5fffd7",
        "cells-key": "#00d7ff",
        "cells-title": "#000000",
        "cells-title-background": "#ffffff",
        "cells-badge": "#000000",
        "cells-badge-background": "#ffff00",
        "cells-cursor": "#00408a",
    },
)
# For terminals of 16 colours, and for none at all: the terminal's own palette, so the user's choice of colours holds.
TERMINAL = Theme(
    name="proctop-16",
    ansi=True,
    primary="ansi_blue",
    secondary="ansi_cyan",
    warning="ansi_yellow",
    error="ansi_red",
    success="ansi_green",
    accent="ansi_green",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    variables={
        **BUILTIN_THEMES["ansi-dark"].variables,
        "cells-soft": "ansi_default",
        "cells-faint": "ansi_default",
        "cells-mid": "ansi_yellow",
        "cells-high": "ansi_bright_yellow",
        "cells-alert": "ansi_bright_red",
        "cells-good": "ansi_green",
        "cells-spark": "ansi_cyan",
        "cells-box": "ansi_cyan",
        "cells-key": "ansi_cyan",
        "cells-title": "ansi_black",
        "cells-title-background": "ansi_cyan",
        "cells-badge": "ansi_black",
        "cells-badge-background": "ansi_yellow",
        "cells-cursor": "ansi_default",
        "block-cursor-foreground": "ansi_black",
        "block-cursor-background": "ansi_cyan",
        "input-cursor-foreground": "ansi_black",
        "input-cursor-background": "ansi_white",
    },
)
OURS = (DARK, LIGHT, CONTRAST, TERMINAL)


def names() -> list[str]:
    """Every theme that there is."""
    return sorted({*(theme.name for theme in OURS), *BUILTIN_THEMES})


def cell_colours(variables: dict[str, str]) -> dict[str, str]:
    """What cells look like in a theme that does not say it: taken from the colours it has."""
    take = variables.get
    return {
        "cells-soft": take("text-muted", "auto 75%"),
        "cells-faint": take("text-disabled", "auto 45%"),
        "cells-mid": take("text-warning", "yellow"),
        "cells-high": take("text-warning", "yellow"),
        "cells-alert": take("text-error", "red"),
        "cells-good": take("text-success", "green"),
        "cells-spark": take("text-primary", "blue"),
        "cells-box": take("text-secondary", "cyan"),
        "cells-key": take("text-accent", "blue"),
        "cells-title": take("foreground", "white"),
        "cells-title-background": take("panel", "black"),
        "cells-badge": take("background", "black"),
        "cells-badge-background": take("text-warning", "yellow"),
        "cells-cursor": take("primary-muted", "blue"),
    }
