"""Pages: the measures become tables, figures and HTML.

The files, in reading order:

- `formats`: tables of typed cells, as Markdown, LaTeX, CSV and plain text.
- `tables`: the measures as such tables.
- `style`: the colour, marker and line of each method.
- `plots`: the figures.
- `page`: tables and figures as one HTML page.
"""
