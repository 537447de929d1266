"""The site: stories and how-tos by hand, all else from the catalog, the gallery and docstrings."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import site_pages  # noqa: E402

project = "relu-theory"
author = "the relu-theory authors"
release = version_of("relu-theory")
html_title = "relu-theory"
language = "en"

extensions = ["myst_nb", "sphinx_design", "mathml"]
myst_enable_extensions = ["dollarmath", "colon_fence", "attrs_inline", "attrs_block"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # lessons are run before they are pages
nb_render_markdown_format = "myst"
exclude_patterns = ["build", "stories", "changes", "lessons"]
suppress_warnings = ["mystnb.unknown_mime_type"]

html_theme = "furo"
html_math_renderer = "mathml"
html_static_path = ["static", "generated/static"]
html_css_files = ["cards.css", "site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5394", "color-brand-content": "#0b5394"},
    "dark_css_variables": {"color-brand-primary": "#7db8ee", "color-brand-content": "#7db8ee"},
}


def setup(app):
    """Write the generated pages before Sphinx looks for sources."""
    site_pages.write(HERE / "generated")
