"""What the label of a planetary image says: keywords, body, instrument.

Labels come as GDAL's JSON of PDS3, ISIS and VICAR labels, as PDS4 XML, or as a PDS3 file beside the image; all become
one flat dictionary with keywords in PDS3 spelling (`SUB_SOLAR_AZIMUTH`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .bodies import bodies
from .bodies import body as find_body

Label = Mapping[str, Any]

_NUMBER = re.compile(r"^\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(?:<\s*([A-Za-z/]+)\s*>)?\s*$")
# PDS3 writes these for "not known".
_SENTINEL = 1e30


def read_label(file: Any, path: Path | None = None) -> dict[str, Any]:
    """The label of an open raster file as a flat dictionary.

    Parameters
    ----------
    file : rasterio.DatasetReader
    path : Path, optional
        A detached PDS3 or PDS4 label of the same name beside it is read too (JP2 and TIFF carry none themselves).

    Returns
    -------
    dict
        Upper-case keywords; empty where there is no label. The first of equal keywords wins.
    """
    label: dict[str, Any] = {}
    for space in file.tag_namespaces():
        if not space.startswith(("json:", "xml:")):
            continue
        for key, value in file.tags(ns=space).items():
            # rasterio takes the text up to the first colon for a key.
            text = value if key == space else f"{key}:{value}"
            for k, v in parse_label(text).items():
                label.setdefault(k, v)
    if path is not None:
        for suffix in (".lbl", ".LBL", ".xml", ".XML"):
            beside = path.with_suffix(suffix)
            if beside != path and beside.is_file() and beside.stat().st_size < 2**22:
                for k, v in parse_label(beside.read_text(errors="replace")).items():
                    label.setdefault(k, v)
    return label


def parse_label(text: str) -> dict[str, Any]:
    """A label text (JSON, PDS4 XML or PDS3) as a flat dictionary; empty when it is none of them."""
    start = text.lstrip()[:1]
    if start == "{":
        try:
            return flatten(json.loads(text))
        except ValueError:
            return {}
    if start == "<":
        return _parse_xml(text)
    return _parse_pds3(text)


def flatten(tree: Any) -> dict[str, Any]:
    """Nested groups -> one level, keywords in PDS3 spelling, the first of equal ones kept."""
    out: dict[str, Any] = {}

    def walk(node: Mapping[str, Any]) -> None:
        for key, value in node.items():
            if isinstance(value, Mapping):
                if "value" in value and not isinstance(value["value"], Mapping):
                    out.setdefault(keyword(key), _with_unit(value["value"], value.get("unit", value.get("units"))))
                else:
                    out.setdefault(keyword(key), True)
                    walk(value)
            else:
                out.setdefault(keyword(key), value)

    if isinstance(tree, Mapping):
        walk(tree)
    return out


def keyword(name: str) -> str:
    """`SubSolarAzimuth`, `geom:subsolar_azimuth` and `SUB_SOLAR_AZIMUTH` in PDS3 spelling."""
    name = name.rsplit("}", 1)[-1].rsplit(":", 1)[-1].strip()
    if name != name.upper():
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return name.upper().replace("SUBSOLAR_", "SUB_SOLAR_")


def _with_unit(value: Any, unit: Any) -> Any:
    return f"{value} <{unit}>" if unit and isinstance(value, (int, float)) else value


def _parse_xml(text: str) -> dict[str, Any]:
    from xml.etree import ElementTree

    # Labels are met with undeclared prefixes, which are of no interest here.
    text = re.sub(r"<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>]*>", "", text, flags=re.S)
    text = re.sub(r"(</?)[A-Za-z_][\w.-]*:", r"\1", text)
    text = re.sub(r"\s(?:xmlns(?::\w+)?|[\w.-]+:[\w.-]+)\s*=\s*(?:\"[^\"]*\"|'[^']*')", "", text)
    try:
        root = ElementTree.fromstring(text.strip())
    except ElementTree.ParseError:
        return {}
    out: dict[str, Any] = {}
    for element in root.iter():
        value = (element.text or "").strip()
        if len(element) == 0 and value:
            unit = element.get("unit")
            out.setdefault(keyword(element.tag), f"{value} <{unit}>" if unit else value)
        else:
            out.setdefault(keyword(element.tag), True)
    for component in root.iter("Observing_System_Component"):
        if (component.findtext("type") or "").strip().lower() == "instrument":
            out["INSTRUMENT_NAME"] = (component.findtext("name") or "").strip()
    target = root.find(".//Target_Identification/name")
    if target is not None and target.text:
        out["TARGET_NAME"] = target.text.strip()
    return out


def _parse_pds3(text: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if "=" not in text[:4000]:
        return out
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    for match in re.finditer(r"^[ \t]*(\^?[A-Za-z][\w:]*)[ \t]*=[ \t]*(\"[^\"]*\"|[^\r\n]*)", text, flags=re.M):
        key, value = match.group(1), match.group(2).strip().strip('"').strip()
        if key.upper() in ("OBJECT", "GROUP"):
            out.setdefault(keyword(value), True)
        elif not key.upper().startswith("END"):
            out.setdefault(keyword(key), value)
    return out


def number(label: Label, *keys: str) -> float | None:
    """The first of these keywords that holds a number (degrees where it is an angle), else None."""
    for key in keys:
        value = label.get(key)
        if isinstance(value, (list, tuple)) and len(value) == 1:
            value = value[0]
        if isinstance(value, bool) or value is None:
            continue
        match = _NUMBER.match(str(value))
        if match is None:
            continue
        x, unit = float(match.group(1)), (match.group(2) or "").lower()
        if abs(x) < _SENTINEL:
            return x * 57.29577951308232 if unit.startswith("rad") else x
    return None


def body_from_label(label: Label) -> str | None:
    """Name of the target body, None when the label names none that craterlab knows."""
    for key in ("TARGET_NAME", "TARGET"):
        # Small bodies may come with their number: "4 VESTA".
        name = re.sub(r"^\d+\s+", "", str(label.get(key, "")).strip().strip('"')).title()
        if name in set(bodies()["name"]):
            return find_body(name).name
    return None


def instrument_from_label(label: Label) -> str | None:
    """craterlab's name of the instrument, None when it is not one of its table."""

    def text(*keys: str) -> str:
        return " ".join(str(label.get(k, "")) for k in keys).upper()

    name = text("INSTRUMENT_ID", "INSTRUMENT_NAME")
    host = text("INSTRUMENT_HOST_NAME", "INSTRUMENT_HOST_ID", "SPACECRAFT_NAME", "SPACECRAFT_ID", "MISSION_NAME")
    data = text("DATA_SET_ID", "LOGICAL_IDENTIFIER", "PRODUCT_ID")
    if re.search(r"\bNAC[LR]\b|\bNAC-[LR]\b", name):
        return "LROC NAC"
    if re.search(r"\bLROC\b|LUNAR RECONNAISSANCE ORBITER CAMERA", name) or "WAC-VIS" in name or "WAC-UV" in name:
        if "WAC" in name or "WAC" in data:
            return "LROC WAC"
        # Products of the narrow camera: M, time, side (L or R), E (raw) or C (calibrated).
        if "NAC" in data or re.search(r"\bM\d+[LR][EC]\b", data) or label.get("FRAME_ID") in ("LEFT", "RIGHT"):
            return "LROC NAC"
        return "LROC WAC" if re.search(r"\bM\d+[MCUV][EC]\b", data) else None
    if "HIRISE" in name or "HIGH RESOLUTION IMAGING SCIENCE EXPERIMENT" in name:
        return "HiRISE"
    if re.search(r"\bCTX\b", name) or ("CONTEXT CAMERA" in name and "MARS RECON" in host):
        return "CTX"
    if "THEMIS" in name or "THERMAL EMISSION IMAGING SYSTEM" in name:
        part = name + " " + text("DETECTOR_ID")
        return "THEMIS VIS" if re.search(r"VIS\b|VISIBLE", part) else "THEMIS IR" if re.search(r"IR\b", part) else None
    if re.search(r"\bHRSC\b", name):
        return "HRSC"
    if "MDIS" in name or "MERCURY DUAL IMAGING" in name:
        return "MDIS NAC" if "NAC" in name or "NARROW" in name else "MDIS WAC" if re.search("WAC|WIDE", name) else None
    if re.search(r"\bTC[12]?\b|TERRAIN CAMERA", name) and re.search(r"SELENE|KAGUYA|SLN", host + data):
        return "Kaguya TC"
    if "CCD" in name and re.search(r"CHANG'?E-?2|CE-?2", host + data + name):
        return "Chang'e-2 CCD"
    if "OHRC" in name or "ORBITER HIGH RESOLUTION CAMERA" in name:
        return "OHRC"
    if "CASSIS" in name:
        return "CaSSIS"
    return None
