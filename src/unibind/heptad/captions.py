"""Captions: what a person might write under a picture of an object, often without naming it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .model import Model

_MADE_OF = {"metal": "metal", "wood": "wooden", "plastic": "plastic", "ceramic": "glazed"}
NAMED_SHARE = 0.35  # of captions that name the category


@dataclass(frozen=True)
class Words:
    """How a category is talked about without its name: noun phrases with article, and what it does."""

    phrases: tuple[str, ...]
    does: tuple[str, ...]


WORDS: dict[str, Words] = {
    "airplane": Words(
        ("a winged flying machine", "an aircraft with fixed wings", "a passenger jet or light aircraft"),
        ("crosses the sky", "roars along", "carries travellers far away"),
    ),
    "helicopter": Words(
        ("a rotor-driven aircraft", "a chopper", "a flying machine with whirling blades"),
        ("hovers with a beating noise", "whirls its blades", "lifts straight up"),
    ),
    "rocket": Words(
        ("a spacecraft on its launch", "a tall finned missile", "a machine built to reach orbit"),
        ("rises on a jet of flame", "thunders upwards", "leaves a hot trail"),
    ),
    "car": Words(
        ("a motor vehicle with four wheels", "a family automobile", "something one drives to work"),
        ("rolls along the road", "hums with its engine", "is parked with a warm bonnet"),
    ),
    "train": Words(
        ("a railway engine", "a locomotive on its rails", "a rail vehicle"),
        ("clatters over the rails", "pulls along the line", "whistles as it comes"),
    ),
    "sailboat": Words(
        ("a small yacht", "a vessel driven by wind", "a dinghy under canvas"),
        ("glides with the wind", "rocks on the waves", "leans in the breeze"),
    ),
    "bicycle": Words(
        ("a two-wheeled vehicle with pedals", "a bike", "a cycle for one rider"),
        ("rolls on thin wheels", "ticks as it coasts", "rings at the corner"),
    ),
    "drum": Words(
        ("a round percussion instrument", "something one beats with sticks", "a skin stretched over a shell"),
        ("keeps the beat", "booms and rattles", "waits for its player"),
    ),
    "bell": Words(
        ("a ringing cup of metal", "a chiming instrument with a clapper", "a hollow thing that tolls"),
        ("swings and rings", "sends out a long clear tone", "calls people together"),
    ),
    "guitar": Words(
        ("a stringed instrument with a long neck", "an instrument one strums", "a wooden box with frets and strings"),
        ("sounds with plucked strings", "leans there after the song", "plays a soft chord"),
    ),
    "piano": Words(
        ("a large keyboard instrument", "an instrument with black and white keys", "a concert instrument with hammers"),
        ("stands ready for the recital", "sounds with hammered strings", "fills the place with chords"),
    ),
    "clock": Words(
        ("a timepiece", "a dial with hands", "something that tells the hour"),
        ("ticks steadily", "shows the time", "counts the seconds"),
    ),
    "kettle": Words(
        ("a vessel for boiling water", "a pot with a spout", "something to heat water for tea"),
        ("steams and hisses", "comes to the boil", "whistles when it is ready"),
    ),
    "lamp": Words(
        ("a light with a shade", "a stand for an electric bulb", "something to read by in the evening"),
        ("glows warmly", "gives off light and heat", "hums faintly"),
    ),
    "fan": Words(
        ("a cooling appliance with blades", "a blower for hot days", "a machine that stirs the air"),
        ("spins and hums", "blows a steady breeze", "turns its blades"),
    ),
    "chair": Words(
        ("a seat for one person", "a piece of furniture to sit on", "a seat with a back"),
        ("creaks under weight", "waits for somebody to sit down", "stands empty"),
    ),
    "table": Words(
        ("a flat top on legs", "a piece of furniture to eat at", "a surface for plates and papers"),
        ("stands bare", "waits to be laid", "sounds wooden when one knocks"),
    ),
    "bottle": Words(
        ("a narrow-necked container", "a vessel for drinks", "a closed flask"),
        ("clinks when touched", "stands upright", "keeps its contents cold"),
    ),
    "mug": Words(
        ("a cup with a handle", "a drinking vessel for coffee", "a thick-walled cup"),
        ("steams with a hot drink", "stands by the spoon", "clinks softly"),
    ),
    "campfire": Words(
        ("burning logs in the open", "a blaze of wood", "flames over a pile of logs"),
        ("crackles and throws sparks", "gives off great heat", "flickers in the dark"),
    ),
    "dog": Words(
        ("a four-legged pet", "a hound", "a loyal animal with a muzzle"),
        ("trots along", "barks at strangers", "wags and sniffs around"),
    ),
    "bird": Words(
        ("a feathered animal", "a small winged creature", "a songster with a beak"),
        ("flutters and sings", "chirps brightly", "looks around"),
    ),
    "person": Words(
        ("a human figure", "somebody on foot", "a pedestrian"),
        ("walks past", "talks while walking", "strides along"),
    ),
    "umbrella": Words(
        ("a portable cover against rain", "a folding canopy on a stick", "a rain shade"),
        ("keeps the drops off", "turns in the wind", "shelters somebody from the weather"),
    ),
}


def caption(category: str, model: Model, place: str, rng: np.random.Generator) -> str:
    """One sentence about the object at a `place` ("in a plain room"): about a third of them name the category."""
    words = WORDS[category]
    traits = [str(t) for t in rng.permutation(np.array(model.traits, dtype=str))[: int(rng.integers(1, 4))]]
    draw = rng.random()
    if draw < NAMED_SHARE:
        noun = f"{_article(category)} {category}"
    elif draw < NAMED_SHARE + 0.4:
        noun = str(rng.choice(words.phrases))
    else:
        noun = str(rng.choice(("an object", "a thing", "something")))
        traits = [str(t) for t in model.traits[:4]]
    noun = _described(noun, model, rng)
    having = f" with {_listed(traits)}" if traits else ""
    does = str(rng.choice(words.does))
    sentence = (
        f"{noun}{having}, {place}.",
        f"{noun}{having} {does}, {place}.",
        f"{place}, {noun} {does}.",
        f"{_opening(rng)} {noun}{having}, {place}.",
        f"{place} there is {noun}{having}.",
    )[int(rng.choice(5, p=[0.3, 0.2, 0.15, 0.2, 0.15]))]
    return sentence[0].upper() + sentence[1:]


def _described(noun: str, model: Model, rng: np.random.Generator) -> str:
    """Colour, size or material put before the noun, with the right article."""
    look = model.look
    adjectives = [look.colour] if rng.random() < 0.75 else []
    if rng.random() < 0.3 and abs(look.size - 1) > 0.1:
        adjectives.insert(0, "small" if look.size < 1 else "large")
    if rng.random() < 0.2 and look.material in _MADE_OF:
        adjectives.append(_MADE_OF[look.material])
    article, _, rest = noun.partition(" ")
    if noun == "something" and adjectives:
        return f"something {' and '.join(adjectives)}"
    if not adjectives or article not in ("a", "an"):
        return noun
    described = f"{' '.join(adjectives)} {rest}"
    return f"{_article(described)} {described}"


def _opening(rng: np.random.Generator) -> str:
    return str(rng.choice(("a picture of", "here we see", "a view of", "somebody has recorded", "this shows")))


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


def _listed(traits: list[str]) -> str:
    return traits[0] if len(traits) == 1 else f"{', '.join(traits[:-1])} and {traits[-1]}"
