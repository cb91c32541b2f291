#include "report.h"

#include "messages.h"
#include "system.h"

void report_failure(int control, struct failure failure) {
    struct ci_event event = {
        .kind = CI_EVENT_LAUNCHER_FAILED, .section = failure.section, .step = failure.step, .error = failure.error,
    };
    (void)message_send(control, &event, sizeof event, NULL, 0);
    say("section %u, step %d of the plan: %s", failure.section, failure.step, strerror(failure.error));
}
