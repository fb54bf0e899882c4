"""
The composition root of Airflow: from connections and variables to the rooms below. No logic, no state.

One module per neighbour: `store` (S3), `kafka`, `mongo`, `mariadb`, and two that put the pieces together: `engine` for
the spool, `measurement_state` for the family of the measurement reports; `warehouse` for its target and sources, with
`plugins/hooks` for Exasol. `host_folders` names the folders of this host. Nothing heavy is imported, and no connection
is read, before a function here is called: DAG files import these modules at every parse (tests/architecture checks it).
"""
