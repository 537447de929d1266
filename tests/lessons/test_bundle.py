"""What a student takes home: notebooks without solutions, and where they are."""

import sys
import zipfile

import nbformat
import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "docs"))
import bundle  # noqa: E402
import notebooks  # noqa: E402

LESSONS = list(notebooks.lessons())


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder of what is written of lessons that are not run."""
    folder = tmp_path_factory.mktemp("lessons")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "executed", lambda one: notebooks.notebook(one, "instructor"))
        bundle.write(folder / "pages", folder / "static")
    return folder


def test_the_archive_has_the_notebooks_of_students_alone(written):
    with zipfile.ZipFile(written / "static" / "lessons.zip") as archive:
        names = {name for name in archive.namelist() if name.endswith(".ipynb")}
        assert names == {f"{lesson.stem}-student.ipynb" for lesson in LESSONS}
        for name in names:
            cells = nbformat.reads(archive.read(name).decode(), as_version=4).cells
            tags = {tag for cell in cells for tag in notebooks.tags(cell)}
            assert "exercise" in tags and not {"solution", "instructor"} & tags, name


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_a_page_of_a_lesson_leads_to_its_own_notebooks(written, lesson):
    cells = nbformat.read(written / "pages" / f"{lesson.stem}.ipynb", as_version=4).cells
    assert not [cell for cell in cells if "instructor" in notebooks.tags(cell)]
    links = cells[1].source
    assert f'lessons/{lesson.stem}-student.ipynb">the notebook without them' in links
    assert f'lessons/{lesson.stem}-solutions.ipynb">with them' in links
    assert f"({lesson.stem}-instructor.ipynb)" in links
    for reader in ("student", "solutions"):
        assert (written / "static" / f"{lesson.stem}-{reader}.ipynb").exists()
