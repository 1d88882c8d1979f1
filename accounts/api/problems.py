"""Which status the exceptions of accounts have."""

from http import HTTPStatus

from accounts import errors
from accounts.services import rows
from csms_project.common.api.problems import translate

translate(errors.AccountsError, HTTPStatus.CONFLICT, "conflict")
translate(errors.PermissionRefused, HTTPStatus.FORBIDDEN, "permission_denied")
translate(errors.TenantRequired, HTTPStatus.BAD_REQUEST, "tenant_required")
translate(errors.UnknownTenant, HTTPStatus.NOT_FOUND, "unknown_tenant")
translate(errors.NoMembership, HTTPStatus.FORBIDDEN, "no_membership")
translate(errors.Invalid, HTTPStatus.BAD_REQUEST, "invalid")
translate(errors.UserExists, HTTPStatus.CONFLICT, "user_exists")
translate(errors.TokenExists, HTTPStatus.CONFLICT, "id_token_exists")
translate(errors.LastOwner, HTTPStatus.CONFLICT, "last_owner")
translate(errors.ForeignObject, HTTPStatus.NOT_FOUND, "not_found")
translate(rows.Duplicate, HTTPStatus.CONFLICT, "duplicate")
translate(rows.InUse, HTTPStatus.CONFLICT, "in_use")
