"""What is on people's screens: two clients on one file, dirty and clean as DESIGN.md section 6 has them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentd.core.documents import Buffer, OpenDocuments, Seen, document_key, file_path, merged, normalised

URI = "file:///p/a.py"


def seen(documents: OpenDocuments, disk: str | None) -> Seen | None:
    return merged(documents.of(URI), disk)


def test_a_buffer_that_is_the_disks_is_clean() -> None:
    documents = OpenDocuments()
    documents.opened(1, URI, "\ufeffa\r\nb\r\n", 1)
    assert seen(documents, "a\nb\n") == Seen("a\nb\n", unsaved=False)
    documents.settle(URI, "a\nb\n")
    assert not documents.of(URI)[0].changed


def test_a_clean_buffer_stays_clean_when_the_disk_moves_on() -> None:
    """A checkout under an open file: what the editor still shows is nobody's unsaved work."""
    documents = OpenDocuments()
    documents.opened(1, URI, "old", 1)
    documents.settle(URI, "old")
    assert seen(documents, "new from git") == Seen("new from git", unsaved=False)
    documents.changed(1, URI, "old and mine", 2)
    assert seen(documents, "new from git") == Seen("old and mine", unsaved=True)


def test_a_restored_unsaved_buffer_is_dirty_from_the_start() -> None:
    documents = OpenDocuments()
    documents.opened(1, URI, "restored", 1)
    documents.settle(URI, "disk")
    assert seen(documents, "disk") == Seen("restored", unsaved=True)


def test_saving_makes_clean_and_undoing_to_the_disks_text_too() -> None:
    documents = OpenDocuments()
    documents.opened(1, URI, "a", 1)
    documents.changed(1, URI, "b", 2)
    documents.saved(1, URI)
    assert seen(documents, "c") == Seen("c", unsaved=False)
    documents.changed(1, URI, "c", 3)
    assert seen(documents, "c") == Seen("c", unsaved=False)


def test_of_two_dirty_clients_the_last_that_typed_is_seen() -> None:
    documents = OpenDocuments()
    documents.opened(1, URI, "disk", 1)
    documents.opened(2, "file:/p/a%2Epy", "disk", 7)
    documents.changed(2, "file:/p/a%2Epy", "two", 8)
    documents.changed(1, URI, "one", 2)
    assert [buffer.peer for buffer in documents.of(URI)] == [1, 2]
    assert seen(documents, "disk") == Seen("one", unsaved=True)
    documents.saved(1, URI)
    assert seen(documents, "one") == Seen("two", unsaved=True), "what the other has not saved is still there"
    documents.closed(2, URI)
    assert seen(documents, "one") == Seen("one", unsaved=False)


def test_a_clean_buffer_does_not_hide_anothers_dirty_one() -> None:
    documents = OpenDocuments()
    documents.opened(1, URI, "mine", 1)
    documents.opened(2, URI, "disk", 1)
    assert seen(documents, "disk") == Seen("mine", unsaved=True)


def test_a_client_that_is_gone_takes_its_buffers_along() -> None:
    documents = OpenDocuments()
    documents.opened(1, URI, "one", 1)
    documents.opened(2, URI, "two", 1)
    documents.opened(1, "untitled:Untitled-1", "draft", 1)
    assert documents.open_keys() == ("file:///p/a.py", "untitled:Untitled-1")
    documents.dropped(1)
    assert [buffer.text for buffer in documents.of(URI)] == ["two"]
    assert len(documents) == 1


def test_no_disk_and_no_buffer_is_nothing() -> None:
    documents = OpenDocuments()
    assert seen(documents, None) is None
    documents.saved(1, URI)
    documents.closed(1, URI)
    documents.opened(1, URI, "new file", 1)
    documents.saved(1, URI)
    assert seen(documents, None) == Seen("new file", unsaved=True)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///p/a.py", "/p/a.py"),
        ("file:/p/a.py", "/p/a.py"),
        ("FILE:///p/a.py", "/p/a.py"),
        ("file://localhost/p/a.py", "/p/a.py"),
        ("file:///p/a%20b%2B.py", "/p/a b+.py"),
        ("file:///p/a b+.py", "/p/a b+.py"),
        ("file:///p/%C3%BC.py", "/p/ü.py"),
        ("file:///p/ü.py", "/p/ü.py"),
        ("file:///p/a#b?.py", "/p/a#b?.py"),
        ("file:///p/%ff.py", "/p/\udcff.py"),
        ("file:///p/a%2520b", "/p/a%20b"),
        ("file://[x/p", None),
        ("file://server/p", None),
        ("file:", None),
        ("file:p", None),
        ("untitled:Untitled-1", None),
        ("http://example.com/a", None),
        ("", None),
    ],
)
def test_spellings_of_a_uri(uri: str, path: str | None) -> None:
    assert file_path(uri) == path
    assert document_key(uri) == (uri if path is None else f"file://{path}")


@settings(deadline=None)
@given(st.text(), st.text())
def test_any_uri_has_a_key(uri: str, text: str) -> None:
    document_key(uri)
    document_key(f"file:{uri}")
    assert normalised(normalised(text).replace("\n", "\r\n").lstrip("\ufeff")) == normalised(text).lstrip("\ufeff")


@settings(deadline=None)
@given(
    st.lists(st.builds(Buffer, st.integers(), st.just(URI), st.sampled_from(["a", "b\r\n", "c"]), st.just(1))),
    st.one_of(st.none(), st.sampled_from(["a", "b\n"])),
)
def test_what_is_seen_is_a_buffers_or_the_disks(buffers: list[Buffer], disk: str | None) -> None:
    found = merged(tuple(buffers), disk)
    assert (found is None) == (disk is None and not buffers)
    if found is not None:
        assert found.text in {disk, *(buffer.text for buffer in buffers)}
        assert found.unsaved or found.text == disk
