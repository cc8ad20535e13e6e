"""What the explorers of the book are given: numbers from the library or from committed runs, ready for their scripts.

An explorer is a script of book/_static that answers to a hand without a kernel. Everything that it shows is computed
here, or follows from what is computed here by a formula that a test holds to the library's.
"""
