"""The application: the page's files, the JSON API over one gallery, and its documentation."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import quote, unquote

import anyio
from anyio import CapacityLimiter
from fastapi import FastAPI, File, Form, UploadFile
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from masln._version import __version__
from masln.features import MODALITIES
from masln.retrieval import Item
from masln.web import contract
from masln.web.documentation import documentation_page
from masln.web.faults import add_error_handlers
from masln.web.guard import Guard
from masln.web.limits import Limits
from masln.web.live import Found, LiveGallery, Opened
from masln.web.pictures import picture_bytes, read_upload

__all__ = ["make_app"]

_PAGE = Path(__file__).parent / "page"
_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": contract.Error, "description": told}
    for status, told in {
        400: "It cannot be searched by this.",
        413: "Too large.",
        422: "Malformed.",
    }.items()
}
_MISSING: dict[int | str, dict[str, Any]] = {404: {"model": contract.Error, "description": "No such item."}}
Result = TypeVar("Result")


def make_app(
    live: LiveGallery, *, limits: Limits | None = None, hosts: Sequence[str] | None = None, demo: bool = False
) -> ASGIApp:
    """The application of one gallery.

    Args:
        live: The gallery.
        limits: What a client may ask for.
        hosts: What a Host header may name; None for anything.
        demo: Whether the page should say that this is the demo.
    """
    own = limits or Limits()
    app = FastAPI(
        title="masln",
        version=__version__,
        summary="Search pictures by text and texts by picture.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    add_error_handlers(app, live)
    _add_page(app)
    _add_gallery(app, live, own, demo)
    _add_search(app, live, own)
    _add_items(app, live)
    return Guard(app, limits=own, hosts=hosts)


def _add_page(app: FastAPI) -> None:
    # Read once: what is not in here is not served, whatever path is asked for.
    files = {file.name: file.read_bytes() for file in sorted(_PAGE.iterdir()) if file.is_file()}

    def answer(name: str) -> Response:
        if name not in files:
            raise HTTPException(404)
        kind = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0]
        return Response(files[name], media_type=kind or "application/octet-stream", headers=_REVALIDATED)

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return answer("index.html")

    @app.get("/static/{name}", include_in_schema=False)
    async def static(name: str) -> Response:
        return answer(name)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(documentation_page(app.openapi()))


_REVALIDATED = {"cache-control": "no-cache"}


def _add_gallery(app: FastAPI, live: LiveGallery, limits: Limits, demo: bool) -> None:
    @app.get("/healthz", summary="Whether the server answers")
    def healthz() -> contract.Health:
        return contract.Health(status="ok", version=__version__, items=len(live.opened().gallery))

    @app.get("/api/gallery", summary="What the gallery holds, and the run behind it")
    def gallery() -> contract.GalleryFacts:
        opened = live.opened()
        model, sides = opened.gallery.model, opened.info["sides"]
        counts = {name: sides.get(name, {"items": 0, "classes": {}}) for name in MODALITIES}
        classes = [
            {
                "name": name,
                "seen": opened.run.seen.get(name),
                "items": {own: counts[own]["classes"].get(name, 0) for own in MODALITIES},
            }
            for name in sorted(opened.gallery.class_names)
            if any(name in counts[own]["classes"] for own in MODALITIES)
        ]
        facts = {
            "name": "Emoji" if demo else live.folder.absolute().name,
            "method": model.method,
            "dataset": model.data,
            "protocol": opened.run.protocol,
            "figures": opened.run.figures,
            "class_split": opened.run.class_split,
            "backend": opened.info["backend"]["name"],
            "modalities": {name: {"items": own["items"]} for name, own in counts.items()},
            "classes": classes,
            "can_query": {name: name not in opened.why_not for name in MODALITIES},
            "why_not": {name: opened.why_not.get(name, "") for name in MODALITIES},
            "limits": limits.to_dict(),
            "reranks": opened.reranks,
            "new_class": opened.encodes_classes,
            "demo": demo,
        }
        return contract.GalleryFacts.model_validate(facts)


def _add_search(app: FastAPI, live: LiveGallery, limits: Limits) -> None:
    # One at a time, as extractors and models are made for; the others wait in the order in which they came.
    one = CapacityLimiter(1)

    async def run(function: Callable[[], Result]) -> Result:
        return await anyio.to_thread.run_sync(function, limiter=one)

    def check(k: int, rerank: int) -> None:
        for name, value in (("k", k), ("rerank", rerank)):
            if value > limits.k:
                raise HTTPException(400, f"{name} is {value}, at the most {limits.k}; ask for fewer")

    @app.post("/api/search", summary="Search by a text, or by an item of the gallery", responses=_ERRORS)
    async def search(request: contract.SearchRequest) -> contract.Answer:
        check(request.k, request.rerank)
        options: dict[str, Any] = {
            "find": request.find,
            "k": request.k,
            "classes": request.classes,
            "rerank": request.rerank,
        }
        if (request.text is None) == (request.item is None):
            raise HTTPException(400, "give one query: text, or item with its modality")
        if request.item is not None:
            modality, item = request.modality, request.item
            if modality is None:
                raise HTTPException(400, "give the modality of the item: image or text")
            found = await run(lambda: live.search_by_item(item, modality=modality, **options))
            return _answer(found, query=item)
        text = request.text or ""
        if request.modality == "image":
            raise HTTPException(400, "modality is that of an item; a text needs none")
        if len(text) > limits.query_characters:
            raise HTTPException(413, f"the text has {len(text):,} characters, at the most {limits.query_characters:,}")
        return _answer(await run(lambda: live.search([text], modality="text", **options)), query=text)

    @app.post("/api/search/class", summary="Rank items by the name of a class, new or not", responses=_ERRORS)
    async def search_class(request: contract.ClassRequest) -> contract.Answer:
        check(request.k, 0)
        if len(request.name) > limits.query_characters:
            raise HTTPException(
                413, f"the name has {len(request.name):,} characters, at the most {limits.query_characters:,}"
            )
        options: dict[str, Any] = {"find": request.find, "k": request.k, "classes": request.classes}
        return _answer(await run(lambda: live.search_class(request.name, **options)), query=request.name)

    @app.post("/api/search/image", summary="Search by a picture", responses=_ERRORS)
    async def search_image(
        file: Annotated[UploadFile, File(description="The picture's file.")],
        find: Annotated[contract.Modality | None, Form()] = None,
        k: Annotated[int, Form(ge=1)] = 10,
        classes: Annotated[list[str] | None, Form()] = None,
        rerank: Annotated[int, Form(ge=0)] = 0,
    ) -> contract.Answer:
        check(k, rerank)
        content = await file.read()
        options: dict[str, Any] = {"find": find, "k": k, "classes": classes or (), "rerank": rerank}

        def work() -> Found:
            return live.search([read_upload(content, limits)], modality="image", **options)

        return _answer(await run(work), query=(file.filename or "")[:255])


def _add_items(app: FastAPI, live: LiveGallery) -> None:
    def place(modality: str, encoded: str) -> tuple[Opened, Item, Path | None]:
        opened = live.opened()
        try:
            return opened, *opened.place(modality, unquote(encoded, errors="strict"))
        except (LookupError, UnicodeDecodeError):
            raise HTTPException(404, f"the gallery has no such {modality}") from None

    @app.get("/api/items/{modality}/{item}", summary="An item, by its id, percent-encoded", responses=_MISSING)
    def item(modality: contract.Modality, item: str) -> contract.ItemFacts:
        opened, own, picture = place(modality, item)
        return contract.ItemFacts.model_validate(_shown(opened, own, modality, picture))

    @app.get(
        "/api/items/{modality}/{item}/picture",
        summary="The picture of an item, by its id, percent-encoded",
        response_class=Response,
        responses={**_MISSING, 200: {"content": {"image/*": {}}, "description": "The file as it is."}},
    )
    def picture(modality: contract.Modality, item: str) -> Response:
        _, _, file = place(modality, item)
        if file is None:
            raise HTTPException(404, "the item has no picture at hand")
        content, kind = picture_bytes(file)
        return Response(content, media_type=kind, headers={"cache-control": "private, max-age=60"})


def _answer(found: Found, *, query: str) -> contract.Answer:
    hits = [
        _shown(found.opened, hit.item, found.find, hit.picture)
        | {"rank": hit.rank, "score": hit.score, "reranked": hit.reranked}
        for hit in found.answer.hits
    ]
    return contract.Answer.model_validate(
        {
            "query": query,
            "modality": found.answer.modality,
            "find": found.find,
            "unknown_words": list(found.answer.unknown_words),
            "seconds": found.seconds,
            "hits": hits,
        }
    )


def _shown(opened: Opened, item: Item, modality: str, picture: Path | None) -> dict[str, Any]:
    address = f"/api/items/{modality}/{quote(item.id, safe='')}/picture"
    return {
        "id": item.id,
        "modality": modality,
        "text": item.text,
        "class": item.label,
        "seen": opened.run.seen.get(item.label) if item.label else None,
        "image_url": None if picture is None else address,
        "character": opened.character(item),
    }
