from io import BufferedReader, BytesIO
from pathlib import Path

import pytest

from coupons import code_files
from coupons.code_files import Row, Terms, Unreadable

TERMS = Terms({"AAAAAAAAAA": 7, "BBBBBBBBBB": 8}, default_rule=7, shortest=8, longest=40)


def stream(content: str | bytes) -> BufferedReader:
    return BufferedReader(BytesIO(content if isinstance(content, bytes) else content.encode()))


def read_csv(content: str | bytes, terms: Terms = TERMS) -> list[Row]:
    return list(code_files.read(stream(content), "csv", terms))


def read_ndjson(content: str | bytes, terms: Terms = TERMS) -> list[Row]:
    return list(code_files.read(stream(content), "ndjson", terms))


def problems(rows: list[Row]) -> list[tuple[int, str | None]]:
    return [(row.line, row.problem) for row in rows]


FULL_ROW = Row(
    line=2,
    code="Summer 2026",
    code_norm="SUMMER2026",
    promotion_rule_id=8,
    expires_at="2027-01-31 11:00:00.123000",
    usage_limit=5,
    customer_single_use=1,
    applies_to_count=4,
    email="Ada@Example.com",
    email_norm="ada@example.com",
    reference="R-1",
    reference_origin="erp",
    metadata='{"a":[1,null]}',
)


# --- CSV --------------------------------------------------------------------------------------------------------------


def test_every_column_is_read():
    content = (
        "code,promotion_rule_id,expires_at,usage_limit,customer_single_use,applies_to_count,recipient_email,reference,"
        "reference_origin,metadata,usage_count\r\n"
        "Summer 2026,BBBBBBBBBB,2027-01-31T12:00:00.1239+01:00,5,TRUE,4,Ada@Example.com,R-1,erp,"
        '"{""a"": [1, null]}",3\r\n'
    )
    assert read_csv(content) == [FULL_ROW]


def test_columns_come_in_any_order_and_empty_cells_are_absent():
    rows = read_csv("usage_limit,code,expires_at\n,SUMMER-01,\n3,SUMMER-02,\n")
    assert rows == [Row(2, "SUMMER-01", "SUMMER-01", 7), Row(3, "SUMMER-02", "SUMMER-02", 7, usage_limit=3)]


def test_a_row_may_leave_out_its_last_cells():
    assert read_csv("code,reference,usage_limit\nSUMMER-01\nSUMMER-02,R\n") == [
        Row(2, "SUMMER-01", "SUMMER-01", 7),
        Row(3, "SUMMER-02", "SUMMER-02", 7, reference="R"),
    ]


def test_a_row_with_more_cells_than_columns_is_refused():
    assert problems(read_csv("code\nSUMMER-01,x\nSUMMER-02\n")) == [(2, "has 2 cells under 1 columns"), (3, None)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_in_any_way_and_blank_ones_count_but_give_nothing(end: str):
    rows = read_csv(end.join(["code", "SUMMER-01", "", "SUMMER-02"]))
    assert [(row.line, row.code) for row in rows] == [(2, "SUMMER-01"), (4, "SUMMER-02")]


def test_a_byte_order_mark_is_no_part_of_the_header():
    assert [row.code for row in read_csv(b"\xef\xbb\xbfcode\nSUMMER-01\n")] == ["SUMMER-01"]


def test_quotes_commas_and_newlines_in_cells():
    rows = read_csv('code,reference\n"SUMMER,01","say ""hi"",\nplease"\nSUMMER-02,x\n')
    assert [(row.line, row.code, row.reference) for row in rows] == [
        (2, "SUMMER,01", 'say "hi",\nplease'),
        (4, "SUMMER-02", "x"),
    ]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('code\nSUMMER-01\n"SUMMER-02\nSUMMER-03\n', "Line 3"),
        ('code\n"SUMMER-01"x\n', "Line 2"),
        (f'code\n"{"A" * 200_000}"\n', "Line 2"),
    ],
)
def test_quotes_that_do_not_match_stop_the_file_at_their_line(content: str, line: str):
    with pytest.raises(Unreadable) as refusal:
        read_csv(content)
    assert refusal.value.detail.startswith(f"{line} is not CSV (")


def test_a_byte_that_is_not_utf8_costs_its_row_only():
    rows = read_csv(b"code,reference\nSUMM\xe9R-01,\nSUMMER-02,caf\xe9\nSUMMER-03,caf\xc3\xa9\n")
    assert problems(rows) == [
        (2, "code has the byte 0xE9 at character 5, which is not UTF-8"),
        (3, "reference has the byte 0xE9 at character 4, which is not UTF-8"),
        (4, None),
    ]
    assert rows[0].code == "SUMM?R-01"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_another_encoding_is_told_at_the_header(encoding: str):
    with pytest.raises(Unreadable, match=r"^The header is not UTF-8\.$"):
        read_csv("code\nSUMMER-01\n".encode(encoding))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("code,colour\n", "The header has an unknown column 'colour'"),
        ("code;usage_limit\n", "The header has an unknown column 'code;usage_limit'"),
        ("SUMMER-01\n", "The header has an unknown column 'SUMMER-01'"),
        ("code,\n", "The header has an unknown column ''"),
        ("usage_limit\n", "The header has no column 'code'"),
        ("", "The header has no column 'code'"),
        ("code,code\n", "The header has the column 'code' twice"),
    ],
)
def test_a_header_that_is_not_understood_is_refused_by_name(content: str, problem: str):
    with pytest.raises(Unreadable) as refusal:
        read_csv(content)
    assert refusal.value.detail.startswith(problem)


