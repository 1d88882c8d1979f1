from django.apps import AppConfig


class OcppGatewayConfig(AppConfig):
    name = "ocpp_gateway"
    label = "ocpp_gateway"
    verbose_name = "OCPP gateway"

    def ready(self) -> None:
        from chargepoints import commands
        from chargepoints.charging.speech import register_speech
        from chargepoints.services import list_wanted
        from ocpp_gateway.dispatcher import (
            has_message,
            has_token_types,
            neutral_problem,
            raw_problem,
            speech,
            tag_length,
        )

        commands.register_raw_checker(raw_problem)
        commands.register_neutral_checker(neutral_problem)
        commands.register_vocabulary(has_message)
        register_speech(speech)
        list_wanted.register_tag_length(tag_length)
        list_wanted.register_token_types(has_token_types)
