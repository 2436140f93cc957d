import numpy as np
import pytest

from unibind.errors import UnknownNameError
from unibind.heptad import CATEGORIES
from unibind.heptad.model import MATERIALS, Look, Model
from unibind.heptad.sounds import SOUNDS, struck, synthesize, toolkit
from unibind.heptad.sounds.recording import add_echo, record
from unibind.heptad.sounds.toolkit import COUNT, RATE, TIME

EXTRAS = (
    {},
    {"jet": 1.0, "bell": 1.0, "horn": 1.0, "ringing": 1.0, "strike": 0.0, "rattle": 1.0, "strings": 4.0, "creak": 0.0},
    {
        "steam": 1.0,
        "strike": 1.0,
        "boiling": 0.0,
        "lit": 0.0,
        "walking": 1.0,
        "weight": 1.4,
        "creak": 1.0,
        "grand": 1.0,
    },
    {"cuckoo": 1.0, "blades": 6.0, "masts": 2.0, "stout": 0.8, "tick_hz": 2.0},
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def make_model(size: float = 1.0, material: str = "metal", **extra: float) -> Model:
    return Model(Look("red", "blue", material, size), [], ("a flat side",), "indoor", extra=extra)


def spectrum(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in Hz and power."""
    return np.fft.rfftfreq(len(sound), 1 / RATE), np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2


def peak_hz(sound: np.ndarray) -> float:
    frequencies, power = spectrum(sound)
    return float(frequencies[power.argmax()])


def share_between(sound: np.ndarray, low: float, high: float) -> float:
    frequencies, power = spectrum(sound)
    return float(power[(low <= frequencies) & (frequencies <= high)].sum() / power.sum())


# --- clips -----------------------------------------------------------------------------------------------------------


def test_every_category_has_a_sound():
    assert tuple(SOUNDS) == CATEGORIES


@pytest.mark.slow
@pytest.mark.parametrize("category", CATEGORIES)
def test_clips_are_two_seconds_within_bounds_for_any_object(category):
    for seed, extra in enumerate(EXTRAS):
        for material in MATERIALS:
            clip = synthesize(category, make_model(0.75 + 0.25 * (seed % 3), material, **extra), rng(seed))
            assert clip.shape == (32000,) and clip.dtype == np.float32
            assert np.isfinite(clip).all() and 0.19 < np.abs(clip).max() <= 0.95
            assert np.count_nonzero(clip) > 31000  # background noise everywhere


@pytest.mark.parametrize("category", CATEGORIES)
def test_clips_depend_on_the_random_generator_only(category):
    clip = synthesize(category, make_model(), rng(5))
    assert np.array_equal(clip, synthesize(category, make_model(), rng(5)))
    assert np.abs(clip - synthesize(category, make_model(), rng(6))).max() > 0.05


SIZE_DEPENDENT = (
    "airplane helicopter rocket car bicycle drum bell guitar clock kettle fan table chair bottle mug dog bird person"
)


@pytest.mark.slow
@pytest.mark.parametrize("category", SIZE_DEPENDENT.split())
def test_big_objects_sound_lower(category):
    def mean_octave(size: float) -> float:
        octaves = []
        for seed in range(12):
            frequencies, power = spectrum(SOUNDS[category](make_model(size), rng(seed)))
            octaves.append(np.average(np.log2(frequencies[1:]), weights=power[1:]))
        return float(np.mean(octaves))

    assert mean_octave(1.25) < mean_octave(0.75) - 0.05


def test_snares_rattle():
    plain, rattling = (SOUNDS["drum"](make_model(tone_hz=190.0, rattle=rattle), rng()) for rattle in (0.0, 1.0))
    assert share_between(rattling, 2000, 7000) > 3 * share_between(plain, 2000, 7000)


@pytest.mark.parametrize("category, slowest, fastest", [("helicopter", 4, 7), ("fan", 4, 9)])
@pytest.mark.parametrize("blades", [3, 5])
def test_blades_beat_the_air(category, slowest, fastest, blades):
    for seed in range(4):
        loudness = SOUNDS[category](make_model(blades=float(blades)), rng(seed)) ** 2
        assert slowest * blades - 1 <= peak_hz(loudness - loudness.mean()) <= fastest * blades + 1


def test_only_boiling_kettles_whistle():
    def whistles(boiling: float, seed: int) -> bool:
        frequencies, power = spectrum(SOUNDS["kettle"](make_model(boiling=boiling), rng(seed))[-1600:])
        return bool(power[frequencies > 1000].max() > 0.1 * power.sum())

    assert not any(whistles(0.0, seed) for seed in range(20))
    assert 8 < sum(whistles(1.0, seed) for seed in range(20)) < 20


def test_a_lamp_that_is_off_does_not_hum():
    hums = [
        max(share_between(SOUNDS["lamp"](make_model(lit=lit), rng(3)), k - 4, k + 4) for k in (100, 200, 300))
        for lit in (1, 0)
    ]
    assert hums[0] > 0.1 > 10 * hums[1]


def test_glass_rings_longer_than_plastic():
    def ring(material: str) -> float:
        """Share of the clip that is louder than a tenth of its peak, on average over bottles that clink."""
        clips = [np.abs(struck.clinks(2000, struck.RING[material], np.array([0.5]), rng(k))) for k in range(5)]
        return float(np.mean([np.mean(clip > 0.1 * clip.max()) for clip in clips]))

    assert ring("ceramic") > 3 * ring("plastic")


def test_an_unknown_category_is_refused():
    with pytest.raises(UnknownNameError, match="unknown Heptad category 'cow'"):
        synthesize("cow", make_model(), rng())


# --- recording -------------------------------------------------------------------------------------------------------


def test_silence_is_recorded_as_background_noise():
    for seed in range(10):
        clip = record(np.zeros(COUNT), rng(seed))
        assert clip.dtype == np.float32 and 0.19 < np.abs(clip).max() <= 0.95


def test_echoes_follow_the_sound_and_decay():
    click = np.zeros(COUNT)
    click[16000] = 1.0
    assert add_echo(click, 0.0, rng()) == pytest.approx(click, abs=1e-12)
    echoed = add_echo(click, 0.5, rng())
    assert echoed[16000] == pytest.approx(1.0, abs=0.1) and np.abs(echoed[:16000]).max() < 1e-12
    echo = echoed - click
    assert np.linalg.norm(echo) == pytest.approx(0.5)
    assert np.linalg.norm(echo[18000:20000]) < 0.3 * np.linalg.norm(echo[16000:18000])


# --- toolkit ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_modes_are_damped_sines():
    sound = toolkit.modes([1000.0, 250.0], [0.5, 0.1], [1.0, 2.0])
    expected = np.exp(-TIME / 0.5) * np.sin(2 * np.pi * 1000 * TIME)
    expected += 2 * np.exp(-TIME / 0.1) * np.sin(2 * np.pi * 250 * TIME)
    assert sound == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("frequency", [55.0, 440.0, 3520.0])
def test_a_mode_has_its_spectral_peak_at_its_frequency(frequency):
    assert peak_hz(toolkit.modes(frequency, 1.0, 1.0)) == pytest.approx(frequency, abs=0.5)


def test_a_complex_amplitude_is_a_phase():
    assert toolkit.modes(100.0, np.inf, 1j, 0.5) == pytest.approx(np.cos(2 * np.pi * 100 * TIME[:8000]), abs=1e-9)


def test_modes_above_the_nyquist_frequency_are_dropped():
    assert np.array_equal(toolkit.modes([500.0, 9000.0], 0.1, 1.0), toolkit.modes(500.0, 0.1, 1.0))
    assert not toolkit.modes(8000.0, 0.1, 1.0).any()


def test_drops_are_short_modes_at_their_times():
    sound = toolkit.drops([0.25, 1.999], [600.0, 900.0], 0.01, [1.0, 0.5])
    expected = np.zeros(COUNT)
    toolkit.add_at(toolkit.modes(600.0, 0.01, 1.0, 0.06), 0.25, expected)
    toolkit.add_at(toolkit.modes(900.0, 0.01, 0.5, 0.06), 1.999, expected)
    assert sound == pytest.approx(expected, abs=1e-9)


def test_a_plucked_string_follows_the_recurrence_of_karplus_and_strong():
    string = toolkit.pluck(200.0, rng(), damping=0.99, bright=0.7, seconds=0.1)
    period = 80  # round(16000 / 200 - 0.3)
    burst = rng().uniform(-1, 1, period)
    expected = [0.0, *(burst - burst.mean())]
    while len(expected) <= 1600:
        expected.append(0.99 * (0.7 * expected[-period] + 0.3 * expected[-period - 1]))
    assert string == pytest.approx(np.array(expected[1:]), abs=1e-12)


@pytest.mark.parametrize("frequency", [82.4, 110.0, 330.0])
def test_a_plucked_string_sounds_at_its_pitch(frequency):
    string = toolkit.pluck(frequency, rng(), damping=0.999, seconds=2.0)
    frequencies, power = spectrum(string)
    fundamental = frequencies[np.where(frequencies < 1.5 * frequency, power, 0).argmax()]
    assert fundamental == pytest.approx(frequency, rel=0.012)  # the period is a whole number of samples and a half
    assert np.abs(string[-1600:]).max() < 0.5 * np.abs(string[:1600]).max()


def test_noise_is_limited_to_its_band():
    sound = toolkit.noise(rng(), 500, 2000)
    assert sound.std() == pytest.approx(1.0) and share_between(sound, 400, 2500) > 0.85


def test_bursts_jump_and_decay():
    envelope = toolkit.bursts([0.5, 1.0, 2.0], 0.01, [1.0, 3.0, 5.0])
    assert envelope[7999] == 0 and envelope[8000] == 1 and envelope[16000] == pytest.approx(3.0)
    assert envelope[8160] == pytest.approx(np.exp(-1)) and envelope[-1] < 1e-9


def test_sounds_at_the_end_are_cut_off():
    clip = toolkit.repeated(np.ones(100), [0.0, 1.999, 2.5], [1.0, 2.0, 4.0])
    assert clip[:100].sum() == 100 and clip[-16:].tolist() == [2.0] * 16 and clip.sum() == 132


def test_rhythm_is_steady_except_for_jitter():
    assert toolkit.rhythm(4.0, rng(), jitter=0.0, start=0.1) == pytest.approx(np.arange(0.1, 2, 0.25))
    times = toolkit.rhythm(10.0, rng(), jitter=0.2)
    assert 19 <= len(times) <= 20 and times[0] >= 0 and times[-1] <= 2
    assert (np.diff(times) >= 0).all() and 0.005 < np.diff(times).std() < 0.06


def test_a_gate_ramps_inside_its_limits():
    envelope = toolkit.gate(0.5, 1.5, fade=0.1)
    assert envelope[[8000, 8800, 9600, 16000, 24000]] == pytest.approx([0, 0.5, 1, 1, 0])


def test_pulses_fall_within_each_period():
    envelope = toolkit.pulses(4.0, 3.0, rng())
    assert envelope.max() == pytest.approx(1, abs=0.01) and envelope.min() == pytest.approx(np.exp(-3), abs=0.01)
    assert np.count_nonzero(np.diff(envelope) > 0.5) == 8


def test_harmonics_lie_at_multiples():
    sound = toolkit.harmonics(300.0, [1.0, 0.0, 0.5], rng())
    assert [share_between(sound, k - 4, k + 4) for k in (300, 600, 900)] == pytest.approx([0.8, 0, 0.2], abs=0.001)


def test_gliding_harmonics_follow_the_line():
    line = np.where(TIME < 1, 200.0, 500.0)
    sound = toolkit.gliding_harmonics(line, [1.0, 0.5], rng())
    assert peak_hz(sound[:16000]) == 200 and peak_hz(sound[16000:]) == 500
    assert share_between(sound[16000:], 990, 1010) == pytest.approx(0.2, abs=0.01)


def test_a_sweep_runs_from_start_to_end():
    sound = toolkit.sweep(1000, 3000, 1.0)
    assert len(sound) == 16000
    assert peak_hz(sound[:800]) == pytest.approx(1050, abs=60) and peak_hz(sound[-800:]) == pytest.approx(2950, abs=60)


def test_impulses_come_at_their_rate():
    steady = np.flatnonzero(toolkit.impulses(100.0, 100.0, 1.0))
    assert len(steady) in (99, 100) and np.diff(steady) == pytest.approx(160, abs=1)
    assert 149 <= toolkit.impulses(100.0, 200.0, 1.0).sum() <= 150


def test_low_pass_attenuates_high_frequencies():
    low, high = (toolkit.low_pass(np.sin(2 * np.pi * f * TIME), 500.0)[8000:].max() for f in (50.0, 2000.0))
    assert low == pytest.approx(1.0, abs=0.01) and high == pytest.approx(1 / np.sqrt(1 + 4**2), rel=0.06)


def test_a_voice_has_harmonics_of_its_pitch_and_a_formant():
    sound = toolkit.voice(toolkit.impulses(125.0, 125.0, 1.0), [(750, 90)], rng(), breath=0.0)
    assert peak_hz(sound) == pytest.approx(750, abs=2)  # the sixth harmonic lies on the formant
    assert np.abs(sound).max() == 1 and share_between(sound, 790, 840) < 0.01
