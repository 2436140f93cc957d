"""The vocabulary of captions: paraphrases of each category and what its objects do."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Words:
    """The vocabulary of one category.

    `nouns` are singular noun phrases without an article that fit every object of the category and do not contain its
    name; `vague_nouns` hardly describe it. `actions` are verb phrases in the third person: what one sees, hears or
    feels. `color_phrase` combines the main color with a noun. `materials` maps a material to its adjective; a material
    that is left out is not mentioned.
    """

    nouns: tuple[str, ...]
    actions: tuple[str, ...]
    vague_nouns: tuple[str, ...] = ("thing", "object", "item")
    color_phrase: str = "{color} {noun}"
    materials: dict[str, str] = field(default_factory=dict)


_METAL = {"metal": "metal"}
_HARD = {"metal": "metal", "wood": "wooden", "plastic": "plastic", "ceramic": "ceramic"}

WORDS: dict[str, Words] = {
    "airplane": Words(
        (
            "winged flying machine",
            "fixed-wing aircraft",
            "machine that carries travellers through the air",
            "aircraft that needs a runway",
            "flying vehicle with a pilot at the front",
        ),
        (
            "crosses the sky",
            "roars overhead",
            "leaves a steady drone behind",
            "climbs after take-off",
            "carries people far away",
        ),
        materials=_METAL,
    ),
    "helicopter": Words(
        (
            "rotor-driven aircraft",
            "chopper",
            "flying machine with whirling blades",
            "aircraft that can hover on the spot",
            "machine that takes off straight upwards",
        ),
        (
            "hovers with a beating noise",
            "whirls its blades",
            "lifts straight up",
            "chops the air in steady beats",
            "stirs up a strong wind",
        ),
        materials=_METAL,
    ),
    "rocket": Words(
        (
            "spacecraft on its launch",
            "tall finned projectile",
            "machine built to reach orbit",
            "launcher that burns fuel by the ton",
            "vehicle bound for the stars",
        ),
        (
            "rises on a jet of flame",
            "thunders upwards",
            "leaves a hot trail",
            "roars and crackles at lift-off",
            "is about to leave the earth",
        ),
        materials=_METAL,
    ),
    "car": Words(
        (
            "motor vehicle with four wheels",
            "automobile",
            "vehicle one drives to work",
            "motor of the kind seen on every road",
            "machine with an engine and a steering wheel",
        ),
        (
            "rolls along",
            "hums with its engine",
            "is parked with a warm bonnet",
            "speeds up with a growl",
            "sounds its horn",
        ),
        materials=_METAL,
    ),
    "train": Words(
        (
            "railway engine",
            "locomotive",
            "rail vehicle",
            "machine that pulls carriages along a track",
            "vehicle that stops at stations",
        ),
        (
            "clatters over the joints of the track",
            "pulls along the line",
            "blows its horn as it comes",
            "rumbles past",
            "carries its passengers from town to town",
        ),
        materials=_METAL,
    ),
    "sailboat": Words(
        (
            "yacht",
            "vessel driven by wind",
            "dinghy under canvas",
            "craft for a windy day on the water",
            "boat without an engine",
        ),
        (
            "glides with the wind",
            "rocks on the waves",
            "leans in the breeze",
            "flutters and creaks",
            "lies quietly among lapping ripples",
        ),
        materials={"wood": "wooden"},
    ),
    "bicycle": Words(
        (
            "two-wheeled vehicle with pedals",
            "bike",
            "cycle for one rider",
            "pedal-driven vehicle",
            "vehicle that needs balance",
        ),
        (
            "rolls on thin wheels",
            "ticks as it coasts",
            "rings at the corner",
            "needs nothing but strong legs",
            "whirs along",
        ),
        materials=_METAL,
    ),
    "drum": Words(
        (
            "round percussion instrument",
            "instrument one beats with sticks or hands",
            "skin stretched over a hollow shell",
            "instrument that keeps a band in time",
            "hollow instrument one strikes",
        ),
        (
            "keeps the beat",
            "booms when it is struck",
            "waits for its player",
            "sounds dull and deep",
            "gives the rhythm",
        ),
        materials=_HARD,
    ),
    "bell": Words(
        (
            "ringing cup of metal",
            "hollow instrument that chimes",
            "thing that tolls",
            "resonant hollow casting",
            "instrument that calls people together",
        ),
        (
            "rings clearly",
            "sends out a long clear tone",
            "calls people together",
            "swings and chimes",
            "hums on after the stroke",
        ),
        materials=_METAL,
    ),
    "guitar": Words(
        (
            "stringed instrument with a long neck",
            "instrument one strums",
            "instrument with frets and strings",
            "plucked instrument for songs",
            "companion of many a singer",
        ),
        (
            "sounds with plucked strings",
            "rests after the song",
            "plays a soft chord",
            "is ready to be tuned",
            "twangs under quick fingers",
        ),
        materials={"wood": "wooden"},
    ),
    "piano": Words(
        (
            "stately keyboard instrument",
            "instrument with black and white keys",
            "concert instrument with hammers inside",
            "instrument one sits down to play",
            "heavy instrument with pedals",
        ),
        (
            "stands ready for the recital",
            "sounds with hammered strings",
            "fills the place with chords",
            "is being played by two hands",
            "rings with slow notes",
        ),
        materials={"wood": "wooden"},
    ),
    "clock": Words(
        (
            "timepiece",
            "dial with moving hands",
            "device that tells the hour",
            "machine with a ticking movement",
            "instrument one looks at when late",
        ),
        (
            "ticks steadily",
            "shows the time",
            "counts the seconds",
            "strikes when the hour is full",
            "never stands still",
        ),
        materials=_HARD,
    ),
    "kettle": Words(
        (
            "vessel for boiling water",
            "pot with a spout",
            "container put on the stove",
            "household vessel needed for tea",
            "vessel that steams and pours",
        ),
        (
            "steams and hisses",
            "comes to the boil",
            "whistles when the water is ready",
            "bubbles inside",
            "holds water for tea",
        ),
        materials={"metal": "steel", "ceramic": "enamelled"},
    ),
    "lamp": Words(
        (
            "light with a shade",
            "holder for an electric bulb",
            "light to read by in the evening",
            "source of soft light",
            "fitting with a bulb and a switch",
        ),
        (
            "glows warmly",
            "gives off light and a little heat",
            "hums faintly",
            "clicks at its switch",
            "lights up its corner",
        ),
        materials=_HARD,
    ),
    "fan": Words(
        (
            "cooling appliance with blades",
            "blower for hot days",
            "machine that stirs the air",
            "electric device against the heat",
            "ventilator",
        ),
        (
            "spins and hums",
            "blows a steady breeze",
            "turns its blades",
            "whirs without a pause",
            "moves the warm air about",
        ),
        materials=_HARD,
    ),
    "chair": Words(
        (
            "seat for one",
            "piece of furniture for sitting",
            "seat with a back",
            "place to sit down",
            "resting place for one sitter",
        ),
        (
            "creaks under weight",
            "waits for somebody to sit down",
            "stands empty",
            "scrapes over the floor",
            "invites a short rest",
        ),
        materials=_HARD | {"fabric": "fabric-covered"},
    ),
    "table": Words(
        (
            "flat top on a stand",
            "piece of furniture for meals",
            "surface for plates and papers",
            "board for dinner or work",
            "raised flat surface",
        ),
        (
            "stands bare",
            "waits to be laid",
            "sounds hollow when one knocks on it",
            "has room for a few plates",
            "is ready for dinner",
        ),
        materials=_HARD,
    ),
    "bottle": Words(
        (
            "narrow-necked container",
            "vessel for drinks",
            "flask",
            "container one pours from",
            "vessel with a stopper or cap",
        ),
        (
            "clinks when touched",
            "stands upright",
            "keeps its contents cool",
            "gurgles as it empties",
            "whistles when one blows across its mouth",
        ),
        materials={"plastic": "plastic", "ceramic": "glass"},
    ),
    "mug": Words(
        (
            "cup with a handle",
            "drinking vessel for breakfast",
            "thick-walled cup",
            "cup for the morning coffee",
            "vessel one drinks from",
        ),
        ("stands within reach", "waits beside a spoon", "clinks softly", "is being filled", "rings as it is stirred"),
        materials={"metal": "enamel", "plastic": "plastic", "ceramic": "pottery"},
    ),
    "campfire": Words(
        (
            "heap of burning logs",
            "blaze of wood",
            "pile of flaming timber",
            "open hearth on the ground",
            "source of warmth for hikers",
        ),
        (
            "crackles and throws sparks",
            "gives off great heat",
            "flickers",
            "burns with leaping flames",
            "warms everybody around it",
        ),
        vague_nouns=("thing", "glow", "sight"),
        color_phrase="{noun} in shades of {color}",
    ),
    "dog": Words(
        ("four-legged pet", "hound", "loyal animal with a muzzle", "animal that guards the house", "barking companion"),
        ("trots along", "barks at strangers", "sniffs around", "pants after a run", "wants to be taken for a walk"),
        vague_nouns=("animal", "creature", "pet"),
    ),
    "bird": Words(
        (
            "feathered animal",
            "winged creature",
            "songster with a beak",
            "egg-laying animal with plumage",
            "nest builder",
        ),
        ("flutters and sings", "chirps brightly", "looks around", "trills its song", "is about to fly off"),
        vague_nouns=("animal", "creature", "thing"),
    ),
    "person": Words(
        ("human figure", "pedestrian", "passer-by", "walker on two legs", "human being"),
        ("walks past", "talks while walking", "strides along", "goes by with steady steps", "chats with a friend"),
        vague_nouns=("figure", "shape", "stranger"),
        color_phrase="{noun} dressed in {color}",
    ),
    "umbrella": Words(
        (
            "portable cover against rain",
            "folding canopy on a stick",
            "rain shade",
            "shelter one carries in the hand",
            "roof of cloth for a wet day",
        ),
        (
            "keeps the drops off",
            "turns in the wind",
            "shelters somebody from the weather",
            "flaps as it opens",
            "patters in the rain",
        ),
        materials={"fabric": "nylon"},
    ),
}
