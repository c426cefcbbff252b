"""Read all raw frames and write as many bytes as the lights have: ``python floor.py RAW LIGHTS``; the floor."""

import sys
from pathlib import Path


def main(raw, lights):
    for path in sorted(Path(raw).glob("*/*.fits")):
        content = path.read_bytes()
        if path.parent.name.startswith("light"):  # float32 is twice as wide as uint16
            with open(Path(lights) / path.name, "wb") as file:
                file.write(content)
                file.write(content)


if __name__ == "__main__":
    main(*sys.argv[1:])
