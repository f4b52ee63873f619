from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpResponse

from invoicing.tenancy import enter_tenant_of


class SignInView(LoginView):
    """Signs a member in, already inside the member's tenant."""

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        enter_tenant_of(form.get_user())
        return super().form_valid(form)
