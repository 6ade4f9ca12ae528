"""What goes over the wire: the JSON of requests and answers, as the OpenAPI document shows it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

__all__ = [
    "Answer",
    "ClassFacts",
    "ClassRequest",
    "Error",
    "Figure",
    "GalleryFacts",
    "Health",
    "Hit",
    "ItemFacts",
    "SearchRequest",
]

Modality = Literal["image", "text"]


def _sound(text: str) -> str:
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("half of a surrogate pair is no character")
    return text


Text = Annotated[str, AfterValidator(_sound)]


class Error(BaseModel):
    """What was wrong."""

    error: str = Field(description="One line.")


class SearchRequest(BaseModel):
    """A text, or an item of the gallery."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: Text | None = Field(None, description="What to look for, in words.")
    item: Text | None = Field(None, description="Id of an item of the gallery, in place of a text.")
    modality: Modality | None = Field(None, description="Of the item.")
    find: Modality | None = Field(None, description="What to find; by default the modality not asked with.")
    k: Annotated[int, Field(ge=1)] = Field(10, description="How many.")
    classes: list[Text] = Field([], description="Items of these classes alone; of all where it is empty.")
    rerank: Annotated[int, Field(ge=0)] = Field(
        0, description="Put the first so many in the order of the joint score, where the method has one."
    )


class ClassRequest(BaseModel):
    """The name of a class, which need not have been there in training."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, Field(min_length=1)] = Field(description="Items are ranked by the code of its embedding.")
    find: Modality = Field("image", description="What to find.")
    k: Annotated[int, Field(ge=1)] = Field(10, description="How many.")
    classes: list[str] = Field([], description="Items of these classes alone; of all where it is empty.")


class ItemFacts(BaseModel):
    """An item of the gallery."""

    id: str
    modality: Modality
    text: str = Field(description="Its text, or the text that goes with the picture.")
    class_name: str = Field(alias="class", description="Empty where it has none.")
    seen: bool | None = Field(description="Whether training had its class; null where the data had no such class.")
    image_url: str | None = Field(description="Its picture, or the picture that goes with the text.")
    character: str | None = Field(None, description="The emoji, of an item of the bundled set.")

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)


class Hit(ItemFacts):
    """An item that was found."""

    rank: int = Field(description="From 1.")
    score: float = Field(description="Similarity of the codes, or the joint score; higher is better.")
    reranked: bool = Field(description="Whether the joint score put it here.")


class Answer(BaseModel):
    """What a query found, the best first."""

    query: str = Field(description="The text, the id of the item, the name of the picture's file or of the class.")
    modality: Literal["image", "text", "class"] = Field(description="Of the query.")
    find: Modality = Field(description="Of the items.")
    unknown_words: list[str] = Field(description="Words of the text that its feature says nothing of.")
    seconds: float = Field(description="That the search took.")
    hits: list[Hit]


class Figure(BaseModel):
    """A figure of the run, in each direction and their mean."""

    part: str
    measure: str
    i2t: float | None
    t2i: float | None
    average: float | None


class Items(BaseModel):
    """How many."""

    items: int


class ByModality(BaseModel):
    """A number of items of each modality."""

    image: int
    text: int


class ClassFacts(BaseModel):
    """A class of the gallery."""

    name: str
    seen: bool | None
    items: ByModality


class CanQuery(BaseModel):
    """Whether raw pictures and raw texts can be asked with."""

    image: bool
    text: bool


class WhyNot(BaseModel):
    """The reason where they cannot; empty where they can."""

    image: str
    text: str


class LimitFacts(BaseModel):
    """Above these a request is refused."""

    k: int
    query_characters: int
    upload_bytes: int
    image_pixels: int


class GalleryFacts(BaseModel):
    """The gallery and the run behind it."""

    name: str
    method: str
    dataset: str
    protocol: str
    figures: list[Figure]
    class_split: str = Field(description="Hash of the class split.")
    backend: str
    modalities: dict[str, Items]
    classes: list[ClassFacts]
    can_query: CanQuery
    why_not: WhyNot
    limits: LimitFacts
    reranks: bool = Field(description="Whether the method has a joint score.")
    new_class: bool = Field(description="Whether a class can be asked for by its name alone.")
    demo: bool


class Health(BaseModel):
    """That the server answers."""

    status: Literal["ok"]
    version: str
    items: int
