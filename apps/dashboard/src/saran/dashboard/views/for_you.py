"""For you: one user's list, and how each click changes it."""

from __future__ import annotations

import secrets
from typing import Final

import streamlit as st

from saran.core.entities import Action
from saran.dashboard import words
from saran.dashboard.answers import Card, History, Recommendations
from saran.dashboard.client import ApiAway, ApiError
from saran.dashboard.connection import api, settings
from saran.dashboard.feedback import PATIENCE, Sent, send
from saran.dashboard.widgets import card_html, failure, history_html, state

LIST_LENGTH: Final = 15
SIMILAR_LENGTH: Final = 10
SEARCH_LENGTH: Final = 7
HISTORY_LENGTH: Final = 12

_ACTIONS: Final = (
    (Action.CLICK, "Click", "{name}: send a click of {user}"),
    (Action.ADD_TO_CART, "Add to cart", "{name}: put it into the cart of {user}"),
)

# Keys of st.session_state.
USER: Final = "user"
_LAST_USER: Final = "for_you.last_user"
_SESSION: Final = "for_you.session"
_SHOWN: Final = "for_you.shown"
_SENT: Final = "for_you.sent"
_REFUSED: Final = "for_you.refused"
_SIMILAR: Final = "for_you.similar"


def page() -> None:
    """Draw the page."""
    st.session_state.setdefault(_SESSION, secrets.token_hex(8))
    st.title("For you")
    user_id = _visitor()
    try:
        recommended = api().recommendations(user_id, limit=LIST_LENGTH)
        history = api().history(user_id, limit=HISTORY_LENGTH)
    except ApiError as error:
        _nothing(error)
        return
    # The list as it stands while the person looks at it: what the next click is compared with.
    st.session_state[_SHOWN] = recommended
    wide, narrow = st.columns([3.4, 1], gap="large")
    with wide:
        _recommended(user_id, recommended)
        _similar(user_id)
    with narrow:
        _history(history, recommended)


def _visitor() -> str:
    """The fields that choose a user, and the search; returns the user's id."""
    if USER not in st.session_state:
        st.session_state[USER] = st.query_params.get(USER, st.session_state.get(_LAST_USER, ""))
    if not st.session_state[USER].strip():
        st.session_state[USER] = _invented()
    person, invent, search = st.columns([1.2, 0.9, 2.2], vertical_alignment="bottom")
    chosen = person.text_input(
        "User",
        key=USER,
        max_chars=256,
        icon=":material/person:",
        help="Any id works, known or not",
    )
    invent.button(
        "Invent a new user",
        on_click=_invent,
        icon=":material/person_add:",
        width="stretch",
        help="Someone nobody knows",
    )
    query = search.text_input(
        "Search titles",
        max_chars=200,
        placeholder="A title to begin from",
        icon=":material/search:",
        key="for_you.search",
    )
    user_id = (chosen or "").strip()
    # The field's own state ends when another page is opened; the address makes a list something to send to others.
    st.session_state[_LAST_USER] = st.query_params[USER] = user_id
    if query and query.strip():
        _found(user_id, query.strip())
    return user_id


def _invented() -> str:
    return f"guest-{secrets.token_hex(3)}"


def _invent() -> None:
    st.session_state[USER] = _invented()
    st.session_state.pop(_SENT, None)
    st.session_state.pop(_SIMILAR, None)


def _found(user_id: str, query: str) -> None:
    try:
        cards = api().search(query, limit=SEARCH_LENGTH)
    except ApiError as error:
        st.warning(f"The search is not answered: {words.message(str(error))}", icon=":material/search_off:")
        return
    if not cards:
        st.info(f"No title holds “{words.literal(query)}”.", icon=":material/search_off:")
        return
    st.subheader(f"Titles with “{words.literal(query)}”")
    _cards(user_id, cards, "found")


def _recommended(user_id: str, recommended: Recommendations) -> None:
    sent: Sent | None = st.session_state.get(_SENT)
    moves = sent.moves(recommended) if sent else None
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader("Recommended", width="content")
        if recommended.source == "personal":
            st.badge("personal", icon=":material/person_check:", color="green")
        else:
            st.badge(recommended.source, icon=":material/trending_up:", color="gray")
        st.caption(
            f"{_because(recommended)} · model {recommended.model_version or words.UNKNOWN}",
            width="content",
        )
    _outcome(user_id, recommended, sent)
    if recommended.items:
        _cards(user_id, recommended.items, "list", sent=sent if moves is not None else None, after=recommended)
    else:
        state("inbox", "Nothing to recommend", "This user has used every item that the model knows.")


