"""Which status the exceptions of sessions have."""

from http import HTTPStatus

from csms_project.common.api.problems import translate
from transactions import errors

translate(errors.TransactionsError, HTTPStatus.CONFLICT, "conflict")
translate(errors.TransactionNotActive, HTTPStatus.CONFLICT, "transaction_not_active")
translate(errors.NotRecomputable, HTTPStatus.CONFLICT, "not_recomputable")
translate(errors.NothingToSend, HTTPStatus.CONFLICT, "nothing_to_send")
translate(errors.PaymentOver, HTTPStatus.CONFLICT, "payment_over")
translate(errors.Invalid, HTTPStatus.BAD_REQUEST, "invalid")
