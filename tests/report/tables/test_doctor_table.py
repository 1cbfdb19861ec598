"""Test the table of `doctor`."""

import io

from doctor_records import doctor_record
from rich.console import Console

from mothertongue.diagnosis.records import DoctorResult
from mothertongue.report.tables.doctor_table import doctor_table
from mothertongue.system.json_files import field_values


def test_without_findings_it_is_a_sentence() -> None:
    record = doctor_record([], clips=1200)
    console = Console(file=io.StringIO(), width=80)
    console.print(doctor_table(DoctorResult(**field_values(record), out="doctor")))
    assert console.file.getvalue() == "none of 1,200 clips looks wrong\n"
