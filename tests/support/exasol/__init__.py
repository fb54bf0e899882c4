"""
A server that speaks Exasol's protocol on DuckDB, for tests: an unmodified pyexasol cannot tell it from a database in
what the tests ask of it. No real Exasol was ever asked; README of include/warehouse lists what is assumed.

    server          one port: WebSocket, WebSocket in TLS and tunnels, told apart by their first bytes
    framing         frames of RFC 6455
    certificates    the server's certificate, its fingerprint, pins of public keys
    session         one connection: requests one after the other, abort in between, errors as Exasol words them
    login           RSA-encrypted password, attributes
    commands        requests of the WebSocket API by their names; prepared statements in `prepared`
    statements      SQL by its first words; what sqlglot cannot read is done here, the rest in `translation`
    database        the session's DuckDB cursor, its transaction and schema
    tables          CREATE TABLE with Exasol's types, which live in comments of columns
    data_types      types and values on their way to the client
    results         result sets, whole or by handle
    metadata        the views EXA_* and the metadata commands
    tunnel          HTTP through a tunnel, pins, broken bodies
    bulk_import, bulk_export    IMPORT and EXPORT of CSV
    faults          what goes wrong on demand
"""

from tests.support.exasol.faults import Fault
from tests.support.exasol.server import ExasolServer

__all__ = ["ExasolServer", "Fault"]
