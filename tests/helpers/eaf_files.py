"""Write ELAN's files by hand: the right answer is in the arguments."""

from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr


def eaf(slots: Mapping[str, int | None], *tiers: str, media: str = "") -> str:
    """Return a document. `slots`: times in milliseconds by slot name; None: a slot without a
    time."""
    times = "".join(
        f'<TIME_SLOT TIME_SLOT_ID="{name}"'
        + (f' TIME_VALUE="{time}"/>' if time is not None else "/>")
        for name, time in slots.items()
    )
    return (
        f'<ANNOTATION_DOCUMENT><HEADER TIME_UNITS="milliseconds">{media}</HEADER>'
        f"<TIME_ORDER>{times}</TIME_ORDER>{''.join(tiers)}</ANNOTATION_DOCUMENT>"
    )


def tier(
    name: str,
    *annotations: str,
    type_: str = "utterance",
    participant: str = "",
    parent: str = "",
) -> str:
    """Return a tier of annotations."""
    inside = "".join(f"<ANNOTATION>{each}</ANNOTATION>" for each in annotations)
    return (
        f"<TIER TIER_ID={quoteattr(name)} LINGUISTIC_TYPE_REF={quoteattr(type_)} "
        f"PARTICIPANT={quoteattr(participant)} PARENT_REF={quoteattr(parent)}>{inside}</TIER>"
    )


def aligned(name: str, start: str, end: str, text: str) -> str:
    """Return an annotation between two slots."""
    return (
        f'<ALIGNABLE_ANNOTATION ANNOTATION_ID="{name}" TIME_SLOT_REF1="{start}" '
        f'TIME_SLOT_REF2="{end}"><ANNOTATION_VALUE>{escape(text)}</ANNOTATION_VALUE>'
        "</ALIGNABLE_ANNOTATION>"
    )


def reference(name: str, parent: str, text: str, previous: str = "") -> str:
    """Return an annotation with the time of its parent."""
    after = f' PREVIOUS_ANNOTATION="{previous}"' if previous else ""
    return (
        f'<REF_ANNOTATION ANNOTATION_ID="{name}" ANNOTATION_REF="{parent}"{after}>'
        f"<ANNOTATION_VALUE>{escape(text)}</ANNOTATION_VALUE></REF_ANNOTATION>"
    )


def media(url: str = "", relative: str = "", mime: str = "audio/x-wav", origin: int = 0) -> str:
    """Return a recording as ELAN names it."""
    near = f" RELATIVE_MEDIA_URL={quoteattr(relative)}" if relative else ""
    late = f' TIME_ORIGIN="{origin}"' if origin else ""
    return f"<MEDIA_DESCRIPTOR MEDIA_URL={quoteattr(url)}{near} MIME_TYPE={quoteattr(mime)}{late}/>"
