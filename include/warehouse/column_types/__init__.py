"""
Every type of MariaDB and what becomes of it in the warehouse.

    mapped_column   MappedColumn: one column of one table with its expression in MariaDB and its types in the targets
    source_column   what information_schema says about a column
    type_map        the table of types, and `map_columns`, which applies it and the policies to a table
    digest          what a column adds up to, in a form in which source and targets can be compared
"""
