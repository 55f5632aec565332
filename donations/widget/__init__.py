"""
The donation widget: what a newspaper puts on its pages with one line, written in plain JavaScript under `source/`.

The files there are put one after the other as they are; there is no tool between what is written and what is served.
"""
