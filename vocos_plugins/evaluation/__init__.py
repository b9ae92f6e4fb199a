"""How good a vocoder is: objective measures, tables of them, and a page to listen and look."""
