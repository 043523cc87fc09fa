"""Files as spreadsheets, scripts and mail make them: what is read, and what is said of the rest."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.ledger.conftest import Club
from tests.ledger.test_import_records import customers, trial
from tests.ledger.test_importer import run
from tests.ledger.test_sweep import START
from tierline.ledger.files.file_kind import FileUnreadable
from tierline.ledger.files.importer import Importer
from tierline.ledger.files.progress import Imported
from tierline.ledger.files.records import InputFile

PLAIN = "customer,points,name\nada,5,Ada\n"
BIG = "x" * 1_000_000


async def imported(club: Club, path: Path, rejects: Path) -> Imported:
    async with club.writer() as writer:
        importer = Importer(club.database, club.catalog, writer, club.project, club.program)
        return await importer.run(path, rejects=rejects)


GOOD = {
    "mark.csv": PLAIN.encode("utf-8-sig"),
    "windows.csv": PLAIN.replace("\n", "\r\n").encode(),
    "mac.csv": PLAIN.replace("\n", "\r").encode(),
    "quoted.csv": b'"customer","points","name"\n"ada","5","Ada"\n',
    "spaced.csv": b" customer , points , name \nada,5,Ada\n",
    "tabs.txt": PLAIN.replace(",", "\t").encode(),
    "delimiter at the end.csv": b"customer,points,name,\nada,5,Ada,\n",
    "empty columns.csv": b"customer,points,name,,\nada,5,Ada,,\n",
    "delimiter in the row.csv": b"customer,points,name\nada,5,Ada,\n",
    "no end.csv": PLAIN.strip().encode(),
    "hint.csv": b"sep=;\r\ncustomer;points;name\r\nada;5;Ada, the first\r\n",
    "hint with a mark.csv": b'\xef\xbb\xbf"sep=|"\n\ncustomer|points|name\nada|5|Ada\n',
    "hint for tabs.txt": b"SEP=\t\ncustomer\tpoints\nada\t5\n",
    "hint saved again.csv": b"sep=;;;\ncustomer;points;name\nada;5;Ada\n",
    "blank lines.csv": f"\n\n{PLAIN}\n".encode(),
    "lines of blanks.csv": f"  \n \t\n{PLAIN}   \n".encode(),
    "empty cells above.csv": f",,\n , ,\n{PLAIN}".encode(),
    "two marks.csv": b"\xef\xbb\xbf" + PLAIN.encode("utf-8-sig"),
    "unseen characters.csv": "customer\u200b,points\u00a0,\ufeffname\nada,5,Ada\n".encode(),
    "heading over two lines.csv": b'customer,"points\n",name\nada,5,Ada\n',
    "rows.jsonl": PLAIN.encode(),
    "rows.json": PLAIN.replace(",", ";").encode(),
    "windows.jsonl": b'{"customer":"ada","points":5,"name":"Ada"}\r\n\r\n',
    "mark.jsonl": b'\xef\xbb\xbf{"customer":"ada","points":5,"name":"Ada"}\n',
}


@pytest.mark.parametrize("name", GOOD)
async def test_a_file_as_programs_write_it_is_read(club: Club, tmp_path: Path, name: str) -> None:
    """Marks, ends of lines, quotes, and delimiters that close a line change nothing."""
    await club.create(clock=START)
    path = tmp_path / name
    path.write_bytes(GOOD[name])
    done = await run(club, path)

    assert (done.records, done.made, done.refused) == (1, 1, 0), done.problems
    assert (await club.standing()).balance == 5


UNREADABLE = {
    "wide.csv": (PLAIN.encode("utf-16"), "UTF-16"),
    "wide without a mark.csv": (PLAIN.encode("utf-16-le"), "UTF-16"),
    "wide.jsonl": ('{"customer":"ada"}\n'.encode("utf-16"), "UTF-16"),
    "packed.csv.gz": (gzip.compress(PLAIN.encode()), "unpack it first"),
    "packed.csv": (gzip.compress(PLAIN.encode()), "unpack it first"),
    "sheet.xlsx": (b"PK\x03\x04" + bytes(50), "save it as CSV"),
    "capital.csv": (b"Customer,Points\nada,5\n", "write 'customer'"),
    "twice in other letters.csv": (b"customer,points,Points\nada,5,6\n", "write 'points'"),
    "latin.csv": ("customer,metadata.größe\nada,5\n".encode("latin-1"), "not UTF-8"),
    "capital.jsonl": (b"Customer,Points\nada,5\n", "write 'customer'"),
    "twice over two lines.csv": (b'customer,points,"points\n"\nada,5,6\n', "twice"),
    "open.csv": (b'customer,"points\nada,5\n', "no column `customer`"),
    "lines.json": (b'{\n "customer": "ada"\n}\n', "an object on each line"),
    "hint alone.csv": (b"sep=;\n", "empty"),
    "wrong hint.csv": (b"sep=;\n" + PLAIN.encode(), "no column `customer`"),
    "unknown hint.csv": (b"sep=x\n" + PLAIN.encode(), "no column `customer`"),
    "array.json": (b'[\n {"customer": "ada"}\n]\n', "an object on each line"),
    "deep.jsonl": (b"[" * 100_000 + b"]" * 100_000, "an object on each line"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_of_another_kind_says_which_in_one_sentence(tmp_path: Path, name: str) -> None:
    """Not once for each of its lines."""
    content, words = UNREADABLE[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FileUnreadable, match=words):
        InputFile(path, ())


BROKEN: dict[str, tuple[bytes, str]] = {
    "open": (b'bad,5,"Ada', "name: A quotation mark is not closed"),
    "inside": (b'bad,5,"A"da', "name: A quotation mark is not closed"),
    "open in front": (b'"bad,5,Ada', "customer: A quotation mark is not closed"),
    "long": (f"bad,5,{BIG}".encode(), "name: The cell is longer than 131,072 characters"),
    "long and quoted": (f'bad,5,"{BIG}"'.encode(), "name: The cell is longer"),
    "latin": (b"bad,5,J\xf6rg", "name: it is not UTF-8"),
    "mark": (b"\xef\xbb\xbfbad,5,Ada", "customer: a byte-order mark stands before it"),
    "return": (b'bad,5,"A\rda"', "name: control characters"),
    "nul": (b"b\0d,5,Ada", "customer: control characters"),
    "few": (b"bad,5", "The row has 2 cells, the heading 3 names"),
    "many": (b"bad,5,Ada,7", "The row has 4 cells, the heading 3 names"),
    "comma": (b'bad,"12,50",Ada', "points: expected a whole number"),
    "thousands": (b"bad,1.250,Ada", "points: expected a whole number"),
    "exponent": (b"bad,1e3,Ada", "points: expected a whole number"),
    "empty": (b",,", "customer: it is needed"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("dry", [False, True], ids=["done", "dry"])
async def test_a_broken_row_costs_its_own_line_alone(
    club: Club, tmp_path: Path, name: str, *, dry: bool
) -> None:
    """Named by its line and column; those before and after it are in, and it stands among the
    rejects as it was, which are refused again as long as nobody mends them."""
    await club.create(clock=START)
    row, words = BROKEN[name]
    path, rejects = tmp_path / "people.csv", tmp_path / "rejects.csv"
    others = b'"b""o, b",6,"Bob\'s ""x"""\n' + b"eve,7,Eve\n"
    path.write_bytes(b"customer,points,name\nada,5,Ada\n" + row + b"\n" + others)
    done = await trial(club, path, rejects) if dry else await imported(club, path, rejects)

    (problem,) = done.problems
    assert problem.sentence.startswith("line 3")
    assert words in problem.sentence
    assert (done.records, done.made) == (4, 3)
    assert await customers(club) == ([] if dry else ["ada", 'b"o, b', "eve"])
    again = await trial(club, rejects)
    assert (again.records, again.refused) == (1, 1), again.problems
    assert again.problems[0].line == 2


