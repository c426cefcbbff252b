"""Other people's tools on Darkroom's files as they are: SExtractor, SCAMP, SWarp, Siril, DS9, photutils, fitsverify."""
