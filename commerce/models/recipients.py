from django.core.validators import EmailValidator
from django.db import models

from commerce.models.customers import normalise_email
from commerce.models.owned import Owned


class Recipient(Owned):
    """Whoever something is meant for, known by an e-mail address."""

    email = models.CharField(max_length=255, validators=[EmailValidator()])
    email_norm = models.CharField(max_length=255, editable=False)
    first_name = models.CharField(max_length=255, null=True, blank=True)
    last_name = models.CharField(max_length=255, null=True, blank=True)

    unversioned = Owned.unversioned | {"email_norm"}

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.email

    def clean(self) -> None:
        self.email_norm = normalise_email(self.email)
