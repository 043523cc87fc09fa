"""An independent, slow evaluator: it exists to disagree with the engine.

It shares the data types (policy, ladder, entries) with the engine and nothing else: no method of
those types is called, no date function of the engine is used.
"""
