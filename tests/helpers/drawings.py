"""Drawings that a classifier of photographs recognizes, because real ones are not in the repository."""

import math

from PIL import Image, ImageDraw

SIZE = 300


def spider_web():
    """A web of straight threads, pale on dark green."""
    picture = Image.new("RGB", (SIZE, SIZE), (30, 60, 35))
    draw = ImageDraw.Draw(picture)
    for radius in range(8, SIZE, 9):
        draw.line(_ring(SIZE / 2, SIZE / 2, radius, 16), fill=(225, 225, 225))
    for x, y in _ring(SIZE / 2, SIZE / 2, SIZE, 16):
        draw.line((SIZE / 2, SIZE / 2, x, y), fill=(225, 225, 225))
    return picture


def honeycomb():
    """Dark cells with walls of wax."""
    picture = Image.new("RGB", (SIZE, SIZE), (210, 140, 20))
    draw = ImageDraw.Draw(picture)
    radius, width = 14, 14 * math.sqrt(3)
    for row in range(-1, 16):
        for column in range(-1, 16):
            center = (column + row % 2 / 2) * width, row * radius * 1.5
            draw.polygon(_ring(*center, radius - 2, 6, math.pi / 6), fill=(120, 70, 5))
    return picture


def traffic_light():
    """Red, against the sky."""
    picture = Image.new("RGB", (SIZE, SIZE), (140, 180, 220))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((145, 240, 155, 300), fill=(60, 60, 60))
    draw.rounded_rectangle((105, 40, 195, 250), 12, fill=(25, 25, 25))
    for top, color in ((55, (230, 30, 30)), (120, (70, 60, 10)), (185, (10, 60, 20))):
        draw.ellipse((120, top, 180, top + 60), fill=color)
    return picture


DRAWINGS = {"web": spider_web, "comb": honeycomb, "light": traffic_light}


def _ring(x, y, radius, corners, start=0.0):
    """The corners of a regular polygon, the first one again at the end."""
    angles = [start + 2 * math.pi * k / corners for k in range(corners + 1)]
    return [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]
