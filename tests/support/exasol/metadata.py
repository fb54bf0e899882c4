"""The views EXA_* as far as clients ask for them, and the metadata commands of the protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support.exasol.database import Database
from tests.support.exasol.results import ResultSet, fetched

_USER_TABLES = "NOT internal AND schema_name NOT IN ('SYS', 'main')"
VIEWS = f"""
CREATE SCHEMA IF NOT EXISTS "SYS";
CREATE SCHEMA IF NOT EXISTS "EXA_STATISTICS";
CREATE OR REPLACE VIEW "SYS"."EXA_SCHEMAS" AS
  SELECT schema_name AS SCHEMA_NAME, 'SYS' AS SCHEMA_OWNER, oid AS SCHEMA_OBJECT_ID, comment AS SCHEMA_COMMENT
  FROM duckdb_schemas() WHERE NOT internal AND database_name = current_database()
  AND schema_name NOT IN ('SYS', 'EXA_STATISTICS', 'main');
CREATE OR REPLACE VIEW "SYS"."EXA_ALL_TABLES" AS
  SELECT schema_name AS TABLE_SCHEMA, table_name AS TABLE_NAME, 'SYS' AS TABLE_OWNER, table_oid AS TABLE_OBJECT_ID,
  estimated_size AS TABLE_ROW_COUNT, comment AS TABLE_COMMENT FROM duckdb_tables() WHERE {_USER_TABLES};
CREATE OR REPLACE VIEW "SYS"."EXA_ALL_VIEWS" AS
  SELECT schema_name AS VIEW_SCHEMA, view_name AS VIEW_NAME, 'SYS' AS VIEW_OWNER, view_oid AS VIEW_OBJECT_ID,
  sql AS VIEW_TEXT, comment AS VIEW_COMMENT FROM duckdb_views() WHERE {_USER_TABLES};
CREATE OR REPLACE VIEW "SYS"."EXA_ALL_COLUMNS" AS
  SELECT schema_name AS COLUMN_SCHEMA, table_name AS COLUMN_TABLE, 'TABLE' AS COLUMN_OBJECT_TYPE,
  column_name AS COLUMN_NAME, coalesce(comment, data_type) AS COLUMN_TYPE, is_nullable AS COLUMN_IS_NULLABLE,
  column_index AS COLUMN_ORDINAL_POSITION, column_default AS COLUMN_DEFAULT
  FROM duckdb_columns() WHERE {_USER_TABLES};
CREATE OR REPLACE VIEW "SYS"."EXA_ALL_OBJECTS" AS
  SELECT TABLE_NAME AS OBJECT_NAME, 'TABLE' AS OBJECT_TYPE, TABLE_SCHEMA AS ROOT_NAME FROM "SYS"."EXA_ALL_TABLES"
  UNION ALL SELECT VIEW_NAME, 'VIEW', VIEW_SCHEMA FROM "SYS"."EXA_ALL_VIEWS"
  UNION ALL SELECT SCHEMA_NAME, 'SCHEMA', NULL FROM "SYS"."EXA_SCHEMAS";
"""

_SCHEMAS = """SELECT SCHEMA_NAME AS "NAME", SCHEMA_OWNER AS "OWNER", SCHEMA_COMMENT AS "COMMENT"
FROM "SYS"."EXA_SCHEMAS" WHERE SCHEMA_NAME LIKE ?"""
_TABLES = """SELECT * FROM (
  SELECT TABLE_SCHEMA AS "SCHEMA", TABLE_NAME AS "NAME", 'TABLE' AS "TYPE", TABLE_OWNER AS "OWNER",
  TABLE_COMMENT AS "COMMENT" FROM "SYS"."EXA_ALL_TABLES"
  UNION ALL SELECT VIEW_SCHEMA, VIEW_NAME, 'VIEW', VIEW_OWNER, VIEW_COMMENT FROM "SYS"."EXA_ALL_VIEWS")
WHERE "SCHEMA" LIKE ? AND "NAME" LIKE ? AND "TYPE" IN (SELECT unnest(?))"""
_COLUMNS = """SELECT COLUMN_SCHEMA AS "SCHEMA", COLUMN_TABLE AS "TABLE", COLUMN_NAME AS "NAME", COLUMN_TYPE AS "TYPE",
COLUMN_IS_NULLABLE AS "NULLABLE", COLUMN_ORDINAL_POSITION AS "ORDINAL", COLUMN_DEFAULT AS "DEFAULT"
FROM "SYS"."EXA_ALL_COLUMNS" WHERE COLUMN_SCHEMA LIKE ? AND COLUMN_TABLE LIKE ? AND COLUMN_NAME LIKE ?
ORDER BY 1, 2, 6"""
_KEYWORDS = """SELECT upper(keyword_name) AS "KEYWORD", keyword_category = 'reserved' AS "RESERVED"
FROM duckdb_keywords()"""

Request = Mapping[str, Any]


def schemas(database: Database, request: Request) -> ResultSet:
    return fetched(database.execute(_SCHEMAS, [request.get("schema") or "%"]))


def tables(database: Database, request: Request) -> ResultSet:
    kinds = request.get("tableTypes") or ["TABLE", "VIEW"]
    return fetched(database.execute(_TABLES, [request.get("schema") or "%", request.get("table") or "%", kinds]))


def columns(database: Database, request: Request) -> ResultSet:
    patterns = [request.get(part) or "%" for part in ("schema", "table", "column")]
    return fetched(database.execute(_COLUMNS, patterns))


def keywords(database: Database, request: Request) -> ResultSet:
    return fetched(database.execute(_KEYWORDS))
