"""
A whole copy of tables, as they were at one instant.

    pipeline     one unit: snapshot, load, verify, publish
    table_plan   a table's shape and what its columns become
    units        several units, none of which stops another
    progress     rows, rate and what is left, while a table is loaded
"""
