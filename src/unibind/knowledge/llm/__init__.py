"""Everything that talks to language models: client, budget, prompts, and the two jobs `generate` and `describe`."""
