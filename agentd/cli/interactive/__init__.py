"""What needs a person at a terminal: the interactive chat and the pickers. The only importer of prompt_toolkit."""
