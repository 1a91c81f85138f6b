"""The texts of the pages about items, in the languages that a data set's spec can name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import streamlit as st

from saran.core.datasets.spec import Language
from saran.core.system_shapes import DatasetFacts, SystemMetrics
from saran.dashboard.provenance import draw_labels

_NAMES: Final[dict[Language, str]] = {"en": "English", "id": "Bahasa Indonesia"}
_CHOSEN: Final = "language"
"""Key of st.session_state and of the address."""


@dataclass(frozen=True)
class Texts:
    """Everything that the pages about items say. Fields in braces are filled in."""

    alike: str
    alike_intro: str
    search: str
    search_hint: str
    found: str
    none_found: str
    begin: str
    choose: str
    by_content: str
    by_content_help: str
    by_behaviour: str
    by_behaviour_help: str
    nothing_alike: str
    in_both: str
    score: str
    ages: str
    ages_intro: str
    age: str
    age_help: str
    own_class: str
    own_class_help: str
    for_age: str
    liked_by_age: str
    users_of_age: str
    nothing_for_age: str
    everybody: str
    given: str
    derived: str
    simulated: str
    model: str
    as_of: str
    synthetic: str
    download: str


TEXTS: Final[dict[Language, Texts]] = {
    "en": Texts(
        alike="More like this",
        alike_intro="Find a title, choose it, and see what is like it: by what it is, and by who likes it.",
        search="Search titles",
        search_hint="Part of a title",
        found="Titles with “{query}”",
        none_found="No title holds “{query}”.",
        begin="Popular: choose one to begin",
        choose="More like it",
        by_content="By content",
        by_content_help="Alike in title, categories and description",
        by_behaviour="By behaviour",
        by_behaviour_help="Alike in the users who liked them",
        nothing_alike="Nothing is known to be like it in this way.",
        in_both="{both} of {all} are in both lists",
        score="score",
        ages="By age",
        ages_intro="What is popular of what somebody of an age may see.",
        age="Age in years",
        age_help="An item is shown when its age class lets this age in",
        own_class="Only the highest class for this age",
        own_class_help="With 13: only 13+, not 7+ or all",
        for_age="For somebody of {age}",
        liked_by_age="first what {people} users of {group} years like, then what everybody likes",
        users_of_age="liked by {users} of {group}",
        nothing_for_age="Nothing for this age",
        everybody="all",
        given="class given",
        derived="class derived",
        simulated="class simulated",
        model="model {version}",
        as_of="data as of {moment}",
        synthetic="some of the events were made up",
        download="Download as CSV",
    ),
    "id": Texts(
        alike="Movie Like This",
        alike_intro="Cari judul, pilih, lalu lihat yang mirip: dari isinya, dan dari siapa yang menyukainya.",
        search="Cari judul",
        search_hint="Sebagian judul",
        found="Judul dengan “{query}”",
        none_found="Tidak ada judul yang memuat “{query}”.",
        begin="Populer: pilih satu untuk mulai",
        choose="Yang mirip",
        by_content="Berdasarkan isi",
        by_content_help="Mirip dalam judul, genre, dan sinopsis",
        by_behaviour="Berdasarkan penonton",
        by_behaviour_help="Disukai oleh penonton yang sama",
        nothing_alike="Belum diketahui yang mirip dengan cara ini.",
        in_both="{both} dari {all} ada di kedua daftar",
        score="skor",
        ages="Rekomendasi per Usia",
        ages_intro="Yang populer dari film yang boleh ditonton pada usia tertentu.",
        age="Usia (tahun)",
        age_help="Film ditampilkan bila kelas usianya mengizinkan usia ini",
        own_class="Hanya kelas tertinggi untuk usia ini",
        own_class_help="Untuk 13: hanya 13+, bukan 7+ atau semua umur",
        for_age="Untuk usia {age} tahun",
        liked_by_age="dahulu yang disukai {people} pengguna berusia {group} tahun, lalu yang disukai semua orang",
        users_of_age="disukai {users} dari usia {group}",
        nothing_for_age="Tidak ada untuk usia ini",
        everybody="SU",
        given="kelas dari sertifikat",
        derived="kelas diturunkan",
        simulated="kelas simulasi",
        model="model {version}",
        as_of="data per {moment}",
        synthetic="sebagian kejadian adalah buatan",
        download="Unduh sebagai CSV",
    ),
}


def language(about: DatasetFacts | None) -> Language:
    """What was chosen, in the address first, else the data set's own."""
    offered: list[Language] = ["en"] if about is None else about.languages
    wanted = st.session_state.get(_CHOSEN) or st.query_params.get("lang")
    return next((one for one in offered if one == wanted), offered[0])


def draw_heading(title: Callable[[Texts], str], metrics: SystemMetrics | None) -> Texts:
    """Draw a page's title, labels and, where the data set has more than one language, a switch; returns its texts."""
    about = None if metrics is None else metrics.about
    texts = TEXTS[language(about)]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.title(title(texts), width="content")
        if metrics is not None:
            draw_labels(metrics)
        st.space("stretch")
        _switch(about)
    return texts


def _switch(about: DatasetFacts | None) -> None:
    if about is not None and len(about.languages) > 1:
        st.segmented_control(
            "Bahasa · Language",
            about.languages,
            default=language(about),
            format_func=_NAMES.__getitem__,
            key="language-choice",
            on_change=_take,
            required=True,
            label_visibility="collapsed",
        )


def _take() -> None:
    st.session_state[_CHOSEN] = st.session_state["language-choice"]
