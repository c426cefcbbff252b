"""WCS cards: a solution written into a header in place of all that was said of the sky before.

By the FITS Standard 4.0 (8, world coordinates) and the SIP convention (Shupe et al. 2005).
"""

from __future__ import annotations

from astropy.io import fits

from darkroom.sky_cards import list_sky_cards, remove_sky_cards
from darkroom.solving.solution import Solution


def write_sky_cards(header: fits.Header, solution: Solution) -> None:
    """Write a solution into a light's header; what it said of the sky before is removed.

    Pixels are those of the light as it is: trimmed, binned, as the stars were found in it.
    """
    remove_sky_cards(header)
    fit = solution.fit
    end, what = ("-SIP", "tangential, SIP distortion") if fit.a else ("", "tangential")
    header["CTYPE1"] = (f"RA---TAN{end}", f"right ascension, {what}")
    header["CTYPE2"] = (f"DEC--TAN{end}", f"declination, {what}")
    header["CUNIT1"] = ("deg", "unit of CRVAL1 and CD1_*")
    header["CUNIT2"] = ("deg", "unit of CRVAL2 and CD2_*")
    header["CRPIX1"] = (fit.crpix[0], "[pixel] reference point, x")
    header["CRPIX2"] = (fit.crpix[1], "[pixel] reference point, y")
    header["CRVAL1"] = (fit.crval[0], "[deg] its right ascension")
    header["CRVAL2"] = (fit.crval[1], "[deg] its declination")
    for row in (1, 2):
        for column in (1, 2):
            header[f"CD{row}_{column}"] = (fit.cd[row - 1][column - 1], "[deg/pixel] scale and rotation")
    header["LONPOLE"] = (180.0, "[deg] of the pole of the projection")
    header["RADESYS"] = ("ICRS", "coordinates are those of the catalogue")
    header["EQUINOX"] = (2000.0, "[yr] for programs that know no ICRS")
    polynomials = ("A", fit.a, "x"), ("B", fit.b, "y"), ("AP", fit.ap, "x, inverse"), ("BP", fit.bp, "y, inverse")
    for name, terms, axis in polynomials if fit.a else ():
        header[f"{name}_ORDER"] = (max(p + q for p, q in terms), f"order of the SIP polynomial of {axis}")
        for (p, q), value in terms.items():
            header[f"{name}_{p}_{q}"] = (value, f"term of x^{p} y^{q}")
    _tell_solution(header, solution)


def copy_sky_cards(solved: fits.Header, header: fits.Header) -> None:
    """Write the solution that a solution's header holds into a light's, as `write_sky_cards` writes it.

    Raises
    ------
    ValueError
        If the light's image is of another size.
    """
    size = [solved["IMAGEW"], solved["IMAGEH"]]
    if [header.get("NAXIS1", size[0]), header.get("NAXIS2", size[1])] != size:
        raise ValueError(f"solved was an image of {size[0]} x {size[1]} pixels")
    remove_sky_cards(header)
    for card in list_sky_cards(solved):
        if card.keyword != "WCSAXES":
            header[card.keyword] = (card.value, card.comment)


def _tell_solution(header: fits.Header, solution: Solution) -> None:
    """Say where the coordinates came from and how good they are."""
    header["SOLVED"] = (True, "is the place on the sky known?")
    header["SOLVER"] = (_make_plain(solution.solver), "what found the field on the sky")
    header["SOLVREF"] = (_make_plain(solution.reference), "star index of the fit")
    header["SOLVNUM"] = (solution.matches, "stars of the fit")
    header["SOLVALL"] = (solution.catalogue, "stars of the index in the frame")
    header["SOLVEXP"] = (round(solution.by_chance, 2), "stars that would match by chance")
    header["SOLVRMS"] = (round(solution.rms, 4), "[arcsec] rms of stars left out of the fit")
    header["SOLVPIX"] = (round(solution.rms_pixels, 4), "[pixel] the same")
    header["SOLVSCAL"] = (round(solution.scale, 6), "[arcsec/pixel] scale")
    header["SOLVROT"] = (round(solution.rotation, 4) % 360, "[deg] of up from north through east")
    header["SOLVFLIP"] = (solution.mirrored, "whether the sky is mirrored")
    header["SOLVRA"] = (round(solution.centre[0], 6), "[deg] right ascension of the middle")
    header["SOLVDEC"] = (round(solution.centre[1], 6), "[deg] declination of the middle")
    header["SOLVSIZX"] = (round(solution.size[0], 5), "[deg] width of the field")
    header["SOLVSIZY"] = (round(solution.size[1], 5), "[deg] height of the field")


def _make_plain(text: str) -> str:
    return ascii(text)[1:-1][:40]
