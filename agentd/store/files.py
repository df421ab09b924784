"""The one module that touches the disk. A thin seam: tests pass a ``Files`` that fails where they say.

Everything made here is 0600 (directories 0700), is closed on exec, and follows no symbolic link in its last step.
Methods raise ``OSError``; ``saving`` and ``loading`` turn that into what people read. Blocking: call from a worker.
"""

import errno
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from agentd.errors import LoadFailed, StoreFailed

_COMMON = os.O_CLOEXEC | os.O_NOFOLLOW
_COPY_BLOCK = 1 << 20


@contextmanager
def saving(what: str = "session") -> Iterator[None]:
    """A failure to write becomes StoreFailed, in the system's words ("No space left on device")."""
    try:
        yield
    except OSError as error:
        raise StoreFailed(words(error), what) from error


@contextmanager
def loading() -> Iterator[None]:
    """A failure to read becomes LoadFailed."""
    try:
        yield
    except OSError as error:
        raise LoadFailed(words(error)) from error


def words(error: OSError) -> str:
    """What went wrong, without any path."""
    return error.strerror or str(error)


class Files:
    """File operations as the store needs them."""

    def create(self, path: Path) -> int:
        """A new file for appending; FileExistsError if anything, even a dangling link, is there."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | _COMMON, 0o600)

    def append_to(self, path: Path, *, create: bool = False) -> int:
        """An existing file (or a new one, with ``create``) for appending."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | _COMMON | (os.O_CREAT if create else 0)
        return self._regular(os.open(path, flags, 0o600))

    def open_read(self, path: Path) -> int:
        """A regular file for reading. Does not block on a pipe that someone put in its place."""
        return self._regular(os.open(path, os.O_RDONLY | os.O_NONBLOCK | _COMMON))

    def _regular(self, fd: int) -> int:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError(errno.EINVAL, "Not a regular file")
        return fd

    def close(self, fd: int) -> None:
        os.close(fd)

    def write(self, fd: int, data: bytes) -> None:
        """All of ``data``, however many writes it takes."""
        written = os.write(fd, data)
        if written < len(data):
            view = memoryview(data)
            while written < len(data):
                written += os.write(fd, view[written:])

    def sync(self, fd: int) -> None:
        """The file's data, and what is needed to read it back, on stable storage."""
        if sys.platform == "darwin":
            import fcntl

            # fsync on macOS stops at the drive's cache.
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        else:
            os.fdatasync(fd)

    def sync_directory(self, path: Path) -> None:
        """The names in a directory, on stable storage."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def read_at(self, fd: int, size: int, offset: int) -> bytes:
        """Up to ``size`` bytes from ``offset``; fewer only at the end of the file."""
        data = os.pread(fd, size, offset)
        if 0 < len(data) < size:
            parts, got = [data], len(data)
            while got < size and (more := os.pread(fd, size - got, offset + got)):
                parts.append(more)
                got += len(more)
            return b"".join(parts)
        return data

    def contents(self, path: Path) -> bytes:
        fd = self.open_read(path)
        try:
            return self.read_at(fd, os.fstat(fd).st_size, 0)
        finally:
            os.close(fd)

    def stat(self, path: Path) -> os.stat_result:
        """Of the path itself, not of what a link there points to."""
        return os.lstat(path)

    def names(self, path: Path) -> list[str]:
        """What a directory holds."""
        with os.scandir(path) as entries:
            return [entry.name for entry in entries]

    def directories(self, path: Path) -> list[str]:
        """The names of real directories in it; links to directories are none of ours."""
        with os.scandir(path) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]

    def having(self, path: Path, names: Sequence[str], leaf: str) -> list[str]:
        """Those of the directories ``names`` in ``path`` that hold something called ``leaf``. Of ten thousand names it
        costs a quarter of asking for each. Raises OSError for ``path`` itself."""
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return [name for name in names if os.access(f"{name}/{leaf}", os.F_OK, dir_fd=directory)]
        finally:
            os.close(directory)

    def exists(self, path: Path) -> bool:
        """Whether anything has this name, even a dangling link."""
        return os.path.lexists(path)

    def is_directory(self, path: Path) -> bool:
        """A real one, no link."""
        return path.is_dir() and not path.is_symlink()

    def is_mount(self, path: Path) -> bool:
        """Whether something is mounted there now."""
        return os.path.ismount(path)

    def mount_of(self, path: Path) -> Path | None:
        """The mount point that a path is below, or is; None for the system's own, which is always there."""
        return next((place for place in (path, *path.parents) if place != place.parent and self.is_mount(place)), None)

    def stat_open(self, fd: int) -> os.stat_result:
        return os.fstat(fd)

    def truncate(self, path: Path, size: int) -> None:
        """Cut a file and sync it."""
        fd = self.append_to(path)
        try:
            self.truncate_open(fd, size)
            self.sync(fd)
        finally:
            os.close(fd)

    def cut_back(self, fd: int, size: int) -> None:
        """Take back what was appended past ``size``, as well as that can be done after a failure. Never raises."""
        try:
            if self.stat_open(fd).st_size > size:
                self.truncate_open(fd, size)
                self.sync(fd)
        except OSError:
            return

    def truncate_open(self, fd: int, size: int) -> None:
        os.ftruncate(fd, size)

    def rename(self, source: Path, target: Path) -> None:
        source.rename(target)

    def unlink(self, path: Path) -> None:
        path.unlink()

    def mkdir(self, path: Path) -> None:
        path.mkdir(0o700)

    def link(self, source: Path, target: Path) -> None:
        os.link(source, target, follow_symlinks=False)

    def write_new(self, path: Path, data: bytes) -> None:
        """A new file with this content, synced. Its name is durable once its directory is synced."""
        fd = self.create(path)
        try:
            self.write(fd, data)
            self.sync(fd)
        finally:
            self.close(fd)

    def replace(self, path: Path, data: bytes) -> None:
        """The file's content, exchanged at once and durably: nobody ever sees a half. One writer per path.

        OSError: what was there before is there again, as well as that can be done.
        """
        temporary, old = path.with_name(f".{path.name}.new"), path.with_name(f".{path.name}.old")
        try:
            self.write_new(temporary, data)
        except FileExistsError:
            # Left by a crash, or planted: only the name is removed, never what a link points to.
            self.unlink(temporary)
            self.write_new(temporary, data)
        put_back = self._keep(path, old)
        try:
            self.rename(temporary, path)
            self.sync_directory(path.parent)
        except BaseException:
            # The new content may be in place, and was not acknowledged: no reader is to find it.
            with suppress(OSError):
                put_back()
                self.sync_directory(path.parent)
            raise
        finally:
            # After a failed rename both names are left, and they may be of one file.
            with suppress(OSError):
                self.unlink(old)

    def _keep(self, path: Path, old: Path) -> Callable[[], None]:
        """Keep what is at ``path`` by a further name; where there are no hard links, in memory. Puts it back."""
        try:
            try:
                self.link(path, old)
            except FileExistsError:
                self.unlink(old)
                self.link(path, old)
        except FileNotFoundError:
            return partial(self.unlink, path)
        except OSError:
            with suppress(OSError):
                return partial(self._rewrite, path, self.contents(path))
            return lambda: None
        return partial(self.rename, old, path)

    def _rewrite(self, path: Path, data: bytes) -> None:
        temporary = path.with_name(f".{path.name}.new")
        with suppress(FileNotFoundError):
            self.unlink(temporary)
        self.write_new(temporary, data)
        self.rename(temporary, path)

    def copy(self, source: int, start: int, end: int, target: int) -> None:
        """Bytes of one file to the end of another (not opened for appending), in the kernel where it can."""
        offset = start
        if sys.platform == "linux":
            try:
                while offset < end:
                    copied = os.copy_file_range(source, target, end - offset, offset_src=offset)
                    if copied == 0:
                        break
                    offset += copied
            except OSError as error:
                # Across file systems and on some network ones the kernel declines: then by hand.
                if error.errno not in (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM):
                    raise
        self.copy_by_hand(source, offset, end, target)

    def copy_by_hand(self, source: int, start: int, end: int, target: int) -> None:
        """``copy`` without the kernel's help."""
        offset = start
        while offset < end:
            data = self.read_at(source, min(_COPY_BLOCK, end - offset), offset)
            if not data:
                raise OSError(errno.EIO, "The file became shorter while it was copied")
            self.write(target, data)
            offset += len(data)

    def create_for_copy(self, path: Path) -> int:
        """A new file for ``copy``, which an appending descriptor cannot take."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _COMMON, 0o600)

    def ensure_directory(self, path: Path) -> None:
        """The directory and what is missing above it, each 0700. A link to one is accepted: people move stores."""
        if path.is_dir():
            return
        self.ensure_directory(path.parent)
        try:
            self.mkdir(path)
        except FileExistsError:
            if not path.is_dir():
                raise
        self.sync_directory(path.parent)

    def make_private(self, path: Path) -> None:
        """Nobody else's business, if the directory is ours and was made with other rights. Best effort, silently."""
        with suppress(OSError):
            state = path.stat()
            if stat.S_ISDIR(state.st_mode) and state.st_uid == os.geteuid() and state.st_mode & 0o077:
                path.chmod(0o700)

    def small_file(self, path: Path, most: int) -> bytes:
        """The whole of a regular file, no link, of at most ``most`` bytes."""
        fd = self.open_read(path)
        try:
            data = self.read_at(fd, most + 1, 0)
        finally:
            os.close(fd)
        if len(data) > most:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        return data

    def files_below(self, path: Path) -> Iterator[os.stat_result]:
        """Of every file in a directory and below it, links themselves included; what vanishes meanwhile is left out."""
        try:
            entries = list(os.scandir(path))
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from self.files_below(Path(entry.path))
            else:
                with suppress(FileNotFoundError):
                    yield entry.stat(follow_symlinks=False)

    def remove_beneath(self, root: Path, *names: str) -> None:
        """The tree ``root/names[0]/names[1]/…``; a link in the place of any of them, or in it, is never followed.

        The directories are others' to write: each is entered by its parent's descriptor. Missing is removed already.
        """
        above = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in names[:-1]:
                below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | _COMMON, dir_fd=above)
                os.close(above)
                above = below
            if stat.S_ISDIR(os.stat(names[-1], dir_fd=above, follow_symlinks=False).st_mode):
                shutil.rmtree(names[-1], dir_fd=above)
            else:
                os.unlink(names[-1], dir_fd=above)
        except FileNotFoundError:
            return
        finally:
            os.close(above)

    def remove_tree(self, path: Path) -> None:
        """A directory of ours with all in it; links in it are removed, not followed."""
        for entry in list(os.scandir(path)):
            if entry.is_dir(follow_symlinks=False):
                self.remove_tree(Path(entry.path))
            else:
                Path(entry.path).unlink()
        path.rmdir()
