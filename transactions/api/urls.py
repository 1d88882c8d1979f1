"""Addresses of sessions and tariffs below /api/v1/."""

from rest_framework.routers import SimpleRouter

from accounts.api.base import ID_REGEX
from chargepoints.api.base import IDENTITY_REGEX
from transactions.api import payments, views

_PART = rf"transactions/(?P<id>{ID_REGEX})"
_CHARGE_POINT = rf"charge-points/(?P<identity>{IDENTITY_REGEX})"

router = SimpleRouter()
router.register("transactions", views.TransactionViewSet, basename="transaction")
router.register(rf"{_PART}/meter-values", views.MeterValueViewSet, basename="meter-value")
router.register(rf"{_PART}/events", views.TransactionEventViewSet, basename="transaction-event")
router.register(rf"{_PART}/ledger", views.LedgerViewSet, basename="ledger")
router.register("settlements", payments.SettlementViewSet, basename="settlement")
router.register("web-payments", payments.WebPaymentViewSet, basename="web-payment")
router.register(rf"{_CHARGE_POINT}/tariffs", payments.ChargerTariffViewSet, basename="charger-tariff")
router.register("tariffs", views.TariffViewSet, basename="tariff")

urlpatterns = router.urls
