"""Which status the exceptions of charge points have."""

from http import HTTPStatus

from chargepoints import errors
from chargepoints.services.model_profiles import NotAProfileFile
from csms_project.common.api.problems import translate
from csms_project.common.file_store import FileTooLarge

translate(errors.ChargePointsError, HTTPStatus.CONFLICT, "conflict")
translate(errors.Invalid, HTTPStatus.BAD_REQUEST, "invalid")
translate(NotAProfileFile, HTTPStatus.BAD_REQUEST, "invalid")
translate(errors.UnknownAction, HTTPStatus.BAD_REQUEST, "unknown_action")
translate(errors.ChargePointOffline, HTTPStatus.CONFLICT, "charge_point_offline")
translate(errors.ChargePointNotAccepted, HTTPStatus.CONFLICT, "charge_point_not_accepted")
translate(errors.ChargePointArchived, HTTPStatus.CONFLICT, "charge_point_archived")
translate(errors.IdempotencyConflict, HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency_conflict")
translate(errors.CommandNotCancellable, HTTPStatus.CONFLICT, "command_not_cancellable")
translate(errors.ReservationEnded, HTTPStatus.CONFLICT, "reservation_ended")
translate(errors.InvalidProfile, HTTPStatus.BAD_REQUEST, "invalid")
translate(errors.ProfileInUse, HTTPStatus.CONFLICT, "profile_in_use")
translate(errors.ProfileNotStanding, HTTPStatus.CONFLICT, "profile_not_standing")
translate(errors.NothingToLimit, HTTPStatus.CONFLICT, "nothing_to_limit")
translate(errors.IdentityTaken, HTTPStatus.CONFLICT, "identity_taken")
translate(errors.HasSessions, HTTPStatus.CONFLICT, "has_sessions")
translate(errors.AlreadyRegistered, HTTPStatus.CONFLICT, "already_registered")
translate(errors.TaskEnded, HTTPStatus.CONFLICT, "task_ended")
translate(errors.NothingFailed, HTTPStatus.CONFLICT, "nothing_failed")
translate(errors.NoAuthority, HTTPStatus.CONFLICT, "no_authority")
translate(errors.AuthorityExists, HTTPStatus.CONFLICT, "authority_exists")
translate(errors.AlreadyRevoked, HTTPStatus.CONFLICT, "already_revoked")
translate(errors.NotRevocable, HTTPStatus.CONFLICT, "not_revocable")
translate(errors.RequestDecided, HTTPStatus.CONFLICT, "request_decided")
translate(errors.BadCertificateRequest, HTTPStatus.BAD_REQUEST, "bad_certificate_request")
translate(errors.NothingDiffers, HTTPStatus.CONFLICT, "nothing_differs")
translate(errors.AlreadyAcknowledged, HTTPStatus.CONFLICT, "already_acknowledged")
translate(errors.EventIsOver, HTTPStatus.CONFLICT, "event_is_over")
translate(errors.NothingToForget, HTTPStatus.CONFLICT, "nothing_to_forget")
translate(errors.NoFilesUrl, HTTPStatus.CONFLICT, "no_files_url")
translate(errors.FileMissing, HTTPStatus.NOT_FOUND, "file_missing")
translate(errors.FirmwareNotReady, HTTPStatus.CONFLICT, "firmware_not_ready")
translate(errors.SignatureWrong, HTTPStatus.CONFLICT, "signature_wrong")
translate(errors.UpdateUnderWay, HTTPStatus.CONFLICT, "update_under_way")
translate(errors.NotPossibleNow, HTTPStatus.CONFLICT, "not_possible_now")
translate(errors.LogRequestEnded, HTTPStatus.CONFLICT, "log_request_ended")
translate(FileTooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large")
translate(errors.UpgradeUnderWay, HTTPStatus.CONFLICT, "upgrade_under_way")
translate(errors.NoUpgrade, HTTPStatus.CONFLICT, "no_upgrade")