@pytest.mark.parametrize(
    ("column", "cell", "problem"),
    [
        ("reference", "a\0b", "can't contain a NUL character"),
        ("reference", "x" * 256, "is too long (maximum is 255 characters)"),
        ("reference_origin", "x" * 256, "is too long (maximum is 255 characters)"),
        ("expires_at", "31/01/2027", "is not an ISO 8601 instant"),
        ("expires_at", "2027-02-30T00:00:00Z", "is not an ISO 8601 instant"),
        ("expires_at", "0001-01-01T00:00:00+10:00", "is not an ISO 8601 instant"),
        ("usage_limit", "-1", "must be greater than or equal to 0"),
        ("usage_limit", "9007199254740992", "must be less than or equal to 9007199254740991"),
        ("usage_limit", "1.5", "is not a whole number"),
        ("usage_limit", "many", "is not a whole number"),
        ("usage_limit", "٣", "is not a whole number"),
        ("usage_limit", "9" * 5000, "is not a whole number"),
        ("applies_to_count", "0", "must be greater than or equal to 1"),
        ("applies_to_count", "10000000000", "must be less than or equal to 9999999999"),
        ("customer_single_use", "yes", "must be true, false, 1 or 0"),
        ("recipient_email", "ada", "is not an e-mail address"),
        ("recipient_email", "a@b.example\0", "can't contain a NUL character"),
        ("metadata", "{", "is not a JSON object"),
        ("metadata", "[1]", "is not a JSON object"),
        ("metadata", "caf\u00e9", "is not a JSON object"),
        ("metadata", '"{""a"": ""\\u0000""}"', "can't contain a NUL character"),
        ("metadata", '"' + '{""a"":' * 500 + "1" + "}" * 500 + '"', "is not a JSON object"),
        ("promotion_rule_id", "CCCCCCCCCC", "'CCCCCCCCCC' is not a coupon rule of this organization and mode"),
    ],
)
def test_a_value_that_is_wrong_refuses_its_row_by_name(column: str, cell: str, problem: str):
    rows = read_csv(f"code,{column}\nSUMMER-01,{cell}\nSUMMER-02,\n")
    assert problems(rows) == [(2, f"{column} {problem}"), (3, None)]


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("", "can't be blank"),
        ('"  "', "can't be blank"),
        ("SHORT", "is too short (minimum is 8 characters)"),
        ("X" * 41, "is too long (maximum is 40 characters)"),
        ("SUMMER\0-01", "can't contain a NUL character"),
    ],
)
def test_a_code_that_is_wrong_refuses_its_row(cell: str, problem: str):
    assert problems(read_csv(f"code,reference\n{cell},R\nSUMMER-02,R\n")) == [(2, f"code {problem}"), (3, None)]


def test_a_refused_row_tells_everything_that_is_wrong_and_its_code():
    rows = read_csv("code,usage_limit,expires_at\nSHORT,x,y\n")
    assert rows == [
        Row(
            2,
            "SHORT",
            problem="code is too short (minimum is 8 characters); usage_limit is not a whole number; "
            "expires_at is not an ISO 8601 instant",
        )
    ]


def test_what_is_shown_of_a_refused_code_is_short_and_can_be_written():
    assert read_csv(b"code\n" + b"A\0\xff" + b"B" * 500)[0].code == "A\N{REPLACEMENT CHARACTER}?" + "B" * 97


def test_escapes_that_are_no_nul_stay_in_metadata():
    rows = read_csv('code,metadata\nSUMMER-01,"{""path"": ""C:\\\\u0000""}"\n')
    assert rows[0].metadata == '{"path":"C:\\\\u0000"}'


def test_rows_without_a_rule_need_a_default():
    without = TERMS._replace(default_rule=None)
    assert problems(read_csv("code\nSUMMER-01\n", without)) == [(2, "promotion_rule_id can't be blank")]
    rows = read_csv("code,promotion_rule_id\nSUMMER-01,\nSUMMER-02,BBBBBBBBBB\n", without)
    assert problems(rows) == [(2, "promotion_rule_id can't be blank"), (3, None)]
    assert rows[1].promotion_rule_id == 8


@pytest.mark.parametrize(
    ("cell", "stored"),
    [
        ("2027-01-31T12:00:00Z", "2027-01-31 12:00:00"),
        ("2027-01-31T12:00:00", "2027-01-31 12:00:00"),
        (" 2027-01-31 ", "2027-01-31 00:00:00"),
        ("2027-01-31T12:00:00.9999-05:30", "2027-01-31 17:30:00.999000"),
    ],
)
def test_instants_are_utc_cut_to_milliseconds(cell: str, stored: str):
    assert read_csv(f"code,expires_at\nSUMMER-01,{cell}\n")[0].expires_at == stored


