"""Bytes of the user's own text files as text: UTF-8, or what a file says or looks like otherwise.

Nothing is read silently as what it might not be: UTF-8 alone goes without a word, other encodings
are named in a warning, and what cannot be told is refused.
"""

import codecs
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

from experiments.errors import UsageError

MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16's, with which it begins
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order marks, with which a file says its encoding."""

WESTERN = "cp1252"
"""Latin-1 with its quotation marks."""

LEGACY = [
    *(WESTERN, "cp1250", "cp1251", "koi8_r", "cp1253", "cp1255", "cp1256"),
    *("gb18030", "big5", "cp932", "euc_jp", "cp949"),
]
"""What texts were written in before UTF-8, one for each script and its widest form: the detector,
asked for more, calls French Baltic."""

DAMAGED = "UTF-8 with damage, its broken bytes as U+FFFD"

BINARY = re.compile(r"[\x00-\x08\x0e-\x19\x1b-\x1f\x7f]")
"""Control characters that no text has; \\x1a ends one of DOS."""

_LETTER, _HIGH = re.compile(rb"[A-Za-z]"), re.compile(rb"[\x80-\xff]")

ADVICE = "save it as UTF-8, or remove it."


def decode(files: Sequence[tuple[Path, bytes]]) -> list[str]:
    """The texts of files; a warning names each encoding that is not UTF-8, and a file of it.

    Files without a byte order mark that are no UTF-8 are looked at together and one by one: a
    short one says little about itself, and is read as the others where it may be of their kind.

    Raises:
        UsageError: a file is no text, or its encoding cannot be told.

    Example:
        >>> decode([(Path("a.txt"), "naïve".encode())])
        ['naïve']
    """
    named = [_said(content) for _, content in files]
    unsaid = [content for (_, content), name in zip(files, named, strict=True) if name is None]
    common = _told(b"\n".join(unsaid))[0] if unsaid else None
    texts, seen = [], {}
    for (file, content), name in zip(files, named, strict=True):
        if name is None:
            name, rivals = _told(content, common)
            if name is None and rivals:
                raise UsageError(
                    f"{file} is not UTF-8, and may be any of {', '.join(rivals)}: {ADVICE}"
                )
        text = _text(content, name)
        if text is None or BINARY.search(text):
            raise UsageError(f"{file} is no text, but binary: {ADVICE}")
        if name not in ("utf-8", "utf-8-sig"):
            seen.setdefault(name, []).append(file)
        texts.append(text)
    for name, those in seen.items():
        more = f", with {len(those) - 1} more like it," if len(those) > 1 else ""
        warnings.warn(
            f"{those[0]}{more} is read as {name}: save as UTF-8 if this is wrong.", stacklevel=3
        )
    return texts


def _text(content: bytes, name: str | None) -> str | None:
    """The text in an encoding, None where there is none."""
    if name == DAMAGED:
        return content.decode(errors="replace")
    try:
        return content.decode(name) if name else None
    except UnicodeDecodeError:
        return None


def _said(content: bytes) -> str | None:
    """The encoding of which there is no doubt; None where the detector is to be asked."""
    for mark, name in MARKS.items():
        if content.startswith(mark):
            return name
    if b"\0" in content:  # UTF-16 without its mark: the half of ASCII's characters that is 0
        even, odd = content[::2].count(0), content[1::2].count(0)
        return "utf-16-le" if not even else "utf-16-be" if not odd else "utf-8"
    if _text(content, "utf-8") is not None:
        return "utf-8"
    text = content.decode(errors="replace")
    broken = text.count("\ufffd")
    whole = sum(char > "\x7f" for char in text) - broken
    # Two bytes of another encoding are now and then a character of UTF-8, most are not.
    return DAMAGED if whole > 10 * broken else None


def _told(content: bytes, common: str | None = None) -> tuple[str | None, list[str]]:
    """What the detector finds: the encoding if one is best, and all that are as good.

    Args:
        content: of a file that is no UTF-8.
        common: the encoding of other files, taken where it is possible here too.
    """
    from charset_normalizer import from_bytes

    found = [*from_bytes(content, cp_isolation=LEGACY)]
    if common and any(common in match.could_be_from_charset for match in found):
        return common, []
    as_good = [m for m in found if (m.chaos, -m.coherence) <= (found[0].chaos, -found[0].coherence)]
    names = [name for match in as_good for name in match.could_be_from_charset]
    # Western languages are ASCII but for some accents; of other scripts hardly a byte is ASCII.
    if WESTERN in names and len(_LETTER.findall(content)) >= len(_HIGH.findall(content)):
        return WESTERN, []
    return (as_good[0].encoding if len(as_good) == 1 else None), names
