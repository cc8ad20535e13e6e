"""The whole reproduction: from data to book, and the checks of what is committed."""
