"""No pages but those that tests give themselves."""

urlpatterns: list = []
