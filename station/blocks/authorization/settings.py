"""The variables of AuthCtrlr."""

from station.blocks.authorization.decision import Rules
from station.charging.policy import AUTH_ENABLED
from station.context import Context
from station.device_model import Boolean, Text, Variable

AUTHORIZE_REMOTE_START = Variable("AuthCtrlr", "AuthorizeRemoteStart", Boolean(), default=False)
LOCAL_AUTHORIZE_OFFLINE = Variable("AuthCtrlr", "LocalAuthorizeOffline", Boolean(), default=True)
LOCAL_PRE_AUTHORIZE = Variable("AuthCtrlr", "LocalPreAuthorize", Boolean(), default=False)
OFFLINE_TX_FOR_UNKNOWN = Variable(
    "AuthCtrlr", "OfflineTxForUnknownIdEnabled", Boolean(), default=False
)
DISABLE_REMOTE = Variable("AuthCtrlr", "DisableRemoteAuthorization", Boolean(), default=False)
MASTER_PASS_GROUP = Variable("AuthCtrlr", "MasterPassGroupId", Text(max_length=36), default="")


def declare(context: Context) -> None:
    for variable in (
        AUTHORIZE_REMOTE_START,
        LOCAL_AUTHORIZE_OFFLINE,
        LOCAL_PRE_AUTHORIZE,
        OFFLINE_TX_FOR_UNKNOWN,
        DISABLE_REMOTE,
    ):
        context.variables.declare(variable)
    context.variables.declare(MASTER_PASS_GROUP)


def read_rules(context: Context) -> Rules:
    """As they are now."""
    variables = context.variables
    return Rules(
        online=context.csms.online,
        enabled=variables[AUTH_ENABLED],
        pre_authorize=variables[LOCAL_PRE_AUTHORIZE],
        authorize_offline=variables[LOCAL_AUTHORIZE_OFFLINE],
        unknown_offline=variables[OFFLINE_TX_FOR_UNKNOWN],
        never_ask=variables[DISABLE_REMOTE],
        master_group=variables[MASTER_PASS_GROUP],
    )
