"""The use cases: what each picture is."""
