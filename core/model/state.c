#include "neap.h"

const char *neap_state_name(int state)
{
    static const char *const names[NEAP_STATES] = {"scheduled", "pending",   "available",
                                                   "running",   "completed", "retryable",
                                                   "dead",      "cancelled"};
    return state >= 0 && state < NEAP_STATES ? names[state] : "unknown";
}
