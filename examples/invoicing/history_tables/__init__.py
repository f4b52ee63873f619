"""The tables of django-simple-history, installed only to compare with it.

They have an app of their own, so that `billing` stays free of them.
"""
