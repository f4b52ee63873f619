"""The pages of `test_actor_values`, and those of django-hijack."""

from django.urls import include, path
from tests.integration.test_actor_values import urlpatterns as pages

urlpatterns = [*pages, path("hijack/", include("hijack.urls"))]
