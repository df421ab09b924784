"""``--hypothesis-profile=thorough --timeout=0`` gives every property 100,000 examples, the normal run 100."""

from hypothesis import HealthCheck, settings

settings.register_profile("some", max_examples=3_000, deadline=None, print_blob=True)
settings.register_profile(
    "thorough", max_examples=100_000, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