@pytest.mark.parametrize(("cell", "stored"), [("true", 1), ("1", 1), ("False", 0), ("0", 0), ("", None)])
def test_flags(cell: str, stored: int | None):
    assert read_csv(f"code,customer_single_use\nSUMMER-01,{cell}\n")[0].customer_single_use == stored


# --- NDJSON -----------------------------------------------------------------------------------------------------------


def test_ndjson_gives_what_csv_gives():
    content = (
        '\n{"code": "Summer 2026", "promotion_rule_id": "BBBBBBBBBB", "expires_at": "2027-01-31T11:00:00.123Z", '
        '"usage_limit": 5, "customer_single_use": true, "applies_to_count": 4, "recipient_email": "Ada@Example.com", '
        '"reference": "R-1", "reference_origin": "erp", "metadata": {"a": [1, null]}, "usage_count": 3}\n'
    )
    assert read_ndjson(content) == [FULL_ROW]


def test_values_may_be_text_and_null_is_absent():
    rows = read_ndjson('{"code": "SUMMER-01", "usage_limit": "5", "customer_single_use": "0", "expires_at": null}')
    assert rows == [Row(1, "SUMMER-01", "SUMMER-01", 7, usage_limit=5, customer_single_use=0)]


def test_false_and_zero_are_values():
    rows = read_ndjson('{"code": "SUMMER-01", "usage_limit": 0, "customer_single_use": false}')
    assert (rows[0].usage_limit, rows[0].customer_single_use) == (0, 0)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"code": "SUMMER-01"', "is not JSON ("),
        (b'["SUMMER-01"]', "is not a JSON object"),
        (b'{"code": "SUMMER-01", "colour": 1}', "has an unknown key 'colour'"),
        (b'{"code": "SUMM\xe9R-01"}', "has the byte 0xE9 at character 15, which is not UTF-8"),
        (b'{"reference": "x"}', "code can't be blank"),
        (b'{"code": 12345678}', "code must be a string"),
        (b'{"code": {"a": 1}}', "code must be a string"),
        (b'{"code": "SUMMER-01", "usage_limit": true}', "usage_limit is not a whole number"),
        (b'{"code": "SUMMER-01", "usage_limit": 1.0}', "usage_limit is not a whole number"),
        (b'{"code": "SUMMER-01", "customer_single_use": []}', "customer_single_use must be true, false, 1 or 0"),
        (b'{"code": "SUMMER-01", "expires_at": 5}', "expires_at is not an ISO 8601 instant"),
        (b'{"code": "SUMMER-01", "recipient_email": ["a"]}', "recipient_email must be a string"),
        (b'{"code": "SUMMER-01", "reference": 5}', "reference must be a string"),
        (b'{"code": "SUMMER-01", "metadata": 5}', "metadata is not a JSON object"),
        (b'{"code": "SUMMER-01", "promotion_rule_id": 5}', "promotion_rule_id '5' is not a coupon rule"),
    ],
)
def test_a_line_that_is_wrong_is_refused(line: bytes, problem: str):
    bad, good = read_ndjson(line + b'\n{"code": "SUMMER-02"}\n')
    assert (bad.line, good) == (1, Row(2, "SUMMER-02", "SUMMER-02", 7))
    assert bad.problem is not None
    assert bad.problem.startswith(problem)


def test_a_byte_order_mark_is_no_part_of_the_first_line():
    assert read_ndjson(b'\xef\xbb\xbf{"code": "SUMMER-01"}') == [Row(1, "SUMMER-01", "SUMMER-01", 7)]


# --- Format and writing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("codes.csv", b"{", "csv"),
        ("codes.ndjson", b"code", "ndjson"),
        ("codes.JSONL", b"code", "ndjson"),
        ("-", b"code\nx", "csv"),
        ("-", b' \n{"code": 1}', "ndjson"),
        ("-", b'\xef\xbb\xbf{"code": 1}', "ndjson"),
        ("codes.txt", b"", "csv"),
    ],
)
def test_the_format_is_known_by_name_else_by_content(name: str, content: bytes, expected: str):
    assert code_files.file_format(name, stream(content)) == expected


def test_csv_is_written_exactly():
    lines = code_files.as_csv([("a", None, 1), ("=1+1", 'say "hi"', "x\ny")])
    assert list(lines) == ["a,,1\r\n", '=1+1,"say ""hi""","x\ny"\r\n']


def test_a_file_appears_only_when_it_is_complete(tmp_path: Path):
    path = tmp_path / "codes.csv"
    path.write_text("old")
    with code_files.written(path) as file:
        file.write("new")
        file.flush()
        assert path.read_text() == "old"
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("codes.csv", "new")]


def test_a_file_that_is_not_completed_leaves_the_old_one(tmp_path: Path):
    path = tmp_path / "codes.csv"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), code_files.written(path) as file:
        file.write(f"{1 // 0}")
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("codes.csv", "old")]
