"""The worst values of every type of MariaDB, and what they are in a DuckDB warehouse under the default policies."""
# ruff: noqa: DTZ001  a DATETIME knows no time zone

from __future__ import annotations

import uuid
from datetime import date
from datetime import datetime as moment
from decimal import Decimal
from typing import Any

NINES = "9" * 38
ALL_ONES = "ffff:" * 7 + "ffff"

# declaration -> (value inserted as SQL, value in the warehouse)
WORST: dict[str, list[tuple[str, Any]]] = {
    "TINYINT": [("-128", -128), ("127", 127)],
    "TINYINT(1)": [("2", 2), ("-1", -1)],
    "TINYINT UNSIGNED": [("0", 0), ("255", 255)],
    "SMALLINT": [("-32768", -32768), ("32767", 32767)],
    "SMALLINT UNSIGNED": [("65535", 65535)],
    "MEDIUMINT": [("-8388608", -8388608), ("8388607", 8388607)],
    "MEDIUMINT UNSIGNED": [("16777215", 16777215)],
    "INT": [("-2147483648", -(2**31)), ("2147483647", 2**31 - 1)],
    "INT(9) UNSIGNED ZEROFILL": [("7", 7), ("4294967295", 2**32 - 1)],
    "BIGINT": [("-9223372036854775808", -(2**63)), ("9223372036854775807", 2**63 - 1)],
    "BIGINT UNSIGNED": [("18446744073709551615", 2**64 - 1), ("0", 0)],
    "DECIMAL(1,0)": [("-9", Decimal(-9))],
    "DECIMAL(12,2)": [("-9999999999.99", Decimal("-9999999999.99")), ("0.01", Decimal("0.01"))],
    "DECIMAL(8,2) ZEROFILL": [("1.5", Decimal("1.50"))],
    "DECIMAL(36,18)": [("999999999999999999.999999999999999999", Decimal("999999999999999999.999999999999999999"))],
    "DECIMAL(38,0)": [(NINES, Decimal(NINES)), ("-" + NINES, Decimal("-" + NINES)), (NINES, Decimal(NINES))],
    "DECIMAL(38,38)": [("0." + "9" * 38, Decimal("0." + "9" * 38)), ("-0." + "0" * 37 + "1", Decimal("-1e-38"))],
    "DECIMAL(65,30)": [("9" * 35 + "." + "9" * 30, "9" * 35 + "." + "9" * 30), ("-0.5", "-0." + "5" + "0" * 29)],
    "FLOAT": [("16777216", 16777216.0), ("1.1", 1.100000023841858), ("-3.4028234e38", -3.4028234663852886e38)],
    "FLOAT(7,4)": [("1.1", 1.100000023841858)],
    "DOUBLE": [("1.7976931348623157e308", 1.7976931348623157e308), ("5e-324", 5e-324), ("0.1", 0.1), ("-0e0", 0.0)],
    "DOUBLE(30,2)": [("0.1", 0.1), ("1e23", 1e23)],
    "BIT(1)": [("b'1'", True), ("b'0'", False)],
    "BIT(64)": [("18446744073709551615", Decimal(2**64 - 1)), ("0", Decimal(0))],
    "BOOLEAN": [("TRUE", 1)],
    "DATE": [
        ("'0001-01-01'", date(1, 1, 1)), ("'9999-12-31'", date(9999, 12, 31)),
        ("'2024-02-29'", date(2024, 2, 29)),
        ("'0000-00-00'", None), ("'2026-00-10'", None), ("'2026-10-00'", None), ("'0000-01-01'", None),
    ],
    "DATETIME": [("'9999-12-31 23:59:59'", moment(9999, 12, 31, 23, 59, 59)), ("'0000-00-00 00:00:00'", None)],
    "DATETIME(6)": [
        ("'0001-01-01 00:00:00.000001'", moment(1, 1, 1, 0, 0, 0, 1)),
        ("'2026-03-29 02:30:00.500000'", moment(2026, 3, 29, 2, 30, 0, 500000)),
    ],
    "TIMESTAMP(3) NULL": [
        ("'1970-01-01 00:00:01.001'", moment(1970, 1, 1, 0, 0, 1, 1000)),
        ("'2038-01-19 03:14:07.999'", moment(2038, 1, 19, 3, 14, 7, 999000)),
        ("0", None),
    ],
    "TIME": [("'838:59:59'", "838:59:59"), ("'-838:59:59'", "-838:59:59"), ("'00:00:00'", "00:00:00")],
    "TIME(6)": [("'-838:59:59.999999'", "-838:59:59.999999"), ("'00:00:00.000001'", "00:00:00.000001")],
    "YEAR": [("1901", 1901), ("2155", 2155), ("0", 0)],
    "CHAR(10)": [("'a  '", "a"), ("' '", ""), ("'é'", "é")],
    "CHAR(10) CHARACTER SET ucs2": [("'ß€'", "ß€")],
    "VARCHAR(100)": [
        ("''", ""), ("' '", " "), ("'NULL'", "NULL"), ("'\\\\N'", "\\N"), ("'😀 \"q\", \\r\\n#'", '😀 "q", \r\n#'),
    ],
    "VARCHAR(100) CHARACTER SET latin1": [("'é€\"'", 'é€"')],
    "VARCHAR(100) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin": [("'ﬀ'", "ﬀ")],
    "VARCHAR(9) CHARACTER SET sjis": [("'表'", "表")],
    "TINYTEXT": [("'\\0'", "\0"), ("'#'", "#")],
    "TEXT CHARACTER SET cp1250": [("'ž'", "ž")],
    "MEDIUMTEXT": [("REPEAT('\"', 70000)", '"' * 70000)],
    "LONGTEXT": [("REPEAT('😀', 300000)", "😀" * 300000)],
    "ENUM('a','é,\"') CHARACTER SET latin1": [("'é,\"'", 'é,"'), ("0", "")],
    "SET('x','y','z')": [("'x,z'", "x,z"), ("''", "")],
    "JSON": [("'{\"a\": [1, \"é\\\\u0000\"]}'", '{"a": [1, "é\\u0000"]}')],
    "BINARY(4)": [("'a'", b"a\0\0\0"), ("X'00FF0A22'", b"\x00\xff\x0a\x22")],
    "VARBINARY(10)": [("''", b""), ("X'00'", b"\0"), ("X'2C22'", b',"')],
    "TINYBLOB": [("X'FFFE'", b"\xff\xfe")],
    "BLOB": [("REPEAT(X'00', 60000)", b"\0" * 60000)],
    "MEDIUMBLOB": [("''", b"")],
    "LONGBLOB": [("REPEAT(X'0A', 100000)", b"\n" * 100000)],
    "UUID": [
        ("'ffffffff-ffff-ffff-ffff-ffffffffffff'", uuid.UUID(int=2**128 - 1)),
        ("'00000000-0000-0000-0000-000000000000'", uuid.UUID(int=0)),
    ],
    "INET4": [("'255.255.255.255'", "255.255.255.255")],
    "INET6": [(f"'{ALL_ONES}'", ALL_ONES), ("'::'", "::"), ("'::ffff:1.2.3.4'", "::ffff:1.2.3.4")],
    "POINT": [("POINT(0.1, -2)", "POINT(0.1 -2)")],
    "GEOMETRY": [("ST_GeomFromText('POLYGON((0 0,0 1,1 1,0 0))')", "POLYGON((0 0,0 1,1 1,0 0))")],
    "LINESTRING": [("ST_GeomFromText('LINESTRING(0 0,1 1)')", "LINESTRING(0 0,1 1)")],
}  # fmt: skip
