"""
The operational schema in MariaDB: one place for its tables, its migrations and its errors.

    tables       the tables as SQLAlchemy Core, which queries are built from
    connection   an engine over the connections that a hook or a URL opens, with errors of the engine's tree
    migrate      upgrade, status and check; one statement per revision, safe to run again

Tasks never create tables: `make up`, the init service of the compose file and `python -m include.database upgrade` do.
"""
