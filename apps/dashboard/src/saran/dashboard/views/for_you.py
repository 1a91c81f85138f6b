"""For you: one user's list, and how each click, purchase or rating changes it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import streamlit as st

from saran.client import ApiError
from saran.core.api_shapes import Card, History, Recommendations
from saran.core.entities import Action
from saran.core.list_options import ListOptions
from saran.core.strategy_shapes import StrategyOptions
from saran.core.system_shapes import DatasetFacts
from saran.dashboard import words
from saran.dashboard.answers import refused
from saran.dashboard.connection import api, known, settings
from saran.dashboard.feedback import PATIENCE, Sent, send
from saran.dashboard.provenance import draw_labels
from saran.dashboard.views import strategies
from saran.dashboard.views.list_choice import shape
from saran.dashboard.views.user_choice import choose
from saran.dashboard.widgets import card_grid, card_html, history_html, state

LIST_LENGTH: Final = 15
STRATEGY_LENGTH: Final = 10
SIMILAR_LENGTH: Final = 10
SEARCH_LENGTH: Final = 7
HISTORY_LENGTH: Final = 12

_OFFERS: Final = {
    Action.CLICK: ("Click", "{name}: send a click of {user}"),
    Action.ADD_TO_CART: ("Add to cart", "{name}: put it into the cart of {user}"),
    Action.PURCHASE: ("Buy", "{name}: send a purchase of {user}"),
}
_STARS: Final = 5

# Keys of st.session_state.
_SESSION: Final = "for_you.session"
_SHOWN: Final = "for_you.shown"
_SENT: Final = "for_you.sent"
_REFUSED: Final = "for_you.refused"
_SIMILAR: Final = "for_you.similar"
_VIEW: Final = "for_you.view"
_LISTS: Final = "for_you.lists"
_BEFORE: Final = "for_you.before"

_LIST: Final = "List"
_STRATEGIES: Final = "Strategies side by side"


@dataclass(frozen=True)
class Visit:
    """Who looks, and what the data set lets them do; a click is possible always, to see the list change."""

    user_id: str
    actions: tuple[Action, ...] = (Action.CLICK,)
    highest_rating: float | None = None


def page() -> None:
    """Draw the page."""
    st.session_state.setdefault(_SESSION, secrets.token_hex(8))
    metrics = known()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.title("For you", width="content")
        if metrics is not None:
            draw_labels(metrics)
    user_id, query = choose([] if metrics is None else metrics.suggested_users, on_change=_begin_anew)
    visit = _visit(user_id, None if metrics is None else metrics.about)
    if query:
        _found(visit, query)
    options = shape(LIST_LENGTH, on_change=_forget_sent)
    view = _view()
    try:
        recommended = api().recommendations(user_id, options)
        history = api().history(user_id, limit=HISTORY_LENGTH)
    except ApiError as error:
        refused(error)
        return
    # The list as it stands while the person looks at it: what the next click is compared with.
    st.session_state[_SHOWN] = recommended
    wide, narrow = st.columns([3.4, 1], gap="large")
    with wide:
        if view == _STRATEGIES:
            _by_strategy(visit, recommended, options)
        else:
            _recommended(visit, recommended)
            _similar(visit)
    with narrow:
        _history(history, recommended)


def _visit(user_id: str, about: DatasetFacts | None) -> Visit:
    if about is None:
        return Visit(user_id)
    offered = tuple(action for action in _OFFERS if action == Action.CLICK or action in about.actions)
    return Visit(user_id, offered, about.highest_rating)


def _view() -> str:
    """Cards to act on, or the lists of all strategies; the address says which."""
    asked = st.query_params.get("view")
    chosen = st.segmented_control(
        "View",
        [_LIST, _STRATEGIES],
        default=_STRATEGIES if asked == "strategies" else _LIST,
        key=_VIEW,
        required=True,
        label_visibility="collapsed",
    )
    if chosen == _STRATEGIES:
        st.query_params["view"] = "strategies"
    else:
        st.query_params.pop("view", None)
    return str(chosen)


def _begin_anew() -> None:
    """Forget what was shown of the user before."""
    _forget_sent()
    st.session_state.pop(_SIMILAR, None)


def _found(visit: Visit, query: str) -> None:
    try:
        cards = api().search(query, limit=SEARCH_LENGTH)
    except ApiError as error:
        st.warning(f"The search is not answered: {words.message(str(error))}", icon=":material/search_off:")
        return
    if not cards:
        st.info(f"No title holds “{words.literal(query)}”.", icon=":material/search_off:")
        return
    st.subheader(f"Titles with “{words.literal(query)}”")
    _cards(visit, cards, "found")


def _recommended(visit: Visit, recommended: Recommendations) -> None:
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
    _outcome(visit.user_id, recommended, sent)
    if recommended.items:
        _cards(visit, recommended.items, "list", sent=sent if moves is not None else None, after=recommended)
    else:
        nothing = "This user has used every item that the model knows, or none is of the chosen categories."
        state("inbox", "Nothing to recommend", words.message(recommended.note or nothing))


def _by_strategy(visit: Visit, recommended: Recommendations, options: ListOptions) -> None:
    asked = options.model_dump() | {"limit": STRATEGY_LENGTH}
    try:
        told = api().strategies(visit.user_id, StrategyOptions.model_validate(asked))
    except ApiError as error:
        refused(error)
        return
    sent: Sent | None = st.session_state.get(_SENT)
    counted = sent is not None and sent.user_id == visit.user_id and sent.seconds is not None
    st.caption(f"{_because(recommended)} · model {told.model_version}")
    _outcome(visit.user_id, recommended, sent)
    strategies.draw(
        told,
        lambda card, action: _act(visit.user_id, card, action),
        before=st.session_state.get(_BEFORE, {}),
        used=sent.card.item_id if sent is not None and counted else None,
    )
    st.session_state[_LISTS] = strategies.shown(told)


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
    title = f"**{words.literal(words.name(sent.card))}**"
    if sent.seconds is None:
        st.warning(
            f"The event on {title} is kept in Kafka, but after {PATIENCE:.0f} s it is not in this user's history yet. "
            "Pipeline shows how many events wait for the online worker.",
            icon=":material/hourglass_top:",
        )
        st.button("Look again", icon=":material/refresh:", on_click=_forget_sent, key="look-again")
        return
    moves = sent.moves(recommended)
    changes = f"{len(moves.new)} new, {moves.up} up, {moves.down} down" if moves else "the order stays as it was"
    st.success(
        f"{title} counted {words.duration(sent.seconds)} after Kafka acknowledged it: {changes}.",
        icon=":material/bolt:",
    )


def _forget_sent() -> None:
    """What moves the list from now on is not the last event."""
    st.session_state.pop(_SENT, None)


def _cards(
    visit: Visit, cards: Sequence[Card], where: str, *, sent: Sent | None = None, after: Recommendations | None = None
) -> None:
    """Cards in rows as the width allows. `sent` and `after` mark what the last event moved."""
    moves = sent.moves(after) if sent and after else None
    card_grid(
        where,
        cards,
        lambda card: card_html(card, settings().api_public_url, moves=moves),
        lambda card: _buttons(visit, card, where),
    )


def _buttons(visit: Visit, card: Card, where: str) -> None:
    name = words.literal(words.name(card))
    with st.container(
        horizontal=True, gap="xsmall", vertical_alignment="bottom", key=f"buttons-{where}-{card.item_id}"
    ):
        for action in visit.actions:
            label, help_text = _OFFERS[action]
            st.button(
                label,
                key=f"{action}-{where}-{card.item_id}",
                on_click=_act,
                args=(visit.user_id, card, action),
                width="stretch",
                help=help_text.format(name=name, user=words.literal(visit.user_id)),
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
        if visit.highest_rating is not None:
            key = f"rate-{where}-{card.item_id}"
            st.feedback("stars", key=key, on_change=_rate, args=(visit, card, key))


def _rate(visit: Visit, card: Card, key: str) -> None:
    """Send the stars as a rating on the data set's scale."""
    stars: int | None = st.session_state[key]
    if stars is not None and visit.highest_rating is not None:
        _act(visit.user_id, card, Action.RATE, (stars + 1) * visit.highest_rating / _STARS)
    st.session_state[key] = None


def _act(user_id: str, card: Card, action: Action, value: float | None = None) -> None:
    st.session_state[_BEFORE] = st.session_state.get(_LISTS, {})
    try:
        st.session_state[_SENT] = send(
            api(),
            user_id,
            card,
            action,
            value=card.price if action == Action.PURCHASE else value,
            session_id=st.session_state[_SESSION],
            before=st.session_state.get(_SHOWN),
        )
    except ApiError as error:
        st.session_state[_REFUSED] = error


def _look_for_similar(card: Card) -> None:
    st.session_state[_SIMILAR] = card


def _similar(visit: Visit) -> None:
    card: Card | None = st.session_state.get(_SIMILAR)
    if card is None:
        return
    with st.expander(f"More like **{words.literal(words.name(card))}**", expanded=True, icon=":material/hub:"):
        try:
            similar = api().similar(card.item_id, limit=SIMILAR_LENGTH)
        except ApiError as error:
            if error.status == 404:
                st.markdown("The model does not know this item yet; the next training will.")
            else:
                st.warning(words.message(str(error)), icon=":material/cloud_off:")
            return
        if similar.items:
            _cards(visit, similar.items, "similar")
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
