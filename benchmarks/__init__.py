"""
How fast the house is, beside the limits of the machine that it runs on: `make bench`.

Absolute figures differ from machine to machine, so every target is a ratio between two rows of one run. Rows
are measured in turns, three rounds of all of them, and the median round counts: whatever else the machine does
meanwhile falls on all rows alike. The web server runs as in production (gunicorn, two workers with four threads),
the load comes from a process of its own over eight kept connections, and the database is PostgreSQL.
"""
