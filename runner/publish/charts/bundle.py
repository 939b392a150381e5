"""The JavaScript that draws the specifications in the page, whole: no request leaves the page."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

import vl_convert

#: Draws a chart's specification into an element and returns the promise of Vega-Embed. Expressions
#: are interpreted, so that the page needs no `unsafe-eval`, and nothing can be loaded.
SNIPPET: Final = """
const refuse = async (uri) => { throw new Error(`not loaded: ${uri}`); };
window.drawChart = (element, spec) => vegaEmbed(element, spec, {
  mode: "vega-lite",
  renderer: "svg",
  actions: false,
  ast: true,
  defaultStyle: false,
  loader: {load: refuse, sanitize: refuse, http: refuse, file: refuse},
});
"""
#: Addresses that the libraries mention: their editor and issues. Those of SVG's names stay.
_ADDRESS: Final = re.compile(r"https?://(?!www\.w3\.org/)[A-Za-z0-9./#_-]+")


@cache
def vega_bundle() -> str:
    """A script of about 900 kB that defines `window.drawChart(element, spec)`."""
    return _ADDRESS.sub("", vl_convert.javascript_bundle(SNIPPET))