def _because(recommended: Recommendations) -> str:
    if recommended.degraded:
        return "this user's history cannot be read at the moment: the list everybody gets"
    if recommended.source == "personal":
        return f"from {words.plural(recommended.history_events, 'event')} of this user"
    if recommended.history_events:
        return f"the model knows nothing of this user's {words.plural(recommended.history_events, 'event')}"
    return "nothing is known of this user yet: the list everybody gets"


def _outcome(user_id: str, recommended: Recommendations, sent: Sent | None) -> None:
    """What became of the last click."""
    refused: ApiError | None = st.session_state.pop(_REFUSED, None)
    if refused is not None:
        st.error(f"The click was not kept: {words.message(str(refused))}", icon=":material/error:")
        return
    if sent is None or sent.user_id != user_id:
        if recommended.source != "personal":
            st.info(
                "Click a card: the list below is made anew from what was clicked, within a moment.",
                icon=":material/touch_app:",
            )
        return
    title = f"**{words.literal(sent.card.name)}**"
    if sent.seconds is None:
        st.warning(
            f"The event on {title} is kept in Kafka, but after {PATIENCE:.0f} s it is not in this user's history yet. "
            "Overview shows whether the online worker is up and how many events wait for it.",
            icon=":material/hourglass_top:",
        )
        st.button("Look again", icon=":material/refresh:", on_click=_look_again, key="look-again")
        return
    moves = sent.moves(recommended)
    changes = f"{len(moves.new)} new, {moves.up} up, {moves.down} down" if moves else "the order stays as it was"
    st.success(
        f"{title} counted {words.duration(sent.seconds)} after Kafka acknowledged it: {changes}.",
        icon=":material/bolt:",
    )


def _look_again() -> None:
    st.session_state.pop(_SENT, None)


def _cards(
    user_id: str, cards: list[Card], where: str, *, sent: Sent | None = None, after: Recommendations | None = None
) -> None:
    """Cards in rows as the width allows. `sent` and `after` mark what the last event moved."""
    moves = sent.moves(after) if sent and after else None
    with st.container(key=f"cards-{where}"):
        for card in cards:
            with st.container(border=True, key=f"card-{where}-{card.item_id}"):
                st.html(card_html(card, settings().api_public_url, moves=moves))
                _buttons(user_id, card, where)


def _buttons(user_id: str, card: Card, where: str) -> None:
    name = words.literal(card.name)
    with st.container(
        horizontal=True, gap="xsmall", vertical_alignment="bottom", key=f"buttons-{where}-{card.item_id}"
    ):
        for action, label, help_text in _ACTIONS:
            if action == Action.ADD_TO_CART and card.price is None:
                continue
            st.button(
                label,
                key=f"{action}-{where}-{card.item_id}",
                on_click=_act,
                args=(user_id, card, action.value),
                width="stretch",
                help=help_text.format(name=name, user=words.literal(user_id)),
            )
        st.button(
            "Similar",
            key=f"similar-{where}-{card.item_id}",
            on_click=_look_for_similar,
            args=(card,),
            type="tertiary",
            width="stretch",
            help=f"Show more like {name}",
        )


def _act(user_id: str, card: Card, action: str) -> None:
    try:
        st.session_state[_SENT] = send(
            api(),
            user_id,
            card,
            action,
            session_id=st.session_state[_SESSION],
            before=st.session_state.get(_SHOWN),
        )
    except ApiError as error:
        st.session_state[_REFUSED] = error


def _look_for_similar(card: Card) -> None:
    st.session_state[_SIMILAR] = card


def _similar(user_id: str) -> None:
    card: Card | None = st.session_state.get(_SIMILAR)
    if card is None:
        return
    with st.expander(f"More like **{words.literal(card.name)}**", expanded=True, icon=":material/hub:"):
        try:
            similar = api().similar(card.item_id, limit=SIMILAR_LENGTH)
        except ApiError as error:
            if error.status == 404:
                st.markdown("The model does not know this item yet; the next training will.")
            else:
                st.warning(words.message(str(error)), icon=":material/cloud_off:")
            return
        if similar.items:
            _cards(user_id, similar.items, "similar")
        else:
            st.markdown("Nobody has used this item, so nothing is known to be like it.")


def _history(history: History, recommended: Recommendations) -> None:
    st.subheader("History")
    if not history.events:
        st.caption("No events yet. What is clicked here comes first.")
        return
    sent: Sent | None = st.session_state.get(_SENT)
    st.caption("Newest first, times in UTC")
    st.html(history_html(history.events, fresh=sent.in_history(history) if sent else None))
    rest = recommended.history_events - len(history.events)
    if rest > 0:
        st.caption(f"and {words.plural(rest, 'earlier event')}")


def _nothing(error: ApiError) -> None:
    if isinstance(error, ApiAway) or error.status != 503:
        failure(error)
        return
    state(
        "model_training", "No model yet", f"{words.message(error.message)}\n\nTrain the first one with `saran train`."
    )
