"""What serves the application: one module per server.

A module defines

- NAME, and PLACE, its position in tables;
- PACKAGES: the distributions it imports;
- SETTINGS: names with default values, which are whole numbers;
- UNFIT: patch modes that make no sense with it, each with the reason;
- `at_once(settings)`: how many requests it works on at a time, None if there is no limit;
- `serve(make_application, host, port, settings)`, which never returns. `make_application()` loads
  what is served, any WSGI application, and records its requests.

It may define

- OPTIONS: further settings, each with False or 0 for the kind of its values. `settings` has those
  that the matrix file gives, and no others;
- PLACEMENTS: where the patch may stand, the usual place first. The server says what it has reached
  (`placing.reached`); without it a patch stands before the server's imports, or after those of the
  application;
- PATCHES_ITSELF = True where it patches everything when it starts, whatever the patch mode;
- VERSIONS: bounds of PACKAGES' versions, where not every one will do.

Its top level imports nothing but the standard library, because the runner reads the module too. No
server writes an access log: that would be measured as well.
"""