async def test_a_mark_in_front_of_an_object_is_named(club: Club, tmp_path: Path) -> None:
    """Files that were joined have one in the middle."""
    await club.create(clock=START)
    line = b'{"customer":"ada","points":5}\n'
    done = await run(club, _written(tmp_path / "two.jsonl", line + b"\xef\xbb\xbf" + line))

    (problem,) = done.problems
    assert problem.line == 2
    assert "a byte-order mark stands before it" in problem.reason


async def test_a_mended_quotation_mark_is_all_that_a_row_needs(club: Club, tmp_path: Path) -> None:
    """The reason beside it stays one cell."""
    await club.create(clock=START)
    path, rejects = tmp_path / "people.csv", tmp_path / "rejects.csv"
    path.write_text('customer,points,name\nada,5,"Ada\nbob,6,Bob\n')
    await imported(club, path, rejects)
    rejects.write_text(rejects.read_text().replace('"Ada', '"Ada"'))
    done = await run(club, rejects)

    assert (done.records, done.made, done.refused) == (1, 1, 0), done.problems


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


async def test_an_activity_without_its_kind_is_told_so(club: Club, tmp_path: Path) -> None:
    """Not that the field that only activities have is unknown."""
    await club.create(clock=START)
    done = await run(club, _written(tmp_path / "a.csv", b"customer,kind,key\nada,,o-1\n"))

    (problem,) = done.problems
    assert problem.sentence == (
        "line 2, key: a person has no such field; an activity needs a `kind`."
    )
