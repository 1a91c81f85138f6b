"""Images of items, from the installation's own folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse

from saran.api.problem import Problem
from saran.api.state import State, state_of

router = APIRouter(tags=["catalogue"])

_TYPES: Final = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".avif": "image/avif",
}
_MOST_BYTES: Final = 20 * 1024 * 1024
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {404: {"description": "There is no such image"}}
_HEADERS: Final = {"Cache-Control": "public, max-age=86400"}


@router.get("/media/{path:path}", response_class=FileResponse, responses=_PROBLEMS, summary="An image")
def media(state: Annotated[State, Depends(state_of)], path: str) -> FileResponse:
    """A file of the media folders; anything that is not an image there is not found."""
    kind = _TYPES.get(Path(path).suffix.lower())
    file = _find(state.settings.media_paths, path) if kind else None
    if file is None:
        raise Problem(404, "there is no such image")
    return FileResponse(file, media_type=kind, headers=_HEADERS)


def _find(roots: tuple[Path, ...], path: str) -> Path | None:
    if "\0" in path:
        return None
    for root in roots:
        # Resolved first: neither `..` nor a symbolic link may lead out of the folder.
        file = (root / path.lstrip("/")).resolve()
        if file.is_relative_to(root.resolve()) and file.is_file() and file.stat().st_size <= _MOST_BYTES:
            return file
    return None
