"""The small part of `clearml` that serving code uses; the real package wins where it is installed."""

import hashlib
import os
import shutil
import tempfile
import urllib.parse
import urllib.request
import zipfile

__all__ = ["StorageManager"]


# What is told where other names are wanted.
HINT = ("clearml is not installed, and what stands for it has StorageManager only; "
        "CLEARML_EXTRA_PYTHON_PACKAGES=clearml in the server's environment installs it")


def __getattr__(name):
    # Whoever only asks whether it is there, as pickle asks all modules, goes on.
    raise AttributeError("%s, no '%s'" % (HINT, name))


class StorageManager:
    """Brings files near."""

    _cache = None

    @classmethod
    def get_local_copy(cls, remote_url, cache_context=None, extract_archive=True, name=None, force_download=False):
        """Returns the path of a local copy; None when there is no such file."""
        if remote_url is None:
            return None
        remote_url = str(remote_url)
        parts = urllib.parse.urlparse(remote_url)
        if parts.scheme in ("", "file"):
            path = urllib.request.url2pathname(parts.path) if parts.scheme else remote_url
            return path if os.path.exists(path) else None
        path = cls._path_of(remote_url, name)
        if force_download or not os.path.exists(path):
            partial = "%s.%d" % (path, os.getpid())
            if parts.scheme == "s3":
                cls._download_s3(parts, partial)
            else:
                with urllib.request.urlopen(remote_url, timeout=300) as source, open(partial, "wb") as target:
                    shutil.copyfileobj(source, target)
            os.replace(partial, path)
        return cls._extract(path) if extract_archive and path.endswith(".zip") else path

    @classmethod
    def _path_of(cls, url, name):
        if cls._cache is None:
            cls._cache = os.environ.get("CLEARML_CACHE_DIR") or tempfile.mkdtemp(prefix="clearml-")
        folder = os.path.join(cls._cache, hashlib.sha256(url.encode()).hexdigest()[:16])
        os.makedirs(folder, exist_ok=True)
        return os.path.join(folder, os.path.basename(name or urllib.parse.urlparse(url).path) or "file")

    @staticmethod
    def _download_s3(parts, path):
        try:
            import boto3
        except ImportError:
            raise ValueError("s3 addresses need the package boto3 in the endpoint's environment") from None
        boto3.client("s3").download_file(parts.netloc, parts.path.lstrip("/"), path)

    @staticmethod
    def _extract(path):
        folder = path[:-len(".zip")]
        if not os.path.isdir(folder):
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder)
        return folder
