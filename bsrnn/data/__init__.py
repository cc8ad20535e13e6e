"""Songs: a folder of stems, MUSDB18, and the embedded ones that are rendered here."""
