// Verbs about what goes to others: notifications, alerts, links; verb.h says what a verb is.
#pragma once

#include "cli/verb.h"

namespace tidemark::cli {

Run add_alerts(CLI::App& command);
Run add_destination(CLI::App& command);
Run add_deadletter(CLI::App& command);
Run add_link(CLI::App& command);

}  // namespace tidemark::cli
