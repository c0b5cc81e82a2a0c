// Verbs about profiles; verb.h says what a verb is.
#pragma once

#include "cli/verb.h"

namespace tidemark::cli {

Run add_profile(CLI::App& command);

}  // namespace tidemark::cli
