"""What serves the application: one module per server.

A module defines

- NAME, and PLACE, its position in tables;
- PACKAGES: the distributions it imports;
- SETTINGS: names with default values, which are whole numbers;
- UNFIT: patch modes that make no sense with it, each with the reason;
- `at_once(settings)`: how many requests it works on at a time, None if there is no limit;
- `serve(make_application, host, port, settings)`, which never returns. `make_application()` loads
  what is served, any WSGI application, and records its requests.

Its top level imports nothing but the standard library, because the runner reads the module too. No
server writes an access log: that would be measured as well.
"""
