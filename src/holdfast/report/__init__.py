"""The HTML report: `summarise` turns objects into a plain dict, `render` turns the dict into HTML.

The dict is the border between the two: whatever can be put into it can be reported, and the page
never needs the models or the rows.
"""
