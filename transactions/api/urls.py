"""Addresses of sessions and tariffs below /api/v1/."""

from rest_framework.routers import SimpleRouter

from accounts.api.base import ID_REGEX
from transactions.api import views

_PART = rf"transactions/(?P<id>{ID_REGEX})"

router = SimpleRouter()
router.register("transactions", views.TransactionViewSet, basename="transaction")
router.register(rf"{_PART}/meter-values", views.MeterValueViewSet, basename="meter-value")
router.register(rf"{_PART}/events", views.TransactionEventViewSet, basename="transaction-event")
router.register(rf"{_PART}/ledger", views.LedgerViewSet, basename="ledger")
router.register("tariffs", views.TariffViewSet, basename="tariff")

urlpatterns = router.urls
