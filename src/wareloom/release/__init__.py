"""What may leave the building: policies, gates, certificates, and logs without names.

from wareloom.release.policy import Policy
from wareloom.release.issue import release

release(shop, sample, Policy.of("partner"), "out", holdout=held, run=Run())
"""
